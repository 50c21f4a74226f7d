"""Reading frames at a constant rate, streaming or whole."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from types import TracebackType
from typing import Self

import numpy as np

from langit.media.footage import FootageSource, read_audio
from langit.media.pictures import PictureSource, fit, open_picture
from langit.media.source import PathLike, Source, TimedFrame, check_size, existing_file
from langit.types import Frames, InputError, Video

MAX_BYTES_IN_MEMORY = 16 * 2**30


class FrameStream:
    """An iterator over uint8 (H, W, 3) frames at a constant ``fps``, holding a few frames at a time.

    ``height`` and ``width`` are those of every frame, ``start`` is the first one's time on the file's clock. Close it,
    or use it in a ``with`` statement, when it is not read to the end.
    """

    def __init__(self, source: Source, fps: float | None, size: tuple[int, int] | None) -> None:
        self.path = source.path
        self.may_have_sound = isinstance(source, FootageSource)
        self.fps = source.rate if fps is None else fps
        if not (math.isfinite(self.fps) and self.fps > 0):
            raise InputError(f"fps must be a number above 0, not {fps}.")
        self._timed = source.frames()
        first = next(self._timed)
        self.start = first.seconds
        shown: tuple[int, ...] = first.pixels.shape[:2]
        self.height, self.width = shown if size is None else size
        held = isinstance(source, PictureSource) and not source.moving  # one frame at any rate
        frames = iter([first]) if held else at_constant_rate(itertools.chain([first], self._timed), self.fps)
        self._frames = (self._sized(frame.pixels) for frame in frames)

    def _sized(self, pixels: Frames) -> Frames:
        return fit(pixels, (self.height, self.width))

    def __iter__(self) -> Iterator[Frames]:
        return self

    def __next__(self) -> Frames:
        return next(self._frames)

    def close(self) -> None:
        self._frames.close()
        closing = getattr(self._timed, "close", None)
        if closing is not None:
            closing()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def at_constant_rate(timed: Iterator[TimedFrame], fps: float) -> Iterator[TimedFrame]:
    """For each time k / fps from the first frame on, the frame nearest to it (the earlier one of two as near).

    The number of frames is the whole duration times fps, rounded, and at least 1: a clip that already has this
    constant rate comes back frame by frame.
    """
    slack = 1e-6  # timestamps are rounded in files; a tie is a tie
    current = next(timed)
    start, index = current.seconds, 0
    for following in timed:
        middle = (current.seconds + following.seconds) / 2 - start
        while index / fps <= middle + slack:
            yield current
            index += 1
        current = following
    end = current.seconds + current.duration - start
    while index == 0 or (index + 0.5) / fps <= end + slack:
        yield current
        index += 1


def open_frames(path: PathLike, *, fps: float | None = None, size: tuple[int, int] | None = None) -> FrameStream:
    """A stream of the frames of a video, gif or image file, in constant memory.

    ``fps`` resamples by timestamp (the nearest frame; None takes the file's own rate, constant even where the file's
    is not; an image's is 1). ``size`` = (height, width) scales to cover and cuts the overhang evenly. Frames come
    upright, with square pixels, as RGB. ``InputError`` if no frame can be read; a file that is cut short gives what
    it has and one warning at the end.
    """
    check_size(size)
    file = existing_file(path)
    picture = open_picture(file)
    if picture is None:
        return FrameStream(FootageSource(file), fps, size)
    with picture:
        source = PictureSource(file, picture)
    return FrameStream(source, fps, size)


def read_video(
    path: PathLike,
    *,
    fps: float | None = None,
    max_frames: int | None = None,
    size: tuple[int, int] | None = None,
) -> Video:
    """The video in ``path`` (an image is one frame) with its sound; ``fps`` and ``size`` as in ``open_frames``.

    At most ``max_frames`` frames are read, and the sound as long as they last. ``InputError`` also when the frames
    would not fit in 16 GiB.
    """
    if max_frames is not None and max_frames < 1:
        raise InputError(f"max_frames must be at least 1, not {max_frames}.")
    with open_frames(path, fps=fps, size=size) as stream:
        limit = MAX_BYTES_IN_MEMORY // (stream.height * stream.width * 3)
        frames: list[Frames] = []
        for frame in itertools.islice(stream, max_frames):
            if len(frames) >= limit:
                raise InputError(
                    f"{path} is too long to be read at once: {len(frames)} frames of {stream.width}x{stream.height} "
                    "fill 16 GiB. Give max_frames, a smaller size or a lower fps, or stream it with open_frames."
                )
            frames.append(frame)
        audio = None
        if stream.may_have_sound:
            audio = read_audio(stream.path, stream.start, len(frames) / stream.fps)
        return Video(np.stack(frames), stream.fps, audio)
