"""Footage as it comes: turned, at a varying rate, with stereo sound, and what becomes of its sound."""

from __future__ import annotations

import numpy as np
import pytest

from langit.editing import blend, extend, inpaint, loop, recut
from langit.editing.footage import open_footage
from langit.media import read_video
from langit.types import InputError
from tests.media.making import encode, number_of, numbered, quarters, sine, smooth


def test_a_turned_clip_comes_upright(course, tmp_path):
    path = encode(tmp_path / "turned.mp4", [quarters()] * 24, rate=24, rotation=90)
    edit = extend(path, seconds=0.5, course=course)
    height, width = edit.size
    assert height > width  # the file's frames lie on their side
    frames = edit.video().frames
    np.testing.assert_array_equal(frames[:8], read_video(path, fps=8, size=edit.size).frames)


def test_a_varying_rate_keeps_its_time(course, tmp_path):
    """Twelve frames of 1/30 to 1/5 s each: what is seen at a time is what the file shows then."""
    ticks = np.cumsum([0, 20, 120, 20, 60, 60, 20, 120, 60, 100, 20, 60]).tolist()
    path = encode(tmp_path / "varying.mp4", [numbered(index) for index in range(12)], ticks=ticks)
    footage = open_footage(course.bundle(), path)
    frames = list(footage.frames())
    assert abs(len(frames) - footage.num_frames) <= 1
    shown = [number_of(frame) for frame in frames]
    due = [max(index for index, tick in enumerate(ticks) if tick <= (time + 0.5) * 75) for time in range(len(frames))]
    assert np.abs(np.array(shown) - due).max() <= 1
    kept = recut(path, "0-0.5", rest="cut", course=course).video().frames
    np.testing.assert_array_equal(kept, np.stack(frames[:4]))


def test_stereo_sound_is_kept_and_cut_with_its_frames(course, tmp_path):
    tone = np.concatenate([sine(2.0), sine(2.0, 220.0)])
    path = encode(tmp_path / "stereo.mp4", list(smooth(48, 48, 64)), rate=24, tone=tone)
    audio = extend(path, seconds=0.5, course=course).video().audio
    assert audio.num_channels == 2
    assert audio.seconds == pytest.approx(2.5, abs=0.01)
    assert np.abs(audio.samples[:, : audio.rate]).max() > 0.3
    assert np.abs(audio.samples[:, -audio.rate // 4 :]).max() == 0
    bridged = loop(path, seconds=0.5, course=course).video().audio
    assert np.abs(bridged.samples[:, -audio.rate // 4 :]).max() == 0
    whole = inpaint(path, "0,0,16,16", course=course).video().audio
    assert whole.seconds == pytest.approx(2, abs=0.01)
    silent = encode(tmp_path / "silent.mp4", list(smooth(48, 48, 64)), rate=24)
    both = blend(path, silent, seconds=0.5, course=course).video().audio
    assert both.seconds == pytest.approx(4.5, abs=0.01)
    assert np.abs(both.samples[:, 3 * both.rate :]).max() == 0


def test_a_source_is_never_written_to(footage, course, tmp_path):
    path = footage("a.mp4")
    before = path.read_bytes()
    for target in (path, tmp_path / "." / "a.mp4"):
        with pytest.raises(InputError, match="is a source of this edit, and sources are never written to"):
            extend(path, seconds=0.5, course=course).save(target, overwrite=True)
    assert path.read_bytes() == before


def test_guidance_without_a_prompt_is_said(footage, course):
    from dataclasses import replace

    path = footage("a.mp4")
    edit = extend(path, seconds=0.5, course=replace(course, guidance=5.0))
    assert "a guidance of 5 has nothing to guide towards" in " ".join(edit.notices)
    assert extend(path, seconds=0.5, course=course).notices == ()
    with pytest.raises(InputError, match="give 0 to 30"):
        extend(path, seconds=0.5, course=replace(course, guidance=99.0))
