"""One cast on its way to another: who becomes whom, and what it looks like in between."""

from __future__ import annotations

import pytest
import torch

from langit.conditioning import CastCondition, FramesCondition, LatentsCondition, SourceCondition, TurnCondition
from langit.conditioning.cast import Cast
from langit.conditioning.drawing import draft, drawn, seen
from langit.conditioning.turning import turned
from tests.conditioning.test_drawing import BALL, BLUE, CIRCLE, CUBE, PIXELS, RED, SQUARE, cast

LEFT, RIGHT = (-0.5, 0.0), (0.5, 0.0)
NOW = torch.zeros(1)


def one_and_other() -> tuple[Cast, Cast]:
    """A red ball at the left, and the same at the right beside a blue cube, in other rows."""
    ball = cast((RED, BALL, LEFT, 0.3 * CIRCLE, 1.0))
    both = cast((BLUE, CUBE, (0.0, 0.5), 0.2 * SQUARE, 0.5), (RED, BALL, RIGHT, 0.3 * CIRCLE, 1.0))
    return ball, both


@pytest.mark.parametrize("is_second", [False, True])
def test_it_begins_as_the_one_and_ends_as_the_other(is_second: bool):
    one, other = one_and_other()
    turning = turned(one, other, NOW + is_second)
    torch.testing.assert_close(drawn(turning, 4, 4, PIXELS), drawn(other if is_second else one, 4, 4, PIXELS))


def test_things_of_one_name_become_each_other():
    """And go from the one place to the other; what has no partner grows from nothing."""
    one, other = one_and_other()
    half = turned(one, other, NOW + 0.5)
    assert half.cast.names[0, 0].equal(half.into.names[0, 0])
    torch.testing.assert_close(half.cast.centres[0, 0, 0], torch.zeros(2))
    cube = [float(seen(turned(one, other, NOW + share).cast, 64, 64)[0, 1].mean()) for share in (0.0, 0.5, 0.9, 1.0)]
    assert cube[0] == 0
    assert cube == sorted(cube)
    assert cube[1] < 0.5 * cube[3]


def test_colours_change_frame_by_frame():
    one, other = cast((RED, BALL, LEFT, 0.3 * CIRCLE, 1.0)), cast((BLUE, BALL, LEFT, 0.3 * CIRCLE, 1.0))
    long = [Cast(*(torch.cat([value, value]) for value in vars(some).values())) for some in (one, other)]
    long[1].colours[:] = -0.75
    share = torch.linspace(0, 1, 5)
    turning = turned(*long, share)
    shares = seen(turning.cast, 64, 64)
    ends = [draft(some, shares) for some in (turning.cast, turning.into)]
    frames = ends[0].lerp(ends[1], share[:, None, None, None])
    middle = frames[:, 32, 16, 0]
    torch.testing.assert_close(middle, 0.25 - share)


def test_which_conditions_tell_of_which_side():
    picture, groups = torch.zeros(16, 16, 3, dtype=torch.uint8).numpy(), torch.zeros(4, 1, 2, 2)
    before = (FramesCondition({0: picture}), LatentsCondition(groups, 1), CastCondition(torch.zeros(5, 1)))
    after, source = LatentsCondition(groups, 4), SourceCondition(picture[None], 0.5)
    extra = FramesCondition({3: picture}), FramesCondition({5: picture})
    turn = TurnCondition(("one", "other"), torch.zeros(5), (extra[0],), (extra[1],))
    first, second = turn.sides((*before, after, source))
    assert first == (*before, extra[0])
    assert second == (after, extra[1])
