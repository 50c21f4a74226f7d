"""remix: a clip made again under another prompt, keeping as much of it as the strength says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from langit.conditioning import Condition, SourceCondition
from langit.editing.edit import MODELS_OWN, Course, Edit, record_of
from langit.editing.footage import open_footage
from langit.editing.inpaint import whole_sound
from langit.editing.pieces import edit_of
from langit.editing.sliding import Sliding
from langit.editing.timeline import Gap
from langit.types import InputError

STRENGTHS = {"subtle": 0.5, "mild": 0.7, "strong": 0.9}
"""The noise level at which the source enters."""


def remix(clip: str | Path, prompt: str, *, strength: str | float = "mild", course: Course = MODELS_OWN) -> Edit:
    """The clip restyled by the prompt. `strength`: subtle, mild, strong, or a number above 0 (keep) up to 1 (forget)."""
    bundle, course = course.bundle(), course.settled()
    if not prompt.strip():
        raise InputError("A remix needs a prompt that says what becomes of the clip; none was given.")
    level = strength_of(strength)
    footage = open_footage(bundle, clip)
    source = Sliding(footage.frames)

    def around(first: int, count: int) -> Sequence[Condition]:
        return [SourceCondition(source.stretch(first, count), level)]

    record = record_of("remix", bundle, course, prompt, {"prompt": prompt, "strength": level}, (footage.file,))
    pieces = [Gap(footage.num_frames, around=around)]
    return edit_of(bundle, course, record, pieces, [footage], sound=whole_sound(footage))


def strength_of(strength: str | float) -> float:
    """A name or a number as a noise level; `InputError` for anything else."""
    if isinstance(strength, str) and strength in STRENGTHS:
        return STRENGTHS[strength]
    try:
        level = float(strength)
    except ValueError:
        level = -1.0
    if not 0 < level <= 1:
        raise InputError(
            f"A strength of {strength} was given; give {', '.join(STRENGTHS)}, or a number above 0 (keep) and at most 1 (forget)."
        )
    return level
