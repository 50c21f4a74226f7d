"""From pieces to an edit: the plan, the length, the sound and what to tell."""

from __future__ import annotations

import math
from collections.abc import Sequence

from langit.catalog import Bundle
from langit.editing.ability import check_ability
from langit.editing.ability import notices as notices_of
from langit.editing.edit import Course, Edit, Making
from langit.editing.footage import Footage
from langit.editing.sound import SoundPiece
from langit.editing.timeline import Gap, Kept, Piece, num_frames, play
from langit.media.record import Record
from langit.planning import MAX_SECONDS
from langit.types import InputError


def prompt_for(prompt: str | None, *sources: Footage) -> str:
    """The prompt, or what the first source was made of, or none."""
    if prompt is not None:
        return prompt
    return next((footage.prompt for footage in sources if footage.prompt), "")


def frames_of(seconds: float, fps: float, least: int = 1) -> int:
    """A length in frames; `InputError` for one that is none."""
    if not math.isfinite(seconds) or seconds <= 0:
        raise InputError(f"A length of {seconds:g} seconds was asked for; give more than 0.")
    if seconds > MAX_SECONDS:
        raise InputError(f"A length of {seconds:g} seconds was asked for; give at most {MAX_SECONDS:g}.")
    return max(least, round(seconds * fps))


def edit_of(
    bundle: Bundle,
    course: Course,
    record: Record,
    pieces: Sequence[Piece],
    footage: Sequence[Footage],
    *,
    closed: bool = False,
    size: tuple[int, int] | None = None,
    fps: float | None = None,
    notices: Sequence[str] = (),
    sound: Sequence[SoundPiece] | None = None,
) -> Edit:
    """An edit that plays the pieces; size and rate are the first source's unless given, the sound is that of the pieces."""
    check_ability(bundle, record.verb, pieces, closed)
    size, fps = size or footage[0].size, fps or footage[0].fps
    prompted = any(span.prompt.strip() for piece in pieces if isinstance(piece, Gap) for span in piece.spans)
    p = course.plan(bundle, record.prompt, size, fps, prompted)
    told = [notice for one in footage for notice in one.notices()]
    making: Making = lambda sampler, on_step: play(  # noqa: E731
        bundle, p, pieces, closed=closed, on_step=on_step, sampler=sampler
    )
    heard = sound_pieces(pieces, fps) if sound is None else sound
    notices = tuple(dict.fromkeys([*told, *notices, *notices_of(bundle, pieces, footage), *p.notices]))
    return Edit(record, fps, size, num_frames(pieces), making, notices, tuple(heard))


def sound_pieces(pieces: Sequence[Piece], fps: float) -> list[SoundPiece]:
    """The sound of the kept pieces in their places, silence in the gaps."""
    return [
        SoundPiece(piece.num_frames / fps, piece.footage.path, piece.start / fps)
        if isinstance(piece, Kept) and piece.footage.has_sound
        else SoundPiece(piece.num_frames / fps)
        for piece in pieces
    ]
