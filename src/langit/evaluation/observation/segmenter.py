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

from langit.simulator.world import COLOURS, GROUNDS, LIGHT_SIDES, LIGHTS, SHAPES
from langit.types import Frames

Maps = NDArray[np.float32]

WORKING_SIZE = 64
"""Pixels of the shorter side at which frames are looked at; larger frames are averaged down to it."""
SEEN_SHAPES = (*SHAPES, "wall", "ramp", "rod")
CLASSES = ("sky", *GROUNDS, *COLOURS)
FIRST_COLOUR = 1 + len(GROUNDS)
HEADS = {"what": len(CLASSES), "depth": 1}
"""Maps per pixel, with their channels. depth: log of metres / 8."""
SCENE_HEADS = {"light_time": len(LIGHTS), "light_side": len(LIGHT_SIDES), "camera": 2}
"""Per frame. camera: row of the horizon from -1 (top) to 1, also beyond; log of its height over the ground / 2 m."""
NUMBERS = ("depth", "camera")
"""Heads that are numbers, not choices."""
WEIGHTS = "segmenter.safetensors"
FRAMES_AT_ONCE = 11


@dataclass(frozen=True, eq=False)
class Segmentation:
    """What a clip's pixels show, at the working size. Probabilities, not logits."""

    what: Maps  # (F, h, w, len(CLASSES))
    depth: Maps  # (F, h, w) metres
    light_time: Maps  # (F, len(LIGHTS)) log probabilities
    light_side: Maps  # (F, len(LIGHT_SIDES)) log probabilities
    horizon: Maps  # (F,) row in [0, 1] of the frame; may lie outside
    camera_height: Maps  # (F,) metres
    frames: Maps  # (F, h, w, 3) in [0, 1], what the network saw


def _block(channels_in: int, channels: int, size: int, dilation: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(
        channels_in, channels, size, padding=dilation * (size // 2), padding_mode="zeros", dilation=dilation, bias=False
    )
    return nn.Sequential(convolution, nn.BatchNorm2d(channels), nn.ReLU())


class Segmenter(nn.Module):
    """(B, 3, h, w) in [-1, 1] to maps and scene logits, by way of 1/2, 1/4 and 1/8 of the size; h and w divide by 8."""

    def __init__(self, fine: int = 24, middle: int = 40, coarse: int = 48) -> None:
        super().__init__()
        self.enter = nn.Sequential(_block(14, fine, 3), _block(fine, fine, 3))
        self.to_middle = _block(4 * fine, middle, 1)
        self.middle = nn.ModuleList([_block(middle, middle, 3, dilation) for dilation in (1, 2)])
        self.to_coarse = _block(4 * middle, coarse, 1)
        self.coarse = nn.ModuleList([_block(coarse, coarse, 3, dilation) for dilation in (1, 2)])
        self.from_coarse = _block(coarse, middle, 1)
        self.joined = nn.ModuleList([_block(middle, middle, 3) for _ in range(2)])
        self.from_middle = _block(middle, 4 * fine, 1)
        self.leave = _block(2 * fine, 40, 3)
        self.maps = nn.Conv2d(40, 4 * sum(HEADS.values()), 1)
        self.scene = nn.Linear(2 * coarse, sum(SCENE_HEADS.values()))

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Maps (B, sum of HEADS, h, w) and scene logits (B, sum of SCENE_HEADS)."""
        fine = self.enter(_with_places(functional.pixel_unshuffle(frames, 2)))  # (B, fine, h/2, w/2)
        middle = self.to_middle(functional.pixel_unshuffle(fine, 2))  # (B, middle, h/4, w/4)
        for block in self.middle:
            middle = middle + block(middle)
        coarse = self.to_coarse(functional.pixel_unshuffle(middle, 2))  # (B, coarse, h/8, w/8)
        for block in self.coarse:
            coarse = coarse + block(coarse)
        scene = self.scene(torch.cat([coarse.mean((2, 3)), coarse.amax((2, 3))], 1))
        middle = middle + functional.interpolate(self.from_coarse(coarse), scale_factor=2.0, mode="nearest")
        for block in self.joined:
            middle = middle + block(middle)
        fine = torch.cat([fine, functional.pixel_shuffle(self.from_middle(middle), 2)], 1)
        return functional.pixel_shuffle(self.maps(self.leave(fine)), 2), scene

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
    small = _working_frames(frames)
    height, width = small.shape[2:]
    pad = (0, -width % 8, 0, -height % 8)
    network = _network()
    parts: list[dict[str, Tensor]] = []
    with torch.inference_mode():
        for first in range(0, len(small), FRAMES_AT_ONCE):
            chunk = functional.pad(small[first : first + FRAMES_AT_ONCE] * 2 - 1, pad, mode="replicate").contiguous(
                memory_format=torch.channels_last
            )
            maps, scene = network(chunk)
            maps = maps[:, :, :height, :width].permute(0, 2, 3, 1)
            split = dict(zip(HEADS, maps.split(list(HEADS.values()), -1), strict=True))
            split |= dict(zip(SCENE_HEADS, scene.split(list(SCENE_HEADS.values()), -1), strict=True))
            parts.append(
                {name: logits if name in NUMBERS else logits.log_softmax(-1) for name, logits in split.items()}
            )
    whole = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    arrays = {name: value.numpy() for name, value in whole.items() if name not in ("what", *NUMBERS)}
    return Segmentation(
        what=whole["what"].exp().numpy(),
        depth=whole["depth"][..., 0].clamp(-3, 3).exp().mul(8).numpy(),
        horizon=whole["camera"][:, 0].add(1).div(2).numpy(),
        camera_height=whole["camera"][:, 1].clamp(-3, 3).exp().mul(2).numpy(),
        frames=small.permute(0, 2, 3, 1).contiguous().numpy(),
        **arrays,
    )


def _with_places(halved: Tensor) -> Tensor:
    """Adds each position's row and column in [-1, 1] as channels."""
    batch, _, height, width = halved.shape
    rows = torch.linspace(-1, 1, height).view(1, 1, height, 1).expand(batch, 1, height, width)
    columns = torch.linspace(-1, 1, width).view(1, 1, 1, width).expand(batch, 1, height, width)
    return torch.cat([halved, rows, columns], 1)


def _working_frames(frames: Frames) -> Tensor:
    """Frames as (F, 3, h, w) in [0, 1] with a shorter side of `WORKING_SIZE`."""
    pixels = torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2).float() / 255
    height, width = frames.shape[1:3]
    if min(height, width) == WORKING_SIZE:
        return pixels
    scale = WORKING_SIZE / min(height, width)
    size = (max(8, round(height * scale)), max(8, round(width * scale)))
    return functional.interpolate(pixels, size, mode="bilinear", antialias=True, align_corners=False)


@functools.cache
def _network() -> Segmenter:
    network = Segmenter()
    stored = load((files(__package__) / WEIGHTS).read_bytes())
    network.load_state_dict(
        {name: value.float() if value.is_floating_point() else value for name, value in stored.items()}, strict=False
    )
    return network.requires_grad_(False).fused().to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]
