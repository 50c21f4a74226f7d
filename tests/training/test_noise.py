"""Noise by position: normal, the same for a clip wherever it lies in a batch, and other for every clip, row and column."""

from __future__ import annotations

import pytest
import torch

from langit.training.noise import mixed, position_noise


def numbers(seed, rows, width):
    return position_noise(torch.full((rows,), seed), torch.arange(rows), width)


def test_bits_are_mixed_as_published():
    """The first values of SplitMix64 from 1234567, as in the test of its reference implementation."""
    state, found = torch.tensor([1234567]), []
    for _ in range(3):
        found.append(mixed(state).item() % 2**64)
        state = state + (0x9E3779B97F4A7C15 - 2**64)
    assert found == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_numbers_are_normal_and_independent():
    noise = torch.cat([numbers(seed, 300, 64) for seed in range(20)]).double()
    assert noise.mean().item() == pytest.approx(0, abs=0.01)
    assert noise.std().item() == pytest.approx(1, abs=0.01)
    assert (noise**4).mean().item() == pytest.approx(3, abs=0.06)
    for one, other in (
        (noise[:-1], noise[1:]),  # rows
        (noise[:-300], noise[300:]),  # clips
        (noise[:, :-1], noise[:, 1:]),  # columns
        (noise[:, :32], noise[:, 32:]),  # the two numbers of one transform
    ):
        assert (one * other).mean().item() == pytest.approx(0, abs=0.01)
        assert (one.square() * other.square()).mean().item() == pytest.approx(1, abs=0.03)


def test_a_clip_has_its_noise_wherever_it_lies():
    seeds, rows = torch.tensor([5] * 3 + [9] * 4), torch.tensor([0, 1, 2, 0, 1, 2, 3])
    together = position_noise(seeds, rows, 7)
    assert together.shape == (7, 7)
    assert torch.equal(together[:3], numbers(5, 3, 7))
    assert torch.equal(together[3:], numbers(9, 4, 7))
    assert not torch.equal(together[:3], together[3:6])
