"""A glance tells of known cells alone, by name, where each name is."""

from __future__ import annotations

import pytest
import torch

from langit.conditioning.cast import NUM_NAMES
from langit.conditioning.glance import GLANCE, Glance, naming_loss
from langit.packing import layout_of
from langit.patches import Grid

CHANNELS, SIDE = 3, 2
RED, BALL = 0, 10


def spotted(grid: Grid, cell: tuple[int, int, int]) -> torch.Tensor:
    """Channels of a clip that is known whole and nothing but a spot in one cell."""
    frames = torch.zeros(CHANNELS + 1, grid.t, grid.y * SIDE, grid.x * SIDE)
    frames[(0, *cell)] = 1.0
    split = frames.reshape(CHANNELS + 1, grid.t, grid.y, SIDE, grid.x, SIDE)
    return split.permute(1, 2, 4, 0, 3, 5).reshape(grid.num_patches, -1)


def seeing() -> Glance:
    """A glance that calls a cell a red ball where its first channel is 1, and nothing elsewhere."""
    glance = Glance(CHANNELS, SIDE)
    with torch.no_grad():
        for layer in (glance.first, glance.second, glance.names):
            layer.weight.zero_()
            layer.bias.zero_()
        glance.first.weight[0, 0, 1, 1] = 10
        glance.second.weight[0, 0, 1, 1] = 10
        glance.names.weight[[RED, BALL + 1], 0] = 10  # after the colours comes nothing
        glance.names.bias[[NUM_NAMES // 2, -1]] = 20
    return glance


def test_a_name_is_told_where_it_is():
    """By area, middle and spread, in half shorter sides, once for each name and latent frame in which it is."""
    grid = Grid(2, 2, 4)
    text, logits = seeing()(spotted(grid, (1, 3, 5)), layout_of([grid]))
    assert logits.shape == (grid.num_patches, NUM_NAMES + 2, SIDE * SIDE)
    assert text.bounds == (0, 3)
    assert text.states.shape == (3, GLANCE)
    nothing, red, ball = text.states
    assert not nothing.any()
    assert red[:NUM_NAMES].nonzero().flatten().tolist() == [RED]
    assert ball[:NUM_NAMES].nonzero().flatten().tolist() == [BALL]
    one, side, x, y, wide, high, known = (red[NUM_NAMES : NUM_NAMES + 7] / 2).tolist()
    assert (one, known) == (1, 1)
    assert side == pytest.approx(0.5, abs=1e-3)  # a cell of a frame that is 4 high
    assert (x, y) == pytest.approx(((5.5 - 4) / 2, (3.5 - 2) / 2), abs=1e-3)
    assert (wide, high) == pytest.approx((0, 0), abs=0.03)


def test_what_is_not_known_is_not_told_and_clips_are_told_apart():
    grid = Grid(2, 2, 2)
    known = torch.cat([spotted(grid, (0, 1, 1)), spotted(grid, (1, 0, 0))])
    glance, layout = seeing(), layout_of([grid, grid])
    text, _ = glance(known, layout)
    assert text.bounds == (0, 3, 6)
    alone, _ = glance(known[grid.num_patches :], layout_of([grid]))
    torch.testing.assert_close(text.states[3:], alone.states)
    known[: grid.num_patches, -SIDE * SIDE :] = 1  # of the first clip nothing is known
    text, _ = glance(known, layout)
    assert text.bounds == (0, 1, 4)


def test_the_loss_is_least_where_shares_are_right():
    fills = torch.zeros(1, NUM_NAMES, 1)
    fills[0, [RED, BALL]] = 0.5
    right = torch.full((1, NUM_NAMES + 2, 1), -20.0)
    right[0, [RED, NUM_NAMES // 2, BALL + 1, -1]] = 0
    wrong = right.roll(1, 1)
    entropy = 2 * torch.tensor(2.0).log()  # half a thing, of colours and of kinds
    torch.testing.assert_close(naming_loss(right, fills.flatten(1))[0], entropy, atol=1e-4, rtol=0)
    assert naming_loss(wrong, fills.flatten(1))[0] > entropy + 5
