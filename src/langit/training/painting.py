"""How the glance learns to paint known frames (`conditioning.tracing`): on first frames of clips, decoded from their latents,
beside what their casts look like when they are drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import groupby

import torch
from torch import Tensor

from langit.conditioning.cast import ROWS, CastCode
from langit.conditioning.tracing import Tracing, tracing_loss
from langit.patches import Grid, PatchSize, from_patches
from langit.tokenizer import Tokenizer, decode
from langit.training.batches import Batch

PAINTED = 12
"""Frames of a step, at most: each is decoded and its cast drawn, which takes time."""


@dataclass(frozen=True)
class Footage:
    """How footage is told in numbers."""

    tokenizer: Tokenizer
    casting: CastCode


def painting_loss(tracing: Tracing, batch: Batch, footage: Footage, patch: PatchSize) -> Tensor:
    """The loss of painting first frames of a batch of casts, as far as they are known clean; 0 where none is."""
    assert batch.known is not None
    assert batch.pictures is not None
    pictures, casts = batch.pictures, batch.patches.unflatten(0, (-1, ROWS))
    of_channels = footage.tokenizer.channels * math.prod(patch)
    chosen: list[tuple[Grid, Tensor, Tensor]] = []
    cast = 0
    for start, grid in zip(pictures.bounds, pictures.grids, strict=False):
        one = replace(grid, t=1)
        known = batch.known[start : start + one.num_patches]
        if len(chosen) < PAINTED and not known[:, of_channels:].any():
            chosen.append((one, known[:, :of_channels], casts[cast]))
        cast += grid.t
    losses = []
    for grid, alike in groupby(chosen, key=lambda clip: clip[0]):
        clips = list(alike)
        with torch.no_grad():
            frames = [decode(footage.tokenizer, from_patches(rows, grid, patch).cpu())[0] for _, rows, _ in clips]
        painted = tracing(torch.stack(frames).movedim(-1, 1).to(batch.patches.device))
        told = [footage.casting.decode(rows.cpu()).to(str(rows.device)) for _, _, rows in clips]
        losses.append(tracing_loss(painted, told))
    return torch.stack(losses).mean() if losses else batch.patches.new_zeros(())
