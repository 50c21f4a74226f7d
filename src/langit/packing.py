"""Clips of any length, size and aspect in one packed sequence, with boundaries and without padding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise

import torch
from torch import Tensor

from langit.patches import Grid, PatchSize, from_patches, grid_of, places, positions, to_patches

Bounds = tuple[int, ...]
"""Where each clip (or prompt) begins in the packed rows, and where the last one ends: one more entry than clips."""


def bounds_of(lengths: Sequence[int]) -> Bounds:
    """Lengths of the parts -> boundaries, beginning with 0."""
    return (0, *accumulate(lengths))


@dataclass(frozen=True)
class Layout:
    """The geometry of a pack: everything about it but its content."""

    grids: tuple[Grid, ...]
    bounds: Bounds
    positions: Tensor  # (N, 3) for rotary positions: whole numbers, unless they follow a camera (`conditioning.drift`)
    places: Tensor  # (N, 3) position in the frame, whatever the resolution

    @property
    def num_patches(self) -> int:
        return self.bounds[-1]

    def to(self, device: torch.device | str) -> Layout:
        return replace(self, positions=self.positions.to(device), places=self.places.to(device))

    def only(self, frames: Sequence[Tensor]) -> Layout:
        """Of these patch frames alone, (t,) bool of each clip; every patch keeps its place in time and space."""
        grids = [replace(grid, t=int(seen.sum())) for grid, seen in zip(self.grids, frames, strict=True)]
        patches = torch.cat([grid.box(seen) for grid, seen in zip(self.grids, frames, strict=True)])
        bounds = bounds_of([grid.num_patches for grid in grids])
        return Layout(tuple(grids), bounds, self.positions[patches], self.places[patches])

    def spread(self, per_clip: Tensor) -> Tensor:
        """One value per clip (B, ...) -> one per patch (N, ...)."""
        counts = torch.tensor([end - start for start, end in pairwise(self.bounds)], device=per_clip.device)
        return per_clip.repeat_interleave(counts, dim=0)


@dataclass(frozen=True)
class Text:
    """The states of several prompts in one packed sequence."""

    states: Tensor  # (L, text width)
    bounds: Bounds
    counts: Tensor | None = None
    """(L,) how many equal tokens each state stands for; None is one each. Padding to a fixed length becomes one state."""
    pictures: Text | None = None
    """The states of a picture beside each prompt, for models that also look at one."""
    governs: Bounds | None = None
    """Which patches each prompt governs, where a clip's spans have prompts of their own; None is a prompt to a clip."""


def layout_of(grids: Sequence[Grid]) -> Layout:
    """The layout of clips packed one after the other."""
    return Layout(
        tuple(grids),
        bounds_of([grid.num_patches for grid in grids]),
        torch.cat([positions(grid) for grid in grids]),
        torch.cat([places(grid) for grid in grids]),
    )


def pack(latents: Sequence[Tensor], patch: PatchSize) -> tuple[Tensor, Layout]:
    """Latent clips (C, F, H, W) of any mixture of shapes -> patches (N, P) and their layout."""
    if not latents:
        raise ValueError("there is no clip to pack; give at least one")
    layout = layout_of([grid_of((latent.shape[1], latent.shape[2], latent.shape[3]), patch) for latent in latents])
    return torch.cat([to_patches(latent, patch) for latent in latents]), layout


def unpack(patches: Tensor, layout: Layout, patch: PatchSize) -> list[Tensor]:
    """Patches (N, P) -> the latent clips (C, F, H, W) that were packed."""
    parts = pairwise(layout.bounds)
    return [
        from_patches(patches[start:end], grid, patch) for (start, end), grid in zip(parts, layout.grids, strict=True)
    ]


def concatenate_text(texts: Sequence[Text]) -> Text:
    """Packed prompts one after the other."""
    lengths = [end - start for text in texts for start, end in pairwise(text.bounds)]
    counts = None
    if any(text.counts is not None for text in texts):
        counts = torch.cat(
            [text.states.new_ones(len(text.states)) if text.counts is None else text.counts for text in texts]
        )
    pictures = [text.pictures for text in texts if text.pictures is not None]
    if len(pictures) not in (0, len(texts)):
        raise ValueError("some prompts come with a picture and some without; give a picture to all or to none")
    states = torch.cat([text.states for text in texts])
    return Text(states, bounds_of(lengths), counts, concatenate_text(pictures) if pictures else None)
