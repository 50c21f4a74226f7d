"""Guidance: the formula, and that the second evaluation is made only where it counts."""

from __future__ import annotations

import pytest
import torch

from langit.sampling import guided


class Counted:
    """Answers a constant, and counts how often it was asked."""

    def __init__(self, answer: float):
        self.answer, self.calls = answer, 0

    def __call__(self, x, sigma):
        self.calls += 1
        return torch.full_like(x, self.answer)


X = torch.zeros(3, 2)


@pytest.mark.parametrize("scale", [0.0, 0.5, 2.0, 7.5])
def test_it_goes_from_without_towards_with(scale):
    denoise = guided(Counted(1.0), Counted(-1.0), scale)
    assert denoise(X, torch.ones(3)).eq(-1 + 2 * scale).all()


def test_a_scale_of_one_is_the_prompt_alone():
    with_prompt, without = Counted(1.0), Counted(-1.0)
    assert guided(with_prompt, without, 1.0)(X, torch.ones(3)).eq(1).all()
    assert (with_prompt.calls, without.calls) == (1, 0)


def test_outside_the_interval_the_second_evaluation_is_not_made():
    with_prompt, without = Counted(1.0), Counted(-1.0)
    denoise = guided(with_prompt, without, 3.0, (0.2, 0.8))
    schedule = torch.tensor([1.0, 0.81, 0.8, 0.5, 0.2, 0.19, 0.01])
    answers = [float(denoise(X, level.expand(3))[0, 0]) for level in schedule]
    assert answers == [1, 1, 5, 5, 5, 1, 1]
    assert (with_prompt.calls, without.calls) == (7, 3)


def test_each_patch_is_guided_by_its_own_level():
    """Clips of one pack may be at different levels (a remix beside a new clip): none may change what another gets."""
    denoise = guided(Counted(1.0), Counted(-1.0), 3.0, (0.2, 0.8))
    x0 = denoise(X, torch.tensor([0.1, 0.5, 0.9]))
    assert x0[:, 0].tolist() == [1, 5, 1]


def test_held_patches_alone_ask_for_no_second_evaluation():
    without = Counted(-1.0)
    guided(Counted(1.0), without, 3.0, (0.0, 0.8))(X, torch.tensor([0.0, 0.9, 0.9]))
    assert without.calls == 0
