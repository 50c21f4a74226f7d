"""What stands beside in training: sketches beside pictures, and what is known of pictures beside their casts.

A clip's cast says who is in it and where each goes (`conditioning.cast`); drawn, it is the sketch that the picture is made with
(`conditioning.drawing`). One transformer makes casts, another the pictures. The squared error of pixels hardly tells a ball from a
cube that is ten pixels wide; that of a cast tells little else. In kin with making features of a pretrained network before pixels
(semantic-first diffusion, arXiv 2512.04926), of which the simulated world's own truth is the cheapest.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from langit.conditioning.cast import ROWS
from langit.conditioning.channels import noisy_channels
from langit.conditioning.drawing import sketch_of
from langit.flow import add_noise
from langit.patches import Grid
from langit.training.noise import seed_uniform

UNKNOWN = 0.1
"""Share of pictures that learn without their sketch."""
BEGUN = 0.15
"""Share of clips from words alone of which a noisy picture is known (remix)."""
HELD = 0.3
"""Share of clips with known frames whose casts are known there too (what goes on from a clip of our own)."""


def beside_picture(fills: Tensor, seeds: Tensor, cells: int) -> Tensor:
    """The sketches (N, (fills + 1) * cells) that stand beside pictures whose `seeds` are (N,)."""
    level = (seed_uniform(seeds, 1) < UNKNOWN).float()
    return noisy_channels(sketch_of(fills, cells), level, cells)


def beside_cast(
    patches: Tensor, noise: Tensor, levels: Tensor, of_frames: Tensor, of_words: Tensor, seeds: Tensor, cells: int
) -> Tensor:
    """What is known of pictures (N, (C + 1) * cells), to stand beside their casts.

    `levels` (N,) are those that the clips' tasks would train pictures at: 0 where they hold them. Tasks that give each frame
    its level (`of_frames`) keep them; of the others nothing more is known, but of some clips `of_words` a noisy picture is.
    """
    begun = of_words & (seed_uniform(seeds, 3) < BEGUN)
    known = torch.where(begun, seed_uniform(seeds, 4), torch.where((levels == 0) | of_frames, levels, 1.0))
    return noisy_channels(add_noise(patches, noise, known), known, cells)


def held_rows(levels: Tensor, grids: Sequence[Grid], seeds: Tensor) -> Tensor:
    """(rows of casts,) bool: those of frames that are known whole, patches' `levels` (N,) being 0, in a share of clips."""
    chosen = (seed_uniform(seeds, 5) < HELD).tolist()
    parts = levels.split([grid.num_patches for grid in grids])
    frames = [
        (part.unflatten(0, (grid.t, -1)).amax(1) == 0) & holds
        for part, grid, holds in zip(parts, grids, chosen, strict=True)
    ]
    return torch.cat(frames).repeat_interleave(ROWS)
