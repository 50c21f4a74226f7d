"""Joins: small differences are spread, large ones are left, and what is made anew keeps its number of frames."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
import pytest

from langit.conditioning import Known
from langit.editing import extend
from langit.editing.joins import smoothed
from langit.evaluation.editing import kept_error, seam_error
from tests.editing.conftest import moving, played

END = Known(moving(1)[0], None)  # type: ignore[arg-type]


def making(frames: np.ndarray) -> Generator[np.ndarray, None, Known]:
    yield from frames
    return END


def test_a_loss_of_the_decoder_does_not_show_at_the_joins():
    true = moving(32)
    lossy = (true.astype(int) + np.array([16, -12, 14])).clip(0, 255).astype(np.uint8)
    made, end = played(smoothed(making(lossy[8:24]), 16, 8.0, true[7], true[24]))
    assert end is END
    assert made.shape == (16, 32, 32, 3)
    for join, clip in ((8, np.concatenate([true[:8], lossy[8:]])), (24, np.concatenate([lossy[:24], true[24:]]))):
        assert seam_error(clip, join) > 2.5
        assert seam_error(np.concatenate([true[:8], made, true[24:]]), join) < 1.3
    assert kept_error(lossy[15:17], made[7:9]) < 2  # in the middle it is as it was made


def test_another_thing_leaves_no_ghost():
    one = np.full((4, 8, 8, 3), 20, np.uint8)
    other = one.copy()
    other[:, 2:6, 2:6] = 200  # a quarter of the frame
    made, _ = played(smoothed(making(other), 4, 8.0, one[-1], one[0]))
    np.testing.assert_array_equal(made, other)


def test_another_world_is_dissolved_into():
    one, other = np.full((9, 8, 8, 3), 20, np.uint8), np.full((9, 8, 8, 3), 200, np.uint8)
    made, _ = played(smoothed(making(other), 9, 9.0, one[-1], None))
    np.testing.assert_array_equal(made[:, 0, 0, 0], 20 + 18 * np.arange(1, 10))
    led_back, _ = played(smoothed(making(other), 9, 9.0, None, one[0]))
    np.testing.assert_array_equal(led_back, made[::-1])
    # Within a second one known frame dissolves into the other, and nothing of what is made is seen.
    known, _ = played(smoothed(making(other[:4]), 4, 9.0, one[0], one[0] + np.uint8(50)))
    np.testing.assert_array_equal(known[:, 0, 0, 0], [30, 40, 50, 60])


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_a_few_frames_stay_a_few(frames):
    true = moving(8)
    made, _ = played(smoothed(making(true[:frames]), frames, 8.0, true[0], true[7]))
    assert len(made) == frames
    nothing_known, _ = played(smoothed(making(true[:frames]), frames, 8.0, None, None))
    np.testing.assert_array_equal(nothing_known, true[:frames])


def test_it_is_part_of_an_edit(footage, course, monkeypatch):
    path = footage("a.mp4")
    shown = extend(path, seconds=1, course=course).video().frames
    monkeypatch.setattr("langit.editing.timeline.smoothed", lambda making, *rest: making)
    rough = extend(path, seconds=1, course=course).video().frames
    np.testing.assert_array_equal(shown[:16], rough[:16])
    assert seam_error(shown, 16) < seam_error(rough, 16)


def test_what_rests_is_that_of_the_frames_beside_it_and_no_mixture_of_two_things():
    before, after = np.full((4, 8, 3), 100, np.uint8), np.full((4, 8, 3), 110, np.uint8)
    after[:, 6:] = 250  # another thing in a quarter of the frame
    made = np.full((3, 4, 8, 3), 90, np.uint8)
    rests = np.ones((4, 8, 1), np.float32)
    shown, _ = played(smoothed(making(made), 3, 1.0, before, after, lambda index: rests if index else None))
    np.testing.assert_array_equal(shown[1:, 0, 0, 0], [105, 109])  # the last one is led up to what follows, too
    np.testing.assert_array_equal(shown[:, :, 6:], played(smoothed(making(made), 3, 1.0, before, after))[0][:, :, 6:])
    alone, _ = played(smoothed(making(made), 3, 1.0, None, after, lambda index: rests))
    np.testing.assert_array_equal(alone, after[None].repeat(3, 0))
