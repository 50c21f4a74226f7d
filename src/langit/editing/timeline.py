"""A clip as kept pieces and gaps between them: what animate, extend, loop, blend, recut and storyboard all are.

Kept pieces pass through as they are. A gap is a passage of `generate`: it goes on from the piece before, leads up to the
piece after, and its spans follow their own prompts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import count, islice

import numpy as np
import torch
from numpy.typing import NDArray

from langit.catalog import Bundle
from langit.conditioning import Known, Passage, Span
from langit.conditioning.passages import CONTEXT_GROUPS, Around
from langit.editing.anchor import Anchor, resting, resting_frames
from langit.editing.footage import Footage, groups_of
from langit.editing.joins import smoothed
from langit.generate import OnStep, Sampler, make_passage
from langit.planning import Plan
from langit.types import Frames


@dataclass(frozen=True)
class Kept:
    """Frames `start` up to `stop` of a source, as they are; `stop` None is its end, however long it turns out to be."""

    footage: Footage
    start: int = 0
    stop: int | None = None
    fewer: int = 0  # frames left out at the end

    @property
    def num_frames(self) -> int:
        stop = self.footage.num_frames if self.stop is None else self.stop
        return max(0, stop - self.start - self.fewer)

    def frames(self) -> Iterator[Frames]:
        waiting: deque[Frames] = deque()
        for frame in self.footage.frames(self.start, self.stop):
            waiting.append(frame)
            if len(waiting) > self.fewer:
                yield waiting.popleft()

    def first(self, number: int, skip: int = 0) -> Frames:
        """Up to `number` frames after the first `skip`; the last one there is where there are no more."""
        found = list(islice(self.frames(), skip + number))
        return np.stack(found[skip:] or found[-1:])

    @property
    def end(self) -> Known | None:
        """The latents of the source's end, where they are kept and this piece ends there."""
        return self.footage.end if self.stop is None and not self.fewer else None


@dataclass(frozen=True)
class Gap:
    """Frames to be made; all by frames of the gap."""

    frames: int
    spans: tuple[Span, ...] = ()
    seed: int | None = None  # where it is not the plan's
    around: Around | None = None  # what is known of the frames themselves
    over: Callable[[int, Frames], Frames] | None = None  # (index, frame as made) -> the frame as it is shown
    dissolves: bool = False  # whether what is known at its ends may lie over what is made
    opens: bool = False  # another scene begins with it, which knows nothing of what comes before
    closes: bool = False  # another scene begins after it

    @property
    def num_frames(self) -> int:
        return self.frames


Piece = Kept | Gap


def num_frames(pieces: Sequence[Piece]) -> int:
    return sum(piece.num_frames for piece in pieces)


def play(
    bundle: Bundle,
    p: Plan,
    pieces: Sequence[Piece],
    *,
    closed: bool = False,
    on_step: OnStep | None = None,
    sampler: Sampler,
) -> Generator[Frames, None, Known | None]:
    """The frames of all pieces in order. `closed`: what follows the last piece is the first one again.

    Returns the latents of the end where they were made as such.
    """
    stride = bundle.tokenizer.stride[0]
    seen = resting_frames(bundle, p.fps)
    recent: deque[Frames] = deque(maxlen=max(1 + CONTEXT_GROUPS * stride, seen))
    end: Known | None = None
    gaps = [index for index, piece in enumerate(pieces) if isinstance(piece, Gap)]
    for index, piece in enumerate(pieces):
        if isinstance(piece, Kept):
            for frame in piece.frames():
                recent.append(frame)
                yield frame
            end = piece.end
            continue
        if piece.opens:
            recent.clear()
            end = None
        before = end or _end_of(bundle, recent)
        goes_on = (closed or index + 1 < len(pieces)) and not piece.closes
        following = pieces[(index + 1) % len(pieces)] if goes_on else None
        after, ahead = None, None
        if isinstance(following, Kept):
            ready = 1 if before is None else before.unshown
            surplus = 0 if before is None else (ready - piece.frames) % stride
            ahead = following.first(max(CONTEXT_GROUPS * stride, seen), surplus)
            after = groups_of(bundle, ahead[: CONTEXT_GROUPS * stride])
        passage = Passage(piece.frames, before, after, piece.spans, piece.around)
        own = p if piece.seed is None else replace(p, seed=piece.seed)
        report = _share(on_step, gaps.index(index), len(gaps))
        still = None if ahead is None else resting(bundle, list(ahead), p.fps, last=False)
        anchor = Anchor(bundle, resting(bundle, recent, p.fps, last=True), still)
        making = make_passage(bundle, own, passage, report, anchor.sampler(sampler))
        if piece.over is None:
            stays = following.first(1)[0] if isinstance(following, Kept) else None
            share = partial(_share_of, anchor, piece.frames, before)
            making = smoothed(
                making, piece.frames, p.fps, recent[-1] if recent else None, stays, share, piece.dissolves
            )
        end = _as_shown((yield from _shown(making, piece, recent)), recent, stride)
    return end


def _as_shown(end: Known | None, recent: Sequence[Frames], stride: int) -> Known | None:
    """The end with its picture as it was shown, which may be nearer to what stays than it came from the decoder."""
    if end is None:
        return None
    back = 1 + end.groups.shape[1] * stride - end.unshown
    return replace(end, picture=recent[-back]) if back <= len(recent) else end


def _shown(
    making: Generator[Frames, None, Known | None], gap: Gap, recent: deque[Frames]
) -> Generator[Frames, None, Known | None]:
    """The frames of a gap as they are shown, each noted in `recent`."""
    for index in count():
        try:
            frame = next(making)
        except StopIteration as done:
            # What was laid over the frames is not in the latents: whoever goes on begins with the frames.
            return done.value if gap.over is None else None
        shown = frame if gap.over is None else gap.over(index, frame)
        recent.append(shown)
        yield shown
    return None


def _end_of(bundle: Bundle, recent: deque[Frames]) -> Known | None:
    """The last frames as what a window begins with: a picture, and as many whole groups as there are frames for."""
    if not recent:
        return None
    stride = bundle.tokenizer.stride[0]
    groups = min(CONTEXT_GROUPS, (len(recent) - 1) // stride)
    frames = np.stack(list(recent)[-1 - groups * stride :])
    if groups:
        return Known(frames[0], groups_of(bundle, frames[1:]))
    rows, columns = (side // step for side, step in zip(frames.shape[1:3], bundle.tokenizer.stride[1:], strict=True))
    return Known(frames[0], torch.zeros(bundle.tokenizer.channels, 0, rows, columns))


def _share_of(anchor: Anchor, frames: int, before: Known | None, index: int) -> NDArray[np.float32] | None:
    """How much of a frame of a gap of that many frames rests; the first ones may have been made before it."""
    return anchor.share_of(index - frames if before is None else max(0, index - before.unshown))


def _share(on_step: OnStep | None, number: int, of: int) -> OnStep | None:
    """Progress of one gap as progress of all, each counting the same."""
    if on_step is None:
        return None
    tell: Callable[[int, int], None] = on_step
    return lambda done, steps: tell(number * steps + done, of * steps)
