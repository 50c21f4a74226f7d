"""The frames of an output as they were made, kept without loss (FFV1) in the memory of a frame.

A film is never needed for being right: where the disk fails or it becomes too large, it is given up.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import numpy as np
import torch
from torch import Tensor

from langit.editing.store import Store
from langit.types import Frames, InputError

LARGEST = 128 * 2**20
"""Bytes of one film; the frames of what is longer are read from its file instead."""


class Film:
    """Frames (H, W, 3) as they come; `keep` puts them into the store, `discard` and any error forget them."""

    def __init__(self, store: Store):
        self._store = store
        self._path: Path | None = None  # a temporary file until it is kept
        self._container: Any = None
        self._stream: Any = None
        self._count, self._bytes, self._failed = 0, 0, False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self.discard()

    def add(self, frame: Frames) -> None:
        if self._failed:
            return
        try:
            if self._container is None:
                self._open(frame)
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24").reformat(format="bgr0")
            picture.pts, picture.time_base = self._count, Fraction(1, 25)
            packets = self._stream.encode(picture)
            self._container.mux(packets)
            self._count, self._bytes = self._count + 1, self._bytes + sum(packet.size for packet in packets)
            if self._bytes > LARGEST:
                self.discard()
        except (OSError, av.FFmpegError):
            self.discard()

    def keep(self, key: str, tensors: dict[str, Tensor]) -> None:
        """Under that key, with what belongs to it."""
        if self._failed or self._container is None or self._path is None:
            return
        try:
            self._container.mux(self._stream.encode(None))
            self._container.close()
            self._container = None
            self._store.put_film(key, self._path)
            self._store.put(key, {**tensors, "count": torch.tensor(self._count)})
        except (OSError, av.FFmpegError):
            self.discard()

    def discard(self) -> None:
        """Forget what came; nothing where it has been kept."""
        self._failed = True
        if self._container is not None:
            with suppress(OSError, av.FFmpegError):
                self._container.close()
            self._container = None
        if self._path is not None:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)

    def _open(self, frame: Frames) -> None:
        handle, name = tempfile.mkstemp(suffix=".nut")
        os.close(handle)
        self._path = Path(name)
        self._container = av.open(f"file:{os.fspath(self._path)}", "w", format="nut")
        self._stream = self._container.add_stream("ffv1", rate=25)  # read frame by frame: the rate says nothing
        self._stream.height, self._stream.width = frame.shape[:2]
        self._stream.pix_fmt = "bgr0"


def frames_of(path: Path) -> Iterator[Frames]:
    """The frames of a film; `InputError` where it is damaged."""
    try:
        with av.open(f"file:{os.fspath(path)}", format="nut") as container:
            for frame in container.decode(video=0):
                yield frame.to_ndarray(format="rgb24")
    except av.FFmpegError as error:
        raise InputError(f"{path} is damaged; delete it, and the clip's own file will be read.") from error
