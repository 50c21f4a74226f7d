"""Writing video: streaming with ``VideoWriter``, whole with ``write``; complete at the target path or not there."""

from __future__ import annotations

import itertools
import os
import warnings
from collections.abc import Iterable, Mapping
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import numpy as np

from langit.media.encoders import Encoder, FolderEncoder, GifEncoder, Mp4Encoder, PngEncoder
from langit.media.output import StagedOutput, check_output, clear_errors, kind_of, several_frames
from langit.media.source import PathLike, check_size
from langit.types import Audio, Frames, InputError, Video

_FPS_RANGE = (0.01, 1000.0)


class VideoWriter:
    """Writes frames one by one in constant memory: ``with VideoWriter(path, fps, (height, width)) as out: ...``.

    The suffix of ``path`` chooses: ``.mp4`` (H.264, yuv420p, BT.709), ``.gif``, ``.png`` (one frame), or a folder of
    numbered png files (no suffix, a slash at the end, or an existing folder). The chroma of yuv420p needs even sides:
    in mp4 an odd side is extended by one repeated row or column. ``audio`` goes into mp4 as AAC; other kinds leave it
    out with a warning. ``metadata`` becomes mp4 tags, a gif comment or png text, and ``probe`` reads it back. ``crf``
    is x264's quality, 0 (lossless coding) to 51, and says nothing to gif and png.

    Everything is written under a temporary name beside the target and renamed at the end; missing parent folders are
    made. An error or Ctrl-C inside ``with`` leaves nothing behind. ``InputError`` as in ``check_output``, and for
    frames that do not fit; ``OSError`` with one sentence if the disk is full or fails.
    """

    def __init__(
        self,
        path: PathLike,
        fps: float,
        size: tuple[int, int],
        *,
        overwrite: bool = False,
        metadata: Mapping[str, str] | None = None,
        crf: int = 16,
        audio: Audio | None = None,
    ) -> None:
        check_size(size)
        if not _FPS_RANGE[0] <= fps <= _FPS_RANGE[1]:
            raise InputError(f"fps must be between {_FPS_RANGE[0]:g} and {_FPS_RANGE[1]:g}, not {fps}.")
        if not 0 <= crf <= 51:
            raise InputError(f"crf must be between 0 (best) and 51 (smallest), not {crf}.")
        for key in metadata or ():
            if not (key.isascii() and key.isprintable() and 1 <= len(key.strip()) == len(key) <= 79):
                raise InputError(
                    f"A metadata key is 1 to 79 plain ASCII characters (the text may be any), not {key!r}."
                )
        self.path = Path(path)
        self.size = size
        self.num_frames = 0
        self._kind = kind_of(path)
        self._output = StagedOutput(check_output(path, overwrite))
        if audio is not None and self._kind != "mp4":
            warnings.warn(f"{self.path} cannot hold sound; it is left out. Write .mp4 to keep it.", stacklevel=2)
        # Rates such as 23.976 are fractions over 1001; a float must find its way back to them.
        rate, tags = Fraction(fps).limit_denominator(1001), dict(metadata or {})
        self._encoder: Encoder | None = None
        try:
            with clear_errors(self._output.target):
                self._encoder = self._start(rate, tags, crf, audio)
        except BaseException:
            self._output.discard()
            raise

    def _start(self, rate: Fraction, tags: dict[str, str], crf: int, audio: Audio | None) -> Encoder:
        temporary = self._output.temporary
        if self._kind == "mp4":
            return Mp4Encoder(temporary, rate, self.size, tags, crf, audio)
        if self._kind == "gif":
            return GifEncoder(temporary, rate, self.size, tags)
        return PngEncoder(temporary, tags) if self._kind == "png" else FolderEncoder(temporary, tags)

    def write(self, frame: Frames) -> None:
        """Add one frame, uint8 (H, W, 3) of the writer's size."""
        if self._encoder is None:
            raise ValueError(f"{self.path} is closed; no more frames can be written to it.")
        if frame.shape != (*self.size, 3) or frame.dtype != np.uint8:
            raise InputError(
                f"Frame {self.num_frames} is {frame.dtype} of {frame.shape}; "
                f"{self.path} takes uint8 of {(*self.size, 3)}."
            )
        if self._kind == "png" and self.num_frames == 1:
            raise several_frames(self.path)
        with clear_errors(self._output.target):
            self._encoder.write(frame)
        self.num_frames += 1

    def close(self) -> None:
        """Finish the file and rename it into place; on an error nothing is left."""
        if self._encoder is None:
            return
        try:
            if self.num_frames == 0:
                raise InputError(f"No frame came, so {self.path} is not written; a video has at least 1.")
            with clear_errors(self._output.target):
                self._encoder.finish()
            self._encoder = None
            self._output.commit()
        except BaseException:
            self.abandon()
            raise

    def abandon(self) -> None:
        """Remove what was written so far."""
        encoder, self._encoder = self._encoder, None
        if encoder is not None:
            with suppress(OSError, av.FFmpegError):  # it failed before or has no frames: there is nothing to keep
                encoder.abandon()
        self._output.discard()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abandon()


def write(
    video: Video | Iterable[Frames],
    path: PathLike,
    *,
    fps: float | None = None,
    overwrite: bool = False,
    metadata: Mapping[str, str] | None = None,
    crf: int = 16,
) -> Path:
    """Write a ``Video``, or frames as they come from an iterator, to ``path``; returns the path. See ``VideoWriter``.

    ``fps`` is needed for frames; for a ``Video`` it replaces its own, which changes the speed, and is refused when
    there is sound to stay in step with.
    """
    audio = None
    if isinstance(video, Video):
        check_output(path, overwrite, video.num_frames)
        audio, frames = video.audio, iter(video.frames)
        if audio is not None and fps is not None and fps != video.fps:
            raise InputError(f"The video has sound at {video.fps:g} fps; writing it at {fps:g} would part them.")
        fps = video.fps if fps is None else fps
    else:
        check_output(path, overwrite)
        frames = iter(video)
    if fps is None:
        raise InputError("Frames alone have no rate; give fps.")
    first = next(frames, None)
    if first is None:
        raise InputError(f"No frame came, so {os.fspath(path)} is not written; a video has at least 1.")
    height, width = first.shape[:2]
    with VideoWriter(path, fps, (height, width), overwrite=overwrite, metadata=metadata, crf=crf, audio=audio) as out:
        for frame in itertools.chain([first], frames):
            out.write(frame)
    return Path(path)
