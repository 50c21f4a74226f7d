"""Remixes of clips to other prompts: how much of the clip stays and how much of the prompt comes, over the strength."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

from langit import editing
from langit.editing import Course
from langit.editing.remix import STRENGTHS
from langit.evaluation.editing.boards import followed
from langit.evaluation.editing.measures import structure_kept
from langit.evaluation.editing.run import Part, Run, Shown, mean, not_applicable, row_of
from langit.evaluation.editing.sources import Source, frames_of
from langit.evaluation.prompts import Prompt
from langit.types import Frames

PART = "remixes"
LEVELS = (0.3, *STRENGTHS.values(), 1.0)
"""Strengths of the curve."""


def measure(run: Run, sources: Sequence[Source], prompts: Sequence[Prompt]) -> Part:
    """Each prompt on one of the simulated sources; the lines hold a value for each of `LEVELS`."""
    clips = [source for source in sources if source.prompt is not None]
    kept: dict[float, list[float]] = {level: [] for level in LEVELS}
    new: dict[float, list[float]] = {level: [] for level in LEVELS}
    shown, unrelated = [], []
    for done, prompt in enumerate(prompts):
        source = clips[done % len(clips)]
        given = frames_of(source)
        unrelated += [structure_kept(given, frames_of(other)) for other in clips if other is not source]
        for index, level in enumerate(LEVELS):
            run.on_progress(PART, done * len(LEVELS) + index, len(prompts) * len(LEVELS))
            course = Course(run.model, seed=run.settings.seed + done)
            frames = run.made(f"remix-{done:03d}-{level:g}", partial(remixed, source, prompt.text, level, course))
            if isinstance(frames, str):
                return Part((not_applicable(PART, "all of it", frames),))
            kept[level].append(structure_kept(given, frames))
            new[level].append(followed(frames, run.fps, prompt.expectation))
            shown += [Shown(PART, f"strength {level:g}: {prompt.text[:70]}", frames)] if not done else []
    rows = []
    for level in LEVELS:
        name = next((f"{word}, {level:g}" for word, one in STRENGTHS.items() if one == level), f"{level:g}")
        beside = "reference: unrelated clips"
        rows.append(row_of(PART, f"structure kept, {name}", "correlation", "higher", kept[level], unrelated, beside))
        rows.append(row_of(PART, f"prompt followed, {name}", "", "higher", new[level], []))
    lines = {
        "structure kept": [mean(kept[one]) for one in LEVELS],
        "prompt followed": [mean(new[one]) for one in LEVELS],
    }
    assert all(math.isfinite(value) for value in lines["structure kept"])
    return Part(tuple(rows), tuple(shown), lines)


def remixed(source: Source, text: str, level: float, course: Course) -> Frames:
    return editing.remix(source.path, text, strength=level, course=course).video().frames
