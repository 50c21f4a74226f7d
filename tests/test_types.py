"""The shared values: what they accept, what they refuse, and that pixels survive the way to float and back."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import numpy as np
import pytest

from langit.types import Audio, ClipShape, InputError, Video


def test_every_byte_survives_the_way_to_float_and_back():
    ramp = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, axis=-1)
    video = Video(ramp, 8)
    floats = video.to_float()
    assert floats.dtype == np.float32
    assert floats.min() == -1.0
    assert floats.max() == 1.0
    np.testing.assert_array_equal(Video.from_float(floats, 8).frames, ramp)


def test_from_float_clips_and_rounds():
    array = np.array([-3.0, -1.0, 0.0, 1.0, 7.0, 0.005], dtype=np.float32).reshape(1, 1, 2, 3)
    assert Video.from_float(array, 8).frames.ravel().tolist() == [0, 0, 128, 255, 255, 128]
    with pytest.raises(InputError, match="NaN"):
        Video.from_float(np.full((1, 2, 2, 3), np.nan), 8)


def test_video_answers_what_it_is():
    video = Video(np.zeros((6, 4, 10, 3), np.uint8), 12.0)
    assert (video.num_frames, video.height, video.width, video.seconds) == (6, 4, 10, 0.5)
    assert video.shape == ClipShape(6, 4, 10)
    assert str(video.shape) == "6 frames of 10x4"
    assert video.shape.num_pixels == 240
    with pytest.raises(dataclasses.FrozenInstanceError):
        video.fps = 3  # type: ignore[misc]


@pytest.mark.parametrize("shape", [(0, 4, 4), (1, -2, 4), (1, 4, 2.5), (True, 4, 4), ("8", 4, 4)])
def test_clip_shape_refuses_what_is_no_size(shape):
    with pytest.raises(InputError, match="A clip's"):
        ClipShape(*shape)


def test_clip_shape_takes_numpy_integers():
    assert type(ClipShape(np.int64(3), 4, 5).frames) is int


@pytest.mark.parametrize(
    "frames",
    [np.zeros((4, 4, 3), np.uint8), np.zeros((0, 4, 4, 3), np.uint8), np.zeros((1, 4, 4, 3), np.float32)],
)
def test_video_refuses_other_arrays(frames):
    with pytest.raises(InputError, match="uint8 array"):
        Video(frames, 8)


@pytest.mark.parametrize("fps", [0, -1.0, float("nan"), float("inf")])
def test_video_refuses_impossible_rates(fps):
    with pytest.raises(InputError, match="fps"):
        Video(np.zeros((1, 4, 4, 3), np.uint8), fps)


def test_audio_is_checked():
    audio = Audio(np.zeros((2, 8000), np.float32), 16000)
    assert (audio.num_channels, audio.num_samples, audio.seconds) == (2, 8000, 0.5)
    with pytest.raises(InputError, match="float32"):
        Audio(np.zeros(8000, np.float32), 16000)
    with pytest.raises(InputError, match="rate"):
        Audio(np.zeros((1, 8), np.float32), 0)


def test_types_load_without_torch():
    check = "import sys, langit.types; sys.exit('torch' in sys.modules or 'av' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
