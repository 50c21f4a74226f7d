"""The measures of edits, against clips whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from langit.evaluation.editing import drift, jump, kept_error, loop_closure, seam_error, structure_kept
from tests.editing.conftest import moving


def test_a_cut_shows_and_uncut_footage_does_not():
    clip, other = moving(24), moving(24, seed=1)
    assert seam_error(clip, 12) == pytest.approx(1, abs=0.15)
    cut = np.concatenate([clip[:12], other[12:]])
    assert seam_error(cut, 12) > 5
    assert seam_error(cut, 6) == pytest.approx(1, abs=0.2)
    for join in (0, 24):
        with pytest.raises(ValueError, match="from 1 to 23"):
            seam_error(clip, join)


def test_still_footage_has_no_seam():
    still = moving(1).repeat(12, 0)
    assert seam_error(still, 6) == 1
    still[6:] += 1  # one step of 1/255
    assert seam_error(still, 6) == pytest.approx(2)


def test_motion_that_ends_is_no_jump_and_a_cut_is():
    clip = moving(24)
    ending = np.concatenate([clip[:10], *[clip[9:10]] * 10])
    assert seam_error(ending, 9) > 2  # most of its neighbours stand still
    assert jump(ending, 9) == pytest.approx(1, abs=0.2)
    cut = np.concatenate([clip[:12], moving(24, seed=1)[12:]])
    assert jump(cut, 12) > 5
    assert jump(clip[:1].repeat(12, 0), 6) == 1
    with pytest.raises(ValueError, match="from 1 to 23"):
        jump(clip, 24)


def test_a_wave_closes_and_a_drift_does_not():
    t = np.arange(24)[:, None, None, None]
    x = np.arange(24)[:, None]
    closed = np.broadcast_to(128 + 100 * np.sin(2 * np.pi * (t + x) / 24), (24, 8, 24, 3)).astype(np.uint8)
    assert loop_closure(closed) == pytest.approx(1, abs=0.05)
    assert loop_closure(np.broadcast_to(10 * t, (24, 8, 8, 3)).astype(np.uint8)) > 10


def test_kept_error_counts_what_is_kept_alone():
    clip = moving(4)
    other = clip.copy()
    other[:, :8] //= 2
    kept = np.ones(clip.shape[:3], bool)
    kept[:, :8] = False
    assert kept_error(clip, other, kept) == 0
    assert kept_error(clip, other) > 1


def test_drift_and_structure():
    clip = moving(8)
    assert drift([clip, clip]).colour == 0
    assert drift([clip, clip]).sharpness == 1
    darker = (clip // 2).astype(np.uint8)
    told = drift([clip, moving(8, seed=1), darker])
    assert told.colour > 20
    assert told.contrast == pytest.approx(0.5, abs=0.05)
    assert structure_kept(clip, clip) == pytest.approx(1)
    assert structure_kept(clip, moving(8, seed=4)) < 0.9
