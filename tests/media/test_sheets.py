"""Sheets: where the clips stand, in which order, and that labels of any script draw."""

from __future__ import annotations

import numpy as np
import pytest

from langit.media import animated_sheet, contact_sheet, sprite_sheet, thumbnail
from langit.types import InputError, Video

from .making import numbered


def clip(num_frames, fps=10, height=48, width=64, first=0):
    return Video(np.stack([numbered(first + i, height, width) for i in range(num_frames)]), fps)


def test_thumbnail_is_the_middle_frame_scaled_down():
    video = clip(5, height=200, width=400)
    image = thumbnail(video, side=100)
    assert image.shape == (50, 100, 3)
    assert image.mean() == video.frames[2].mean()
    assert thumbnail(clip(1)).shape == (48, 64, 3)


def test_sprite_sheet_places_every_frame():
    sheet = sprite_sheet(clip(5), columns=2)
    assert sheet.shape == (3 * 48, 2 * 64, 3)
    cells = [sheet[i // 2 * 48, i % 2 * 64, 0] for i in range(6)]
    assert cells == [20, 30, 40, 50, 60, 0]
    assert sprite_sheet(clip(9)).shape == (3 * 48, 3 * 64, 3)


def test_contact_sheet_spreads_from_first_to_last_frame():
    sheet = contact_sheet([clip(20)], frames_per_clip=3)
    row = sheet[20, :, 0].tolist()
    assert [row[6 + i * 66] for i in range(3)] == [20, 20 + 10 * 10, 20 + 10 * 19]
    short = contact_sheet([clip(1)], frames_per_clip=8)
    assert short.shape[1] == 64 + 12


def test_labels_draw_and_change_only_their_line():
    videos = [clip(4), clip(2, height=20, width=30)]
    labels = ["a red ball rolls " * 30, "日本 ∂ é"]
    plain, labelled = contact_sheet(videos), contact_sheet(videos, labels)
    assert labelled.dtype == np.uint8
    assert labelled.shape == (plain.shape[0] + 2 * 20, plain.shape[1], 3)
    np.testing.assert_array_equal(labelled[:54], plain[:54])
    assert labelled[56:74].max() > 150
    assert contact_sheet(videos, labels, columns=2).shape[1] > labelled.shape[1]


def test_animated_sheet_plays_clips_of_different_rates_and_lengths():
    sheet = animated_sheet([clip(4, fps=10), clip(4, fps=5)], columns=2)
    assert (sheet.num_frames, sheet.fps) == (8, 10)
    left, right = sheet.frames[:, 20, 10, 0].tolist(), sheet.frames[:, 20, 90, 0].tolist()
    assert left == [20, 30, 40, 50, 50, 50, 50, 50]
    assert right == [20, 20, 30, 30, 40, 40, 50, 50]
    assert animated_sheet([clip(3)] * 4, ["1", "2", "3", "4"]).shape.height == 6 + 2 * (48 + 6 + 20)


def test_what_makes_no_sheet_is_refused():
    with pytest.raises(InputError, match="at least 1 video"):
        contact_sheet([])
    with pytest.raises(InputError, match="labels"):
        animated_sheet([clip(1)], ["one", "two"])
    with pytest.raises(InputError, match="columns"):
        sprite_sheet(clip(1), columns=0)
    with pytest.raises(InputError, match="frames_per_clip"):
        contact_sheet([clip(1)], frames_per_clip=0)
