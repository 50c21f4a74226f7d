"""The mark in what is made: streamed, handed on untouched at the end, and found again by the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import numpy as np
import pytest
import torch

from langit.conditioning import Known
from langit.editing import Edit
from langit.editing.marking import GROUP, can_be_marked, marked, marked_like
from langit.media import read_video
from langit.media.record import Record
from langit.provenance import Payload, read_mark
from langit.types import Frames
from tests.provenance.conftest import scene

PAYLOAD = Payload(0xBEEF)
END = Known(np.zeros((64, 64, 3), np.uint8), torch.zeros(1), 0)


def edit_of(frames: Frames, verb: str = "generate") -> Edit:
    def making(*_: object) -> Generator[Frames, None, Known | None]:
        yield from frames
        return END

    return Edit(Record(verb, "a ball", {}, "", ""), 8.0, frames.shape[1:3], len(frames), making)


def made(edit: Edit) -> tuple[Frames, Known | None]:
    frames, making = [], edit.frames()
    while True:
        try:
            frames.append(next(making))
        except StopIteration as done:
            return np.stack(frames), done.value


@pytest.mark.parametrize("count", [8, GROUP, GROUP + 3, 2 * GROUP + 20])
def test_every_frame_is_marked_and_the_end_is_handed_on(count: int) -> None:
    frames = np.concatenate([scene(seed) for seed in range(-(-count // len(scene(0))))])[:count]
    shown, end = made(marked(edit_of(frames), PAYLOAD))
    assert shown.shape == frames.shape
    assert end is END
    for start in range(0, count - 7, 8):
        assert read_mark(shown[start : start + 8]) == PAYLOAD
    assert (shown[-1] != frames[-1]).any()


def test_what_is_too_small_stays_as_it_is() -> None:
    edit = edit_of(scene(0)[:, :32, :32])
    assert not can_be_marked(edit)
    assert marked(edit, PAYLOAD) is edit


def test_generate_marks_unless_told_not_to_and_remake_makes_the_same(tmp_path: Path) -> None:
    environment = {**os.environ, "LANGIT_HOME": str(tmp_path / "home"), "OMP_NUM_THREADS": "1"}

    def langit(*words: str) -> str:
        command = [sys.executable, "-m", "langit.cli", *words]
        return subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True).stdout

    asked = ("generate", "a red ball bounces", "--frames", "9", "--steps", "1", "--guidance", "1", "--seed", "1")
    langit(*asked, "-o", "marked.mp4")
    assert "Watermark: valid" in langit("verify", "marked.mp4")
    langit(*asked, "--no-watermark", "-o", "plain.mp4")
    assert read_mark(read_video(tmp_path / "plain.mp4").frames) is None
    langit("remake", "marked.mp4", "-o", "again.mp4")
    before, after = (read_video(tmp_path / f"{name}.mp4").frames for name in ("marked", "again"))
    assert np.array_equal(before, after)
    for verb, payload in (("generate", read_mark(before)), ("extend", None)):
        like, _ = made(marked_like(edit_of(scene(0), verb), tmp_path / "marked.mp4"))
        assert read_mark(like) == payload
