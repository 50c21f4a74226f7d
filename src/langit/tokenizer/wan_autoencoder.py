"""Wan's video autoencoders (2.1 and 2.2) as layers, under the names that diffusers' `AutoencoderKLWan` gives its weights.

Every convolution looks two frames back. What it needs of the frames before stands in a `Memory`, one to a stream, so that
a clip can pass in groups of any length: the first frame alone, then as many as come. A tensor here is (1, C, F, H, W); on
the CPU it lies in memory with its channels last, which oneDNN's convolutions want.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

Memory = dict[nn.Module, Tensor]
"""What each layer keeps of the frames before; empty at the beginning of a clip."""
_REACH = 2  # frames that a convolution looks back


@dataclass(frozen=True)
class WanAutoencoderConfig:
    """vae/config.json, as far as it decides the shapes. The defaults are Wan 2.1's."""

    base_dim: int = 96
    decoder_base_dim: int | None = None
    z_dim: int = 16
    dim_mult: tuple[int, ...] = (1, 2, 4, 4)
    num_res_blocks: int = 2
    temperal_downsample: tuple[bool, ...] = (False, True, True)
    latents_mean: tuple[float, ...] = (0.0,) * 16
    latents_std: tuple[float, ...] = (1.0,) * 16
    is_residual: bool = False  # 2.2's blocks, with a shortcut around each level
    in_channels: int = 3
    out_channels: int = 3
    patch_size: int | None = None
    scale_factor_temporal: int = 4
    scale_factor_spatial: int = 8

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> WanAutoencoderConfig:
        """ValueError for what no Wan has."""
        if values.get("attn_scales"):
            raise ValueError(f"attention at the scales {values['attn_scales']}, which no Wan has")
        known: dict[str, Any] = {
            field.name: tuple(value) if isinstance(value := values[field.name], list) else value
            for field in fields(cls)
            if values.get(field.name) is not None
        }
        config = cls(**known)
        lists = {"dim_mult": int, "temperal_downsample": bool, "latents_mean": float, "latents_std": float}
        for field in fields(cls):
            value = getattr(config, field.name)
            if kind := lists.get(field.name):
                right = isinstance(value, tuple) and all(isinstance(one, (kind, int)) for one in value)
            elif field.name == "is_residual":
                right = isinstance(value, bool)
            else:
                right = value == field.default or (isinstance(value, int) and 1 <= value <= 4096)
            if not right:
                raise ValueError(f"the {field.name} {value!r}")
        if {len(config.latents_mean), len(config.latents_std)} != {config.z_dim}:
            raise ValueError(f"{len(config.latents_mean)} means and deviations for {config.z_dim} channels")
        return config


class WanAutoencoder(nn.Module):
    """`encode` and `decode` take the next group of a stream and its memory."""

    def __init__(self, config: WanAutoencoderConfig):
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.quant_conv = CausalConv(2 * config.z_dim, 2 * config.z_dim, 1)
        self.post_quant_conv = CausalConv(config.z_dim, config.z_dim, 1)
        self.decoder = Decoder(config)

    @property
    def weight(self) -> Tensor:
        """One of them, for device and dtype."""
        return self.post_quant_conv.weight


class Encoder(nn.Module):
    """(1, C, 1 or 4, H, W) -> moments (1, 2 * z, 1, h, w), in two halves: `fine` sees near pixels only, `coarse` all."""

    def __init__(self, config: WanAutoencoderConfig):
        super().__init__()
        dims = [config.base_dim * times for times in (1, *config.dim_mult)]
        self.conv_in = CausalConv(config.in_channels, dims[0], 3)
        blocks: list[nn.Module] = []
        ends: list[int] = []  # where each level ends among the blocks
        for level, (width, wider) in enumerate(pairwise(dims)):
            last = level == len(config.dim_mult) - 1
            in_time = not last and config.temperal_downsample[level]
            if config.is_residual:
                blocks.append(DownBlock(width, wider, config.num_res_blocks, None if last else in_time))
            else:
                widths = [width] + [wider] * config.num_res_blocks
                blocks += [Residual(*pair) for pair in pairwise(widths)]
                blocks += [] if last else [Down(wider, in_time)]
            ends.append(len(blocks))
        self.down_blocks = nn.ModuleList(blocks)
        self.mid_block = Middle(dims[-1])
        self.norm_out = Norm(dims[-1])
        self.conv_out = CausalConv(dims[-1], 2 * config.z_dim, 3)
        self._split = ends[1]

    def fine(self, x: Tensor, memory: Memory) -> Tensor:
        """To a quarter of the rows and columns."""
        x = self.conv_in(x, memory)
        for block in self.down_blocks[: self._split]:
            x = block(x, memory)
        return x

    def coarse(self, x: Tensor, memory: Memory) -> Tensor:
        for block in self.down_blocks[self._split :]:
            x = block(x, memory)
        x = self.mid_block(x, memory)
        return self.conv_out(self.norm_out.silu(x), memory)  # type: ignore[no-any-return]


