"""How large a track is, in metres, by a small network on where its patches lie and how large they are (`fit_sizes`).

A picture does not tell how high the camera is: size is what it looks to be from a camera of the usual height (`namer`).
"""

from __future__ import annotations

import functools
from importlib.resources import files

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load
from torch import Tensor, nn

from langit.evaluation.observation.council import Council
from langit.evaluation.observation.segmenter import SEEN_SHAPES
from langit.simulator.world import SIZES, Array

NUM_OF_PATCH = 11  # the first of the namer's numbers
LOWEST, WHOLE = 5, 10  # columns: the lower end's row, and whether the patch is whole
QUANTILES = (0.2, 0.5, 0.8)
NUM_NUMBERS = (len(QUANTILES) + 1) * NUM_OF_PATCH + len(SEEN_SHAPES)
SPREAD = 0.12  # of the log of a size
WEIGHTS = "sizes.safetensors"
MEMBERS = 4


class Measurer(nn.Module):
    """Numbers of tracks (B, NUM_NUMBERS) to the log of half extents / 0.8 m (B,)."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.enter = nn.BatchNorm1d(NUM_NUMBERS)
        self.think = nn.Sequential(
            nn.Linear(NUM_NUMBERS, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 1)
        )

    def forward(self, numbers: Tensor) -> Tensor:
        logs: Tensor = self.think(self.enter(numbers).clamp(-5, 5))[:, 0]
        return logs


def numbers_of(patches: Array, shapes: NDArray[np.floating]) -> Array:
    """(NUM_NUMBERS,) of a track whose patches have the namer's numbers (S, NUM_OF_PATCH and more)."""
    patches = patches[:, :NUM_OF_PATCH]
    whole = patches[patches[:, WHOLE] > 0.5]
    chosen = whole if len(whole) >= 3 else patches
    spread = np.quantile(chosen, QUANTILES, axis=0).ravel()
    return np.concatenate([spread, chosen[chosen[:, LOWEST].argmax()], shapes]).astype(np.float32)


def chances(numbers: Array) -> NDArray[np.float64]:
    """Probabilities of SIZES of one track."""
    with torch.inference_mode():
        found = float(_network()(torch.from_numpy(numbers)[None]).mean())
    apart = np.log(np.array(list(SIZES.values())) / 0.8) - found
    likely = np.exp(-0.5 * (apart / SPREAD) ** 2 + 0.5 * (np.abs(apart).min() / SPREAD) ** 2)
    return np.asarray(likely / likely.sum())


@functools.cache
def _network() -> Council:
    network = Council(Measurer, MEMBERS)
    stored = load((files(__package__) / WEIGHTS).read_bytes())
    network.load_state_dict({key: value.float() for key, value in stored.items()}, strict=False)
    return network.requires_grad_(False).eval()
