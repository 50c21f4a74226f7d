"""Draws for training: which patches of a clip are held clean, and how noisy each of the others is.

Every row of DESIGN.md's table is a task here, so one objective trains them all:

| task | clean patches | levels of the others |
|---|---|---|
| text | none | one for the clip (text to video and image, remix, restyle) |
| frames | none | one per frame (rollouts, diffusion forcing: arXiv 2407.01392) |
| first | the first frame | one (animate) |
| prefix | the first frames | one (extend, a minute and longer) |
| suffix | the last frames | one (extend backward) |
| ends | first and last frames | one (loop, blend) |
| keyframes | any frames | one (storyboard, re-cut) |
| region | outside a box in space and time | one (inpaint, outpaint) |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from langit.flow import draw_levels
from langit.patches import Grid

SHARES: Mapping[str, float] = {
    "text": 0.50,
    "frames": 0.20,
    "first": 0.10,
    "prefix": 0.08,
    "suffix": 0.03,
    "ends": 0.03,
    "keyframes": 0.03,
    "region": 0.03,
}
Counts = NDArray[np.int64]
STILL_TASKS = ("text", "region")
"""A picture has one frame, so of all tasks it knows these."""


@dataclass(frozen=True)
class Levels:
    """Where the noise is during training, as a logit-normal density (`flow.draw_levels`)."""

    mean: float = 1.2
    deviation: float = 1.2


def draw_tasks(frames: Counts, rng: np.random.Generator, shares: Mapping[str, float] = SHARES) -> list[str]:
    """A task for each clip of so many patch frames, of those that it can have; ValueError where it can have none."""
    names = list(shares)
    weights = np.array([shares[name] for name in names], np.float64)
    for_stills = weights * np.isin(names, STILL_TASKS)
    if (frames == 1).any() and not for_stills.any():
        raise ValueError(f"a clip of one frame knows the tasks {', '.join(STILL_TASKS)}; the shares name neither")
    ends = np.cumsum(np.where((frames == 1)[:, None], for_stills, weights), 1)  # (clips, tasks)
    drawn = (ends <= rng.random(len(frames))[:, None] * ends[:, -1:]).sum(1)
    return [names[task] for task in drawn]


def held_patches(task: str, grid: Grid, generator: torch.Generator) -> Tensor:
    """(N,) bool: the patches that the task holds clean; never all. ValueError for a task that this grid cannot have."""
    if task not in SHARES:
        raise ValueError(f"there is no training task {task!r}; the tasks are {', '.join(SHARES)}")
    if grid.t == 1 and task not in STILL_TASKS:
        raise ValueError(f"a clip of one frame knows the tasks {', '.join(STILL_TASKS)}, not {task}")

    def between(low: int, high: int) -> int:
        return int(torch.randint(low, high + 1, (1,), generator=generator))

    frames = torch.zeros(grid.t, dtype=torch.bool)
    if task == "first":
        frames[0] = True
    elif task == "prefix":
        frames[: between(1, grid.t - 1)] = True
    elif task == "suffix":
        frames[between(1, grid.t - 1) :] = True
    elif task == "ends":
        frames[[0, -1]] = grid.t > 2
        frames[0] = True
    elif task == "keyframes":
        frames |= torch.rand(grid.t, generator=generator) < 0.4
        frames[between(0, grid.t - 1)] = False
    elif task == "region":
        free = torch.zeros(grid.t, grid.y, grid.x, dtype=torch.bool)
        spans = []
        for size in (grid.t, grid.y, grid.x):
            length = between((size + 1) // 2, size)
            start = between(0, size - length)
            spans.append(slice(start, start + length))
        free[tuple(spans)] = True
        return ~grid.box(free)
    return grid.box(frames)


def draw_noise_levels(task: str, grid: Grid, levels: Levels, generator: torch.Generator) -> Tensor:
    """(N,): the noise level of every patch; 0 where the task holds it."""
    count = grid.t if task == "frames" else 1
    sigma = draw_levels(count, levels.mean, levels.deviation, generator).expand(grid.t)
    return grid.box(sigma).masked_fill(held_patches(task, grid, generator), 0.0)
