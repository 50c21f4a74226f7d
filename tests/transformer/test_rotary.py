"""Rotary positions: only the difference of two positions counts, on each of the three axes."""

from __future__ import annotations

import pytest
import torch

from langit.patches import Grid, positions
from langit.transformer.rotary import axis_dims, rotate, rotations


@pytest.mark.parametrize(
    ("head_dim", "dims"), [(128, (44, 42, 42)), (64, (24, 20, 20)), (12, (4, 4, 4)), (8, (4, 2, 2))]
)
def test_channels_per_axis_are_wans(head_dim, dims):
    assert axis_dims(head_dim) == dims
    assert sum(dims) == head_dim


@pytest.mark.parametrize("shift", [(5.0, 0.0, 0.0), (0.0, 3.0, 0.0), (0.0, 0.0, 2.0), (4.0, 7.0, 1.0)])
def test_moving_all_positions_alike_changes_no_score(shift):
    generator = torch.Generator().manual_seed(0)
    at = positions(Grid(3, 4, 5))
    query, key = torch.randn(2, len(at), 2, 12, generator=generator)
    here, there = rotations(at, 12), rotations(at + torch.tensor(shift), 12)
    before = torch.einsum("qhd,khd->hqk", rotate(query, here), rotate(key, here))
    after = torch.einsum("qhd,khd->hqk", rotate(query, there), rotate(key, there))
    torch.testing.assert_close(before, after, atol=1e-5, rtol=1e-5)
    one_sided = torch.einsum("qhd,khd->hqk", rotate(query, here), rotate(key, there))
    assert not torch.allclose(before, one_sided, atol=1e-2)


def test_a_rotation_keeps_lengths_and_position_zero_turns_nothing():
    x = torch.randn(6, 2, 12, generator=torch.Generator().manual_seed(0))
    at = positions(Grid(1, 2, 3))
    turned = rotate(x, rotations(at, 12))
    torch.testing.assert_close(turned.norm(dim=-1), x.norm(dim=-1))
    torch.testing.assert_close(turned[0], x[0])
    assert not torch.allclose(turned[5], x[5])
