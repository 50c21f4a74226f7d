"""Casts drawn: shares, a draft in flat colours and drift of every cell, against figures whose area is known."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from langit.conditioning.cast import BANDS, DIRECTIONS, NUM_COLOURS, NUM_NAMES, NUM_SHAPES, THINGS, Cast
from langit.conditioning.drawing import NAMES, draft, drawn, num_fills, seen, sketch, sketch_of
from langit.conditioning.drift import DRIFT, DRIFTS
from langit.tokenizer import PixelTokenizer, decode

RED, BLUE, BALL, CUBE, WALL = 0, 5, NUM_COLOURS, NUM_COLOURS + 1, NUM_COLOURS + NUM_SHAPES
ANGLES = 2 * math.pi * torch.arange(DIRECTIONS) / DIRECTIONS
CIRCLE = torch.ones(DIRECTIONS)
PIXELS = PixelTokenizer((4, 8, 8))
FILLS = num_fills(PIXELS.channels)
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


def test_a_thing_is_drawn_in_the_frames_in_which_it_is_there():
    one = cast((RED, BALL, (0, 0), 0.5 * CIRCLE, 1.0))
    two = Cast(*(torch.cat([value, value]) for value in vars(one).values()))
    gone = replace(two, names=two.names * torch.tensor([1.0, 0.0])[:, None, None])
    assert seen(gone, 32, 32).amax((1, 2, 3, 4)).tolist() == [1.0, 0.0]


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
    fills = drawn(cast((RED, BALL, (-0.5, -0.5), 0.25 * SQUARE, 1.0)), 2, 2, PIXELS)
    assert fills.shape == (FILLS, 1, 2, 2)
    names = fills[:NUM_NAMES, 0]
    told = {RED: 0.25, BALL: 0.25}  # 4 of 8 pixels each way in the first cell
    for name in range(NUM_NAMES):
        assert float(names[name, 0, 0]) == pytest.approx(told.get(name, 0), abs=0.01)
    assert not names[:, 0, 1].any()
    assert not names[:, 1].any()


def test_a_draft_is_the_clip_in_flat_colours():
    """The first latent frame is one frame, as its last moment is; things before the backdrop, mixed at their edges."""
    one = cast((RED, BALL, (-0.5, -0.5), 0.25 * SQUARE, 1.0), (BLUE, CUBE, (0.5, 0.5), 0.5 * SQUARE, 2.0))
    two = Cast(*(torch.cat([value, value]) for value in vars(one).values()))
    across = torch.tensor([0.0, 0.25, 0.5, 0.75])
    two.centres[:, 0, :, 0] += across
    frames = draft(two, seen(two, 16, 16))
    assert frames.shape == (5, 16, 16, 3)
    torch.testing.assert_close(frames[0], frames[4])
    for frame, moved in zip(frames[1:], (0, 2, 4, 6), strict=True):
        torch.testing.assert_close(frame[3:5, 3 + moved : 5 + moved], torch.full((2, 2, 3), 0.25))
        torch.testing.assert_close(frame[10:14, 10:14], torch.full((4, 4, 3), 0.75))
        torch.testing.assert_close(frame[:1], torch.full((1, 16, 3), -0.5))
    half = replace(one, centres=one.centres + 0.5 / 8)  # by half a pixel
    edge = draft(half, seen(half, 16, 16))[0, 4, 2]
    torch.testing.assert_close(edge, torch.full((3,), (0.25 - 0.5) / 2))


def test_cells_have_the_latents_of_the_draft():
    told = cast((RED, BALL, (0.3, 0.1), 0.5 * CIRCLE, 1.0))
    latents = drawn(told, 2, 2, PIXELS)[NUM_NAMES:-DRIFT]
    torch.testing.assert_close(decode(PIXELS, latents), draft(told, seen(told, 16, 16)), atol=1e-6, rtol=0)


def test_drift_is_a_line_from_the_left_to_the_right_in_cells():
    still = cast()
    drift = torch.zeros(1, 2, BANDS, 2)
    drift[:, 0, :, 1], drift[:, 1, :, 1] = 0.0, 1.0
    carried = drawn(replace(still, drift=drift), 4, 8, PIXELS)[-DRIFT:, 0]
    assert not carried[0].any()
    torch.testing.assert_close(carried[1, 0], (torch.arange(8) + 0.5) / 8 * 2)


def test_a_sketch_is_what_fills_the_cells_the_draft_first():
    fills, cells = torch.rand(3, FILLS * 4), 4
    names, drift = NUM_NAMES * cells, DRIFT * cells
    scaled = sketch_of(fills, cells)
    torch.testing.assert_close(scaled[:, : -names - drift], fills[:, names:-drift])
    torch.testing.assert_close(scaled[:, -names - drift : -drift], NAMES * fills[:, :names])
    torch.testing.assert_close(scaled[:, -drift:], DRIFTS * fills[:, -drift:])
    told = cast((RED, BALL, (0.0, 0.0), 0.5 * CIRCLE, 1.0))
    beside, of_cells = sketch(told, 4, 2, PIXELS, (1, 2, 2)), drawn(told, 4, 2, PIXELS)
    assert beside.shape == (2, FILLS * 4)
    torch.testing.assert_close(beside[0, :4], of_cells[NUM_NAMES, 0, :2].flatten())
