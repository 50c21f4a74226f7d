"""What is painted is read to a fraction of a pixel, and casts take it over where it is read."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from langit.conditioning.cast import CODES, DIRECTIONS, NUM_COLOURS, ROWS, Cast, cast_layout
from langit.conditioning.drawing import seen
from langit.conditioning.tracing import (
    Traces,
    Tracing,
    all_traces,
    no_traces,
    traced,
    traced_rows,
    traces_of,
    tracing_loss,
)
from tests.conditioning.test_cast import CASTS, CODE
from tests.conditioning.test_drawing import BALL, BLUE, CIRCLE, CUBE, RED, SQUARE, cast

TWO = CASTS[2]
ROWS_OF_TWO = CODE.encode(TWO)
FRAMES, TIMES = TWO.centres.shape[0], TWO.centres.shape[2]
FIRST, SECOND = (int(TWO.names[0, thing, :NUM_COLOURS].argmax()) for thing in range(2))
LAYOUT = cast_layout([FRAMES])
ANGLES = 2 * math.pi * torch.arange(DIRECTIONS) / DIRECTIONS
TOWARDS = torch.stack([ANGLES.cos(), ANGLES.sin()])


def painted(of: Cast, height: int = 64, width: int = 64) -> torch.Tensor:
    """Logits by which every pixel is painted as the cast is drawn."""
    shares = torch.einsum("fkthw,fkc->fcthw", seen(of, height, width), of.names[..., :NUM_COLOURS])
    return torch.cat([shares, 1 - shares.sum(1, keepdim=True)], 1).clamp(min=1e-9).log()


def read_of(things: Cast, colour: int) -> tuple[torch.Tensor, torch.Tensor]:
    traces = traces_of(painted(things))
    return traces.reach[0, colour, 0], traces.read[0, colour, 0]


def true_traces() -> Traces:
    """Of both things as they are."""
    told, traces = CODE.decode(ROWS_OF_TWO), no_traces(FRAMES, TIMES)
    for thing, colour in enumerate((FIRST, SECOND)):
        traces.reach[:, colour] = told.outlines[:, thing] + told.centres[:, thing] @ TOWARDS
        traces.read[:, colour] = 1
    return traces


def test_what_is_painted_is_read_to_a_fraction_of_a_pixel():
    ball = cast((RED, BALL, (0.3, -0.2), 0.25 * CIRCLE, 1.0))
    reach, read = read_of(ball, RED)
    assert read.all()
    torch.testing.assert_close(reach, 0.25 + torch.tensor([0.3, -0.2]) @ TOWARDS, atol=0.5 / 32, rtol=0)
    assert not traces_of(painted(ball)).read[0, BLUE].any()


def test_nothing_is_read_where_the_frame_or_another_thing_cuts():
    """And a thing of a few pixels is none."""
    _, read = read_of(cast((RED, BALL, (0.9, 0.0), 0.25 * CIRCLE, 1.0)), RED)
    assert not read[0]  # to the right
    assert read[DIRECTIONS // 2]
    _, read = read_of(
        cast((RED, CUBE, (0.0, 0.0), 0.3 * SQUARE, 1.0), (BLUE, CUBE, (0.4, 0.0), 0.3 * SQUARE, 0.5)), RED
    )
    assert not read[0]
    assert read[DIRECTIONS // 2]
    _, read = read_of(cast((RED, BALL, (0.0, 0.0), 0.03 * CIRCLE, 1.0)), RED)
    assert not read.any()


def going(*places: float) -> torch.Tensor:
    """As logits, a red ball at these places across, a latent frame to each."""
    balls = [cast((RED, BALL, (place, 0.1), 0.25 * CIRCLE, 1.0)) for place in places]
    return painted(Cast(*(torch.cat(parts) for parts in zip(*(vars(one).values() for one in balls), strict=True))))


def test_what_left_did_so_by_the_side_beside_which_it_was_seen_last():
    """Not what is lost in the middle of the frame, and nothing that was never seen."""
    left = traces_of(going(0.7, 1.1, 1.4, 1.4)).left
    assert left[:, RED].tolist() == [[0] * 4, [0] * 4, [1] * 4, [1] * 4]
    assert not left[:, BLUE].any()
    assert traces_of(going(-1.4, -0.9, 0.0)).left[:, RED, 0].tolist() == [-1, 0, 0]
    assert not traces_of(going(0.2, 3.0)).left.any()
    assert not traces_of(going(3.0, 3.0)).left.any()


def test_what_left_is_beyond_that_side_unless_it_is_hidden():
    traces = true_traces()
    traces.left[2, FIRST] = 1
    traces.left[1, SECOND] = -1
    traces.read[2, FIRST] = traces.read[1, SECOND] = 0
    before, after = CODE.decode(ROWS_OF_TWO), CODE.decode(traced(ROWS_OF_TWO, traces, LAYOUT, CODE.paths))
    leftmost = after.centres[2, 0, :, 0] - after.outlines[2, 0, :, DIRECTIONS // 2]
    rightmost = after.centres[1, 1, :, 0] + after.outlines[1, 1, :, 0]
    assert float(leftmost.min()) > 0.9
    assert float(rightmost.max()) < -0.9
    torch.testing.assert_close(after.centres[2, 0, :, 1], before.centres[2, 0, :, 1], atol=0.05, rtol=0)
    assert traced_rows(ROWS_OF_TWO, traces, LAYOUT).unflatten(0, (FRAMES, ROWS))[:, :2].all()
    behind = replace(before, centres=before.centres.clone(), depths=before.depths.clone())
    behind.centres[2, 0] = behind.centres[2, 1]
    behind.depths[2, 0] = behind.depths[2, 1] + 1
    rows = CODE.encode(behind)
    hidden, told = CODE.decode(rows), CODE.decode(traced(rows, traces, LAYOUT, CODE.paths))
    torch.testing.assert_close(told.centres[2, 0], hidden.centres[2, 0], atol=0.02, rtol=0)


def test_casts_take_over_what_is_traced():
    """Of that colour, in that latent frame, and nothing else."""
    wrong, traces, true = ROWS_OF_TWO.clone(), no_traces(FRAMES, TIMES), true_traces()
    wrong[..., -CODES:] += 0.5
    traces.reach[1, FIRST], traces.read[1, FIRST] = true.reach[1, FIRST], true.read[1, FIRST]
    before, after = CODE.decode(wrong), CODE.decode(traced(wrong, traces, LAYOUT, CODE.paths))
    reach = after.outlines[1, 0] + after.centres[1, 0] @ TOWARDS
    torch.testing.assert_close(reach, true.reach[1, FIRST], atol=2e-2, rtol=0)
    assert float((before.outlines[1, 0] + before.centres[1, 0] @ TOWARDS - reach).abs().max()) > 0.05
    for frame, thing in ((0, 0), (2, 0), (1, 1)):
        torch.testing.assert_close(after.centres[frame, thing], before.centres[frame, thing], atol=1e-4, rtol=0)
    torch.testing.assert_close(after.bands, before.bands)
    which = traced_rows(wrong, traces, LAYOUT).unflatten(0, (FRAMES, ROWS)).nonzero().tolist()
    assert which == [[1, 0]]


def test_half_an_outline_moves_the_whole():
    """What is read on one side alone tells where a thing is; its other side stays as far from its middle."""
    traces, rows = true_traces(), ROWS_OF_TWO
    traces.reach[:, FIRST] += torch.tensor([0.1, 0.0]) @ TOWARDS
    traces.read[:, FIRST, :, DIRECTIONS // 4 : 3 * DIRECTIONS // 4] = 0
    before, after = CODE.decode(rows), CODE.decode(traced(rows, traces, LAYOUT, CODE.paths))
    moved = (after.centres - before.centres)[:, 0].mean((0, 1))
    assert moved.tolist() == pytest.approx([0.1, 0.0], abs=0.02)
    torch.testing.assert_close(after.outlines[:, 0], before.outlines[:, 0], atol=2e-2, rtol=0)


def test_things_that_share_a_colour_are_left_alone():
    alike = ROWS_OF_TWO.unflatten(0, (-1, ROWS)).clone()
    alike[:, 1, :NUM_COLOURS] = alike[:, 0, :NUM_COLOURS]
    rows = alike.flatten(0, 1)
    assert torch.equal(traced(rows, true_traces(), LAYOUT, CODE.paths), rows)
    assert not traced_rows(rows, true_traces(), LAYOUT).any()


def test_clips_are_told_apart():
    both = all_traces([no_traces(FRAMES, TIMES), true_traces()])
    rows, layout = torch.cat([ROWS_OF_TWO, ROWS_OF_TWO]), cast_layout([FRAMES, FRAMES])
    assert traced_rows(rows, both, layout).unflatten(0, (2, -1)).any(1).tolist() == [False, True]


def test_the_loss_is_least_where_pixels_are_painted_as_they_are_drawn():
    true = cast((RED, BALL, (0.3, -0.2), 0.25 * CIRCLE, 1.0))
    right = painted(true)[:, :, -1]
    moved = painted(cast((RED, BALL, (0.2, -0.2), 0.25 * CIRCLE, 1.0)))[:, :, -1]
    renamed = painted(cast((BLUE, BALL, (0.3, -0.2), 0.25 * CIRCLE, 1.0)))[:, :, -1]
    least = float(tracing_loss(right, [true]))
    assert least < 0.05
    assert float(tracing_loss(moved, [true])) > least + 0.1
    assert float(tracing_loss(renamed, [true])) > least + 0.5


def test_pixels_are_painted_in_frames_of_any_size():
    for size in ((64, 64), (48, 96), (50, 66)):
        assert Tracing()(torch.zeros(2, 3, *size)).shape == (2, NUM_COLOURS + 1, *size)
