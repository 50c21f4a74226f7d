"""Where the light comes from, by a small convolutional network on whole early frames (`fit_lamp`).

Shadows on the ground, the shading of things, their highlights and the glow of a low sun each tell, and none of them always:
a shadow that falls away from the camera hides behind what casts it. The network sees the frame, what in it is thing and sky,
how bright the ground is beside what its row usually is, and how far below the horizon every row lies.
"""

from __future__ import annotations

import functools
from importlib.resources import files

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load
from torch import Tensor, nn
from torch.nn import functional

from langit.evaluation.observation.moves import MIRRORED
from langit.evaluation.observation.segmenter import Segmentation, block, folded
from langit.simulator.world import LIGHT_SIDES, Array

FRAMES = (0, 2, 4, 6)
"""At which it is looked: a camera that moves on leaves the side that is told of its first frame."""
CHANNELS = 7  # red, green, blue; things, sky; how bright the ground is beside its row; rows below the horizon
SURE = 0.6  # of ground, of a pixel whose brightness is taken
DARKEST = 0.03  # of brightness, that is told from none
CONTRAST = 3.0  # that makes shadows as large as colours
WEIGHTS = "lamp.safetensors"
IN_MIRROR = [LIGHT_SIDES.index(MIRRORED.get(side, side)) for side in LIGHT_SIDES]


class Lamp(nn.Module):
    """Pictures (B, CHANNELS, h, w) to logits (B, sides), by way of 1/2 and 1/4 of the size; h and w divide by 4."""

    def __init__(self, fine: int = 24, coarse: int = 48, features: int = 48) -> None:
        super().__init__()
        self.enter = block(4 * CHANNELS, fine, 3)
        self.fine = block(fine, fine, 3)
        self.to_coarse = block(4 * fine, coarse, 1)
        self.coarse = nn.ModuleList([block(coarse, coarse, 3, dilation) for dilation in (1, 2, 1)])
        self.trust = nn.Conv2d(coarse, 2, 1)
        self.think = nn.Sequential(
            nn.Dropout(0.15), nn.Linear(3 * coarse, features), nn.ReLU(), nn.Linear(features, len(LIGHT_SIDES))
        )

    def forward(self, pictures: Tensor) -> Tensor:
        fine = self.enter(folded(pictures))  # (B, fine, h/2, w/2)
        fine = fine + self.fine(fine)
        coarse = self.to_coarse(folded(fine))  # (B, coarse, h/4, w/4)
        for each in self.coarse:
            coarse = coarse + each(coarse)
        trust = self.trust(coarse).flatten(2).softmax(-1)  # (B, heads, places)
        weighed = torch.einsum("bhp,bcp->bhc", trust, coarse.flatten(2)).flatten(1)
        logits: Tensor = self.think(torch.cat([weighed, coarse.mean((2, 3))], 1))
        return logits


def light_side(seen: Segmentation) -> str:
    """One of LIGHT_SIDES, seen from the camera at the first frame, by some frames and by their mirror images."""
    pictures = pictures_of(seen)
    pictures = functional.pad(pictures, (0, -pictures.shape[3] % 4, 0, -pictures.shape[2] % 4), mode="replicate")
    with torch.inference_mode():
        as_is, mirrored = (network()(one).softmax(-1).mean(0) for one in (pictures, pictures.flip(-1)))
        return LIGHT_SIDES[int((as_is + mirrored[IN_MIRROR]).argmax())]


def pictures_of(seen: Segmentation, frames: tuple[int, ...] = FRAMES) -> Tensor:
    """(frames, CHANNELS, h, w): what the network sees of those of the frames that there are."""
    chosen = [frame for frame in frames if frame < len(seen.frames)]
    what, colours = seen.what[chosen], seen.frames[chosen]
    sky, ground = what[..., :1], what[..., 1:2]
    grey = np.log(colours.mean(-1) + DARKEST)
    lit = np.stack([_beside_usual(*each) for each in zip(grey, ground[..., 0] > SURE, strict=True)])
    rows = (np.arange(grey.shape[1], dtype=np.float32) + 0.5) / grey.shape[1] - seen.horizon[chosen, None]
    below = np.broadcast_to(rows[:, :, None], grey.shape)
    parts = [colours * 2 - 1, 1 - sky - ground, sky, CONTRAST * lit[..., None], below[..., None]]
    return torch.from_numpy(np.ascontiguousarray(np.concatenate(parts, -1).transpose(0, 3, 1, 2), np.float32))


def _beside_usual(grey: Array, ground: NDArray[np.bool_]) -> Array:
    """Brightness over the median of the ground in the rows about, 0 where it is no ground."""
    known = np.where(ground, grey, np.nan)
    beyond = np.full_like(known[:1], np.nan)
    about = np.concatenate([np.concatenate([beyond, known[:-1]]), known, np.concatenate([known[1:], beyond])], 1)
    count = np.isfinite(about).sum(1)
    ordered = np.sort(about, 1)  # what is no ground comes last
    rows = np.arange(len(grey))
    usual = (ordered[rows, np.maximum(count - 1, 0) // 2] + ordered[rows, count // 2]) / 2
    return np.asarray(np.nan_to_num(known - usual[:, None]), np.float32)


@functools.cache
def network() -> Lamp:
    """As it is shipped."""
    lamp = Lamp()
    stored = load((files(__package__) / WEIGHTS).read_bytes())
    lamp.load_state_dict({key: value.float() for key, value in stored.items()}, strict=False)
    return lamp.requires_grad_(False).eval()
