"""The exam of the editing verbs: every verb on every clip, ten extensions, storyboards, remixes.

    sources -> edits (kept in the folder: what is there is not made again) -> readings -> rows -> report

Beside each value stands its reference: for joins and wraps the same measure inside the same clips, where nobody cut; for ten
extensions the simulator's own clip of that length; for storyboards the same prompts made alone.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

from langit.catalog import Bundle
from langit.evaluation.editing import boards, chains, remixes, verbs
from langit.evaluation.editing.run import Part, Run, Settings, not_applicable
from langit.evaluation.editing.shelf import Shelf
from langit.evaluation.editing.sources import make_sources
from langit.evaluation.editing.trials import make_trials
from langit.evaluation.exam import OnProgress, seconds_of_clip
from langit.evaluation.papers import FEWEST_FRAMES, Form
from langit.evaluation.prompts import make_prompts

KINDS = {"simulated": "simulated clips", "real": "real footage"}
NO_FOOTAGE = {"simulated": "simulated clips", "real": "more simulated clips"}
LOOKING = 0.12  # seconds that a clip takes to be measured


@dataclass(frozen=True, eq=False)
class Found:
    """All that the exam of editing found."""

    parts: dict[str, Part]
    is_real: bool = True  # whether real footage was there
    seconds: dict[str, float] = field(default_factory=dict)  # of the processor


def examine_editing(bundle: Bundle, model: str, folder: Path, settings: Settings, on_progress: OnProgress) -> Found:
    """Edit and measure; what is kept in `folder` is not made again."""
    started = time.process_time()
    form = Form.of(bundle)
    if form.frames < FEWEST_FRAMES:
        why = f"the model makes {form.frames} frames at a time and motion needs {FEWEST_FRAMES}"
        return Found({"verbs": Part((not_applicable("verbs", "all verbs", why),))})
    run = Run(bundle, model, folder, settings, Shelf(folder, form.fps), on_progress)
    on_progress("making sources", 0, 1)
    sources, is_real = make_sources(bundle, folder / "sources", settings.count, settings.seed)
    count = settings.boards * boards.CARDS
    prompts = make_prompts(count + settings.remixes, seed=settings.seed + 2, languages=("en",), details=("dense",))
    trials = make_trials(bundle, sources, model, settings.seed)
    found = {
        "verbs": verbs.measure(run, trials, KINDS if is_real else NO_FOOTAGE),
        chains.PART: chains.measure(run, form),
        boards.PART: boards.measure(run, boards.make_boards(prompts[:count], model, settings.seed)),
        remixes.PART: remixes.measure(run, sources, prompts[count:]),
    }
    return Found(found, is_real, {"all": time.process_time() - started})


def expected_seconds(bundle: Bundle, settings: Settings) -> float | None:
    """About how long the whole of it takes here, from a few steps of sampling; None for a model that needs a picture."""
    if bundle.takes_frames_beside:
        return None
    one, _ = seconds_of_clip(bundle, Form.of(bundle))
    edits = 2 * settings.count * 10 + settings.remixes * len(remixes.LEVELS)
    shorter = settings.chains * chains.EXTENSIONS + settings.boards * (boards.CARDS + 2)
    looked_at = 4 * settings.chains + settings.boards * 2 * boards.CARDS + settings.remixes * len(remixes.LEVELS)
    return 0.7 * one * (edits + shorter) + LOOKING * looked_at
