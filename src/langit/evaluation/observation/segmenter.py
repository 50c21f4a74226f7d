"""Frames to maps: what each pixel shows, by a small convolutional network fitted on simulated frames (`fit`).

Colour, material and light tangle too much for a table of the palette: metal mirrors the sky, night takes the chroma,
snow is as white as what lies on it. The network sees one frame at a time, so nothing that is said of motion is its guess.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from langit.simulator.world import COLOURS, GROUNDS, LIGHTS, SHAPES
from langit.types import Frames

Maps = NDArray[np.float32]

WORKING_SIZE = 64
"""Pixels of the shorter side at which frames are looked at; larger frames are averaged down to it."""
SEEN_SHAPES = (*SHAPES, "wall", "ramp", "rod")
CLASSES = ("sky", "ground", *COLOURS)
FIRST_COLOUR = 2
HEADS = {"what": len(CLASSES), "depth": 1}
"""Maps per pixel, with their channels. depth: log of metres / 8, along the ray."""
SCENE_HEADS = {"light_time": len(LIGHTS), "ground": len(GROUNDS), "camera": 2}
"""Per frame. camera: row of the horizon from -1 (top) to 1, also beyond; log of its height over the ground / 2 m."""
WEIGHTS = "segmenter.safetensors"
FRAMES_AT_ONCE = 17  # from 16 on 1x1 convolutions take their fast path on one thread


@dataclass(frozen=True, eq=False)
class Segmentation:
    """What a clip's pixels show, at the working size. Probabilities, not logits."""

    what: Maps  # (F, h, w, len(CLASSES))
    likeliest: NDArray[np.int64]  # (F, h, w) index into CLASSES
    depth: Maps  # (F, h, w) metres
    light_time: Maps  # (F, len(LIGHTS)) log probabilities
    ground: Maps  # (F, len(GROUNDS)) log probabilities
    horizon: Maps  # (F,) row in [0, 1] of the frame; may lie outside
    camera_height: Maps  # (F,) metres
    frames: Maps  # (F, h, w, 3) in [0, 1], what the network saw


