"""What every tokenizer is: a causal map between frames and latents that alone knows its compression.

The first frame stands alone as the first latent frame, every later latent frame covers `stride[0]` frames: a legal clip
has 1 + k * stride[0] frames, and a single picture is one. Both directions work on a stream, so that memory does not grow
with the length; `encode` and `decode` are the same for a clip that is all there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

import torch
from torch import Tensor

from langit.types import ClipShape


class Tokenizer(Protocol):
    """Frames (F, H, W, 3) in [-1, 1] <-> latents (C, f, h, w) of about unit variance."""

    @property
    def channels(self) -> int:
        """C."""

    @property
    def stride(self) -> tuple[int, int, int]:
        """Frames, rows and columns to one latent."""

    def encode_stream(self, frames: Iterable[Tensor]) -> Iterator[Tensor]:
        """Frames (H, W, 3), one by one and legal in number -> latent frames (C, 1, h, w), as soon as each is complete."""

    def decode_stream(self, latents: Iterable[Tensor]) -> Iterator[Tensor]:
        """Latent frames (C, 1, h, w), the first of a clip first -> groups of frames (F', H, W, 3)."""


def encode(tokenizer: Tokenizer, frames: Tensor) -> Tensor:
    """(F, H, W, 3) in [-1, 1] -> (C, f, h, w); ValueError when the shape is not legal for this tokenizer."""
    latent_shape(tokenizer, ClipShape(*frames.shape[:3]))
    return torch.cat(list(tokenizer.encode_stream(frames)), 1)


def decode(tokenizer: Tokenizer, latents: Tensor) -> Tensor:
    """(C, f, h, w) -> (F, H, W, 3) in about [-1, 1]."""
    return torch.cat(list(tokenizer.decode_stream(latents.split(1, 1))))


def legal_frames(tokenizer: Tokenizer, frames: int) -> int:
    """The fewest frames, at least `frames`, that the tokenizer takes."""
    step = tokenizer.stride[0]
    return 1 + -(-(frames - 1) // step) * step


def latent_shape(tokenizer: Tokenizer, shape: ClipShape) -> tuple[int, int, int]:
    """Latent (f, h, w) of a clip; ValueError when the clip is not legal."""
    t, h, w = tokenizer.stride
    if (shape.frames - 1) % t or shape.height % h or shape.width % w:
        raise ValueError(
            f"a clip of {shape.frames} frames of {shape.width}x{shape.height} was given to a tokenizer that takes "
            f"1 + a multiple of {t} frames and sides that are multiples of {h} (height) and {w} (width)"
        )
    return 1 + (shape.frames - 1) // t, shape.height // h, shape.width // w
