"""Schedules go from 1 down to 0, and every patch has its own course along them."""

from __future__ import annotations

import pytest
import torch

from langit.sampling import SCHEDULES, levels_of


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("shift", [0.5, 1.0, 1.1, 1.7, 3.0, 4.9, 12.0])
@pytest.mark.parametrize("steps", [1, 2, 7, 50, 1000])
def test_a_schedule_falls_from_one_to_zero(name, shift, steps):
    schedule = SCHEDULES[name](steps, shift)
    assert schedule.shape == (steps + 1,)
    assert schedule[0] == 1.0  # exactly: above 1 a guidance interval that ends there would lose the first step
    assert schedule[-1] == 0.0
    assert (schedule.diff() < 0).all()


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_larger_shift_stays_longer_in_noise(name):
    plain, shifted = SCHEDULES[name](10, 1.0), SCHEDULES[name](10, 3.0)
    assert (shifted[1:-1] > plain[1:-1]).all()


def test_held_patches_stay_clean_and_the_others_begin_where_they_start():
    schedule = SCHEDULES["linear"](4, 2.0)
    levels = levels_of(schedule, torch.tensor([True, False, False]), torch.tensor([1.0, 1.0, 0.25]))
    assert levels.shape == (5, 3)
    assert levels[:, 0].eq(0).all()
    assert torch.equal(levels[:, 1], schedule)
    assert torch.equal(levels[:, 2], schedule * 0.25)
