"""Frames of a source by their index, in the memory of a window: windows ask for stretches that move forward."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from langit.types import Frames


class Sliding:
    """The frames that `open_source` gives, from the last stretch that was asked for on. Going back reads from the start.

    Before the first frame and after the last one stand copies of them.
    """

    def __init__(self, open_source: Callable[[], Iterator[Frames]]):
        self._open = open_source
        self._frames: list[Frames] = []
        self._first = 0  # the index of the first one in memory
        self._reading: Iterator[Frames] | None = None

    def stretch(self, first: int, count: int) -> Frames:
        """(count, H, W, ...) from the index `first` on; what lies before it is forgotten."""
        frames = np.stack([self.frame(index) for index in range(first, first + count)])
        gone = min(max(0, first - self._first), len(self._frames) - 1)
        self._frames, self._first = self._frames[gone:], self._first + gone
        return frames

    def frame(self, index: int) -> Frames:
        index = max(index, 0)
        if self._reading is None or index < self._first:
            self._reading, self._frames, self._first = self._open(), [], 0
        while index >= self._first + len(self._frames):
            frame = next(self._reading, None)
            if frame is None:
                break
            self._frames.append(frame)
        return self._frames[min(index - self._first, len(self._frames) - 1)]
