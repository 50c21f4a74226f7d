"""A source clip to start from: nothing is held, but the free patches begin as the source with noise (remix, restyle)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from langit.conditioning.held import Held
from langit.patches import PatchSize, to_patches
from langit.tokenizer import Tokenizer, encode
from langit.types import ClipShape, Frames, InputError


@dataclass(frozen=True)
class SourceCondition:
    """`frames` (F, H, W, 3) uint8 enter at noise level `strength`: near 0 keeps the source, 1 forgets it."""

    frames: Frames
    strength: float

    def hold(self, tokenizer: Tokenizer, shape: ClipShape, patch: PatchSize) -> Held:
        if not 0 < self.strength <= 1:
            raise InputError(f"A strength of {self.strength} was given; it is above 0 (keep) and at most 1 (forget).")
        if self.frames.shape[:3] != (shape.frames, shape.height, shape.width):
            raise InputError(
                f"A source of {self.frames.shape[:3]} was given for a clip of {shape} (frames, rows, columns); "
                "scale and trim it first."
            )
        content = to_patches(encode(tokenizer, torch.from_numpy(self.frames.astype(np.float32)) / 127.5 - 1), patch)
        return Held(torch.zeros(len(content), dtype=torch.bool), content, self.strength)
