"""Solvers against an equation with a known answer: data that is Gaussian has an exact denoiser and exact paths.

For x ~ N(mean, s^2) and x_sigma = (1 - sigma) x + sigma noise, x_sigma is Gaussian with mean (1 - sigma) mean and
variance v = (1 - sigma)^2 s^2 + sigma^2. The denoiser is E[x | x_sigma]; along the ODE (x_sigma - its mean) / sqrt(v)
is constant.
"""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from langit.sampling import SCHEDULES, SOLVERS, levels_of

MEAN, DEVIATION = 0.7, 0.6
ORDERS = {"euler": 1, "heun": 2, "dpmpp": 2, "unipc": 2}


def spread(sigma):
    return ((1 - sigma) ** 2 * DEVIATION**2 + sigma**2).sqrt()


def denoise(x, sigma):
    sigma = sigma[:, None]
    gain = (1 - sigma) * DEVIATION**2 / spread(sigma) ** 2
    return MEAN + gain * (x - (1 - sigma) * MEAN)


def exact(x, begin, end):
    """The solution at level `end` of the path through x at level `begin`."""
    begin, end = begin[:, None], end[:, None]
    return (1 - end) * MEAN + spread(end) / spread(begin) * (x - (1 - begin) * MEAN)


def quiet(step):
    pass


def start():
    return torch.randn(64, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def error(solver, steps, schedule="linear", begin=1.0, shift=1.0):
    x = start()
    levels = SCHEDULES[schedule](steps, shift).double()[:, None] * torch.full((64,), begin, dtype=torch.float64)
    end = SOLVERS[solver](denoise, x, levels, quiet)
    return float((end - exact(x, levels[0], levels[-1])).square().mean().sqrt())


def test_every_solver_has_a_stated_order():
    assert set(ORDERS) == set(SOLVERS)


@pytest.mark.parametrize("solver", ORDERS)
@pytest.mark.parametrize("schedule", ["linear", "cosine"])  # the last step of Wan's never shrinks below 1/1000
@pytest.mark.parametrize("begin", [1.0, 0.6])
def test_solvers_converge_to_the_exact_solution_with_their_order(solver, schedule, begin):
    """Solvers in log-SNR, whose steps do not shrink at the ends, near their order slowly; a corrector adds to it."""
    errors = [error(solver, steps, schedule, begin) for steps in (80, 160, 320)]
    assert errors[-1] < (0.005 if ORDERS[solver] == 1 else 0.0001)
    for coarse, fine in pairwise(errors):
        if solver == "unipc":  # its corrector makes it third order where the steps shrink at both ends
            assert coarse / fine > 3.4
        else:
            assert coarse / fine == pytest.approx(2 ** ORDERS[solver], rel=0.17 if solver == "dpmpp" else 0.07)


@pytest.mark.parametrize("shift", [0.5, 3.0, 8.0])
@pytest.mark.parametrize("solver", ORDERS)
def test_shifted_schedules_reach_the_same_solution(solver, shift):
    assert error(solver, 400, shift=shift) < 0.01


@pytest.mark.parametrize("solver", ORDERS)
@pytest.mark.parametrize("steps", [1, 2, 5])
def test_few_steps_stay_finite_and_one_step_is_the_denoiser(solver, steps):
    x = start().float()
    levels = SCHEDULES["linear"](steps, 3.0)[:, None].expand(-1, 64)
    end = SOLVERS[solver](denoise, x, levels, quiet)
    assert torch.isfinite(end).all()
    if steps == 1:
        torch.testing.assert_close(end, denoise(x, torch.ones(64)))


@pytest.mark.parametrize("solver", ORDERS)
def test_held_patches_are_untouched_and_every_patch_takes_its_own_course(solver):
    x = start().float()
    held = torch.arange(64) % 3 == 0
    begins = torch.where(torch.arange(64) % 3 == 1, 1.0, 0.3)
    levels = levels_of(SCHEDULES["linear"](60, 1.0), held, begins)

    def wild(x, sigma):
        """What a network says of clean patches is worth nothing: it must not leak."""
        return denoise(x, sigma.clamp(min=1e-3)) + 1e3 * held[:, None]

    end = SOLVERS[solver](wild, x, levels, quiet)
    assert torch.equal(end[held], x[held])
    tolerance = 0.1 if solver == "euler" else 0.01
    torch.testing.assert_close(end[~held], exact(x, levels[0], levels[-1])[~held], atol=tolerance, rtol=0)


@pytest.mark.parametrize("solver", ORDERS)
def test_mixed_courses_give_each_patch_what_it_gets_alone(solver):
    x = start().float()
    begins = torch.linspace(0.1, 1.0, 64)
    schedule = SCHEDULES["cosine"](8, 3.0)
    together = SOLVERS[solver](denoise, x, levels_of(schedule, torch.zeros(64, dtype=torch.bool), begins), quiet)
    for patch in (0, 31, 63):
        levels = levels_of(schedule, torch.zeros(1, dtype=torch.bool), begins[patch : patch + 1])
        alone = SOLVERS[solver](denoise, x[patch : patch + 1], levels, quiet)
        torch.testing.assert_close(together[patch : patch + 1], alone)


@pytest.mark.parametrize(("solver", "evaluations"), [("euler", 6), ("heun", 11), ("dpmpp", 6)])
def test_evaluations_and_steps_told(solver, evaluations):
    calls, told = [], []

    def counted(x, sigma):
        calls.append(float(sigma[0]))
        return denoise(x, sigma)

    levels = SCHEDULES["linear"](6, 1.0)[:, None].expand(-1, 64)
    SOLVERS[solver](counted, start().float(), levels, told.append)
    assert len(calls) == evaluations
    assert told == [0, 1, 2, 3, 4, 5]
    assert 0.0 not in calls
