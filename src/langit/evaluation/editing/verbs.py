"""Every verb on every clip: joins, wraps, what was to stay."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from langit.evaluation.editing.measures import jump, loop_closure, seam_error
from langit.evaluation.editing.run import SEAM_AIM, Part, Run, Shown, median_row, not_applicable, row_of
from langit.evaluation.editing.sources import Source, frames_of
from langit.evaluation.editing.trials import Trial
from langit.evaluation.exam import Row
from langit.types import Frames

AIM = f"aim: at most {SEAM_AIM:g}"


def measure(run: Run, trials: Sequence[Trial], kinds: dict[str, str]) -> Part:
    """All trials; `kinds` says what the report calls each kind of source."""
    made, unable = _make(run, trials)
    ready = [trial for trial in trials if trial.name in made]
    uncut = {kind: uncut_joins([one.source for one in trials if one.source.kind == kind]) for kind in kinds}
    rows = []
    for verb in dict.fromkeys(trial.verb for trial in trials):
        for kind, told in kinds.items():
            mine = [trial for trial in ready if trial.verb == verb and trial.source.kind == kind]
            if mine:
                rows += _rows(f"{verb}, {told}", mine, made, uncut[kind])
            elif any(trial.verb == verb and trial.source.kind == kind for trial in trials):
                rows.append(not_applicable("verbs", f"{verb}, {told}", unable[verb]))
    rows.sort(key=lambda row: ("joins", "wraps of loops", "what was to stay", "verbs").index(row.part))
    joins = [seam_error(made[trial.name], join) for trial in ready for join in trial.joins]
    if joins:
        nobody_cut = [one for some in uncut.values() for one in some]
        within, own = ([float(one <= SEAM_AIM) for one in some] for some in (joins, nobody_cut))
        cuts = hard_cuts(trials)
        beside = f"a hard cut between unrelated clips: {np.mean(cuts):.3g} times" if cuts else ""
        jumps = [jump(made[trial.name], join) for trial in ready for join in trial.joins]
        steady = uncut_joins([one.source for one in trials], jump)
        rows.insert(0, median_row("joins", "the same over the two changes before and after", jumps, steady))
        within_two, own_two = ([float(one <= SEAM_AIM) for one in some] for some in (jumps, steady))
        told = f"of at most {SEAM_AIM:g} times the two changes before and after"
        rows.insert(1, row_of("joins", told, "", "higher", within_two, own_two))
        between = [(made[one.name], one.inner(len(made[one.name]))) for one in ready if one.joins]
        inside = [largest_jump(frames, places) for frames, places in between if places]
        clips = [frames_of(source) for source in {trial.source.name: trial.source for trial in trials}.values()]
        never_cut = [largest_jump(frames, range(1, len(frames))) for frames in clips]
        rows.insert(2, median_row("joins", "the largest jump inside what is made", inside, never_cut))
        rows.insert(0, row_of("joins", f"joins of at most {SEAM_AIM:g} times", "", "higher", within, own, beside))
        rows.insert(0, median_row("joins", "the middle one of all joins", joins, nobody_cut, AIM))
    first = {trial.verb: trial for trial in reversed(ready)}
    shown = [Shown("verbs", f"{trial.verb}: {trial.source.name}", made[trial.name]) for trial in first.values()]
    return Part(tuple(rows), tuple(reversed(shown)))


def _make(run: Run, trials: Sequence[Trial]) -> tuple[dict[str, Frames], dict[str, str]]:
    """The frames by the trial's name, and by verb why the model cannot."""
    made: dict[str, Frames] = {}
    unable: dict[str, str] = {}
    for done, trial in enumerate(trials):
        run.on_progress(f"editing: {trial.verb}", done, len(trials))
        frames = run.made(trial.name, trial.frames)
        if isinstance(frames, str):
            unable.setdefault(trial.verb, frames)
        else:
            made[trial.name] = frames
    run.on_progress("editing", len(trials), len(trials))
    return made, unable


def _rows(name: str, trials: Sequence[Trial], made: dict[str, Frames], uncut: Sequence[float]) -> list[Row]:
    """What a verb gave on one kind of clips."""
    clips = [(trial, made[trial.name]) for trial in trials]
    rows = []
    if trials[0].joins:
        values = [float(np.mean([seam_error(frames, join) for join in trial.joins])) for trial, frames in clips]
        rows.append(row_of("joins", name, "times", "lower", values, uncut, AIM))
    if trials[0].wraps:
        before = np.mean([loop_closure(frames_of(trial.source)) for trial in trials])
        values = [loop_closure(frames) for _, frames in clips]
        rows.append(row_of("wraps of loops", name, "times", "lower", values, uncut, f"{AIM}; before: {before:.3g}"))
    values = [trial.kept(frames) for trial, frames in clips]
    rows.append(row_of("what was to stay", name, "levels", "lower", values, [], "aim: at most 1"))
    return rows


def uncut_joins(sources: Sequence[Source], measured: Callable[[Frames, int], float] = seam_error) -> list[float]:
    """The seam error, or another measure, where nobody cut: at a third, the middle and two thirds of every clip."""
    clips = [frames_of(source) for source in {source.name: source for source in sources}.values()]
    return [measured(frames, len(frames) * at // 6) for frames in clips for at in (2, 3, 4)]


def largest_jump(frames: Frames, places: Sequence[int]) -> float:
    """A bridge may be one leap in its middle, which neither of its joins shows."""
    return max(jump(frames, place) for place in places)


def hard_cuts(trials: Sequence[Trial]) -> list[float]:
    """The seam error between unrelated clips of one size, set end to end."""
    clips = [frames_of(source) for source in {trial.source.name: trial.source for trial in trials}.values()]
    pairs = [(one, other) for one, other in pairwise(clips) if one.shape[1:] == other.shape[1:]]
    return [seam_error(np.concatenate(pair), len(pair[0])) for pair in pairs]
