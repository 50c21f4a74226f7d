"""The noise path: conversions undo one another, and the loss has its minimum at the truth."""

from __future__ import annotations

import pytest
import torch

from langit.flow import (
    SIGMA_FLOOR,
    add_noise,
    draw_levels,
    predicted_velocity,
    predicted_x,
    shift_levels,
    velocity_from_x,
    velocity_loss,
    velocity_of,
    x_from_velocity,
)

SIGMA = torch.tensor([0.0, 0.01, SIGMA_FLOOR, 0.3, 0.77, 1.0])


@pytest.fixture
def clean_and_noise():
    generator = torch.Generator().manual_seed(3)
    return torch.randn(6, 7, generator=generator), torch.randn(6, 7, generator=generator)


def test_the_path_is_straight_from_clean_to_noise(clean_and_noise):
    x, noise = clean_and_noise
    noisy = add_noise(x, noise, SIGMA)
    assert torch.equal(noisy[0], x[0])
    assert torch.equal(noisy[-1], noise[-1])
    torch.testing.assert_close(noisy, (1 - SIGMA[:, None]) * x + SIGMA[:, None] * noise)
    torch.testing.assert_close(noisy, x + SIGMA[:, None] * velocity_of(x, noise))


def test_conversions_are_inverse_of_each_other(clean_and_noise):
    x, noise = clean_and_noise
    noisy, velocity = add_noise(x, noise, SIGMA), velocity_of(x, noise)
    torch.testing.assert_close(x_from_velocity(noisy, velocity, SIGMA), x)
    above = SIGMA >= SIGMA_FLOOR
    torch.testing.assert_close(velocity_from_x(noisy, x, SIGMA)[above], velocity[above], atol=1e-5, rtol=1e-5)
    there = velocity_from_x(noisy, 2 * x, SIGMA, floor=1e-3)
    torch.testing.assert_close(x_from_velocity(noisy, there, SIGMA)[1:], 2 * x[1:])


def test_below_the_floor_a_velocity_is_divided_by_the_floor(clean_and_noise):
    x, noise = clean_and_noise
    noisy = add_noise(x, noise, SIGMA)
    torch.testing.assert_close(velocity_from_x(noisy, x, SIGMA)[:2], (noisy - x)[:2] / SIGMA_FLOOR)


@pytest.mark.parametrize("kind", ["x", "velocity"])
def test_both_kinds_of_prediction_say_the_same_of_the_truth(clean_and_noise, kind):
    x, noise = clean_and_noise
    noisy = add_noise(x, noise, SIGMA)
    truth = x if kind == "x" else velocity_of(x, noise)
    torch.testing.assert_close(predicted_x(noisy, truth, SIGMA, kind), x)
    above = SIGMA >= SIGMA_FLOOR
    velocity = predicted_velocity(noisy, truth, SIGMA, kind)
    torch.testing.assert_close(velocity[above], velocity_of(x, noise)[above], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", ["x", "velocity"])
def test_the_loss_is_zero_at_the_truth_and_there_its_gradient_vanishes(clean_and_noise, kind):
    x, noise = clean_and_noise
    noisy = add_noise(x, noise, SIGMA)
    truth = (x if kind == "x" else velocity_of(x, noise)).clone().requires_grad_()
    loss = velocity_loss(noisy, x, noise, truth, SIGMA, kind)
    assert loss.shape == (6,)
    assert loss.eq(0).all()
    (gradient,) = torch.autograd.grad(loss.sum(), truth)
    assert gradient.eq(0).all()
    assert (velocity_loss(noisy, x, noise, truth.detach() + 0.1, SIGMA, kind) > 0.009).all()


def test_the_loss_is_on_velocity_whatever_is_predicted(clean_and_noise):
    """An x that is off by d is a velocity that is off by d / sigma, where sigma is above the floor."""
    x, noise = clean_and_noise
    noisy, above = add_noise(x, noise, SIGMA), SIGMA >= SIGMA_FLOOR
    off = x + torch.randn(x.shape, generator=torch.Generator().manual_seed(5))
    by_x = velocity_loss(noisy, x, noise, off, SIGMA, "x")
    by_velocity = velocity_loss(noisy, x, noise, velocity_from_x(noisy, off, SIGMA), SIGMA, "velocity")
    torch.testing.assert_close(by_x[above], by_velocity[above], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shift", [0.3, 1.0, 1.1, 3.0, 7.0])
def test_a_shift_keeps_the_ends_and_the_order_and_its_inverse_undoes_it(shift):
    sigma = torch.linspace(0, 1, 101)
    shifted = shift_levels(sigma, shift)
    assert shifted[0] == 0
    assert shifted[-1] == pytest.approx(1, abs=1e-6)
    assert (shifted.diff() > 0).all()
    assert ((shifted - sigma)[1:-1] * (shift - 1) >= 0).all()  # above 1 is noisier
    torch.testing.assert_close(shift_levels(shifted, 1 / shift), sigma)


def test_drawn_levels_are_logit_normal():
    levels = draw_levels(20000, 0.7, 1.3, torch.Generator().manual_seed(0))
    assert ((levels > 0) & (levels < 1)).all()
    assert levels.logit().mean() == pytest.approx(0.7, abs=0.03)
    assert levels.logit().std() == pytest.approx(1.3, abs=0.03)
