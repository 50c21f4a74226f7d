"""Frames of any number between what is known before and after them, made window by window.

A window is one clip of the model: a picture that stands alone, then groups of frames. What one window made last stands at
the head of the next as the latents that it was made as (`Known`); they are never decoded and encoded again. The picture at
the head is context only: nobody sees it twice.

    before | picture, groups (held) | new groups ...
                        window 2:     picture, groups (held) | new groups ... | first groups of what follows (held)

Where only what follows is known, windows are made from the last to the first, and each hands its first groups back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from langit.conditioning.cast import CastCondition
from langit.conditioning.frames import FramesCondition
from langit.conditioning.held import Condition
from langit.conditioning.latents import LatentsCondition
from langit.conditioning.spans import Span, SpansCondition
from langit.types import Frames

CONTEXT_GROUPS = 1
"""Groups that a window hands to the next, beside the picture. One is the least that shows how things move, and keeps
making 4 seconds more within about a tenth of the cost of making 4 seconds."""


@dataclass(frozen=True)
class Known:
    """The end of what there is, at the head of a window."""

    picture: Frames  # (H, W, 3), the frame before the groups
    groups: Tensor  # (C, g, h, w), g may be 0
    unshown: int = 0
    """Frames of the last group that were made but not shown; whoever goes on shows them first."""
    cast: Tensor | None = None
    """Who is in picture and groups, as rows ((1 + g) * ROWS, CAST), where that is known."""


Around = Callable[[int, int], Sequence[Condition]]
"""(first frame, number of frames) of a window -> what is known of these frames themselves: a source, a region.

Frames are counted from the beginning of the passage; a window may begin before it and end after it."""


@dataclass(frozen=True)
class Passage:
    """`frames` to be made after `before` and before the groups `after` (C, g, h, w)."""

    frames: int
    before: Known | None = None
    after: Tensor | None = None
    spans: tuple[Span, ...] = ()
    around: Around | None = None


@dataclass(frozen=True)
class Window:
    """One clip of a passage."""

    number: int  # in the order in which they are made
    start: int  # the frame of the passage at which the clip begins: negative over known frames
    head: int  # latent frames held at its beginning, the picture included
    groups: int  # new latent frames; one more, the picture, where nothing is held before
    tail: int  # latent frames held at its end

    @property
    def latent_frames(self) -> int:
        return max(self.head, 1) + self.groups + self.tail

    def frames(self, stride: int) -> int:
        return 1 + (self.latent_frames - 1) * stride

    def seed(self, seed: int) -> int:
        """The first window has the seed of the passage, each later one its own, which follows from it."""
        return (seed + self.number * 0x9E3779B1) % 2**32

    def conditions(
        self, passage: Passage, head: Known | None, tail: Tensor | None, stride: int
    ) -> tuple[Condition, ...]:
        """What is held in this window; `stride` is how many frames a group has."""
        found: list[Condition] = []
        if passage.around is not None:
            found += passage.around(self.start, self.frames(stride))
        if head is not None:
            found.append(FramesCondition({0: head.picture}))
            if head.groups.shape[1]:
                found.append(LatentsCondition(head.groups, 1))
            if head.cast is not None:
                found.append(CastCondition(head.cast))
        if tail is not None:
            found.append(LatentsCondition(tail, self.latent_frames - tail.shape[1]))
        if passage.spans:
            found.append(SpansCondition(passage.spans).moved(-self.start))
        return tuple(found)


def windows_of(passage: Passage, stride: int, native_frames: int, max_frames: int) -> list[Window]:
    """The windows of a passage in the order of their making, of about equal length and no more of them than needed.

    A window makes at most as many new groups as the model's native clip has. Where nothing is known around it, a passage that
    one clip can hold is one window, and windows of a longer one are no longer than the native clip, so that a minute takes the
    memory of it. ValueError when the model's clips are too short to go on from anything.
    """
    head = 0 if passage.before is None else 1 + passage.before.groups.shape[1]
    tail = 0 if passage.after is None else passage.after.shape[1]
    ready = 0 if passage.before is None else passage.before.unshown
    # Without anything before, the picture at the head is a new frame.
    groups = -(-max(0, passage.frames - (ready if head else 1)) // stride)
    alone = not head and not tail
    if alone and passage.frames <= max_frames:
        return [Window(0, 0, 0, groups, 0)]
    context, native = 1 + CONTEXT_GROUPS, (native_frames - 1) // stride
    most = min(native + 1 - context if alone else native, (max_frames - 1) // stride + 1 - max(head, context) - tail)
    if most < 1:
        raise ValueError(f"clips of {max_frames} frames are too short to hold what comes before and make anything new")
    if head and not groups:
        return []  # all of it was made before
    sizes = _evenly(groups, most)
    if tail and not head:
        return _backward(passage.frames, sizes, stride, tail)
    windows, frame = [], ready if head else 1
    for number, size in enumerate(sizes):
        held = head if number == 0 else context
        start = frame - 1 - (max(held, 1) - 1) * stride
        windows.append(Window(number, start, held, size, tail if number == len(sizes) - 1 else 0))
        frame += size * stride
    return windows


def _backward(frames: int, sizes: list[int], stride: int, tail: int) -> list[Window]:
    """From the last window to the first; the picture at the head is kept of the first alone."""
    windows, stop = [], frames
    for number, size in enumerate(reversed(sizes)):
        windows.append(Window(number, stop - size * stride - 1, 0, size, tail if number == 0 else CONTEXT_GROUPS))
        stop -= size * stride
    return windows


def _evenly(count: int, most: int) -> list[int]:
    parts = max(1, -(-count // most))
    return [count // parts + (index < count % parts) for index in range(parts)]
