"""Latents that are handed over: from one window of a long clip to the next, from one edit to the next."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from langit.conditioning.held import Held
from langit.patches import PatchSize, grid_of, to_patches
from langit.tokenizer import Tokenizer
from langit.tokenizer.base import latent_shape
from langit.types import ClipShape


@dataclass(frozen=True)
class LatentsCondition:
    """`latents` (C, F, H, W) from the latent frame `start` of the clip on. They were never pixels in between.

    Patches of several latent frames are held when all of theirs are given.
    """

    latents: Tensor
    start: int

    def hold(self, tokenizer: Tokenizer, shape: ClipShape, patch: PatchSize) -> Held:
        frames, rows, columns = latent_shape(tokenizer, shape)
        stop = self.start + self.latents.shape[1]
        if self.start < 0 or stop > frames or self.latents.shape[2:] != (rows, columns):
            raise ValueError(
                f"latents of {tuple(self.latents.shape[1:])} from frame {self.start} on do not fit a clip of "
                f"{(frames, rows, columns)} latents (frames, rows, columns)"
            )
        clip = torch.zeros(tokenizer.channels, frames, rows, columns)
        clip[:, self.start : stop] = self.latents
        held = torch.zeros(frames, dtype=torch.bool)
        held[self.start : stop] = True
        grid = grid_of((frames, rows, columns), patch)
        mask = grid.box(held.reshape(grid.t, patch[0]).all(1))
        return Held(mask, to_patches(clip, patch) * mask[:, None])