def block(channels_in: int, channels: int, size: int, dilation: int = 1) -> nn.Sequential:
    """A convolution, its normalization and ReLU."""
    padding = dilation * (size // 2)
    convolution = nn.Conv2d(channels_in, channels, size, padding=padding, dilation=dilation, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(channels), nn.ReLU(inplace=True))


class Segmenter(nn.Module):
    """(B, 3, h, w) in [-1, 1] to maps and scene logits, by way of 1/2, 1/4 and 1/8 of the size; h and w divide by 8."""

    def __init__(self, fine: int = 24, middle: int = 64, coarse: int = 96, last: int = 32) -> None:
        super().__init__()
        self.enter = block(14, fine, 3)
        self.to_middle = block(4 * fine, middle, 1)
        self.middle = nn.ModuleList([block(middle, middle, 3, dilation) for dilation in (1, 2)])
        self.to_coarse = block(4 * middle, coarse, 1)
        self.coarse = nn.ModuleList([block(coarse, coarse, 3, dilation) for dilation in (1, 2, 1)])
        self.from_coarse = block(coarse, middle, 1)
        self.joined = nn.ModuleList([block(middle, middle, 3) for _ in range(2)])
        self.from_middle = block(middle, 4 * (fine + 4), 1)
        self.leave = block(2 * fine + 4, last, 3)
        self.maps = nn.Conv2d(last, 4 * sum(HEADS.values()), 1)
        self.scene = nn.Sequential(nn.Linear(2 * coarse, 48), nn.ReLU(), nn.Linear(48, sum(SCENE_HEADS.values())))

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Maps (B, sum of HEADS, h, w) and scene logits (B, sum of SCENE_HEADS)."""
        fine = self.enter(with_places(folded(frames)))  # (B, fine, h/2, w/2)
        middle = self.to_middle(folded(fine))  # (B, middle, h/4, w/4)
        for block in self.middle:
            middle = middle + block(middle)
        coarse = self.to_coarse(folded(middle))  # (B, coarse, h/8, w/8)
        for block in self.coarse:
            coarse = coarse + block(coarse)
        scene = self.scene(torch.cat([coarse.mean((2, 3)), coarse.amax((2, 3))], 1))
        middle = middle + functional.interpolate(self.from_coarse(coarse), scale_factor=2.0, mode="nearest")
        for block in self.joined:
            middle = middle + block(middle)
        fine = torch.cat([fine, unfolded(self.from_middle(middle))], 1)
        return unfolded(self.maps(self.leave(fine))), scene

    def fused(self) -> Segmenter:
        """The same, for use only, with every normalization folded into its convolution."""
        self.eval()
        for block in [module for module in self.modules() if isinstance(module, nn.Sequential)]:
            if len(block) == 3 and isinstance(block[1], nn.BatchNorm2d):
                convolution = block[0]
                assert isinstance(convolution, nn.Conv2d)
                block[0], block[1] = fuse_conv_bn_eval(convolution, block[1]), nn.Identity()
        return self


def segment(frames: Frames) -> Segmentation:
    """What the pixels of uint8 frames (F, H, W, 3) show."""
    small = _working_frames(frames)  # (F, h, w, 3)
    height, width = small.shape[1:3]
    pad = (0, -width % 8, 0, -height % 8)
    network = _network()
    maps, scenes = [], []
    with torch.inference_mode():
        for first in range(0, len(small), FRAMES_AT_ONCE):
            chunk = (small[first : first + FRAMES_AT_ONCE] * 2 - 1).permute(0, 3, 1, 2)
            of_pixels, of_scene = network(functional.pad(chunk, pad, mode="replicate") if any(pad) else chunk)
            maps.append(of_pixels[:, :, :height, :width].permute(1, 0, 2, 3))
            scenes.append(of_scene)
        planes = torch.cat([part.contiguous() for part in maps], 1)  # (channels, F, h, w): fast to sum over channels
        what, depth = planes.split(list(HEADS.values()))
        scene = dict(zip(SCENE_HEADS, torch.cat(scenes).split(list(SCENE_HEADS.values()), -1), strict=True))
        most, likeliest = what[0].clone(), torch.zeros(what.shape[1:], dtype=torch.int64)
        for kind in range(1, len(what)):  # many times faster than argmax over so few
            likeliest.masked_fill_(what[kind] > most, kind)
            torch.maximum(most, what[kind], out=most)
        chance = (what - most).exp_()
        chance /= chance.sum(0)
        return Segmentation(
            what=chance.permute(1, 2, 3, 0).numpy(),
            likeliest=likeliest.numpy(),
            depth=depth[0].clamp(-3, 3).exp().mul(8).numpy(),
            light_time=scene["light_time"].log_softmax(-1).numpy(),
            ground=scene["ground"].log_softmax(-1).numpy(),
            horizon=scene["camera"][:, 0].add(1).div(2).numpy(),
            camera_height=scene["camera"][:, 1].clamp(-3, 3).exp().mul(2).numpy(),
            frames=small.numpy(),
        )


def folded(maps: Tensor) -> Tensor:
    """(B, C, h, w) to (B, 4 C, h / 2, w / 2), channels last: what `pixel_unshuffle` does in another order, and faster."""
    batch, channels, height, width = maps.shape
    cells = maps.permute(0, 2, 3, 1).reshape(batch, height // 2, 2, width // 2, 2, channels).transpose(2, 3)
    return cells.reshape(batch, height // 2, width // 2, 4 * channels).permute(0, 3, 1, 2)


def unfolded(maps: Tensor) -> Tensor:
    """The inverse of `folded`."""
    batch, channels, height, width = maps.shape
    cells = maps.permute(0, 2, 3, 1).reshape(batch, height, width, 2, 2, channels // 4).transpose(2, 3)
    return cells.reshape(batch, 2 * height, 2 * width, channels // 4).permute(0, 3, 1, 2)


def with_places(halved: Tensor) -> Tensor:
    """Adds each position's row and column in [-1, 1] as channels."""
    batch, _, height, width = halved.shape
    rows = torch.linspace(-1, 1, height).view(1, 1, height, 1).expand(batch, 1, height, width)
    columns = torch.linspace(-1, 1, width).view(1, 1, 1, width).expand(batch, 1, height, width)
    return torch.cat([halved, rows, columns], 1)


def _working_frames(frames: Frames) -> Tensor:
    """Frames as (F, h, w, 3) in [0, 1] with a shorter side of `WORKING_SIZE`."""
    pixels = torch.from_numpy(np.ascontiguousarray(frames)).float() / 255
    height, width = frames.shape[1:3]
    if min(height, width) == WORKING_SIZE:
        return pixels
    scale = WORKING_SIZE / min(height, width)
    size = (max(8, round(height * scale)), max(8, round(width * scale)))
    small = functional.interpolate(
        pixels.permute(0, 3, 1, 2), size, mode="bilinear", antialias=True, align_corners=False
    )
    return small.permute(0, 2, 3, 1).contiguous()


@functools.cache
def _network() -> Segmenter:
    network = Segmenter()
    stored = load((files(__package__) / WEIGHTS).read_bytes())
    network.load_state_dict(
        {name: value.float() if value.is_floating_point() else value for name, value in stored.items()}, strict=False
    )
    return network.requires_grad_(False).fused().to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]
