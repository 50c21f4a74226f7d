"""The watermark: what it costs, what it survives, that it is never seen where it is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from langit.media import read_video, write
from langit.provenance import Payload, can_mark, mark, read_mark
from langit.provenance.watermark import THRESHOLD, chip_errors, find_mark
from langit.types import Frames, InputError, Video
from tests.provenance.conftest import scene

PAYLOAD = Payload(0xBEEF)


def psnr(one: Frames, other: Frames) -> float:
    return float(10 * np.log10(255**2 / np.mean((one.astype(np.float64) - other) ** 2)))


def halved(frames: Frames) -> Frames:
    count, height, width, _ = frames.shape
    boxes = frames.reshape(count, height // 2, 2, width // 2, 2, 3).astype(np.float32)
    return np.rint(boxes.mean((2, 4))).astype(np.uint8)


@pytest.fixture
def compressed(tmp_path: Path) -> Callable[[Frames], Frames]:
    def encode(frames: Frames) -> Frames:
        return read_video(write(Video(frames, 8.0), tmp_path / "clip.mp4", crf=28, overwrite=True)).frames

    return encode


def test_it_cannot_be_seen(simulated: list[Frames]) -> None:
    for frames in (*simulated, scene(0), scene(1, height=128, width=96), scene(2, height=256, width=256)):
        marked = mark(frames, PAYLOAD)
        assert (marked.shape, marked.dtype) == (frames.shape, np.uint8)
        assert psnr(marked, frames) >= 38


def test_at_64x64_it_survives_h264_and_half_the_size(
    simulated: list[Frames], compressed: Callable[[Frames], Frames]
) -> None:
    errors = []
    for frames in simulated:
        marked = mark(frames, PAYLOAD)
        again = compressed(marked)
        assert read_mark(again) == PAYLOAD
        assert read_mark(halved(marked)) == PAYLOAD
        errors.append(chip_errors(again, PAYLOAD))
    assert np.mean(errors) < 0.05
    assert chip_errors(simulated[0], PAYLOAD) > 0.3


@pytest.mark.parametrize(("height", "width", "frames"), [(64, 64, 8), (64, 112, 9), (128, 128, 1), (180, 320, 8)])
def test_sizes(height: int, width: int, frames: int, compressed: Callable[[Frames], Frames]) -> None:
    marked = mark(scene(7, frames, height, width), PAYLOAD)
    assert read_mark(compressed(marked)) == PAYLOAD
    assert read_mark(halved(marked)) == PAYLOAD


def test_both_at_once_from_128x128(compressed: Callable[[Frames], Frames]) -> None:
    assert read_mark(compressed(halved(mark(scene(8, 24, 128, 128), PAYLOAD)))) == PAYLOAD


def test_a_part_of_a_clip_and_a_second_mark(simulated: list[Frames]) -> None:
    marked = mark(simulated[0], PAYLOAD)
    assert read_mark(marked[5:29]) == PAYLOAD
    assert read_mark(mark(marked, Payload(7))) == Payload(7)


@pytest.mark.parametrize("instance", [0, 1, 32768, 65535])
def test_every_number_is_a_payload(instance: int) -> None:
    assert read_mark(mark(scene(4, 8), Payload(instance))) == Payload(instance)


def test_no_mark_is_found_where_there_is_none(simulated: list[Frames]) -> None:
    """At most one in a million by Hoeffding's bound: none in 204 clips, and the best of them stays below."""
    clips = [*simulated, *(scene(100 + seed, 8 + seed % 9, 64, 64 + 16 * (seed % 3)) for seed in range(200))]
    assert len(clips) == 204
    assert [index for index, clip in enumerate(clips) if find_mark(clip) is not None] == []
    assert 7 < THRESHOLD < 8


def test_footage_of_which_a_part_is_marked(simulated: list[Frames]) -> None:
    marked = mark(np.concatenate(simulated[:2]), PAYLOAD)
    found = find_mark(marked)
    assert found is not None
    assert found.share == 1
    found = find_mark(np.concatenate([marked, simulated[2], simulated[3]]))
    assert found is not None
    assert 0.4 < found.share < 0.6


def test_too_small_is_said_and_not_pretended() -> None:
    assert not can_mark((8, 63, 64, 3))
    assert not can_mark((7, 64, 64, 3))
    assert can_mark((8, 64, 64, 3))
    assert can_mark((1, 128, 128, 3))
    with pytest.raises(
        InputError, match=r"8 frames of 32x32 is too small .* 8 frames of 64x64, or one of 128x128, at least"
    ):
        mark(scene(0, 8, 32, 32), PAYLOAD)
    with pytest.raises(InputError, match="from 0 to 65535, not 65536"):
        Payload(65536)


def test_black_footage_has_no_room_for_it() -> None:
    black = np.zeros((8, 64, 64, 3), np.uint8)
    assert psnr(mark(black, PAYLOAD), black) > 38
    assert read_mark(black) is None
    assert find_mark([]) is None
