"""Casts drawn: shares, outlines, colours and drift of every cell, against figures whose area is known."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from langit.conditioning.cast import BANDS, DIRECTIONS, NUM_COLOURS, NUM_NAMES, NUM_SHAPES, THINGS, Cast
from langit.conditioning.drawing import COLOURED, FILLS, PARTS, WAVES, drawn, seen, sketch, sketch_of
from langit.conditioning.drift import DRIFT

RED, BLUE, BALL, CUBE, WALL = 0, 5, NUM_COLOURS, NUM_COLOURS + 1, NUM_COLOURS + NUM_SHAPES
ANGLES = 2 * math.pi * torch.arange(DIRECTIONS) / DIRECTIONS
CIRCLE = torch.ones(DIRECTIONS)
SQUARE = ANGLES.cos().abs() + ANGLES.sin().abs()  # how far the square of half side 1 reaches


def cast(*things: tuple[int, int, tuple[float, float], torch.Tensor, float]) -> Cast:
    """One latent frame of 4: (colour, kind, centre, outline, depth) of each thing, of the colour of its row."""
    names, colours = torch.zeros(1, THINGS, NUM_NAMES), torch.zeros(1, THINGS, 3)
    centres, outlines = torch.zeros(1, THINGS, 4, 2), torch.zeros(1, THINGS, 4, DIRECTIONS)
    depths = torch.zeros(1, THINGS)
    for row, (colour, kind, centre, outline, depth) in enumerate(things):
        names[0, row, [colour, kind]] = 1
        colours[0, row] = 0.5 * row + 0.25
        centres[0, row], outlines[0, row], depths[0, row] = torch.tensor(centre), outline, depth
    return Cast(names, colours, centres, outlines, depths, torch.full((1, BANDS, 3), -0.5), torch.zeros(1, 2, BANDS, 2))


def test_a_circle_and_a_square_fill_their_areas():
    """Half sides are 16 pixels here; the polygon of 32 lines about a circle is 0.3% larger."""
    one = seen(cast((RED, BALL, (0, 0), 0.5 * CIRCLE, 1.0)), 32, 32)[0, 0]
    assert one.shape == (4, 32, 32)
    assert float(one[0].sum()) == pytest.approx(math.pi * 8**2, rel=0.02)
    other = seen(cast((RED, CUBE, (0.25, -0.5), 0.25 * SQUARE, 1.0)), 32, 64)[0, 0]
    assert float(other[0].sum()) == pytest.approx(64, rel=0.02)
    assert torch.equal((other[0] > 0.5).nonzero().float().mean(0), torch.tensor([7.5, 35.5]))


def test_the_nearer_hides_the_farther_whatever_their_rows():
    near, far = (RED, BALL, (0.0, 0.0), 0.3 * SQUARE, 0.5), (BLUE, CUBE, (0.0, 0.0), 0.6 * SQUARE, 1.5)
    for things, front in (((near, far), 0), ((far, near), 1)):
        shares = seen(cast(*things), 32, 32)[0]
        assert float(shares[front, 0, 16, 16]) == 1
        assert float(shares[1 - front, 0, 16, 16]) == 0
        assert float(shares[1 - front, 0, 16, 8]) == 1
        assert float(shares.sum(0).max()) <= 1 + 1e-6


def test_shares_are_told_of_every_cell_and_name():
    fills = drawn(cast((RED, BALL, (-0.5, -0.5), 0.25 * SQUARE, 1.0)), 2, 2, (4, 8, 8))
    assert fills.shape == (FILLS, 1, 2, 2)
    names = fills[:NUM_NAMES, 0]
    told = {RED: 0.25, BALL: 0.25}  # 4 of 8 pixels each way in the first cell
    for name in range(NUM_NAMES):
        assert float(names[name, 0, 0]) == pytest.approx(told.get(name, 0), abs=0.01)
    assert not names[:, 0, 1].any()
    assert not names[:, 1].any()


def test_outlines_are_the_first_waves_of_what_shapes_cover_and_props_have_none():
    """Against the sum of the transform's definition."""
    things = ((RED, BALL, (0.3, 0.1), 0.5 * CIRCLE, 1.0), (BLUE, WALL, (-0.3, 0.0), 0.4 * SQUARE, 2.0))
    told = cast(*things)
    outlines = drawn(told, 2, 2, (4, 8, 8))[NUM_NAMES:][: len(WAVES)]
    covered = seen(told, 16, 16)[0, 0, :, :8, 8:].numpy()
    for number, wave in enumerate(WAVES):
        cosines = [
            np.cos(np.pi * k * (np.arange(n) + 0.5) / n) * (2**0.5 if k else 1)
            for k, n in zip(wave, (4, 8, 8), strict=True)
        ]
        expected = (covered * np.einsum("t,y,x->tyx", *cosines)).mean()
        assert float(outlines[number, 0, 0, 1]) == pytest.approx(expected, abs=1e-5)
    assert not drawn(cast(things[1]), 2, 2, (4, 8, 8))[NUM_NAMES:][: len(WAVES)].any()


def test_colours_are_the_rests_and_what_to_add_for_things_where_both_are_seen():
    told = cast((RED, BALL, (-0.5, -0.5), 0.25 * SQUARE, 1.0), (BLUE, CUBE, (0.5, 0.5), 0.5 * SQUARE, 2.0))
    colours = drawn(told, 2, 2, (4, 8, 8))[-COLOURED - DRIFT : -DRIFT, 0]
    torch.testing.assert_close(colours[:3, 0, 0], torch.full((3,), -0.5))  # the backdrop
    torch.testing.assert_close(colours[3:, 0, 0], torch.full((3,), 0.75))
    torch.testing.assert_close(colours[:3, 1, 1], torch.full((3,), 0.75))  # filled whole by the cube
    assert not colours[3:, 1, 1].any()
    assert not colours[3:, 0, 1].sum() > 0.76 * 3


def test_drift_is_a_line_from_the_left_to_the_right_in_cells():
    still = cast()
    drift = torch.zeros(1, 2, BANDS, 2)
    drift[:, 0, :, 1], drift[:, 1, :, 1] = 0.0, 1.0
    carried = drawn(replace(still, drift=drift), 4, 8, (4, 8, 8))[-DRIFT:, 0]
    assert not carried[0].any()
    torch.testing.assert_close(carried[1, 0], (torch.arange(8) + 0.5) / 8 * 2)


def test_a_sketch_is_what_fills_the_cells_each_part_in_its_scale():
    fills = torch.rand(3, FILLS * 4)
    scaled = sketch_of(fills) / fills
    scales = torch.tensor([scale for part, scale in PARTS.items() for _ in range(part * 4)])
    torch.testing.assert_close(scaled, scales.expand(3, -1))
    told = cast((RED, BALL, (0.0, 0.0), 0.5 * CIRCLE, 1.0))
    beside = sketch(told, 4, 2, (4, 8, 8), (1, 2, 2))
    assert beside.shape == (2, FILLS * 4)
    torch.testing.assert_close(beside[0, :4] / PARTS[NUM_NAMES], drawn(told, 4, 2, (4, 8, 8))[0, 0, :2].flatten())
