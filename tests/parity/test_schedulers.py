"""Our solvers and Wan's clock against diffusers 0.42.1's schedulers, with a denoiser that both follow."""

from __future__ import annotations

import pytest
import torch
from diffusers import DPMSolverMultistepScheduler, FlowMatchEulerDiscreteScheduler, UniPCMultistepScheduler

from langit.sampling import SCHEDULES, SOLVERS
from langit.transformer.experts import whole_level
from tests.parity import wan

SHIFTS = (1.0, 3.0, 5.0, 8.0, 12.0, 16.0)


def velocity(x, sigma):
    """Something that depends on both, and is not linear."""
    return torch.tanh(x * 1.3 + 0.2) - x.roll(1, 1) * 0.4 + sigma[:, None] * x.cos()


def denoise(x, sigma):
    return x - sigma[:, None] * velocity(x, sigma)


def by_reference(scheduler, x):
    for sigma, timestep in zip(scheduler.sigmas, scheduler.timesteps, strict=False):
        x = scheduler.step(velocity(x, sigma.expand(len(x))), timestep, x, return_dict=False)[0]
    return x


def by_ours(solver, levels, x):
    return SOLVERS[solver](denoise, x, levels[:, None].expand(-1, len(x)), lambda step: None)


@pytest.fixture
def noise():
    return torch.randn(6, 10, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("shift", SHIFTS)
@pytest.mark.parametrize("steps", [1, 2, 4, 10, 40, 50])
def test_unipc(steps, shift, noise):
    scheduler = UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=shift)
    scheduler.set_timesteps(steps)
    found = by_ours("unipc", SCHEDULES["wan"](steps, shift), noise)
    assert wan.relative(found, by_reference(scheduler, noise)) < 1e-5


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the reference's own use of numpy
@pytest.mark.parametrize("shift", SHIFTS)
@pytest.mark.parametrize("steps", [2, 10, 40])
def test_dpm_solver(steps, shift, noise):
    scheduler = DPMSolverMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=shift)
    scheduler.set_timesteps(steps)
    assert wan.relative(by_ours("dpmpp", scheduler.sigmas, noise), by_reference(scheduler, noise)) < 1e-5


@pytest.mark.parametrize("shift", SHIFTS)
@pytest.mark.parametrize("steps", [2, 10, 40])
def test_euler(steps, shift, noise):
    scheduler = FlowMatchEulerDiscreteScheduler(shift=shift)
    scheduler.set_timesteps(steps)
    assert wan.relative(by_ours("euler", scheduler.sigmas, noise), by_reference(scheduler, noise)) < 1e-5


@pytest.mark.parametrize("shift", [*SHIFTS, 2.5, 7.0])
def test_the_clock_and_its_whole_timesteps(shift):
    for steps in range(1, 101):
        scheduler = UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=shift)
        scheduler.set_timesteps(steps)
        levels = SCHEDULES["wan"](steps, shift)
        torch.testing.assert_close(levels, scheduler.sigmas, atol=2e-6, rtol=0)
        assert (1000 * whole_level(levels[:-1])).round().long().tolist() == scheduler.timesteps.tolist(), steps


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_held_patch_stays_and_the_others_do_not_notice(solver, noise):
    levels = SCHEDULES["wan"](6, 5.0)[:, None].repeat(1, 6)
    together = SOLVERS[solver](lambda x, sigma: x * 0.5, noise, levels, lambda step: None)
    levels[:, 2] = 0
    apart = SOLVERS[solver](lambda x, sigma: x * 0.5, noise, levels, lambda step: None)
    assert torch.equal(apart[2], noise[2])
    free = [0, 1, 3, 4, 5]
    torch.testing.assert_close(apart[free], together[free])
