"""inpaint: a region of a clip, in space and time, made anew. outpaint: the frame made wider."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import repeat
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from langit.catalog import Bundle
from langit.conditioning import Condition, RegionCondition
from langit.editing.edit import MODELS_OWN, Course, Edit, record_of
from langit.editing.footage import Footage, open_footage
from langit.editing.pieces import edit_of, prompt_for
from langit.editing.sliding import Sliding
from langit.editing.sound import SoundPiece
from langit.editing.timeline import Gap, Kept, Piece
from langit.media import fit, open_frames, probe, read_image
from langit.media.record import SourceFile, sha256_of
from langit.planning import legal_size
from langit.types import Frames, InputError

WHITE = 64
"""A mask's pixel from this grey on is made anew: scaling must not make the region smaller."""


class Surrounding:
    """The known surrounding of a free region, as what windows hold and as what is laid over what they make."""

    def __init__(
        self, frames: Callable[[], Iterator[Frames]], free: Callable[[], Iterator[NDArray[np.bool_]]], offset: int
    ):
        self._frames, self._free, self._offset = Sliding(frames), Sliding(free), offset  # type: ignore[arg-type]

    def around(self, first: int, count: int) -> Sequence[Condition]:
        first += self._offset
        return [RegionCondition(self._frames.stretch(first, count), self._free.stretch(first, count).astype(bool))]

    def over(self, index: int, made: Frames) -> Frames:
        free = self._free.frame(index + self._offset)
        return np.where(free[..., None], made, self._frames.frame(index + self._offset))


def inpaint(
    clip: str | Path,
    mask: str | Path,
    prompt: str | None = None,
    *,
    start: float = 0.0,
    stop: float | None = None,
    course: Course = MODELS_OWN,
) -> Edit:
    """The clip with what is white in the mask made anew from `start` to `stop` seconds.

    The mask is a picture, a clip (frame by frame), or a box "x,y,w,h" in the clip's own pixels.
    """
    bundle, course = course.bundle(), course.settled()
    footage = open_footage(bundle, clip)
    free, file, notices = _mask(footage, mask)
    first = footage.at(start, "The start,")
    past = footage.num_frames if stop is None else footage.at(stop, "The end,")
    if past <= first:
        raise InputError(f"From {start:g} to {stop:g} s there is no frame to inpaint; the end comes after the start.")
    surrounding = Surrounding(footage.frames, free, first)
    pieces: list[Piece] = [Kept(footage, 0, first)] if first else []
    pieces.append(Gap(past - first, around=surrounding.around, over=surrounding.over))
    pieces += [Kept(footage, past)] if past < footage.num_frames else []
    prompt = prompt_for(prompt, footage)
    options = {"prompt": prompt, "start": start, "stop": stop}
    options |= {} if file else {"mask": str(mask)}
    record = record_of("inpaint", bundle, course, prompt, options, (footage.file, file) if file else (footage.file,))
    return edit_of(bundle, course, record, pieces, [footage], notices=notices, sound=whole_sound(footage))


def outpaint(
    clip: str | Path, size: tuple[int, int], prompt: str | None = None, *, course: Course = MODELS_OWN
) -> Edit:
    """The clip in the middle of a frame of `size` (width, height), its surrounding made; at the model's size in that aspect."""
    bundle, course = course.bundle(), course.settled()
    own = probe(clip)
    (width, height), (large_width, large_height) = size, _canvas(bundle, (own.width, own.height), size)
    scale = min(large_width / width, large_height / height)
    inner = (max(1, round(own.height * scale)), max(1, round(own.width * scale)))
    least = [stride * patch for stride, patch in zip(bundle.config.stride[1:], bundle.config.patch[1:], strict=True)]
    if inner[0] < least[0] or inner[1] < least[1]:
        raise InputError(
            f"In a frame of {width}x{height}, which this model makes at {large_width}x{large_height}, {clip} would be "
            f"{inner[1]}x{inner[0]} pixels; give a size nearer its own, {own.width}x{own.height}."
        )
    footage = open_footage(bundle, clip, size=inner)
    top, left = (large_height - inner[0]) // 2, (large_width - inner[1]) // 2
    inside = (slice(top, top + inner[0]), slice(left, left + inner[1]))
    free = np.ones((large_height, large_width), bool)
    free[inside] = False

    def placed() -> Iterator[Frames]:
        for frame in footage.frames():
            canvas = np.zeros((large_height, large_width, 3), np.uint8)
            canvas[inside] = frame
            yield canvas

    surrounding = Surrounding(placed, lambda: repeat(free), 0)
    gap = Gap(footage.num_frames, around=surrounding.around, over=surrounding.over)
    prompt = prompt_for(prompt, footage)
    record = record_of("outpaint", bundle, course, prompt, {"prompt": prompt, "size": list(size)}, (footage.file,))
    notices = [f"{width}x{height} is made at {large_width}x{large_height}, the model's size; upscale it for more"]
    notices = [] if (large_width, large_height) == (width, height) else notices
    large = (large_height, large_width)
    return edit_of(bundle, course, record, [gap], [footage], size=large, notices=notices, sound=whole_sound(footage))


