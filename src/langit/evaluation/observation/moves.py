"""What the camera does, by a small network on the equations of the background's motion (`fit_moves`).

Each move explains a share of the background's change, turns and steps so far, tilts the horizon so much; where the
ground is too plain for a threshold on any one of these, all together still tell. Where there is nothing but snow, the
things tell that all of them drift alike.
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

from langit.evaluation.observation.patches import Patch
from langit.simulator.world import CAMERA_MOVES, Array

Doubles = NDArray[np.float64]

YAW, PITCH, RIGHT, UP, AHEAD = range(5)
TARGET_DISTANCE = 8.5  # metres, of what a camera looks at
ENDS = 5  # frames, whose horizons are compared
MOST_THINGS = 3  # whose drift is looked at, the largest
NUM_DRIFT = 5
LAGS = (1, 4, 12)  # frames, over which pixels are compared: before a camera at rest they stay alike
QUANTILES = (0.5, 0.75, 0.9)
NUM_CHANGES = (len(LAGS) + 1) * len(QUANTILES)
NUM_NUMBERS = 63 + NUM_CHANGES + MOST_THINGS * NUM_DRIFT
WEIGHTS = "moves.safetensors"
MIRRORED = {"left": "right", "right": "left"}


@dataclass(frozen=True, eq=False)
class Evidence:
    """What is measured of the background, before anything is made of it."""

    normal: Doubles  # (F - 1, 5, 5) equations of every step in yaw, pitch and steps right, up and ahead
    wanted: Doubles  # (F - 1, 5)
    energy: Doubles  # (F - 1,) of the change that they explain
    changes: Doubles  # (NUM_CHANGES,) logs of how much the ground's pixels differ, over time and from pixel to pixel
    horizon: Array  # (F,) row in [0, 1], may lie outside
    camera_height: Array  # (F,) metres
    light_time: Array  # log probabilities, mean over frames
    ground: Array
    colours: Array  # (F, 2, 3)

    def mirrored(self) -> Evidence:
        """As of the clip seen in a mirror."""
        sign = np.array([-1.0, 1.0, -1.0, 1.0, 1.0])
        return Evidence(
            self.normal * sign[:, None] * sign,
            self.wanted * sign,
            self.energy,
            self.changes,
            self.horizon,
            self.camera_height,
            self.light_time,
            self.ground,
            self.colours,
        )


class Mover(nn.Module):
    """Numbers (B, NUM_NUMBERS) to logits (B, moves)."""

    mean: Tensor
    spread: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(NUM_NUMBERS))
        self.register_buffer("spread", torch.ones(NUM_NUMBERS))
        self.think = nn.Sequential(
            nn.Linear(NUM_NUMBERS, 96),
            nn.ReLU(),
            nn.Dropout(0.25),
            nn.Linear(96, 48),
            nn.ReLU(),
            nn.Linear(48, len(CAMERA_MOVES)),
        )

    def forward(self, numbers: Tensor) -> Tensor:
        logits: Tensor = self.think(((numbers - self.mean) / self.spread).clamp(-5, 5))
        return logits


def camera_move(found: Evidence, chains: Sequence[list[Patch]]) -> str:
    """One of CAMERA_MOVES; of a single frame, that it is static."""
    if not len(found.normal):
        return CAMERA_MOVES[0]
    numbers = numbers_of(found, drifts_of(chains, len(found.horizon)))
    with torch.inference_mode():
        return CAMERA_MOVES[int(_network()(torch.from_numpy(numbers)[None]).argmax())]


def drifts_of(chains: Sequence[list[Patch]], num_frames: int) -> Doubles:
    """(MOST_THINGS, NUM_DRIFT): that it is there, and how far things go across, down and towards the camera in a clip,
    beside the scatter about that."""
    drifts = np.zeros((MOST_THINGS, NUM_DRIFT))
    for row, chain in enumerate(chains[:MOST_THINGS]):
        if len(chain) < ENDS:
            continue
        time = np.array([patch.frame for patch in chain]) / num_frames
        path = np.array([[patch.x, patch.y, 0.5 * np.log(patch.area)] for patch in chain])
        line = np.polyfit(time, path, 1)
        scatter = (path - np.polyval(line, time[:, None])).std(0).sum()
        drifts[row] = [1.0, *(4 * line[0]).clip(-4, 4), 20 * scatter]
    return drifts


def mirrored_drifts(drifts: Doubles) -> Doubles:
    return np.asarray(drifts * np.array([1.0, -1.0, 1.0, 1.0, 1.0]))


def mirrored_move(move: str) -> str:
    kind, _, side = move.partition(" ")
    return f"{kind} {MIRRORED[side]}" if side in MIRRORED else move


def numbers_of(found: Evidence, drifts: Doubles) -> Array:
    """(NUM_NUMBERS,): what the network sees."""
    normal, wanted, energy = found.normal.sum(0), found.wanted.sum(0), float(found.energy.sum())
    num_steps, height = len(found.normal), float(np.median(found.camera_height))
    turn = height / TARGET_DISTANCE
    scale = np.array([1.0, 1.0, turn, turn, turn]) * num_steps * 5
    half = num_steps // 2
    halves = (slice(None, half), slice(half, None)) if half else (slice(None), slice(None))
    parts = [solved(found.normal[some].sum(0), found.wanted[some].sum(0)) * scale for some in (slice(None), *halves)]
    gains, amounts = [], []
    for direction in _directions(turn):
        along, against = float(direction @ wanted), float(direction @ normal @ direction)
        gains.append(along * abs(along) / max(against, 1e-12) / max(energy, 1e-9))
        amounts.append(along / max(against, 1e-6) * num_steps * 3)
    horizon = found.horizon.astype(np.float64)
    rest = [
        np.log(energy / num_steps + 1e-4),
        *np.log(np.diag(normal) / num_steps + 1e-4),
        10 * float(np.median(horizon[-ENDS:]) - np.median(horizon[:ENDS])),
        3 * float(np.median(horizon)),
        5 * float(np.log(np.median(found.camera_height[-ENDS:]) / np.median(found.camera_height[:ENDS]))),
        np.log(height),
        *np.exp(found.light_time),
        *np.exp(found.ground),
    ]
    hold = np.diag(np.diag(normal) / num_steps * 0.3 + 1e-6)
    steps = np.linalg.solve(found.normal + hold, found.wanted[..., None])[..., 0]
    steady = np.sqrt(num_steps) * steps.mean(0) / (steps.std(0) + 1e-4)
    middle = np.median(steps, 0) * scale
    return np.concatenate([*parts, gains, amounts, rest, steady, middle, found.changes, drifts.ravel()]).astype(
        np.float32
    )


def _directions(turn: float) -> list[Doubles]:
    """The moves as steps: an orbit turns as much as keeps its target in sight, a rise and a dolly tilt a little."""
    unit = np.eye(5)
    orbits = [unit[RIGHT] - share * turn * unit[YAW] for share in (0.7, 1.0, 1.4)]
    dollies = [unit[AHEAD] + tilt * turn**2 * unit[PITCH] for tilt in (-0.5, 0.0, 0.5)]
    rises = [unit[UP] + tilt * turn * unit[PITCH] for tilt in (0.0, 0.7, 1.4)]
    return [unit[YAW], *orbits, *dollies, *rises]


def solved(normal: Doubles, wanted: Doubles) -> Doubles:
    """The step of the camera that the equations tell, drawn to zero where they tell little."""
    ridge = np.eye(5) * (np.trace(normal) * 1e-5 + 1e-9)
    return np.asarray(np.linalg.solve(normal + ridge, wanted))


@functools.cache
def _network() -> Mover:
    network = Mover()
    stored = load((files(__package__) / WEIGHTS).read_bytes())
    network.load_state_dict({key: value.float() for key, value in stored.items()})
    return network.requires_grad_(False).eval()
