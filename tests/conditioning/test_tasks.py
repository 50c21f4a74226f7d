"""Training draws: what each task holds, on every grid, and how noisy it leaves the rest."""

from __future__ import annotations

from collections import Counter
from itertools import product

import numpy as np
import pytest
import torch

from langit.conditioning.tasks import SHARES, STILL_TASKS, Levels, draw_noise_levels, draw_tasks, held_patches
from langit.patches import Grid

GRIDS = [Grid(t, y, x) for t, (y, x) in product((1, 2, 3, 9), ((1, 1), (1, 4), (3, 2), (4, 4)))]
CASES = [(task, grid) for task in SHARES for grid in GRIDS if grid.t > 1 or task in STILL_TASKS]


def draws(task, grid, count=60):
    for seed in range(count):
        yield held_patches(task, grid, torch.Generator().manual_seed(seed)).reshape(grid.t, grid.y * grid.x)


@pytest.mark.parametrize(("task", "grid"), CASES)
def test_something_is_always_free(task, grid):
    for held in draws(task, grid):
        assert held.dtype == torch.bool
        assert not held.all()


@pytest.mark.parametrize(("task", "grid"), [case for case in CASES if case[0] != "region"])
def test_all_tasks_but_region_hold_whole_frames_as_documented(task, grid):
    seen = set()
    for held in draws(task, grid):
        assert torch.equal(held.all(1), held.any(1))
        seen.add("".join("x" if frame else "." for frame in held.all(1).tolist()))
    t = grid.t
    prefixes = {"x" * k + "." * (t - k) for k in range(1, t)}
    allowed = {
        "text": {"." * t},
        "frames": {"." * t},
        "first": {"x" + "." * (t - 1)},
        "prefix": prefixes,
        "suffix": {pattern[::-1] for pattern in prefixes},
        "ends": {"x" + "." * (t - 2) + ("x" if t > 2 else ".")},
    }
    if task == "keyframes":
        assert len(seen) > 1
        assert "x" * t not in seen
    elif t <= 3:
        assert seen == allowed[task]
    else:
        assert seen <= allowed[task]
        assert len(seen) >= 0.7 * len(allowed[task])


@pytest.mark.parametrize("grid", GRIDS)
def test_a_region_leaves_one_box_free_of_at_least_half_of_each_side(grid):
    holds = 0
    for held in draws("region", grid):
        free = ~held.reshape(grid.t, grid.y, grid.x)
        spans = []
        for axis, size in enumerate((grid.t, grid.y, grid.x)):
            others = tuple(other for other in range(3) if other != axis)
            at = free.any(dim=others).nonzero().flatten()
            assert len(at) == at[-1] - at[0] + 1
            assert 2 * len(at) >= size
            spans.append(slice(int(at[0]), int(at[-1]) + 1))
        assert free[tuple(spans)].all()
        holds += bool(held.any())
    assert holds > 0 or grid.num_patches == 1


@pytest.mark.parametrize(("task", "grid"), CASES)
def test_held_patches_are_clean_and_all_others_noisy(task, grid):
    for seed in range(30):
        sigma = draw_noise_levels(task, grid, Levels(), torch.Generator().manual_seed(seed))
        assert sigma.shape == (grid.num_patches,)
        assert ((sigma >= 0) & (sigma < 1)).all()
        free = sigma[sigma > 0]
        assert len(free) > 0
        levels = len(free.unique())
        assert levels == (grid.t if task == "frames" else 1)
        if task == "frames":
            frames = sigma.reshape(grid.t, -1)
            assert torch.equal(frames.amin(1), frames.amax(1))


def test_the_same_generator_gives_the_same_draw():
    for task in SHARES:
        one, two = (
            draw_noise_levels(task, Grid(5, 3, 3), Levels(), torch.Generator().manual_seed(4)) for _ in range(2)
        )
        assert torch.equal(one, two)


def test_tasks_come_in_their_shares():
    rng = np.random.default_rng(0)
    drawn = Counter(draw_tasks(np.full(4000, 5), rng))
    assert sum(SHARES.values()) == pytest.approx(1)
    for task, share in SHARES.items():
        assert drawn[task] / 4000 == pytest.approx(share, abs=0.03)
    mixed = draw_tasks(np.tile([5, 1], 2000), rng)
    assert set(mixed[1::2]) == set(STILL_TASKS)
    assert set(mixed[::2]) == set(SHARES)
    still_share = SHARES["text"] / sum(SHARES[task] for task in STILL_TASKS)
    assert mixed[1::2].count("text") / 2000 == pytest.approx(still_share, abs=0.03)


def test_an_unknown_task_and_one_that_a_picture_cannot_have_are_refused():
    generator = torch.Generator()
    with pytest.raises(ValueError, match="no training task 'sing'; the tasks are text, frames"):
        held_patches("sing", Grid(3, 2, 2), generator)
    for task in set(SHARES) - set(STILL_TASKS):
        with pytest.raises(ValueError, match="one frame"):
            held_patches(task, Grid(1, 2, 2), generator)
    with pytest.raises(ValueError, match="one frame"):
        draw_tasks(np.array([5, 1]), np.random.default_rng(0), {"first": 1.0})
