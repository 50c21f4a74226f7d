"""A known surrounding: everything outside a mask in space and time stays (inpainting, outpainting, re-cutting)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from einops import reduce
from numpy.typing import NDArray

from langit.conditioning.held import Held
from langit.patches import PatchSize, to_patches
from langit.tokenizer import PixelTokenizer, Tokenizer, encode
from langit.types import ClipShape, Frames, InputError


@dataclass(frozen=True)
class RegionCondition:
    """`frames` (F, H, W, 3) uint8, of which `free` (F, H, W) bool is made anew.

    A patch is made anew when any of its pixels is free, so that the free region is never smaller than asked for.
    """

    frames: Frames
    free: NDArray[np.bool_]

    def hold(self, tokenizer: Tokenizer, shape: ClipShape, patch: PatchSize) -> Held:
        wanted = (shape.frames, shape.height, shape.width)
        if self.frames.shape[:3] != wanted or self.free.shape != wanted:
            raise InputError(
                f"A region of {self.free.shape} over frames of {self.frames.shape[:3]} was given for a clip of {wanted} "
                "(frames, rows, columns); scale both to the clip first."
            )
        latents = encode(tokenizer, torch.from_numpy(self.frames.astype(np.float32)) / 127.5 - 1)
        pixels = torch.from_numpy(self.free.astype(np.float32))[..., None].expand(*wanted, 3)
        boxes = encode(PixelTokenizer(tokenizer.stride), pixels)  # the same boxes of pixels that make one latent
        free_latents = reduce(boxes, "c f h w -> 1 f h w", "max")
        mask = to_patches(free_latents, patch).amax(1) == 0
        return Held(mask, to_patches(latents, patch) * mask[:, None])
