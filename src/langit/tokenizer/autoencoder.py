"""The network of the causal autoencoder: half-whitened linear patches, and what convolutions with a memory add to them.

Frames come in groups (the lone first frame fills its group by repetition, and leaves it by the mean, as for pixel patches),
folded into channels: all convolutions are two-dimensional, and every block also reads its own features of the group
before. That memory is all the state there is, so a stream of any length needs the memory of one group, and the
network gives the same whether it is shown a clip whole or in pieces of any length.

Both ways are a fixed linear part and a convolutional part whose last layer begins as zero. The linear parts are fitted
before the first step: the principal components of the linear tokenizer one way, the least squares of each box from its own
latent and the eight about it the other. (Features of the frame before: as in TAEHV, https://github.com/madebyollin/taehv.
A linear way beside the convolutions: as in DC-AE, arXiv 2410.10733.)
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from einops import rearrange, reduce
from torch import Tensor, nn

from langit.tokenizer.linear import LinearTokenizer

FOLD = 2  # rows and columns of pixels that are channels from the start
NEAR = 3  # rows and columns of latents that the linear part of the decoder sees
RIDGE = 1e-6  # of the mean square of a latent
FOLDED = "b g (t p q c) (y h) (x w)"
BOX = "b g (t h p w q c) y x"  # the order of the linear tokenizer's boxes
Memory = Sequence[Tensor]
"""Per block, its features of the group before, (B, 1, D, h, w)."""


@dataclass(frozen=True)
class AutoencoderConfig:
    """The shape of the autoencoder. ValueError where it is impossible."""

    channels: int = 32
    frames: int = 4  # to a latent
    widths: tuple[int, ...] = (32, 64, 128)  # features at 1/2, 1/4, 1/8 ... of the height and width
    encoder_blocks: int = 1  # at each of those sizes
    decoder_blocks: int = 2

    def __post_init__(self) -> None:
        counts = (self.channels, self.frames, *self.widths, self.encoder_blocks, self.decoder_blocks)
        if not self.widths or min(counts) < 1:
            raise ValueError(f"channels, frames, widths and blocks are at least 1, and there is a width; not {self}")
        if self.channels > 3 * math.prod(self.stride):
            raise ValueError(f"{self.channels} channels are more than the numbers of a box of {self.stride} pixels")

    @property
    def stride(self) -> tuple[int, int, int]:
        """Frames, rows and columns to a latent."""
        return self.frames, FOLD ** len(self.widths), FOLD ** len(self.widths)


def convolve(x: Tensor, matrix: Tensor, bias: Tensor, size: int, stride: int = 1, padding: int = 0) -> Tensor:
    """A convolution over the pictures of (B, G, inputs, h, w); the kernels lie in a matrix (outputs, inputs * size * size)."""
    kernels = matrix.unflatten(1, (-1, size, size))
    seen = F.conv2d(x.flatten(0, 1), kernels, bias, stride, padding)
    shaped: Tensor = seen.unflatten(0, x.shape[:2])
    return shaped


class Convolution(nn.Module):
    """A convolution of pictures whose kernels lie in a matrix, so that Muon takes it as one."""

    def __init__(self, inputs: int, outputs: int, size: int, stride: int = 1, gain: float = 1.0):
        super().__init__()
        self.size, self.stride = size, stride
        deviation = gain / math.sqrt(inputs * size * size)
        self.weight = nn.Parameter(torch.randn(outputs, inputs * size * size) * deviation)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """(B, G, inputs, h, w) -> (B, G, outputs, h / stride, w / stride)"""
        padding = self.size // 2 if self.stride == 1 else 0
        return convolve(x, self.weight, self.bias, self.size, self.stride, padding)


class Block(nn.Module):
    """Adds to features what it reads from them and from those of the group before."""

    def __init__(self, width: int):
        super().__init__()
        self.read = Convolution(2 * width, width, 3, gain=math.sqrt(2))
        self.write = Convolution(width, width, 3, gain=0.0)

    def forward(self, x: Tensor, before: Tensor | None) -> tuple[Tensor, Tensor]:
        """(B, G, D, h, w) and the features of the group before them -> the same shape, and what to remember."""
        before = torch.zeros_like(x[:, :1]) if before is None else before
        past = torch.cat([before, x[:, :-1]], 1)
        return x + self.write(F.silu(self.read(torch.cat([x, past], 2)))), x[:, -1:]


class Level(nn.Module):
    """A way in, then the blocks of one size."""

    def __init__(self, enter: nn.Module, width: int, num_blocks: int):
        super().__init__()
        self.enter = enter
        self.blocks = nn.ModuleList(Block(width) for _ in range(num_blocks))


class Way(nn.Module):
    """Levels one after another and a last layer: the convolutional part of either way."""

    def __init__(self, levels: list[Level], leave: Convolution):
        super().__init__()
        self.levels = nn.ModuleList(levels)
        self.leave = leave

    def forward(self, x: Tensor, memory: Memory | None, seen: Tensor | None = None) -> tuple[Tensor, Memory]:
        """(B, G, inputs, h, w) and the memory of the groups before them -> outputs, and what to remember.

        `seen` is added to the features of the last level before its blocks.
        """
        kept: list[Tensor] = []
        for index, level in enumerate(self.levels):
            assert isinstance(level, Level)
            x = level.enter(x)
            if seen is not None and index == len(self.levels) - 1:
                x = x + seen
            for block in level.blocks:
                x, last = block(x, None if memory is None else memory[len(kept)])
                kept.append(last)
        return self.leave(F.silu(x)), kept


class Autoencoder(nn.Module):
    """Folded groups (B, G, frames * 12, H / 2, W / 2) <-> latents (B, G, C, h, w) of mean 0 and variance 1 over all channels."""

    mean: Tensor  # of the pixels of a box
    into: Tensor  # (pixels of a box, C): a box less its mean -> its latent
    out: Tensor  # (pixels of a box, C * 9): a latent and the eight about it -> the box less its mean
    shift: Tensor  # (C,): mean of the latents before it is taken out
    spread: Tensor  # (): their deviation over all channels

    def __init__(self, config: AutoencoderConfig):
        super().__init__()
        self.config = config
        box, pixels = config.frames * 3 * FOLD**2, 3 * math.prod(config.stride)
        fine_to_coarse = list(pairwise(config.widths))
        into = [Convolution(box, config.widths[0], 3), *(Convolution(a, b, 2, 2) for a, b in fine_to_coarse)]
        out = [
            Convolution(config.channels, config.widths[-1], 3),
            *(nn.Sequential(Convolution(b, 4 * a, 1), nn.PixelShuffle(2)) for a, b in fine_to_coarse[::-1]),
        ]
        self.encoder = Way(
            [Level(enter, width, config.encoder_blocks) for enter, width in zip(into, config.widths, strict=True)],
            Convolution(config.widths[-1], config.channels, 3, gain=0.0),
        )
        self.decoder = Way(
            [Level(enter, width, config.decoder_blocks) for enter, width in zip(out, config.widths[::-1], strict=True)],
            Convolution(config.widths[0], box, 3, gain=0.0),
        )
        self.look = Convolution(box, config.widths[0], 3)  # at what the linear part made of the latents
        self.register_buffer("mean", torch.zeros(pixels))
        self.register_buffer("into", torch.zeros(pixels, config.channels))
        self.register_buffer("out", torch.zeros(pixels, config.channels * NEAR**2))
        self.register_buffer("shift", torch.zeros(config.channels))
        self.register_buffer("spread", torch.ones(()))

    @torch.no_grad()
    def fit_linear(self, linear: LinearTokenizer, clips: Iterable[Tensor]) -> None:
        """Set the linear parts: the tokenizer's one way, least squares over clips (F, H, W, 3) in [-1, 1] the other."""
        assert linear.stride == self.config.stride
        self.mean.copy_(linear.mean)
        self.into.copy_(linear.components / linear.scale)
        num = self.out.shape[1]
        squares, products = torch.zeros(num, num).double(), torch.zeros(num, len(self.mean)).double()
        for clip in clips:
            boxes = self._boxes(fold(clip[None], self.config.frames))
            latents = torch.einsum("bgpyx,pc->bgcyx", boxes, self.into)
            near = rearrange(F.unfold(_surrounded(latents)[0], NEAR), "g k n -> (g n) k").double()
            squares += near.T @ near
            products += near.T @ rearrange(boxes, "1 g p y x -> (g y x) p").double()
        ridge = RIDGE * squares.diagonal().mean() * torch.eye(num)
        self.out.copy_(torch.linalg.solve(squares + ridge, products).T)

    def encode(self, groups: Tensor, memory: Memory | None = None) -> tuple[Tensor, Memory]:
        """Groups and the memory of those before them -> latents, and the memory for those after them."""
        raw, memory = self.encode_raw(groups, memory)
        return (raw - self.shift[:, None, None]) / self.spread, memory

    def encode_raw(self, groups: Tensor, memory: Memory | None = None) -> tuple[Tensor, Memory]:
        """Latents before their statistics are taken out."""
        added, memory = self.encoder(groups, memory)
        return added + torch.einsum("bgpyx,pc->bgcyx", self._boxes(groups), self.into), memory

    def decode(self, latents: Tensor, memory: Memory | None = None) -> tuple[Tensor, Memory]:
        """Latents and the memory of those before them -> groups, and the memory for those after them."""
        raw = latents * self.spread + self.shift[:, None, None]
        boxes = convolve(_surrounded(raw), self.out, self.mean, NEAR)
        linear = rearrange(boxes, f"{BOX} -> {FOLDED}", **self._sizes)
        added, memory = self.decoder(raw, memory, self.look(linear))
        return linear + added, memory

    def _boxes(self, groups: Tensor) -> Tensor:
        """Folded groups -> the linear tokenizer's boxes of pixels less their mean, (B, G, pixels of a box, h, w)."""
        boxes = rearrange(groups, f"{FOLDED} -> {BOX}", **self._sizes)
        return boxes - self.mean[:, None, None]

    @property
    def _sizes(self) -> dict[str, int]:
        t, h, w = self.config.stride
        return {"t": t, "p": FOLD, "q": FOLD, "c": 3, "h": h // FOLD, "w": w // FOLD}


def _surrounded(latents: Tensor) -> Tensor:
    """With the outermost latents repeated about the edge, so that a piece of a clip is seen much as the whole is."""
    edge = NEAR // 2
    return F.pad(latents, (edge, edge, edge, edge, 0, 0), mode="replicate")


def fold(frames: Tensor, per_group: int) -> Tensor:
    """Clips (B, 1 + G * per_group, H, W, 3) -> groups (B, 1 + G, per_group * 12, H / 2, W / 2)."""
    first = frames[:, :1].expand(-1, per_group, -1, -1, -1)
    return fold_groups(torch.cat([first, frames[:, 1:]], 1), per_group)


def fold_groups(frames: Tensor, per_group: int) -> Tensor:
    """Whole groups (B, G * per_group, H, W, 3) -> (B, G, per_group * 12, H / 2, W / 2)."""
    pattern = "b (g t) (y p) (x q) c -> b g (t p q c) y x"
    return rearrange(frames, pattern, t=per_group, p=FOLD, q=FOLD)


def unfold(groups: Tensor, per_group: int) -> Tensor:
    """Groups of a clip from its start -> its frames, the first by the mean of its group."""
    frames = unfold_groups(groups, per_group)
    first = reduce(frames[:, :per_group], "b t h w c -> b 1 h w c", "mean")
    return torch.cat([first, frames[:, per_group:]], 1)


def unfold_groups(groups: Tensor, per_group: int) -> Tensor:
    """(B, G, per_group * 12, H / 2, W / 2) -> whole groups (B, G * per_group, H, W, 3)."""
    pattern = "b g (t p q c) y x -> b (g t) (y p) (x q) c"
    return rearrange(groups, pattern, t=per_group, p=FOLD, q=FOLD)