def whole_sound(footage: Footage) -> list[SoundPiece]:
    """The source's sound from beginning to end: what is made anew is seen, not heard."""
    return [SoundPiece(footage.seconds, footage.path if footage.has_sound else None)]


def _canvas(bundle: Bundle, own: tuple[int, int], size: tuple[int, int]) -> tuple[int, int]:
    if size[0] < own[0] or size[1] < own[1] or size == own:
        raise InputError(
            f"A size of {size[0]}x{size[1]} was given to outpaint a clip of {own[0]}x{own[1]}; "
            "give one that is larger in at least one side and smaller in none."
        )
    most, aspect = bundle.config.native.max_aspect, max(size) / min(size)
    if aspect > most:
        raise InputError(
            f"A size of {size[0]}x{size[1]} is {aspect:.2g} to 1; this model makes sides of at most {most:g} to 1."
        )
    return legal_size(bundle, *size)


Masks = Callable[[], Iterator[NDArray[np.bool_]]]


def _mask(footage: Footage, mask: str | Path) -> tuple[Masks, SourceFile | None, list[str]]:
    """The free region frame by frame, the mask's file, and what to tell."""
    if re.fullmatch(r"[\d\s,.-]*,[\d\s,.-]*", str(mask)):
        box = _box(str(mask), footage)
        return (lambda: repeat(box)), None, []
    info, file = probe(mask), SourceFile(str(mask), sha256_of(mask))
    notices = []
    if info.size != footage.original:
        notices.append(
            f"the mask is {info.width}x{info.height} and the clip {footage.original[1]}x{footage.original[0]}; it is scaled"
        )
    if info.frames == 1:
        free = fit(read_image(mask), footage.size).max(-1) >= WHITE
        if not free.any():
            raise InputError(f"The mask {mask} has no white; what is white in it is made anew.")
        return (lambda: repeat(free)), file, notices
    if abs(info.seconds - footage.seconds) > 1 / footage.fps:
        notices.append(f"the mask lasts {info.seconds:g} s and the clip {footage.seconds:g} s; its last frame stays on")

    def frames() -> Iterator[NDArray[np.bool_]]:
        with open_frames(mask, fps=footage.fps, size=footage.size) as stream:
            for frame in stream:
                yield frame.max(-1) >= WHITE

    return frames, file, notices


def _box(text: str, footage: Footage) -> NDArray[np.bool_]:
    height, width = footage.original
    try:
        x, y, w, h = (int(part) for part in text.split(","))
    except ValueError as error:
        raise InputError(
            f"The box {text!r} is not understood; write x,y,w,h in whole pixels, such as 10,20,64,48."
        ) from error
    if w < 1 or h < 1 or x < 0 or y < 0 or x + w > width or y + h > height:
        raise InputError(f"The box {text} does not lie inside the clip, which is {width}x{height} pixels.")
    page = np.zeros((height, width, 3), np.uint8)
    page[y : y + h, x : x + w] = 255
    return np.asarray(fit(page, footage.size).max(-1) >= WHITE)
