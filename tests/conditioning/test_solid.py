"""How far things of a cast are in one another."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from langit.conditioning.cast import BANDS, DIRECTIONS, NUM_COLOURS, NUM_NAMES, NUM_SHAPES, THINGS, Cast
from langit.conditioning.solid import DEEP, HALF_VIEW, depth_of_contact


def two_things(apart: float, *, behind: float = 0.0, kind: int = 0, across: float = 0.0) -> Cast:
    """Two discs of radius 0.2 that stand `apart`, the second farther away by `behind` radii and of that kind."""
    names = torch.zeros(3, THINGS, NUM_NAMES)
    names[:, 0, [0, NUM_COLOURS]] = 1
    names[:, 1, [1, NUM_COLOURS + kind]] = 1
    centres = torch.zeros(3, THINGS, 4, 2)
    centres[..., 0] = across
    centres[1, 1, 2:, 0] = apart + across
    centres[[0, 2], 1, :, 0] = centres[1, 1, :2, 0] = 0.6 + across
    depths = torch.zeros(3, THINGS)
    depths[:, 1] = behind * 0.2 * HALF_VIEW
    outlines = torch.full((3, THINGS, 4, DIRECTIONS), 0.2)
    return Cast(
        names,
        torch.zeros(3, THINGS, 3),
        centres,
        outlines,
        depths,
        torch.zeros(3, BANDS, 3),
        torch.zeros(3, 2, BANDS, 2),
    )


def contact_of(cast: Cast, *known: int) -> float:
    frames = torch.zeros(3, dtype=torch.bool)
    frames[list(known)] = True
    return depth_of_contact(cast, frames)


@pytest.mark.parametrize(("apart", "depth"), [(0.5, 0.0), (0.4, 0.0), (0.3, 0.25), (0.1, 0.75), (0.0, 1.0)])
def test_how_far_two_things_are_in_one_another(apart, depth):
    """At their nearest, of all frames."""
    assert contact_of(two_things(apart)) == pytest.approx(depth, abs=1e-5)


def test_what_passes_behind_touches_nothing():
    assert contact_of(two_things(0.0, behind=2.0)) == pytest.approx(0, abs=1e-5)
    assert contact_of(two_things(0.0, behind=1.0)) == pytest.approx(0.5, abs=1e-5)


def test_what_leans_on_a_prop_or_is_out_of_sight_does_not_count():
    assert contact_of(two_things(0.0, kind=NUM_SHAPES)) == 0
    assert contact_of(two_things(0.0, across=1.1)) == 0
    assert contact_of(replace(two_things(0.0), names=torch.zeros(3, THINGS, NUM_NAMES))) == 0


def test_a_long_thing_is_as_thick_as_it_is_thin():
    """A plank that lies beside a ball."""
    cast = two_things(0.3)
    outlines = cast.outlines.clone()
    outlines[:, 1] = 0.6
    outlines[:, 1, :, [DIRECTIONS // 4, 3 * DIRECTIONS // 4]] = 0.05
    assert contact_of(replace(cast, outlines=outlines)) == 0 < DEEP


def test_what_is_known_may_go_on_as_it_is():
    """Things that are in one another in known frames are not held against what is made."""
    cast = two_things(0.1)
    assert contact_of(cast, 1) == 0
    assert contact_of(cast, 0) == pytest.approx(0.75)
    centres = cast.centres.clone()
    centres[0, 1, :, 0] = 0.2
    assert contact_of(replace(cast, centres=centres), 0) == pytest.approx(0.25)
