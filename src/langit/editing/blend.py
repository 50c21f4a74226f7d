"""blend: one clip turns into another."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from langit.conditioning import Condition, FramesCondition, SourceCondition, TurnCondition
from langit.editing.edit import MODELS_OWN, Course, Edit, record_of
from langit.editing.footage import open_footage
from langit.editing.pieces import edit_of, frames_of, prompt_for, sound_pieces
from langit.editing.sliding import Sliding
from langit.editing.sound import SoundPiece
from langit.editing.timeline import Gap, Kept, Piece
from langit.types import Frames, InputError

CURVES: dict[str, Callable[[float], float]] = {
    "linear": lambda time: time,
    "ease": lambda time: (1 - math.cos(math.pi * time)) / 2,
    "late": lambda time: time**3,
    "early": lambda time: 1 - (1 - time) ** 3,
}
"""How much of the second clip is in the mix, by the time from 0 to 1."""
MIX_STRENGTH = 0.8
"""The noise level at which mixed frames enter: high, because a mix shows both clips as ghosts."""


TURN = 2.0
"""Seconds in which one thing turns into another, at most; before them the first clip goes on."""


def _shares(start: int, count: int, begin: int, end: int, curve: Callable[[float], float]) -> Tensor:
    """(count,) of the second clip in the frames from `start` on, of which those from `begin` to `end` turn."""
    along = [(start + index - begin + 1) / (end - begin + 1) for index in range(count)]
    return torch.tensor([curve(min(max(time, 0.0), 1.0)) for time in along])


def blend(
    first: str | Path,
    second: str | Path,
    prompt: str | None = None,
    *,
    seconds: float = 1.0,
    curve: str | None = None,
    course: Course = MODELS_OWN,
) -> Edit:
    """The first clip, which turns into the second over `seconds`.

    Without a curve, frames between the two are made and both stay whole. With one (linear, ease, late, early) the end of
    the first and the beginning of the second lie over each other for that time, mixed by the curve and made anew from the mix.
    Where the model casts clips, the things of the one go to where those of the other are, and become them on the way
    (`conditioning.turning`). The second clip is read at the size and rate of the first.
    """
    bundle, course = course.bundle(), course.settled()
    a = open_footage(bundle, first)
    b = open_footage(bundle, second, size=a.size, fps=a.fps)
    frames = frames_of(seconds, a.fps)
    prompts = prompt_for(None, a), prompt_for(prompt, b)  # what is asked for is what it turns into
    pieces: list[Piece]
    if curve is None:
        turns = min(frames, round(TURN * a.fps))

        def between(start: int, count: int) -> Sequence[Condition]:
            if start + count <= frames:  # what comes after is not in sight yet
                return []
            return [TurnCondition(prompts, _shares(start, count, frames - turns, frames, CURVES["ease"]))]

        pieces = [Kept(a), Gap(frames, around=between, dissolves=True), Kept(b)]
        sound = sound_pieces(pieces, a.fps)
    else:
        if curve not in CURVES:
            raise InputError(f"There is no curve {curve!r}; the curves are {', '.join(CURVES)}.")
        if frames >= min(a.num_frames, b.num_frames):
            raise InputError(
                f"The clips are {a.seconds:g} s and {b.seconds:g} s long; to mix {seconds:g} s of them each must be longer."
            )
        weights = [CURVES[curve]((index + 1) / (frames + 1)) for index in range(frames)]

        def mixed() -> list[Frames]:
            pairs = zip(islice(a.frames(), a.num_frames - frames, None), b.frames(0, frames), weights, strict=False)
            return [np.rint(one * (1 - share) + other * share).astype(np.uint8) for one, other, share in pairs]

        source = Sliding(lambda: iter(mixed()))
        before = Sliding(lambda: islice(a.frames(), a.num_frames - frames, None))
        after = Sliding(lambda: b.frames(0, frames))

        def around(start: int, count: int) -> Sequence[Condition]:
            shares = _shares(start, count, 0, frames, CURVES[curve])
            shown = [i for i in range(count) if 0 <= start + i < frames]
            sides = [FramesCondition({i: side.frame(start + i) for i in shown}) for side in (before, after)]
            turn = TurnCondition(prompts, shares, (sides[0],), (sides[1],))
            return [SourceCondition(source.stretch(start, count), MIX_STRENGTH), turn]

        kept = a.num_frames - frames
        pieces = [Kept(a, 0, kept), Gap(frames, around=around, dissolves=True), Kept(b, frames)]
        sound = sound_pieces(pieces, a.fps)
        if a.has_sound:
            sound[1] = SoundPiece(frames / a.fps, a.path, kept / a.fps)
    prompt = prompt_for(prompt, b, a)
    options = {"prompt": prompt, "seconds": seconds, "curve": curve}
    record = record_of("blend", bundle, course, prompt, options, (a.file, b.file))
    return edit_of(bundle, course, record, pieces, [a, b], sound=sound)
