"""Which noise levels a solver visits."""

from __future__ import annotations

import math
from collections.abc import Callable

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


SCHEDULES: dict[str, Schedule] = {"linear": linear, "cosine": cosine}


def levels_of(schedule: Tensor, held: Tensor, start: Tensor) -> Tensor:
    """Each patch's course: (S + 1,) levels, held (N,) bool, start (N,) in (0, 1] -> (S + 1, N).

    A held patch stays at 0. A free one begins at its `start` and passes the schedule at that scale.
    """
    return schedule[:, None] * start.masked_fill(held, 0.0)
