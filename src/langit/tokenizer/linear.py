"""Linear patches: the principal components of pixel boxes, half whitened. Fitted to footage in seconds, by no gradient.

Full whitening would give the faintest component as much weight in the loss as the mean colour; none would drown the edges.
Dividing each component by the square root of its standard deviation lies between, and learns several times faster than
pixels do (dev/LOG.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from langit.tokenizer.pixels import PixelTokenizer


@dataclass(frozen=True)
class LinearTokenizer:
    """latent = (box - mean) @ components / scale, per box of `stride` pixels."""

    stride: tuple[int, int, int]
    mean: Tensor  # (pixels of a box,)
    components: Tensor  # (pixels of a box, C), orthonormal columns, strongest first
    scale: Tensor  # (C,): square root of each component's standard deviation, times one number for unit mean variance
    has_tensors: ClassVar[bool] = True

    @property
    def channels(self) -> int:
        return self.components.shape[1]

    @classmethod
    def fit(cls, boxes: Tensor, stride: tuple[int, int, int], channels: int) -> LinearTokenizer:
        """Fit to pixel boxes (n, pixels of a box) in [-1, 1], such as `boxes_of` gives; n of ten thousands is plenty."""
        if not 0 < channels <= boxes.shape[1]:
            raise ValueError(f"{channels} channels were asked for; a box of {stride} pixels has 1 to {boxes.shape[1]}")
        return cls(stride, *half_whitened(boxes, channels))

    def encode_stream(self, frames: Iterable[Tensor]) -> Iterator[Tensor]:
        """Frames (H, W, 3) -> latent frames (C, 1, h, w)."""
        for boxes in PixelTokenizer(self.stride).encode_stream(frames):
            centred = boxes - self.mean[:, None, None, None]
            yield torch.einsum("pfyx,pc->cfyx", centred, self.components / self.scale)

    def decode_stream(self, latents: Iterable[Tensor]) -> Iterator[Tensor]:
        """Latent frames (C, 1, h, w) -> groups of frames (1 or t, H, W, 3)."""
        boxes = (
            torch.einsum("cfyx,pc->pfyx", latent, self.components * self.scale) + self.mean[:, None, None, None]
            for latent in latents
        )
        yield from PixelTokenizer(self.stride).decode_stream(boxes)

    def tensors(self) -> dict[str, Tensor]:
        """What a bundle stores."""
        return {"mean": self.mean, "components": self.components, "scale": self.scale}

    @classmethod
    def shapes(
        cls, stride: tuple[int, int, int], channels: int, tensors: dict[str, Tensor]
    ) -> dict[str, tuple[int, ...]]:
        """Of what a bundle stores."""
        pixels = PixelTokenizer(stride).channels
        return {"mean": (pixels,), "components": (pixels, channels), "scale": (channels,)}

    @classmethod
    def from_tensors(cls, stride: tuple[int, int, int], channels: int, tensors: dict[str, Tensor]) -> LinearTokenizer:
        """The tokenizer of which `tensors` were stored, in fp32."""
        return cls(stride, *(tensors[name].float() for name in ("mean", "components", "scale")))

    def to(self, device: str) -> LinearTokenizer:
        """Itself: it works where its input is, and is quicker than the way to a GPU and back."""
        return self


def boxes_of(frames: Tensor, stride: tuple[int, int, int]) -> Tensor:
    """Frames (F, H, W, 3), legal in number -> all pixel boxes (n, pixels of a box), to fit to."""
    groups = list(PixelTokenizer(stride).encode_stream(frames))
    return torch.cat([group.flatten(1).T for group in groups])


def half_whitened(rows: Tensor, channels: int) -> tuple[Tensor, Tensor, Tensor]:
    """Mean (n,), components (n, channels), orthonormal and strongest first, and scale (channels,) of rows (m, n): each
    component's share of the square root of its deviation, so that the mean variance of all is 1."""
    rows = rows.double()
    mean = rows.mean(0)
    centred = rows - mean
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the parts of a sum, and so its last place, follow the number of threads
    try:
        variance, vectors = torch.linalg.eigh(centred.T @ centred / len(rows))  # ascending
    finally:
        torch.set_num_threads(threads)
    deviation = variance.flip(0)[:channels].clamp(min=1e-12).sqrt()
    half = deviation.sqrt()
    scale = half * (deviation / half).square().mean().sqrt()  # then the mean variance of the latents is 1
    return mean.float(), vectors.flip(1)[:, :channels].float().contiguous(), scale.float()