class Decoder(nn.Module):
    """(1, z, 1, h, w) -> (1, C, 1 or 4, H, W), in two halves: `coarse` sees the whole frame, `fine` near pixels only."""

    def __init__(self, config: WanAutoencoderConfig):
        super().__init__()
        base = config.decoder_base_dim or config.base_dim
        dims = [base * times for times in (config.dim_mult[-1], *reversed(config.dim_mult))]
        in_time = [*reversed(config.temperal_downsample)]
        self.conv_in = CausalConv(config.z_dim, dims[0], 3)
        self.mid_block = Middle(dims[0])
        blocks: list[nn.Module] = []
        for level, (width, narrower) in enumerate(pairwise(dims)):
            last = level == len(config.dim_mult) - 1
            if level > 0 and not config.is_residual:
                width //= 2
            blocks.append(
                UpBlock(width, narrower, config.num_res_blocks, None if last else in_time[level], config.is_residual)
            )
        self.up_blocks = nn.ModuleList(blocks)
        self.norm_out = Norm(dims[-1])
        self.conv_out = CausalConv(dims[-1], config.out_channels, 3)

    def coarse(self, x: Tensor, memory: Memory) -> Tensor:
        """To four times the rows and columns."""
        x = self.mid_block(self.conv_in(x, memory), memory)
        for block in self.up_blocks[:2]:
            x = block(x, memory)
        return x

    def fine(self, x: Tensor, memory: Memory) -> Tensor:
        for block in self.up_blocks[2:]:
            x = block(x, memory)
        return self.conv_out(self.norm_out.silu(x), memory)  # type: ignore[no-any-return]


class CausalConv(nn.Conv3d):
    """A convolution over three frames (this one and two before) or over one, as many rows as columns."""

    def __init__(self, width: int, wider: int, kernel: int, times: int | None = None, stride: int = 1):
        frames = kernel if times is None else times
        super().__init__(width, wider, (frames, kernel, kernel), (stride, 1, 1))
        self.around = (0, kernel // 2, kernel // 2)

    def forward(self, x: Tensor, memory: Memory | None = None) -> Tensor:
        """(1, C, F, H, W) -> (1, C', F, H, W); before the first frame there is nothing, zeros."""
        if self.kernel_size[0] == 1 or memory is None:
            return convolution(x, self.weight, self.bias, self.around, self.stride)
        before = memory.get(self)
        if before is None and x.shape[2] == 1:  # nothing to see but this frame
            memory[self] = torch.cat([torch.zeros_like(x), x], 2)
            return convolution(x, self.weight[:, :, -1:], self.bias, self.around, self.stride)
        if before is None:
            before = x.new_zeros(*x.shape[:2], _REACH, *x.shape[3:])
        joined = torch.cat([before, x], 2)
        memory[self] = joined[:, :, -_REACH:].clone()
        return convolution(joined, self.weight, self.bias, self.around, self.stride)


class Norm(nn.Module):
    """Each place's channels to the length sqrt(C), times a weight."""

    def __init__(self, width: int, dims: int = 3):
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(width, *(1,) * dims))

    def forward(self, x: Tensor) -> Tensor:
        """(1, C, F, H, W) or (F, C, H, W), another tensor of the same shape."""
        exact = x.float()
        length = torch.linalg.vector_norm(exact, dim=1, keepdim=True).clamp_(min=1e-12)
        normed = (exact / length).to(x.dtype)
        scaled: Tensor = normed.mul_(self.gamma * len(self.gamma) ** 0.5)
        return scaled

    def silu(self, x: Tensor) -> Tensor:
        """Normed, then x * sigmoid(x)."""
        return F.silu(self(x), inplace=True)


