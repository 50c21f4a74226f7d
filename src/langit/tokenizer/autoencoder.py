"""The network of the causal autoencoder: linear patches, and what convolutions with a memory add to them both ways.

Frames come in groups (the lone first frame fills its group by repetition, and leaves it by the mean, as for pixel patches), cut
into the linear tokenizer's boxes. Both ways work on the grid of those boxes and speak in principal components, each in units
of its deviation: the encoder sees many times as many of them as there are channels, the decoder gives back as many. So all
that enters a convolution has unit variance, and a small motion, which is the faintest of components, is seen as well as the
mean colour; convolutions over pixels learned nothing in the same time (dev/LOG.md).

All convolutions are two-dimensional, and every block also reads its own features of the group before. That memory is all the
state there is, so a stream of any length needs the memory of one group, and the network gives the same whether it is shown a
clip whole or in pieces of any length. The last layer of both ways begins as zero, and then all is the linear tokenizer.
(Features of the frame before: as in TAEHV, https://github.com/madebyollin/taehv. A linear way beside the convolutions: as in
DC-AE, arXiv 2410.10733.)
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange, reduce
from torch import Tensor, nn

from langit.tokenizer.linear import LinearTokenizer

BOX = "b g (t h w c) y x"  # the order of the linear tokenizer's boxes
FAINTEST = 1e-3  # least deviation of a component, in pixels of [-1, 1]
Memory = Sequence[Tensor]
"""Per block, its features of the group before, (B, 1, D, h, w)."""


@dataclass(frozen=True)
class AutoencoderConfig:
    """The shape of the autoencoder. ValueError where it is impossible."""

    channels: int = 32
    stride: tuple[int, int, int] = (4, 8, 8)  # frames, rows and columns to a latent
    components: int = 192  # of a box of pixels, that the encoder sees and the decoder gives
    width: int = 192  # features of a box
    encoder_blocks: int = 2
    decoder_blocks: int = 3

    def __post_init__(self) -> None:
        counts = (self.channels, *self.stride, self.components, self.width, self.encoder_blocks, self.decoder_blocks)
        if min(counts) < 1:
            raise ValueError(f"channels, stride, components, width and blocks are at least 1; not {self}")
        if not self.channels <= self.components <= self.pixels:
            raise ValueError(
                f"there are at least as many components as channels, {self.channels}, and at most as many as numbers in a "
                f"box of {self.stride} pixels, {self.pixels}; not {self.components}"
            )

    @property
    def pixels(self) -> int:
        """Numbers in a box."""
        return 3 * math.prod(self.stride)


class Convolution(nn.Conv2d):
    """A convolution over the pictures of (B, G, inputs, h, w)."""

    def __init__(self, inputs: int, outputs: int, size: int):
        super().__init__(inputs, outputs, size, padding=size // 2)

    def forward(self, x: Tensor) -> Tensor:
        """(B, G, inputs, h, w) -> (B, G, outputs, h, w)"""
        shaped: Tensor = super().forward(x.flatten(0, 1)).unflatten(0, x.shape[:2])
        return shaped

    def begin_as_nothing(self) -> Convolution:
        """Itself, with zeros."""
        for parameter in self.parameters():
            nn.init.zeros_(parameter)
        return self


class Block(nn.Module):
    """Adds to features what it reads from them, from their neighbours, and from the same of the group before."""

    def __init__(self, width: int):
        super().__init__()
        self.read = Convolution(2 * width, width, 3)
        self.write = Convolution(width, width, 1).begin_as_nothing()

    def forward(self, x: Tensor, before: Tensor | None) -> tuple[Tensor, Tensor]:
        """(B, G, D, h, w) and the features of the group before them -> the same shape, and what to remember."""
        before = torch.zeros_like(x[:, :1]) if before is None else before
        past = torch.cat([before, x[:, :-1]], 1)
        seen = F.silu(torch.cat([x, past], 2))
        return x + self.write(F.silu(self.read(seen))), x[:, -1:]


class Way(nn.Module):
    """The convolutional part of either way: a layer in, blocks, and a layer out that begins as nothing."""

    def __init__(self, inputs: int, width: int, num_blocks: int, outputs: int):
        super().__init__()
        self.enter = Convolution(inputs, width, 3)
        self.blocks = nn.ModuleList(Block(width) for _ in range(num_blocks))
        self.leave = Convolution(width, outputs, 1).begin_as_nothing()

    def forward(self, x: Tensor, memory: Memory | None) -> tuple[Tensor, Memory]:
        """(B, G, inputs, h, w) and the memory of the groups before them -> outputs, and what to remember."""
        kept: list[Tensor] = []
        x = self.enter(x)
        for number, block in enumerate(self.blocks):
            x, last = block(x, None if memory is None else memory[number])
            kept.append(last)
        return self.leave(F.silu(x)), kept


class Autoencoder(nn.Module):
    """Groups of boxes (B, G, pixels, h, w) <-> latents (B, G, C, h, w) of mean 0 and variance 1 over all channels."""

    mean: Tensor  # (pixels,): of a box
    basis: Tensor  # (pixels, K): principal components, strongest first; the first C are the linear tokenizer's
    deviation: Tensor  # (K,): of each component's coefficient
    scale: Tensor  # (C,): the linear tokenizer's, of its latents
    shift: Tensor  # (C,): mean of the latents before it is taken out
    spread: Tensor  # (): their deviation over all channels

    def __init__(self, config: AutoencoderConfig):
        super().__init__()
        self.config = config
        self.encoder = Way(config.components, config.width, config.encoder_blocks, config.channels)
        self.decoder = Way(config.channels, config.width, config.decoder_blocks, config.components)
        self.register_buffer("mean", torch.zeros(config.pixels))
        self.register_buffer("basis", torch.zeros(config.pixels, config.components))
        self.register_buffer("deviation", torch.ones(config.components))
        self.register_buffer("scale", torch.ones(config.channels))
        self.register_buffer("shift", torch.zeros(config.channels))
        self.register_buffer("spread", torch.ones(()))

    @torch.no_grad()
    def fit_linear(self, linear: LinearTokenizer, clips: Iterable[Tensor]) -> None:
        """Begin as a linear tokenizer; the finer components are those of what it leaves of clips (F, H, W, 3)."""
        assert (linear.stride, linear.channels) == (self.config.stride, self.config.channels)
        pixels, channels, count = self.config.pixels, self.config.channels, 0
        left, squares = torch.zeros(pixels, pixels).double(), torch.zeros(channels).double()
        for clip in clips:
            boxes = rearrange(fold(clip[None], linear.stride)[:, 1:], "1 g p y x -> p (g y x)")
            centred = boxes - linear.mean[:, None]
            found = linear.components.T @ centred
            rest = (centred - linear.components @ found).double()
            left += rest @ rest.T
            squares += found.double().square().sum(1)
            count += boxes.shape[1]
        variance, vectors = torch.linalg.eigh(left / max(count, 1))  # ascending
        finer = self.config.components - channels
        self.mean.copy_(linear.mean)
        self.basis.copy_(torch.cat([linear.components, vectors.flip(1)[:, :finer].float()], 1))
        variance = torch.cat([squares / max(count, 1), variance.flip(0)[:finer]])
        self.deviation.copy_(variance.clamp(min=FAINTEST**2).sqrt())
        self.scale.copy_(linear.scale)

    def encode(self, boxes: Tensor, memory: Memory | None = None) -> tuple[Tensor, Memory]:
        """Groups and the memory of those before them -> latents, and the memory for those after them."""
        raw, memory = self.encode_raw(self.components_of(boxes), memory)
        return (raw - self.shift[:, None, None]) / self.spread, memory

    def components_of(self, boxes: Tensor) -> Tensor:
        """Groups of boxes -> coefficients of their components, (B, G, K, h, w)."""
        return torch.einsum("bgpyx,pk->bgkyx", boxes - self.mean[:, None, None], self.basis)

    def encode_raw(self, components: Tensor, memory: Memory | None = None) -> tuple[Tensor, Memory]:
        """Coefficients -> latents before their statistics are taken out."""
        added, memory = self.encoder(components / self.deviation[:, None, None], memory)
        return components[:, :, : self.config.channels] / self.scale[:, None, None] + added, memory

    def decode(self, latents: Tensor, memory: Memory | None = None) -> tuple[Tensor, Memory]:
        """Latents and the memory of those before them -> groups, and the memory for those after them."""
        components, memory = self.decode_raw(latents * self.spread + self.shift[:, None, None], memory)
        return torch.einsum("bgkyx,pk->bgpyx", components, self.basis) + self.mean[:, None, None], memory

    def decode_raw(self, raw: Tensor, memory: Memory | None = None) -> tuple[Tensor, Memory]:
        """Latents with their statistics -> coefficients of components, (B, G, K, h, w)."""
        known = raw * self.scale[:, None, None]
        deviation, channels = self.deviation[:, None, None], self.config.channels
        found, memory = self.decoder(known / deviation[:channels], memory)
        return F.pad(known, (0, 0, 0, 0, 0, self.config.components - channels)) + found * deviation, memory


def fold(frames: Tensor, stride: tuple[int, int, int]) -> Tensor:
    """Clips (B, 1 + G * t, H, W, 3) -> groups of boxes (B, 1 + G, pixels of a box, h, w)."""
    first = frames[:, :1].expand(-1, stride[0], -1, -1, -1)
    return fold_groups(torch.cat([first, frames[:, 1:]], 1), stride)


def fold_groups(frames: Tensor, stride: tuple[int, int, int]) -> Tensor:
    """Whole groups (B, G * t, H, W, 3) -> (B, G, pixels of a box, h, w)."""
    t, h, w = stride
    return rearrange(frames, f"b (g t) (y h) (x w) c -> {BOX}", t=t, h=h, w=w)


def unfold(boxes: Tensor, stride: tuple[int, int, int]) -> Tensor:
    """Groups of a clip from its start -> its frames, the first by the mean of its group."""
    frames = unfold_groups(boxes, stride)
    first = reduce(frames[:, : stride[0]], "b t h w c -> b 1 h w c", "mean")
    return torch.cat([first, frames[:, stride[0] :]], 1)


def unfold_groups(boxes: Tensor, stride: tuple[int, int, int]) -> Tensor:
    """(B, G, pixels of a box, h, w) -> whole groups (B, G * t, H, W, 3)."""
    t, h, w = stride
    return rearrange(boxes, f"{BOX} -> b (g t) (y h) (x w) c", t=t, h=h, w=w)
