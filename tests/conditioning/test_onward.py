"""What is made of a thing beside where it is known begins where it would be by then."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from langit.catalog import load
from langit.conditioning.cast import BANDS, DIRECTIONS, NUM_COLOURS, NUM_NAMES, ROWS, THINGS, Cast
from langit.conditioning.onward import SPREAD, led_on

CODE = load("embedded").casting
assert CODE is not None
LATENT, TIMES = 8, 4
PIXEL = 2 / 64
FIRST = 1 + (LATENT // 2 - 1) * TIMES
"""The first frame of the second half, of 1 + 4 * 7."""


def rolling(leap: float = 0.0) -> torch.Tensor:
    """The rows of a cast: a ball that goes to the right by 0.4 pixels a frame, and leaps at half time, and one that stays."""
    frame = (torch.arange(LATENT * TIMES) - (TIMES - 1)).clamp(min=0).unflatten(0, (LATENT, TIMES))
    names = torch.zeros(LATENT, THINGS, NUM_NAMES)
    names[:, 0, [2, NUM_COLOURS]] = names[:, 1, [3, NUM_COLOURS]] = 1
    centres = torch.zeros(LATENT, THINGS, TIMES, 2)
    centres[:, 0, :, 0] = -0.4 + 0.4 * PIXEL * frame + leap * (frame >= FIRST)
    centres[:, 1, :, 0] = 0.5
    there = torch.tensor([1.0, 1.0, 0.0, 0.0])[:, None, None]
    return CODE.encode(
        Cast(
            names,
            torch.zeros(LATENT, THINGS, 3),
            centres,
            0.25 * there.expand(LATENT, THINGS, TIMES, DIRECTIONS),
            2.0 * there[..., 0, 0].expand(LATENT, THINGS),
            torch.zeros(LATENT, BANDS, 3),
            torch.zeros(LATENT, 2, BANDS, 2),
        )
    )


def way_of(rows: torch.Tensor, thing: int = 0) -> torch.Tensor:
    """(F,): how far to the right a thing is."""
    return CODE.decode(rows).centres[:, thing, :, 0].flatten()[TIMES - 1 :]


def known(latent: slice, thing: int = 0) -> torch.Tensor:
    rows = torch.zeros(LATENT, ROWS, dtype=torch.bool)
    rows[latent, thing] = True
    return rows.flatten()


@pytest.mark.parametrize("is_before", [False, True])
def test_a_leap_is_spread_over_what_is_made(is_before: bool):
    """After what is known, or before it."""
    rows = rolling(leap=10 * PIXEL)
    halves = slice(0, LATENT // 2), slice(LATENT // 2, LATENT)
    before, way = way_of(rows), way_of(led_on(rows, known(halves[is_before]), CODE))
    assert before.diff().abs().max() > 8 * PIXEL
    assert way.diff().abs().max() < 4 * PIXEL
    first, last = slice(0, FIRST), slice(FIRST, None)
    kept, made = (last, first) if is_before else (first, last)
    torch.testing.assert_close(way[kept], before[kept], atol=0, rtol=0)
    assert (way[made] - before[made]).abs().max() > 8 * PIXEL
    far = slice(0, FIRST - SPREAD) if is_before else slice(FIRST + SPREAD, None)
    assert (way[far] - before[far]).abs().max() < 0.5 * PIXEL


def test_a_picture_alone_is_gone_on_from():
    """One frame tells no pace: what is made has its own."""
    rows = rolling().unflatten(0, (LATENT, ROWS))
    leapt = rolling(leap=0.0).unflatten(0, (LATENT, ROWS))
    moved = CODE.decode(rows.flatten(0, 1))
    leapt[1:] = CODE.encode(replace(moved, centres=moved.centres + 6 * PIXEL)).unflatten(0, (LATENT, ROWS))[1:]
    way = way_of(led_on(leapt.flatten(0, 1), known(slice(0, 1)), CODE))
    assert way.diff().abs().max() < 3 * PIXEL


@pytest.mark.parametrize(("creeps", "stays"), [(3, True), (12, False)])
@pytest.mark.parametrize("half", [slice(0, LATENT // 2), slice(LATENT // 2, LATENT)])
def test_what_rests_stays_unless_it_is_stirred(creeps: int, stays: bool, half: slice):
    """By so many pixels in the half that is made, before or after the known one."""
    cast = CODE.decode(rolling())
    frame = (torch.arange(LATENT * TIMES) - (TIMES - 1)).clamp(min=0).float()
    made = (frame >= FIRST) if half.start == 0 else (frame < FIRST)
    along = (frame - FIRST + 1) / (FIRST - 1) if half.start == 0 else (FIRST - frame) / FIRST
    cast.centres[:, 1, :, 0] += (made * along * creeps * PIXEL).unflatten(0, (LATENT, TIMES))
    rows = CODE.encode(cast)
    way = way_of(led_on(rows, known(half, 1), CODE), 1)
    if stays:
        torch.testing.assert_close(way, torch.full_like(way, 0.5), atol=0.5 * PIXEL, rtol=0)
    else:
        assert (way - 0.5).abs().max() > (creeps - 2) * PIXEL


def test_others_and_what_is_known_stay_to_the_last_bit():
    """Under a camera that moves: where it is still the backdrop is one."""
    half = LATENT // 2
    rows = CODE.encode(replace(CODE.decode(rolling(leap=10 * PIXEL)), drift=torch.full((LATENT, 2, BANDS, 2), 0.1)))
    changed = (led_on(rows, known(slice(0, half)), CODE) != rows).any(-1).unflatten(0, (-1, ROWS))
    assert not changed[:half].any()
    assert changed[half, 0]
    assert not changed[:, 1:].any()
    for all_or_none in (torch.zeros(LATENT * ROWS), torch.ones(LATENT * ROWS)):
        assert torch.equal(led_on(rows, all_or_none.bool(), CODE), rows)


def test_what_goes_on_as_it_went_is_left_so():
    rows = rolling()
    way = way_of(led_on(rows, known(slice(0, LATENT // 2)), CODE))
    assert (way - way_of(rows)).abs().max() < 0.5 * PIXEL


def standing(creeps: float, drift: float = 0.0, grows: float = 0.0, ball: float = 9.0) -> torch.Tensor:
    """The rows of a cast: a thing that creeps to the right by so many pixels and grows by that part, a ball that rolls by so far
    above it (in half sides), and how far the backdrop drifts."""
    cast = CODE.decode(rolling())
    along = (torch.arange(LATENT * TIMES) - (TIMES - 1)).clamp(min=0).unflatten(0, (LATENT, TIMES)) / (LATENT * TIMES)
    cast.centres[:, 1, :, 0] += creeps * PIXEL * along
    cast.outlines[:, 1] *= 1 + grows * along[..., None]
    cast.centres[:, 0, :, 0] = -0.5 + 2 * along
    cast.centres[:, 0, :, 1] = -ball
    return CODE.encode(replace(cast, drift=torch.full_like(cast.drift, drift)))


NOTHING = torch.zeros(LATENT * ROWS, dtype=torch.bool)


@pytest.mark.parametrize("shown", [NOTHING, known(slice(0, 1), 1)], ids=["from words", "from a picture"])
def test_what_hardly_leaves_its_place_rests_where_nothing_touches_it(shown: torch.Tensor):
    rows = standing(6)
    way = way_of(led_on(rows, shown, CODE), 1)
    torch.testing.assert_close(way, way[:1].expand_as(way), atol=0.5 * PIXEL, rtol=0)
    before, after = CODE.decode(rows), CODE.decode(led_on(rows, shown, CODE))
    torch.testing.assert_close(after.outlines, before.outlines, atol=0.5 * PIXEL, rtol=0)
    torch.testing.assert_close(after.centres[:, 0], before.centres[:, 0], atol=0.1 * PIXEL, rtol=0)


@pytest.mark.parametrize(
    "moves",
    [{"creeps": 24}, {"creeps": 6, "drift": 0.05}, {"creeps": 6, "grows": 0.8}, {"creeps": 6, "ball": 0.2}],
    ids=["far", "under a camera that moves", "while it changes", "where something comes by"],
)
def test_what_moves_goes_on_moving(moves: dict[str, float]):
    rows = standing(**moves)
    torch.testing.assert_close(way_of(led_on(rows, NOTHING, CODE), 1), way_of(rows, 1), atol=0.1 * PIXEL, rtol=0)


def test_what_is_known_to_move_is_not_stopped():
    rows = standing(8)
    shown = known(slice(0, LATENT // 2), 1)
    assert way_of(led_on(rows, shown, CODE), 1)[FIRST:].diff().mean() > 0.1 * PIXEL


def test_what_is_said_to_stand_does_not_leave_its_place_at_all():
    rows = standing(24, grows=0.8)
    after = CODE.decode(led_on(rows, NOTHING, CODE, standing=True))
    torch.testing.assert_close(
        after.centres[:, 1], after.centres[:1, 1].expand(LATENT, -1, -1), atol=0.5 * PIXEL, rtol=0
    )
    torch.testing.assert_close(
        after.outlines[:, 1], after.outlines[:1, 1].expand(LATENT, -1, -1), atol=0.5 * PIXEL, rtol=0
    )
    under_a_camera = standing(24, drift=0.05)
    assert torch.equal(led_on(under_a_camera, NOTHING, CODE, standing=True), under_a_camera)


@pytest.mark.parametrize(
    ("drift", "said", "fixed", "one"),
    [
        (0.005, None, True, True),
        (0.025, None, False, False),
        (0.025, False, True, True),
        (0.1, False, False, False),
        (0.005, True, False, True),
    ],
)
def test_a_camera_that_is_still_or_said_to_be_does_not_drift_and_its_backdrop_is_one(
    drift: float, said: bool | None, fixed: bool, one: bool
):
    """The backdrop under one that moves aside goes on as it is known: what rises changes it."""
    cast = CODE.decode(standing(6, drift=drift))
    cast.bands[:, :, 2] += torch.linspace(0, 0.2, LATENT)[:, None]
    rows = CODE.encode(cast)
    before = CODE.decode(rows)
    shown = known(slice(0, 2), THINGS)
    made = led_on(rows, shown, CODE, camera_moves=said)
    assert torch.equal(made[shown], rows[shown])
    after = CODE.decode(made)
    if one:
        torch.testing.assert_close(after.bands[2:], before.bands[:1].expand(LATENT - 2, -1, -1), atol=0.03, rtol=0)
    else:
        assert torch.equal(after.bands, before.bands)
    if fixed:
        assert after.drift[2:].abs().mean() < 0.1 * drift
    else:
        torch.testing.assert_close(after.drift, before.drift, atol=1e-3, rtol=0)


@pytest.mark.parametrize(("changes", "one"), [(0.3, True), (1.5, False)])
def test_a_thing_has_one_colour_unless_it_becomes_another(changes: float, one: bool):
    cast = CODE.decode(standing(24))
    cast.colours[:, 1, 0] = torch.linspace(0, changes, LATENT)
    rows = CODE.encode(cast)
    colours = CODE.decode(led_on(rows, known(slice(0, 1), 1), CODE)).colours[:, 1, 0]
    expected = torch.zeros(LATENT) if one else torch.linspace(0, changes, LATENT)
    torch.testing.assert_close(colours, expected, atol=1e-4, rtol=0)


def test_when_night_falls_the_backdrop_changes():
    cast = CODE.decode(standing(6))
    cast.bands[LATENT // 2 :] -= 0.8
    rows = CODE.encode(cast)
    torch.testing.assert_close(
        CODE.decode(led_on(rows, NOTHING, CODE)).bands, CODE.decode(rows).bands, atol=1e-3, rtol=0
    )
