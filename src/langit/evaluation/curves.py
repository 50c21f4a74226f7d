"""What the measures notice: the simulator's own clips, damaged more and more, must read worse and worse."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from langit.evaluation import permanence, physics, stability
from langit.evaluation.corruptions import CORRUPTIONS, Kind, corrupt
from langit.evaluation.distribution import kernel_distance
from langit.evaluation.features import features
from langit.evaluation.footage import Examined
from langit.evaluation.papers import Paper
from langit.evaluation.statistics import Reading
from langit.types import Frames

STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
IDENTITY = "things that keep their identity, extended clips"
WATCHED: tuple[tuple[Kind, str, str, float], ...] = (
    ("teleport", "uniform", "velocity error, uniform", 1.0),
    ("shuffle", "uniform", "velocity error, uniform", 1.0),
    ("jitter", "uniform", "uniform motion, spread of speed", 1.0),
    ("upside_down", "fall", "gravity, relative error", 0.5),
    ("vanish", "occlusion", "occluded things that reappear", 0.75),
    ("vanish", "extension", "right number of things, extended clips", 1.0),
    ("recolour", "extension", IDENTITY, 1.0),
    ("flicker", "static", "flicker, static scenes", 1.0),
    ("noise", "static", "flicker, static scenes", 1.0),
)
"""(kind of corruption, task whose clips are damaged, the reading that must worsen, the greatest strength: beyond it the
thing is out of the frame, or never there)."""
BLURRED: Kind = "blur"  # what the kernel distance must notice

Measure = Callable[[Sequence[Examined]], list[Reading]]


@dataclass(frozen=True)
class Curve:
    """One reading over the strength of one corruption; NaN where nothing could be read."""

    kind: str
    task: str
    name: str
    unit: str
    better: str
    strengths: tuple[float, ...]
    values: tuple[float, ...]


def curve(kind: Kind, task: str, name: str, papers: Sequence[Paper], strengths: Sequence[float] = STRENGTHS) -> Curve:
    """The reading `name` of a task's own clips under a corruption of each strength."""
    readings = [_named(name, [damaged(paper, kind, strength) for paper in papers]) for strength in strengths]
    estimates = [one.estimated() for one in readings]
    values = tuple(np.nan if one is None else one.value for one in estimates)
    return Curve(kind, task, name, readings[0].unit, readings[0].better, tuple(strengths), values)


def distance_curve(real: Sequence[Frames], others: Sequence[Frames], strengths: Sequence[float] = STRENGTHS) -> Curve:
    """The kernel distance of ever more blurred clips from other real ones."""
    known = features(others)
    values = [
        kernel_distance(features([corrupt(clip, BLURRED, strength) for clip in real]), known) for strength in strengths
    ]
    return Curve(BLURRED, "world", "kernel distance", "/1000", "lower", tuple(strengths), tuple(values))


def damaged(paper: Paper, kind: Kind, strength: float) -> Examined:
    """The simulator's own clip for a paper, damaged; the thing that is damaged is the one that acts."""
    own = paper.own()
    truth = paper.rendered[1]
    actor = own.told.actors[0]
    masks = truth.segmentation == 2 + actor if CORRUPTIONS[kind].needs_masks else None
    return replace(own, frames=corrupt(own.frames, kind, strength, masks=masks, seed=paper.number))


def _named(name: str, clips: Sequence[Examined]) -> Reading:
    for measure in (physics.measure, permanence.measure, stability.measure):
        for reading in measure(clips):
            if reading.name == name:
                return reading
    raise ValueError(f"no measure reads {name!r}")


def curves(
    papers: Sequence[Paper], real: Sequence[Frames], count: int, on_progress: Callable[[str, int, int], None]
) -> tuple[Curve, ...]:
    """All curves, each of `count` clips, of the tasks that are among the papers."""
    drawn = []
    for done, (kind, task, name, top) in enumerate(WATCHED):
        on_progress("corrupted clips", done, len(WATCHED) + 1)
        of_task = [paper for paper in papers if paper.task == task][:count]
        if of_task:
            drawn.append(curve(kind, task, name, of_task, [top * strength for strength in STRENGTHS]))
    if len(real) >= 4:
        drawn.append(distance_curve(real[: len(real) // 2], real[len(real) // 2 :]))
    on_progress("corrupted clips", len(WATCHED) + 1, len(WATCHED) + 1)
    return tuple(drawn)
