"""Pixel patches: the latent of a place is the list of its pixels. Lossless, and the ground that `linear` stands on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from einops import rearrange
from torch import Tensor


@dataclass(frozen=True)
class PixelTokenizer:
    """Boxes of `stride` pixels as channels. The lone first frame fills its box by repetition and leaves it by the mean."""

    stride: tuple[int, int, int] = (4, 8, 8)
    has_tensors: ClassVar[bool] = False

    @property
    def channels(self) -> int:
        return 3 * math.prod(self.stride)

    def encode_stream(self, frames: Iterable[Tensor]) -> Iterator[Tensor]:
        """Frames (H, W, 3) -> latent frames (C, 1, h, w)."""
        t, h, w = self.stride
        group: list[Tensor] = []
        first = True
        for frame in frames:
            group = [frame] * t if first else [*group, frame]
            first = False
            if len(group) == t:
                yield rearrange(torch.stack(group), "t (y h) (x w) c -> (t h w c) 1 y x", h=h, w=w)
                group = []
        if group:
            raise ValueError(f"{len(group)} frames are left over; a clip has 1 + a multiple of {t} frames")

    def decode_stream(self, latents: Iterable[Tensor]) -> Iterator[Tensor]:
        """Latent frames (C, 1, h, w) -> groups of frames (1 or t, H, W, 3)."""
        t, h, w = self.stride
        for index, latent in enumerate(latents):
            frames = rearrange(latent, "(t h w c) 1 y x -> t (y h) (x w) c", t=t, h=h, w=w)
            yield frames.mean(0, keepdim=True) if index == 0 else frames

    def tensors(self) -> dict[str, Tensor]:
        """Nothing: the stride says all."""
        return {}

    @classmethod
    def shapes(
        cls, stride: tuple[int, int, int], channels: int, tensors: dict[str, Tensor]
    ) -> dict[str, tuple[int, ...]]:
        """Nothing; ValueError when there are not as many channels as pixels in a box."""
        if channels != cls(stride).channels:
            raise ValueError(f"boxes of {stride} pixels have {cls(stride).channels} channels, not {channels}")
        return {}

    @classmethod
    def from_tensors(cls, stride: tuple[int, int, int], channels: int, tensors: dict[str, Tensor]) -> PixelTokenizer:
        """The tokenizer of a stride."""
        return cls(stride)

    def to(self, device: str) -> PixelTokenizer:
        """Itself: it works where its input is, and is quicker than the way to a GPU and back."""
        return self
