"""Which noise levels a solver visits."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from langit.flow import shift_levels

Schedule = Callable[[int, float], Tensor]
"""(steps, shift) -> (steps + 1,) levels from 1 down to 0."""


def linear(steps: int, shift: float = 1.0) -> Tensor:
    """Evenly spaced, then shifted towards noise: rectified flow's own clock (SD3, arXiv 2403.03206, eq. 23)."""
    return shift_levels(torch.linspace(1, 0, steps + 1), shift)


def cosine(steps: int, shift: float = 1.0) -> Tensor:
    """Slow at both ends, then shifted: (1 + cos(pi u)) / 2; more steps where composition and finest detail are decided."""
    return shift_levels((1 + torch.cos(math.pi * torch.linspace(0, 1, steps + 1))) / 2, shift)


def wan(steps: int, shift: float = 1.0) -> Tensor:
    """Evenly spaced from 1 to 1/1000, shifted, then 0: the clock that Wan's models come with.

    They are told the timestep below 1000 * level; rounding to float32 must not carry a level over one.
    """
    levels = torch.from_numpy(np.linspace(1, 1 / 1000, steps + 1)[:-1])
    exact = shift * levels / (1 + (shift - 1) * levels)
    rounded = exact.float()
    for towards in (0.0, 1.0):
        beside = torch.nextafter(rounded, torch.tensor(towards))
        mends = torch.floor(1000 * beside.double()) == torch.floor(1000 * exact)
        rounded = torch.where(
            (torch.floor(1000 * rounded.double()) != torch.floor(1000 * exact)) & mends, beside, rounded
        )
    return torch.cat([rounded, rounded.new_zeros(1)])


SCHEDULES: dict[str, Schedule] = {"linear": linear, "cosine": cosine, "wan": wan}


def levels_of(schedule: Tensor, held: Tensor, start: Tensor) -> Tensor:
    """Each patch's course: (S + 1,) levels, held (N,) bool, start (N,) in (0, 1] -> (S + 1, N).

    A held patch stays at 0. A free one begins at its `start` and passes the schedule at that scale.
    """
    return schedule[:, None] * start.masked_fill(held, 0.0)
