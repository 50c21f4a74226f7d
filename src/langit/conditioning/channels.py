"""Known frames for models that take them beside the noise, as channels, and not as clean patches (Wan's picture to video).

Four channels tell which frames are known, the others hold the latents of a clip that is grey where nothing is known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from einops import rearrange, repeat
from torch import Tensor

from langit.conditioning.frames import FramesCondition
from langit.conditioning.held import Condition
from langit.packing import Text
from langit.patches import PatchSize, to_patches
from langit.tokenizer import Tokenizer, encode
from langit.tokenizer.base import latent_shape
from langit.types import ClipShape, Frames, InputError


@dataclass(frozen=True)
class Beside:
    """What stands beside the noise, and beside the prompt, of the clips of a pack."""

    channels: Tensor | None = None  # (N, channels of a patch)
    pictures: Text | None = None
    looked_up: Callable[[Tensor, Tensor], Tensor] | None = None
    """What noisy patches (N, P) at levels (N,) look up for themselves, (N, channels)."""


def noisy_channels(noisy: Tensor, sigma: Tensor, cells: int) -> Tensor:
    """Patches (N, C * cells) at levels (N,) as they stand beside others: nothing of pure noise, and the level in every cell.

    (N, (C + 1) * cells).
    """
    seen = noisy.masked_fill((sigma >= 1)[:, None], 0.0)
    return torch.cat([seen, sigma[:, None].expand(-1, cells)], 1)


def known_frames(conditions: Sequence[Condition], shape: ClipShape) -> dict[int, Frames]:
    """The frames that the conditions know, by index from the beginning; `InputError` where there is none."""
    given = [condition.frames for condition in conditions if isinstance(condition, FramesCondition)]
    known = {index + shape.frames if index < 0 else index: frame for frames in given for index, frame in frames.items()}
    if not known:
        raise InputError("This model brings a picture to life and was given none; give one with --image.")
    return known


def known_frame_channels(
    tokenizer: Tokenizer, shape: ClipShape, patch: PatchSize, frames: Mapping[int, Frames]
) -> Tensor:
    """Frames (H, W, 3) uint8 by their index -> (N, channels of a patch) to stand beside the noise."""
    group, rows, columns = tokenizer.stride[0], *latent_shape(tokenizer, shape)[1:]
    known = torch.zeros(shape.frames)
    clip = torch.zeros(shape.frames, shape.height, shape.width, 3)
    for index, frame in frames.items():
        if not 0 <= index < shape.frames:
            raise InputError(
                f"A frame was given for index {index}, but the clip has {shape.frames} frames; "
                f"choose an index from 0 to {shape.frames - 1}."
            )
        if frame.shape != clip.shape[1:]:
            raise InputError(
                f"A frame of {frame.shape[1]}x{frame.shape[0]} was given for a clip of {shape.width}x{shape.height}; "
                "resize it first."
            )
        known[index] = 1
        clip[index] = torch.from_numpy(frame.astype(np.float32)) / 127.5 - 1
    # The first frame stands alone in its group, so it counts as often as a group has frames.
    groups = rearrange(torch.cat([known[:1].expand(group), known[1:]]), "(f c) -> c f", c=group)
    mask = repeat(groups, "c f -> c f h w", h=rows, w=columns)
    return to_patches(torch.cat([mask, encode(tokenizer, clip)]), patch)
