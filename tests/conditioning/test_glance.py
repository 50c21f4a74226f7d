"""A glance tells of known cells alone where each name is, and rows of casts look up their own."""

from __future__ import annotations

import pytest
import torch

from langit.conditioning.cast import BANDS, CAST, NAMED, NUM_NAMES, ROWS, THINGS, cast_layout
from langit.conditioning.glance import LOOKED_UP, WHERE, Glance, behind, looked_up, naming_loss
from langit.packing import layout_of
from langit.patches import Grid
from tests.conditioning.test_cast import CASTS, CODE

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
    """By area, middle and spread, in half shorter sides, in the latent frame in which it is and in no other."""
    grid = Grid(2, 2, 4)
    seen, logits = seeing()(spotted(grid, (1, 3, 5)), layout_of([grid]))
    assert logits.shape == (grid.num_patches, NUM_NAMES + 2, SIDE * SIDE)
    assert seen.shape == (2, NUM_NAMES, WHERE)
    assert seen.any(-1).nonzero().tolist() == [[1, RED], [1, BALL]]
    side, x, y, wide, high, there = seen[1, RED].tolist()
    assert there == 1
    assert side == pytest.approx(0.5, abs=0.02)  # a cell of a frame that is 4 high
    assert (x, y) == pytest.approx(((5.5 - 4) / 2, (3.5 - 2) / 2), abs=1e-3)
    assert (wide, high) == pytest.approx((0, 0), abs=0.03)


def test_what_is_not_known_is_not_told_and_clips_are_told_apart():
    grid = Grid(2, 2, 2)
    known = torch.cat([spotted(grid, (0, 1, 1)), spotted(grid, (1, 0, 0))])
    glance, layout = seeing(), layout_of([grid, grid])
    seen, _ = glance(known, layout)
    assert seen.any(-1).any(-1).tolist() == [True, False, False, True]
    alone, _ = glance(known[grid.num_patches :], layout_of([grid]))
    torch.testing.assert_close(seen[2:], alone)
    known[: grid.num_patches, -SIDE * SIDE :] = 1  # of the first clip nothing is known
    seen, _ = glance(known, layout)
    assert seen.any(-1).any(-1).tolist() == [False, False, False, True]


def test_rows_look_up_their_own_names():
    """By what they say in all frames; less sure, they look everywhere; the backdrop and other clips look nowhere."""
    rows, seen = torch.zeros(3 * ROWS, CAST), torch.zeros(3, NUM_NAMES, WHERE)
    rows[[0, ROWS], RED] = NAMED  # of the first clip's two frames the first thing is red, and no kind yet
    seen[1, RED], seen[1, RED + 1], seen[1, BALL] = 1.0, -1.0, 5.0
    layout = cast_layout([2, 1])
    found = looked_up(rows, torch.full((3 * ROWS,), 0.2), seen, layout).unflatten(0, (-1, ROWS))
    assert found.shape == (3, ROWS, LOOKED_UP)
    torch.testing.assert_close(found[1, 0, :WHERE], torch.full((WHERE,), 0.04), atol=1e-4, rtol=0)
    torch.testing.assert_close(found[1, 0, WHERE:], torch.full((WHERE,), 0.5 * 0.04))  # a ball among ten kinds
    assert float(found[1, 1, :WHERE].abs().max()) < 1e-6  # nothing red in its rows: red and the next alike
    assert not found[0].any()
    assert not found[2].any()
    assert not found[:, THINGS].any()
    unsure = looked_up(rows, torch.full((3 * ROWS,), 0.95), seen, layout).unflatten(0, (-1, ROWS))
    assert 0 < float(unsure[1, 0, 0]) < 0.9


def test_backdrops_have_the_colours_that_are_known():
    rows, bands = CODE.encode(CASTS[4]), torch.full((3, BANDS, 3), torch.nan)
    bands[1:] = 0.25
    before, after = CODE.decode(rows), CODE.decode(behind(rows, bands, CODE.backdrops))
    torch.testing.assert_close(after.bands[1:], bands[1:], atol=5e-3, rtol=0)
    torch.testing.assert_close(after.bands[0], before.bands[0])
    torch.testing.assert_close(after.drift, before.drift, atol=5e-3, rtol=0)
    torch.testing.assert_close(after.centres, before.centres)


def test_the_loss_is_least_where_shares_are_right():
    fills = torch.zeros(1, NUM_NAMES, 1)
    fills[0, [RED, BALL]] = 0.5
    right = torch.full((1, NUM_NAMES + 2, 1), -20.0)
    right[0, [RED, NUM_NAMES // 2, BALL + 1, -1]] = 0
    wrong = right.roll(1, 1)
    entropy = 2 * torch.tensor(2.0).log()  # half a thing, of colours and of kinds
    torch.testing.assert_close(naming_loss(right, fills.flatten(1))[0], entropy, atol=1e-4, rtol=0)
    assert naming_loss(wrong, fills.flatten(1))[0] > entropy + 5