class Residual(nn.Module):
    """Two convolutions, and a way around them."""

    def __init__(self, width: int, wider: int):
        super().__init__()
        self.norm1, self.conv1 = Norm(width), CausalConv(width, wider, 3)
        self.norm2, self.conv2 = Norm(wider), CausalConv(wider, wider, 3)
        self.conv_shortcut = CausalConv(width, wider, 1) if width != wider else None

    def forward(self, x: Tensor, memory: Memory) -> Tensor:
        hidden = self.conv1(self.norm1.silu(x), memory)
        hidden = self.conv2(self.norm2.silu(hidden), memory)
        return hidden.add_(x if self.conv_shortcut is None else self.conv_shortcut(x))  # type: ignore[no-any-return]


class Attention(nn.Module):
    """Every place of a frame looks at every other."""

    def __init__(self, width: int):
        super().__init__()
        self.norm = Norm(width, 2)
        self.to_qkv = nn.Conv2d(width, 3 * width, 1)
        self.proj = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        frames = rearrange(self.norm(_frames(x)), "f c h w -> f (h w) c")
        query, key, value = F.linear(frames, self.to_qkv.weight.flatten(1), self.to_qkv.bias)[:, None].chunk(3, -1)
        seen = F.scaled_dot_product_attention(query, key, value)[:, 0]
        told = F.linear(seen, self.proj.weight.flatten(1), self.proj.bias)
        return x + rearrange(told, "f (h w) c -> 1 c f h w", h=x.shape[3])


class Middle(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.resnets = nn.ModuleList(Residual(width, width) for _ in range(2))
        self.attentions = nn.ModuleList([Attention(width)])

    def forward(self, x: Tensor, memory: Memory) -> Tensor:
        return self.resnets[1](self.attentions[0](self.resnets[0](x, memory)), memory)  # type: ignore[no-any-return]


class Up(nn.Module):
    """Twice the rows and columns, and where it says so twice the frames of all but a clip's first."""

    def __init__(self, width: int, narrower: int, in_time: bool):
        super().__init__()
        self.resample = nn.Sequential(nn.Upsample(scale_factor=2, mode="nearest-exact"), nn.Conv2d(width, narrower, 3))
        self.time_conv = CausalConv(width, 2 * width, 1, 3) if in_time else None

    def forward(self, x: Tensor, memory: Memory) -> Tensor:
        if self.time_conv is not None:
            if self in memory:
                x = rearrange(self.time_conv(x, memory), "b (two c) f h w -> b c (f two) h w", two=2)
            memory[self] = x[:, :, :0]  # the first frame has passed; it is not in the convolution's memory
        larger, conv = self.resample[0](_frames(x)), self.resample[1]
        assert isinstance(conv, nn.Conv2d)
        return _clip(convolution(larger, conv.weight, conv.bias, (1, 1), (1, 1)))


class Down(nn.Module):
    """Half the rows and columns, and where it says so half the frames of all but a clip's first."""

    def __init__(self, width: int, in_time: bool):
        super().__init__()
        self.resample = nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(width, width, 3, stride=2))
        self.time_conv = CausalConv(width, width, 1, 3, stride=2) if in_time else None

    def forward(self, x: Tensor, memory: Memory) -> Tensor:
        conv = self.resample[1]
        assert isinstance(conv, nn.Conv2d)
        x = _clip(convolution(self.resample[0](_frames(x)), conv.weight, conv.bias, (0, 0), (2, 2)))
        if self.time_conv is None:
            return x
        before = memory.get(self)
        memory[self] = x[:, :, -1:].clone()
        return x if before is None else self.time_conv(torch.cat([before, x], 2))


