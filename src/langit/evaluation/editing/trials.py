"""One edit of one clip, and what is read from it: its joins, its wrap, what it was to keep.

| trial | joins | kept |
|---|---|---|
| extend, extend backward | where the clip ends, or begins | the clip |
| loop, loop by a bridge | where the made part begins; the wrap | all that is not made |
| blend, blend by a curve | both ends of what is made | both clips |
| recut | both ends of the gap | both segments |
| storyboard | where its locked clip begins | that clip |
| inpaint, outpaint | none | what lies outside the region |
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from langit import editing
from langit.catalog import Bundle
from langit.editing import Course, Edit
from langit.editing.loop import bent_frames
from langit.evaluation.editing.measures import kept_error
from langit.evaluation.editing.sources import SECONDS, Source
from langit.media import probe, read_video
from langit.types import Frames

MADE = 2.0  # seconds that most trials make
BRIDGE = 1.0


@dataclass(frozen=True)
class Stay:
    """Frames `start` up to `stop` of the output, which are those of the source from `first` on."""

    source: Source
    start: int
    stop: int
    first: int = 0


@dataclass(frozen=True, eq=False)
class Trial:
    """An edit to make and what to read from its frames."""

    verb: str  # as the report calls it
    source: Source
    make: Callable[[], Edit]
    joins: tuple[int, ...] = ()
    stays: tuple[Stay, ...] = ()
    wraps: bool = False
    inside: tuple[slice, slice] | None = None  # where the source lies in the output's frame (outpaint)
    outside: tuple[slice, slice] | None = None  # what of the frame is made anew (inpaint)

    @property
    def name(self) -> str:
        return f"{self.verb.replace(' ', '-')}-{self.source.name}"

    def inner(self, num_frames: int) -> list[int]:
        """The places between two made frames, of that many in all."""
        kept = {frame for stay in self.stays for frame in range(stay.start, stay.stop)}
        return [frame for frame in range(1, num_frames) if frame not in kept and frame - 1 not in kept]

    def frames(self) -> Frames:
        """The edit's frames, before any codec; `InputError` where the model cannot make it."""
        return self.make().video().frames

    def kept(self, frames: Frames) -> float:
        """Mean difference in 1/255 of what was to be kept, in the frames before encoding."""
        size = None if self.inside is None else _size(self.inside)
        errors = []
        for stay in self.stays:
            own = frames[stay.start : stay.stop]
            own = own if self.inside is None else own[:, *self.inside]
            size = size or (own.shape[1], own.shape[2])
            given = _given(stay.source, size)[stay.first : stay.first + len(own)]
            mask = np.ones(own.shape[:3], bool)
            if self.outside is not None:
                mask[:, *self.outside] = False
            errors.append(kept_error(given, own, mask))
        return float(np.mean(errors))


def make_trials(bundle: Bundle, sources: Sequence[Source], model: str, seed: int) -> list[Trial]:
    """Every trial of every clip; a clip is blended with the next one of its kind."""
    fps = bundle.config.native.fps
    found = []
    for kind in ("simulated", "real"):
        clips = [source for source in sources if source.kind == kind]
        for number, source in enumerate(clips):
            course = Course(model, seed=zlib.crc32(f"{seed} {source.name}".encode()))
            found += _of_time(source, clips[(number + 1) % len(clips)], fps, bundle.tokenizer.stride[0], course)
            found += _of_space(bundle, source, course)
    return found


def _of_time(source: Source, other: Source, fps: float, stride: int, course: Course) -> list[Trial]:
    """What is made before, after and between frames."""
    path, text = source.path, source.text
    num, made, bridge = (round(seconds * fps) for seconds in (SECONDS, MADE, BRIDGE))
    bent = bent_frames(num, fps, stride)
    all_of = Stay(source, 0, num)
    half, third = SECONDS / 2, num // 4
    info = probe(path)
    cards = [{"at": 0, "prompt": text or "the same scene"}, {"at": SECONDS, "clip": str(path), "locked": True}]
    board = {"seconds": 2 * SECONDS, "cards": cards, "size": [info.width, info.height], "fps": fps}
    segments = [(0.0, third / fps), ((num - third) / fps, SECONDS)]
    return [
        Trial("extend", source, lambda: editing.extend(path, text, seconds=MADE, course=course), (num,), (all_of,)),
        Trial(
            "extend backward",
            source,
            lambda: editing.extend(path, text, seconds=MADE, backward=True, course=course),
            (made,),
            (Stay(source, made, made + num),),
        ),
        Trial(
            "loop",
            source,
            lambda: editing.loop(path, text, course=course),
            (num - bent,),
            (Stay(source, 0, num - bent),),
            wraps=True,
        ),
        Trial(
            "loop by a bridge",
            source,
            lambda: editing.loop(path, text, seconds=BRIDGE, course=course),
            (num,),
            (all_of,),
            wraps=True,
        ),
        Trial(
            "blend",
            source,
            lambda: editing.blend(path, other.path, other.text, seconds=BRIDGE, course=course),
            (num, num + bridge),
            (all_of, Stay(other, num + bridge, 2 * num + bridge)),
        ),
        Trial(
            "blend by a curve",
            source,
            lambda: editing.blend(path, other.path, other.text, seconds=half, curve="ease", course=course),
            (num - round(half * fps), num),
            (
                Stay(source, 0, num - round(half * fps)),
                Stay(other, num, 2 * num - round(half * fps), round(half * fps)),
            ),
        ),
        Trial(
            "recut",
            source,
            lambda: editing.recut(path, segments, text, course=course),
            (third, num - third),
            (Stay(source, 0, third), Stay(source, num - third, num, num - third)),
        ),
        Trial(
            "storyboard",
            source,
            lambda: editing.storyboard(board, course=course),
            (num,),
            (Stay(source, num, 2 * num),),
        ),
    ]


def _of_space(bundle: Bundle, source: Source, course: Course) -> list[Trial]:
    """What is made in a part of every frame."""
    path, text = source.path, source.text
    info = probe(path)
    height, width = info.height, info.width
    box = (width // 4, height // 4, width // 2, height // 2)
    free = (slice(box[1], box[1] + box[3]), slice(box[0], box[0] + box[2]))
    large = _widened(bundle, width, height)
    top, left = (large[1] - height) // 2, (large[0] - width) // 2
    stay = (Stay(source, 0, info.frames),)
    return [
        Trial(
            "inpaint",
            source,
            lambda: editing.inpaint(path, ",".join(map(str, box)), text, course=course),
            stays=stay,
            outside=free,
        ),
        Trial(
            "outpaint",
            source,
            lambda: editing.outpaint(path, large, text, course=course),
            stays=stay,
            inside=(slice(top, top + height), slice(left, left + width)),
        ),
    ]


def _widened(bundle: Bundle, width: int, height: int) -> tuple[int, int]:
    """(width, height) with the shorter side about half as large again, in whole patches."""
    rows, columns = (a * b for a, b in zip(bundle.config.stride[1:], bundle.config.patch[1:], strict=True))
    if width > height:
        return width, max(height + rows, height * 3 // 2 // rows * rows)
    return max(width + columns, width * 3 // 2 // columns * columns), height


def _given(source: Source, size: tuple[int, int]) -> Frames:
    """The source as any reader reads it, at this (height, width)."""
    return read_video(source.path, size=size).frames


def _size(box: tuple[slice, slice]) -> tuple[int, int]:
    return box[0].stop - box[0].start, box[1].stop - box[1].start
