"""loop: a clip that ends where it begins."""

from __future__ import annotations

from pathlib import Path

from langit.editing.edit import MODELS_OWN, Course, Edit, record_of
from langit.editing.footage import open_footage
from langit.editing.pieces import edit_of, frames_of, prompt_for
from langit.editing.timeline import Gap, Kept, Piece
from langit.types import InputError

BENT_SECONDS = 1.0
BENT_SHARE = 1 / 3


def bent_frames(frames: int, fps: float, stride: int) -> int:
    """How many frames at the end of a clip are made anew, so that it leads to its beginning.

    Whole groups of `stride` frames where the clip is long enough for one: then what is made ends where the beginning is
    held. Else the last group would go past it, and the model would have to guess frames that are known.
    """
    bent = max(1, min(round(BENT_SECONDS * fps), int(frames * BENT_SHARE)))
    return bent if bent < stride else round(bent / stride) * stride


def loop(
    clip: str | Path, prompt: str | None = None, *, seconds: float | None = None, course: Course = MODELS_OWN
) -> Edit:
    """An endless loop. `seconds`: a bridge of that length from the end to the beginning is added. None: the clip keeps its
    length and about its last second (about a third of it at most) is made anew, so that it leads to the beginning."""
    bundle, course = course.bundle(), course.settled()
    footage = open_footage(bundle, clip)
    if footage.num_frames < 3:
        raise InputError(f"{clip} has {footage.num_frames} frames; a loop needs at least 3. Extend it first.")
    pieces: list[Piece]
    if seconds is None:
        bent = bent_frames(footage.num_frames, footage.fps, bundle.tokenizer.stride[0])
        pieces = [Kept(footage, fewer=bent), Gap(bent)]
    else:
        pieces = [Kept(footage), Gap(frames_of(seconds, footage.fps))]
    prompt = prompt_for(prompt, footage)
    record = record_of("loop", bundle, course, prompt, {"prompt": prompt, "seconds": seconds}, (footage.file,))
    return edit_of(bundle, course, record, pieces, [footage], closed=True)
