"""What a path given for reading is, and the one sentence for each reason not to read it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from langit.types import Frames, InputError

PathLike = str | os.PathLike[str]


@dataclass(frozen=True, eq=False)
class TimedFrame:
    """``pixels`` uint8 (H, W, 3), shown from ``seconds`` on for ``duration`` seconds."""

    pixels: Frames
    seconds: float
    duration: float


class Source(Protocol):
    """A file that gives frames in the order of their time. ``rate`` is the constant fps that suits them best."""

    path: Path
    rate: float

    def frames(self) -> Iterator[TimedFrame]: ...


def existing_file(path: PathLike) -> Path:
    """``path`` as a Path, if it is a readable file that is not empty; else ``InputError``."""
    file = Path(path)
    if not os.fspath(path):
        raise InputError("The path is empty; give the path of a video or image file.")
    if file.is_dir():
        raise InputError(f"{file} is a folder; give the path of one video or image file.")
    if not file.exists():
        raise InputError(f"There is no file {file}; check the path.")
    if not file.is_file():
        raise InputError(f"{file} is not a regular file; give the path of a video or image file.")
    try:
        with file.open("rb") as opened:
            empty = not opened.read(1)
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}.") from error
    if empty:
        raise InputError(f"{file} is empty (0 bytes); give a video or image file.")
    return file


def not_a_video(path: Path) -> InputError:
    return InputError(
        f"{path} cannot be read as a video or an image: it is cut short, damaged or another kind of file. "
        "Video (mp4, mov, webm, mkv, avi, ...), gif and image files can be read."
    )


def cut_short(path: Path, num_frames: int) -> str:
    """The warning after the last frame that could be read."""
    return f"{path} is cut short or damaged; {num_frames} {'frame' if num_frames == 1 else 'frames'} could be read."


def check_size(size: tuple[int, int] | None) -> None:
    """``InputError`` unless ``size`` is None or two whole numbers of at least 1."""
    if size is not None and (len(size) != 2 or any(int(side) != side or side < 1 for side in size)):
        raise InputError(f"A size is (height, width) in whole pixels of at least 1, not {size}.")
