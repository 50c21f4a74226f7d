"""Known frames: the first one (a picture comes alive), the last ones, keyframes, both ends of a loop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from langit.conditioning.held import Held
from langit.patches import PatchSize, grid_of, to_patches
from langit.tokenizer import Tokenizer, encode
from langit.tokenizer.base import latent_shape
from langit.types import ClipShape, Frames, InputError


@dataclass(frozen=True)
class FramesCondition:
    """Frames (H, W, 3) uint8 by their index in the clip, negative ones from its end.

    A latent frame covers several frames. It is held when any of them is known, and the unknown ones among them repeat
    the nearest known one; give all of a group (or the first frame, which stands alone) where nothing may be made up.
    """

    frames: Mapping[int, Frames]

    def hold(self, tokenizer: Tokenizer, shape: ClipShape, patch: PatchSize) -> Held:
        known = np.zeros(shape.frames, bool)
        clip = np.zeros((shape.frames, shape.height, shape.width, 3), np.uint8)
        for index, frame in self.frames.items():
            if not -shape.frames <= index < shape.frames:
                raise InputError(
                    f"A frame was given for index {index}, but the clip has {shape.frames} frames; "
                    f"choose an index from {-shape.frames} to {shape.frames - 1}."
                )
            if frame.shape != clip.shape[1:]:
                raise InputError(
                    f"A frame of {frame.shape[1]}x{frame.shape[0]} was given for a clip of {shape.width}x{shape.height}; "
                    "resize it first."
                )
            known[index], clip[index] = True, frame
        if not known.any():
            raise InputError("A frames condition was given no frame; give at least one.")
        at = np.flatnonzero(known)
        nearest = at[np.abs(np.arange(shape.frames)[:, None] - at).argmin(1)]
        groups, rows, columns = latent_shape(tokenizer, shape)
        group_of_frame = -(-np.arange(shape.frames) // tokenizer.stride[0])
        # No latent frame depends on a later one, so nothing is encoded after the last that is known.
        seen = clip[nearest[group_of_frame <= group_of_frame[at[-1]]]]
        latents = torch.zeros(tokenizer.channels, groups, rows, columns)
        told = encode(tokenizer, torch.from_numpy(seen).float() / 127.5 - 1)
        latents[:, : told.shape[1]] = told

        held_groups = torch.zeros(groups, dtype=torch.bool)
        held_groups[torch.from_numpy(group_of_frame[at])] = True
        grid = grid_of((groups, rows, columns), patch)
        held_patches = held_groups.reshape(grid.t, patch[0]).all(1)
        mask = grid.box(held_patches)
        return Held(mask, to_patches(latents, patch) * mask[:, None])
