"""Whether what is followed is a thing: what metal mirrors, the grain of snow and second pieces of one thing are not.

A small network (`fit_judge`) on how long, how large, how sure and how steady a chain of patches is, and on how it goes
with the one that it touches most. Of one thing that fell into pieces, the largest piece is the thing.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from importlib.resources import files

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load
from torch import Tensor, nn

from langit.evaluation.observation.council import Council
from langit.evaluation.observation.patches import Patch
from langit.simulator.world import COLOURS, GROUNDS, LIGHTS, Array

Doubles = NDArray[np.float64]

NUM_ALONE, NUM_BESIDE = 17, 12
NUM_NUMBERS = NUM_ALONE + NUM_BESIDE + 2 * len(COLOURS) + len(LIGHTS) + len(GROUNDS)
SURE = 0.5  # probability from which on a chain is a thing
JUMPING = 0.9  # tenths of the frame from frame to frame: jumps beyond count no more; a clip whose frames are shuffled has things
WEIGHTS = "judge.safetensors"
MEMBERS = 4


class Judge(nn.Module):
    """Numbers of chains (B, NUM_NUMBERS) to the logit (B,) of each being a thing."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.enter = nn.BatchNorm1d(NUM_NUMBERS)
        self.think = nn.Sequential(
            nn.Linear(NUM_NUMBERS, width), nn.ReLU(), nn.Dropout(0.1), nn.Linear(width, width), nn.ReLU(),
            nn.Linear(width, 1),
        )  # fmt: skip

    def forward(self, numbers: Tensor) -> Tensor:
        logits: Tensor = self.think(self.enter(numbers).clamp(-6, 6))[:, 0]
        return logits


def are_things(numbers: Array) -> NDArray[np.bool_]:
    """(C,) of chains with numbers (C, NUM_NUMBERS)."""
    if not len(numbers):
        return np.zeros(0, bool)
    with torch.inference_mode():
        return np.asarray(_network()(torch.from_numpy(numbers)).mean(0).sigmoid().numpy() > SURE)


def numbers_of(chains: Sequence[list[Patch]], num_frames: int, light: Array, ground: Array) -> Array:
    """(C, NUM_NUMBERS): what the network sees of every chain; mean log probabilities of the scene's light and ground."""
    setting = np.concatenate([np.exp(light), np.exp(ground)])
    paths = [_path(chain, num_frames) for chain in chains]
    rows = []
    for k, chain in enumerate(chains):
        other = _partner(chains, k)
        colours = np.zeros(2 * len(COLOURS))
        colours[chain[0].colour] = 1
        if other is not None:
            colours[len(COLOURS) + chains[other][0].colour] = 1
        beside = np.zeros(NUM_BESIDE) if other is None else _beside(chain, paths[k], chains[other], paths[other])
        rows.append(np.concatenate([_alone(chain, paths, chains, k, num_frames), beside, colours, setting]))
    return np.asarray(np.stack(rows) if rows else np.zeros((0, NUM_NUMBERS)), np.float32)


def _path(chain: Sequence[Patch], num_frames: int) -> Doubles:
    """(F, 4): place, log of area and log of depth, NaN where it is not seen."""
    path = np.full((num_frames, 4), np.nan)
    for patch in chain:
        path[patch.frame] = patch.x, patch.y, np.log(patch.area), np.log(patch.depth)
    return path


def _partner(chains: Sequence[list[Patch]], k: int) -> int | None:
    """The chain of another colour that it touches most; None where it touches nothing."""
    touched = np.zeros(len(COLOURS))
    for patch in chains[k]:
        for colour, count in patch.touches.items():
            touched[colour] += count
    touched[chains[k][0].colour] = 0
    if not touched.any():
        return None
    colour = int(touched.argmax())
    others = [j for j, chain in enumerate(chains) if j != k and chain[0].colour == colour]
    return others[0] if others else None


def _alone(
    chain: Sequence[Patch], paths: Sequence[Doubles], chains: Sequence[list[Patch]], k: int, num_frames: int
) -> Doubles:
    path = paths[k]
    seen = path[np.isfinite(path[:, 0])]
    shares = np.stack([patch.colours / max(patch.colours.sum(), 1e-6) for patch in chain])
    own = shares[np.arange(len(chain)), [patch.colour for patch in chain]]
    second = np.sort(shares, 1)[:, -2]
    steps = np.abs(np.diff(seen[:, :2], axis=0)).sum(1)
    turns = np.abs(np.diff(seen[:, :2], 2, axis=0)).sum(1)
    box = np.array([patch.box for patch in chain])
    extent = np.maximum((box[:, 2] - box[:, 0]) * (box[:, 3] - box[:, 1]), 1e-4)
    fill = np.exp(seen[:, 2]) / extent / 4096
    alike = [j for j, other in enumerate(chains) if j != k and other[0].colour == chain[0].colour]
    largest = max((float(np.nansum(np.exp(paths[j][:, 2]))) for j in alike), default=0.0)
    total = float(np.exp(seen[:, 2]).sum())
    first, last = chain[0].frame, chain[-1].frame
    return np.array(
        [
            len(chain) / num_frames,
            seen[:, 2].max() - 4.6,
            seen[:, 2].mean() - 4.6,
            seen[:, 2].std(),
            1 - len(chain) / (last - first + 1),
            first / num_frames,
            last / num_frames,
            own.mean(),
            own.max(),
            second.mean(),
            float(np.mean([patch.at_edge for patch in chain])),
            min(10 * steps.mean(), JUMPING) if len(steps) else 0.0,
            min(10 * turns.mean(), JUMPING) if len(turns) else 0.0,
            np.minimum(fill, 2).mean(),
            float(np.mean([sum(patch.touches.values()) > 2 for patch in chain])),
            np.log((largest + 1) / total).clip(-6, 6),
            seen[:, 1].mean(),
        ]
    )


def _beside(chain: Sequence[Patch], path: Doubles, other: Sequence[Patch], beside: Doubles) -> Doubles:
    at = {patch.frame: patch for patch in other}
    both = np.isfinite(path[:, 0]) & np.isfinite(beside[:, 0])
    pairs = [(patch, at[patch.frame]) for patch in chain if patch.frame in at]
    if not pairs:
        return np.concatenate([[1.0], np.zeros(NUM_BESIDE - 1)])
    apart = (path - beside)[both]
    touching = [
        min(one.touches.get(two.colour, 0) / (2 * np.sqrt(np.pi * min(one.area, two.area)) + 4), 1.0)
        for one, two in pairs
    ]
    inside = [two.box[0] < one.x < two.box[2] and two.box[1] < one.y < two.box[3] for one, two in pairs]
    share = 1 / (1 + np.exp(-apart[:, 2]))
    total, others = np.nansum(np.exp(path[:, 2])), np.nansum(np.exp(beside[:, 2]))
    return np.array(
        [
            1.0,
            len(pairs) / len(chain),
            float(np.mean(touching)),
            float(np.mean([one > 0.2 for one in touching])),
            float(np.mean(inside)),
            apart[:, 2].mean(),
            share.std() / max(min(share.mean(), 1 - share.mean()), 0.02),
            10 * apart[:, 0].std(),
            10 * apart[:, 1].std(),
            10 * apart[:, 1].mean(),
            apart[:, 3].mean(),
            np.log(total / others).clip(-6, 6),
        ]
    )


@functools.cache
def _network() -> Council:
    network = Council(Judge, MEMBERS)
    stored = load((files(__package__) / WEIGHTS).read_bytes())
    network.load_state_dict({key: value.float() for key, value in stored.items()}, strict=False)
    return network.requires_grad_(False).eval()
