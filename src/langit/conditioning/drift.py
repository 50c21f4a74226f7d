"""Drift: how the camera's motion carries the world over the screen, as a sketch tells it, and positions that go along.

What a patch shows of a resting world is in the next frame elsewhere when the camera moves. Rotary positions in the frame know
nothing of that, and a transformer finds what stays the same where it stays in its place: left alone it makes cameras that
rest. So a sketch says of every cell how far it came since the frame before, and patches are placed where the world was that
they show when the clip began. A resting camera changes nothing. In kin with cameras as rotary positions (PRoPE, arXiv
2507.10496), of which this is what a picture's plane has to know.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from langit.packing import Layout
from langit.patches import Grid

DRIFT = 2
"""Of each cell of a sketch the last numbers: cells down and across since the frame before."""
DRIFTS = 3.0
"""The number of a cell that was carried by one."""


def drift_of(sketch: Tensor, cells: int) -> Tensor:
    """Sketches (N, numbers) of patches of so many cells -> (N, 2): how far each patch was carried, in cells."""
    of_cells: Tensor = sketch[:, -DRIFT * cells :].unflatten(1, (DRIFT, cells))
    return of_cells.mean(-1) / DRIFTS


def anchored(layout: Layout, drift: Tensor, side: int) -> Layout:
    """The layout with each patch where its part of the world was in the clip's first frame.

    `drift` (N, 2) is in cells down and across, of which a patch is `side` high and wide.
    """
    found, start = [], 0
    for grid, run in groupby(layout.grids):
        end = start + grid.num_patches * sum(1 for _ in run)
        found.append(_since_the_first(drift[start:end] / side, grid))
        start = end
    away = torch.cat([drift.new_zeros(layout.num_patches, 1), torch.cat(found)], 1)
    return replace(layout, positions=layout.positions - away)


def _since_the_first(drift: Tensor, grid: Grid) -> Tensor:
    """(B * N, 2) in patches since the frame before, of clips of one grid -> since the first."""
    frames = rearrange(drift, "(b t y x) two -> t b two y x", t=grid.t, y=grid.y, x=grid.x)
    size = drift.new_tensor([grid.x, grid.y])
    here = torch.stack(
        torch.meshgrid(*(torch.arange(side, device=drift.device) for side in (grid.x, grid.y)), indexing="xy"), -1
    )
    total = [torch.zeros_like(frames[0])]
    for carried in frames[1:]:
        # Where each patch was in the frame before, between the middles of patches; across comes first for `grid_sample`.
        was = here + 0.5 - rearrange(carried, "b two y x -> b y x two").flip(-1)
        before = F.grid_sample(total[-1], 2 * was / size - 1, padding_mode="border", align_corners=False)
        total.append(carried + before)
    return rearrange(torch.stack(total), "t b two y x -> (b t y x) two")
