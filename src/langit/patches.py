"""Latent video to spacetime patches and back, and where each patch is.

A latent clip (C, F, H, W) is cut into equal boxes of `patch` = (frames, rows, columns) latents. Patch i becomes row i of an
(N, P) matrix, P = C * frames * rows * columns, with the positions in raster order: time slowest, then rows, then columns.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor

PatchSize = tuple[int, int, int]


@dataclass(frozen=True)
class Grid:
    """How many patches a clip has along time, height and width."""

    t: int
    y: int
    x: int

    @property
    def num_patches(self) -> int:
        return self.t * self.y * self.x

    def box(self, per_frame: Tensor) -> Tensor:
        """A value per patch frame (t,) or per patch (t, y, x), spread over the patches: (N,)."""
        if per_frame.ndim == 1:
            per_frame = per_frame[:, None, None].expand(self.t, self.y, self.x)
        return rearrange(per_frame, "t y x -> (t y x)")


def grid_of(latent_shape: tuple[int, int, int], patch: PatchSize) -> Grid:
    """The grid of a latent clip of (F, H, W); raises ValueError when the patches do not tile it."""
    if any(size <= 0 or size % step for size, step in zip(latent_shape, patch, strict=True)):
        raise ValueError(f"a latent clip of {latent_shape} (frames, rows, columns) is not tiled by patches of {patch}")
    t, y, x = (size // step for size, step in zip(latent_shape, patch, strict=True))
    return Grid(t, y, x)


def to_patches(latent: Tensor, patch: PatchSize) -> Tensor:
    """(C, F, H, W) -> (N, P)."""
    t, h, w = patch
    return rearrange(latent, "c (f t) (y h) (x w) -> (f y x) (c t h w)", t=t, h=h, w=w)


def from_patches(patches: Tensor, grid: Grid, patch: PatchSize) -> Tensor:
    """(N, P) -> (C, F, H, W)."""
    t, h, w = patch
    return rearrange(patches, "(f y x) (c t h w) -> c (f t) (y h) (x w)", f=grid.t, y=grid.y, x=grid.x, t=t, h=h, w=w)


def positions(grid: Grid) -> Tensor:
    """(N, 3): whole-number (t, y, x) of every patch, for the rotary positions."""
    axes = (torch.arange(size, dtype=torch.float32) for size in (grid.t, grid.y, grid.x))
    return rearrange(torch.stack(torch.meshgrid(*axes, indexing="ij")), "three t y x -> (t y x) three")


def places(grid: Grid) -> Tensor:
    """(N, 3): where every patch lies in its frame, whatever the resolution.

    t in patch frames from the first, divided by 8; y and x from the middle of the frame in units of its shorter side.
    """
    scale = torch.tensor([8.0, min(grid.y, grid.x), min(grid.y, grid.x)])
    middle = torch.tensor([0.0, (grid.y - 1) / 2, (grid.x - 1) / 2])
    return (positions(grid) - middle) / scale


def nearest_multiple(size: float, step: int) -> int:
    """The multiple of `step` nearest to `size`, at least one step."""
    return max(step, math.floor(size / step + 0.5) * step)
