"""What a patch is: its shape, material and size, by a small network on a square cut around it, fitted by `fit_namer`.

Every patch is named by itself; a track pools what all of its patches say. Size needs metres, so the patch's place and
depth, the horizon and the camera's height go in beside the pixels.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load
from torch import Tensor, nn
from torch.nn import functional

from langit.evaluation.observation.segmenter import FIRST_COLOUR, SEEN_SHAPES, Segmentation
from langit.simulator.world import MATERIALS, SIZES

CUT = 20  # pixels of a cut
MARGIN = 1.35  # side of a cut over the longer side of the patch's box
CHANNELS = 5  # red, green, blue, how much is of the patch's colour, how much is of other things
NUM_NUMBERS = 8
NAMES = {"shape": len(SEEN_SHAPES), "material": len(MATERIALS), "size": len(SIZES)}
WEIGHTS = "namer.safetensors"


@dataclass(frozen=True)
class Spot:
    """Where a patch is: frame, index of its colour, and box in [0, 1] of the frame."""

    frame: int
    colour: int
    box: tuple[float, float, float, float]
    depth: float


class Namer(nn.Module):
    """Cuts (B, CHANNELS, CUT, CUT) and numbers (B, NUM_NUMBERS) to logits (B, sum of NAMES)."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.look = nn.Sequential(
            nn.Conv2d(CHANNELS, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, width + 8, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(width + 8, 2 * width, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
        )
        self.think = nn.Sequential(
            nn.Linear(2 * width * (CUT // 4) ** 2 + NUM_NUMBERS, 64), nn.ReLU(), nn.Linear(64, sum(NAMES.values()))
        )

    def forward(self, cuts: Tensor, numbers: Tensor) -> Tensor:
        logits: Tensor = self.think(torch.cat([self.look(cuts), numbers], 1))
        return logits


def name(seen: Segmentation, spots: Sequence[Spot]) -> dict[str, NDArray[np.float64]]:
    """Log probabilities (N, choices) of `NAMES` for N patches."""
    if not spots:
        return {each: np.zeros((0, choices)) for each, choices in NAMES.items()}
    with torch.inference_mode():
        logits = _network()(*cuts_of(seen, spots))
    parts = logits.split(list(NAMES.values()), 1)
    return {each: part.log_softmax(1).double().numpy() for each, part in zip(NAMES, parts, strict=True)}


def cuts_of(seen: Segmentation, spots: Sequence[Spot]) -> tuple[Tensor, Tensor]:
    """What the network sees of patches: cuts and numbers."""
    frame = np.array([spot.frame for spot in spots])
    colour = np.array([spot.colour for spot in spots])
    box = np.array([spot.box for spot in spots])
    height, width = seen.depth.shape[1:]
    things = seen.what[..., FIRST_COLOUR:]
    own = things[frame, :, :, colour]  # (N, h, w)
    other = things.sum(-1)[frame] - own
    pictures = np.concatenate([seen.frames[frame] * 2 - 1, own[..., None], other[..., None]], -1)
    size = np.stack([(box[:, 2] - box[:, 0]) * width, (box[:, 3] - box[:, 1]) * height], 1)  # pixels
    side = MARGIN * size.max(1) + 2
    middle = np.stack([box[:, 0] + box[:, 2], box[:, 1] + box[:, 3]], 1) - 1  # in [-1, 1]
    reach = side[:, None] / np.array([width, height])
    steps = np.linspace(-1, 1, CUT + 1)[:-1] + 1 / CUT
    x = middle[:, :1] + reach[:, :1] * steps  # (N, CUT)
    y = middle[:, 1:] + reach[:, 1:] * steps
    grid = np.stack(np.broadcast_arrays(x[:, None, :], y[:, :, None]), -1).astype(np.float32)
    source = torch.from_numpy(pictures.astype(np.float32)).permute(0, 3, 1, 2)
    cuts = functional.grid_sample(source, torch.from_numpy(grid), align_corners=False, padding_mode="border")
    depth = np.array([spot.depth for spot in spots])
    short = min(height, width)
    numbers = np.stack(
        [
            np.log(size[:, 0] / short * depth),
            np.log(size[:, 1] / short * depth),
            np.log(size.max(1) / 16),
            np.log(depth / 8),
            middle[:, 1],
            box[:, 3] * 2 - 1,
            seen.horizon[frame] * 2 - 1,
            np.log(seen.camera_height[frame] / 2),
        ],
        1,
    )
    return cuts, torch.from_numpy(numbers.astype(np.float32))


@functools.cache
def _network() -> Namer:
    network = Namer()
    stored = load((files(__package__) / WEIGHTS).read_bytes())
    network.load_state_dict({key: value.float() for key, value in stored.items()})
    return network.requires_grad_(False).eval()
