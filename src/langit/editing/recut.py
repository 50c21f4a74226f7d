"""recut: keep the chosen segments of a clip exactly, in any order; remake, bridge or cut the rest."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from langit.editing.edit import MODELS_OWN, Course, Edit, record_of
from langit.editing.footage import Footage, open_footage
from langit.editing.pieces import edit_of, frames_of, prompt_for
from langit.editing.timeline import Gap, Kept, Piece
from langit.types import InputError

RESTS = ("remake", "bridge", "cut")
Segment = tuple[float, float]


def recut(
    clip: str | Path,
    keep: Sequence[Segment] | str,
    prompt: str | None = None,
    *,
    rest: str | None = None,
    seconds: float = 1.0,
    course: Course = MODELS_OWN,
) -> Edit:
    """Segments (start, stop) in seconds, kept frame for frame in the order given.

    `rest`: "remake" makes everything else of the clip anew in its place (the length stays), "bridge" joins one segment to
    the next by `seconds` that are made, "cut" sets them end to end. None remakes segments that are in the clip's order
    and bridges others.
    """
    bundle, course = course.bundle(), course.settled()
    footage = open_footage(bundle, clip)
    segments = parse_segments(keep) if isinstance(keep, str) else [(float(start), float(stop)) for start, stop in keep]
    spans = _checked(footage, segments)
    in_order = all(one[1] <= other[0] for one, other in pairwise(spans))
    if rest is None:
        rest = "remake" if in_order else "bridge"
    if rest not in RESTS:
        raise InputError(f"There is no way {rest!r} to treat the rest; the ways are {', '.join(RESTS)}.")
    if rest == "remake" and not in_order:
        raise InputError(
            "The rest can be remade in its place only when the segments are in the clip's order; use bridge or cut."
        )
    pieces: list[Piece] = []
    if rest == "remake":
        at = 0
        for start, stop in spans:
            pieces += [Gap(start - at)] if start > at else []
            pieces.append(Kept(footage, start, stop))
            at = stop
        pieces += [Gap(footage.num_frames - at)] if at < footage.num_frames else []
    else:
        for start, stop in spans:
            if pieces and rest == "bridge":
                pieces.append(Gap(frames_of(seconds, footage.fps)))
            pieces.append(Kept(footage, start, stop))
    prompt = prompt_for(prompt, footage)
    options = {"keep": segments, "prompt": prompt, "rest": rest, "seconds": seconds}
    record = record_of("recut", bundle, course, prompt, options, (footage.file,))
    return edit_of(bundle, course, record, pieces, [footage])


def parse_segments(text: str) -> list[Segment]:
    """ "0.5-2.0,3.1-4" -> [(0.5, 2.0), (3.1, 4.0)]."""
    segments: list[Segment] = []
    for part in text.split(",") if text.strip() else ():
        found = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*-\s*(\d+(?:\.\d*)?|\.\d+)\s*", part)
        if found is None:
            raise InputError(
                f"{part!r} is no segment; write start-stop in seconds, several with commas: 0.5-2.0,3.1-4."
            )
        segments.append((float(found[1]), float(found[2])))
    return segments


def _checked(footage: Footage, segments: Sequence[Segment]) -> list[tuple[int, int]]:
    """The segments in frames; `InputError` where one is empty or outside the clip, or two overlap."""
    if not segments:
        raise InputError("No segment to keep was given; give at least one with --keep, such as 0.5-2.0.")
    spans = []
    for start, stop in segments:
        first, past = footage.at(start, "The start of a segment,"), footage.at(stop, "The end of a segment,")
        if past <= first:
            raise InputError(
                f"The segment {start:g}-{stop:g} holds no frame; a segment goes from an earlier time to a later one."
            )
        spans.append((first, past))
    told = sorted(zip(spans, segments, strict=True))
    for (one, said), (other, also) in pairwise(told):
        if other[0] < one[1]:
            raise InputError(
                f"The segments {said[0]:g}-{said[1]:g} and {also[0]:g}-{also[1]:g} overlap; a frame can be kept once."
            )
    return spans
