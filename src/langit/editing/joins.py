"""Joins between frames that stay and frames that are made.

What stays is shown as it is, what is made comes from a decoder that loses a little. So even frames made from the very latents
of the source differ from it by a few levels everywhere, and the join shows. Here that difference is spread over a second
of what is made: at the join the made frames are as near to what stays as they can be without moving anything, and less so
from frame to frame. What is known to rest (`anchor.py`) is shown as it was before. Only small differences are spread. Where much
differs something has moved or is another thing, and carrying it over would leave a ghost. But where much of the frame does, the
model does not know the world that it goes on from (the embedded one knows no real footage): then nothing of it can be taken up,
and the known frame dissolves into what is made, or within a second into the one after.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from langit.conditioning import Known
from langit.types import Frames

SMALL = 24.0
"""Levels (of 255) up to which a difference is spread in full; from twice as many on not at all."""
ANOTHER_WORLD = 0.25
"""The share of a frame that differs by more than `SMALL` from which on it dissolves.

The embedded model: at most 0.17 at 40 joins of simulated clips, 0.27 to 0.65 at as many of real footage
(`langit evaluate --editing`)."""
SECONDS = 1.0
"""Over which it is spread."""

Making = Generator[Frames, None, Known | None]
ShareOf = Callable[[int], NDArray[np.float32] | None]
"""The index of a made frame -> (H, W, 1), how much of it is as it was before; None where nothing is."""


def smoothed(
    making: Making,
    frames: int,
    fps: float,
    before: Frames | None,
    after: Frames | None,
    rests: ShareOf | None = None,
    turns: bool = False,
) -> Making:
    """`frames` frames (H, W, 3) as they come, led away from the frame `before` them and up to the frame `after`.

    What `rests` is that of the frame before, of the frame after, or on the way from one to the other. Small differences are
    spread, and all of them where one thing `turns` into another anyway.

    In the memory of the frames over which differences are spread. Returns what `making` returns.
    """
    longest = min(round(SECONDS * fps), frames)
    alike = 1.0 if before is None or after is None else _small(after.astype(np.float32) - before)
    both = before is not None and after is not None
    first: _Join | None = None
    waiting: deque[tuple[Frames, Frames]] = deque()  # as shown so far, and what of that gives way to the frame after
    index = 0
    while True:
        try:
            made = frame = next(making)
        except StopIteration as done:
            known: Known | None = done.value
            break
        if before is not None:
            first = first or _Join.of(before, made, frames, longest, both, turns)
            frame = first.led(frame, made, index + 1)
        share = rests(index) if rests is not None else None
        if share is not None:
            still = _between(before, after, (index + 1) / (frames + 1))
            frame = _moved(frame, still - frame, share * alike)
        waiting.append((frame, made if first is not None and first.dissolves else frame))
        index += 1
        if after is None or len(waiting) > longest:
            yield waiting.popleft()[0]
    if after is not None and waiting:
        last = _Join.of(after, waiting[-1][0], frames, longest, both, turns)
        for place, (frame, made) in enumerate(waiting):
            yield last.led(frame, made, len(waiting) - place)
    return known


@dataclass(frozen=True, eq=False)
class _Join:
    """How made frames are led to the known one beside them, within `reach` frames."""

    stays: Frames
    reach: int
    dissolves: bool  # whether the known one dissolves into them
    offset: NDArray[np.float32]  # (H, W, 3): what is to be added to them where it does not

    @classmethod
    def of(cls, stays: Frames, made: Frames, frames: int, longest: int, both: bool, turns: bool) -> _Join:
        """Given the made frame next to it, of so many: small differences are spread over half of them at most where `both` ends are
        known, so that the middle is as it was made; between two worlds the known ends may meet."""
        apart = stays.astype(np.float32) - made
        dissolves = not turns and bool((np.abs(apart).mean(-1) > SMALL).mean() > ANOTHER_WORLD)
        offset = np.asarray(apart if turns else apart * _small(apart), np.float32)
        return cls(stays, longest if dissolves else min(longest, frames // (1 + both)), dissolves, offset)

    def led(self, frame: Frames, made: Frames, away: int) -> Frames:
        """A frame `away` frames from the known one, of which `made` gives way to that where it dissolves."""
        share = 1 - away / (self.reach + 1)
        if share <= 0:
            return frame
        return _moved(frame, self.stays.astype(np.float32) - made if self.dissolves else self.offset, share)


def _small(apart: NDArray[np.float32]) -> NDArray[np.float32]:
    """(H, W, 1): 1 where a difference (H, W, 3) is small, 0 where it is large."""
    return np.asarray(np.clip(2 - np.abs(apart).mean(-1, keepdims=True) / SMALL, 0, 1), np.float32)


def _between(before: Frames | None, after: Frames | None, along: float) -> NDArray[np.float32]:
    """The frame on the way from the one to the other, of which there may be one alone."""
    if before is not None and after is not None:
        return np.asarray(before * (1 - along) + after * along, np.float32)
    one = after if before is None else before
    assert one is not None, "what rests does so at a known end"
    return one.astype(np.float32)


def _moved(frame: Frames, offset: NDArray[np.float32], share: float | NDArray[np.float32]) -> Frames:
    return np.asarray(np.rint((frame + share * offset).clip(0, 255)), np.uint8)
