"""extend: what comes after the end of a clip, or before its beginning."""

from __future__ import annotations

from pathlib import Path

from langit.editing.edit import MODELS_OWN, Course, Edit, record_of
from langit.editing.footage import open_footage
from langit.editing.pieces import edit_of, frames_of, prompt_for
from langit.editing.timeline import Gap, Kept


def extend(
    clip: str | Path,
    prompt: str | None = None,
    *,
    seconds: float = 4.0,
    backward: bool = False,
    course: Course = MODELS_OWN,
) -> Edit:
    """The clip and `seconds` more, after its end or (`backward`) leading up to its beginning.

    Without a prompt the clip's own is gone on with, where langit made it. What was there stays as it is.
    """
    bundle, course = course.bundle(), course.settled()
    footage = open_footage(bundle, clip)
    prompt = prompt_for(prompt, footage)
    kept, gap = Kept(footage), Gap(frames_of(seconds, footage.fps))
    options = {"prompt": prompt, "seconds": seconds, "backward": backward}
    record = record_of("extend", bundle, course, prompt, options, (footage.file,))
    return edit_of(bundle, course, record, [gap, kept] if backward else [kept, gap], [footage])