class UpBlock(nn.Module):
    """A level of the decoder; `in_time` is None for the last, which enlarges nothing."""

    def __init__(self, width: int, narrower: int, count: int, in_time: bool | None, around: bool):
        super().__init__()
        widths = [width] + [narrower] * (count + 1)
        self.resnets = nn.ModuleList(Residual(*pair) for pair in pairwise(widths))
        self.around = around and in_time is not None
        self.in_time, self.narrower = bool(in_time), narrower
        if in_time is not None and around:
            self.upsampler = Up(narrower, narrower, in_time)
        elif in_time is not None:
            self.upsamplers = nn.ModuleList([Up(narrower, narrower // 2, in_time)])

    def forward(self, x: Tensor, memory: Memory) -> Tensor:
        entering, first = x, self not in memory
        for residual in self.resnets:
            x = residual(x, memory)
        if self.around:
            memory[self] = x[:, :, :0]
            return self.upsampler(x, memory) + self._repeated(entering, first)  # type: ignore[no-any-return]
        return self.upsamplers[0](x, memory) if hasattr(self, "upsamplers") else x

    def _repeated(self, x: Tensor, first: bool) -> Tensor:
        """What entered at the size of what leaves: each channel fills neighbouring places; a first frame stays one."""
        frames = 2 if self.in_time else 1
        repeated = x.repeat_interleave(self.narrower * frames * 4 // x.shape[1], 1)
        larger = rearrange(repeated, "b (c t p q) f h w -> b c (f t) (h p) (w q)", t=frames, p=2, q=2)
        return larger[:, :, frames - 1 :] if first else larger


class DownBlock(nn.Module):
    """A level of 2.2's encoder, with a way around it; `in_time` is None for the last, which shrinks nothing."""

    def __init__(self, width: int, wider: int, count: int, in_time: bool | None):
        super().__init__()
        self.resnets = nn.ModuleList(Residual(*pair) for pair in pairwise([width] + [wider] * count))
        self.downsampler = None if in_time is None else Down(wider, in_time)
        self.frames, self.side, self.wider = 2 if in_time else 1, 1 if in_time is None else 2, wider

    def forward(self, x: Tensor, memory: Memory) -> Tensor:
        around = self._averaged(x)
        for residual in self.resnets:
            x = residual(x, memory)
        return around + (x if self.downsampler is None else self.downsampler(x, memory))

    def _averaged(self, x: Tensor) -> Tensor:
        if x.shape[2] % self.frames:  # a first frame, with nothing before it
            x = torch.cat([torch.zeros_like(x[:, :, :1]), x], 2)
        apart = rearrange(x, "b c (f t) (h p) (w q) -> b (c t p q) f h w", t=self.frames, p=self.side, q=self.side)
        averaged: Tensor = apart.unflatten(1, (self.wider, -1)).mean(2)
        return averaged


def convolution(
    x: Tensor, weight: Tensor, bias: Tensor | None, padding: Sequence[int], stride: Sequence[int]
) -> Tensor:
    """Of frames (F, C, H, W) or a clip (1, C, F, H, W). On the CPU by oneDNN, whatever the size: torch takes small
    ones to a path that is several times slower."""
    if x.device.type == "cpu" and x.dtype == torch.float32 and torch.backends.mkldnn.is_available():
        return torch.mkldnn_convolution(x, weight, bias, padding, stride, (1,) * len(stride), 1)
    run = F.conv3d if weight.ndim == 5 else F.conv2d
    made: Tensor = run(x, weight, bias, tuple(stride), tuple(padding))
    return made


def _frames(x: Tensor) -> Tensor:
    """(1, C, F, H, W) -> (F, C, H, W), no copy."""
    return x[0].transpose(0, 1)


def _clip(frames: Tensor) -> Tensor:
    """(F, C, H, W) -> (1, C, F, H, W), no copy."""
    return frames.transpose(0, 1)[None]


def channels_last(module: WanAutoencoder) -> WanAutoencoder:
    """The weights as oneDNN wants them, in place."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv3d):
            layer.weight.data = layer.weight.data.contiguous(memory_format=torch.channels_last_3d)
        elif isinstance(layer, nn.Conv2d):
            layer.weight.data = layer.weight.data.contiguous(memory_format=torch.channels_last)
    return module
