"""What the measures notice: the simulator's own clips, damaged more and more, must read worse and worse.

That nothing else moves, `matrix` shows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np

from langit.evaluation import following, permanence, physics, stability
from langit.evaluation.corruptions import CORRUPTIONS, Kind, corrupt
from langit.evaluation.distribution import kernel_distance
from langit.evaluation.features import features
from langit.evaluation.footage import Examined
from langit.evaluation.papers import Paper
from langit.evaluation.restaged import RESTAGED
from langit.evaluation.statistics import Reading
from langit.types import Frames

STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class Watch:
    """A kind of damage, and what must notice it."""

    kind: str
    task: str
    """The task whose clips are damaged."""
    name: str
    """The reading that must worsen."""
    top: float = 1.0
    """The greatest strength: beyond it the thing is out of the frame, or never there."""


VELOCITY, GRAVITY = "velocity error, uniform", "gravity, relative error"
COUNT, IDENTITY = "right number of things, extended clips", "things that keep their identity, extended clips"
COLOUR, FLICKER = "things that keep their colour", "flicker, static scenes"
WATCHED = (
    Watch("teleport", "uniform", VELOCITY),
    Watch("shuffle", "uniform", VELOCITY),
    Watch("freeze", "uniform", VELOCITY),
    Watch("reverse", "uniform", VELOCITY),
    Watch("jitter", "uniform", "uniform motion, spread of speed"),
    Watch("frozen shadow", "uniform", "shadows that go with their things"),
    Watch("pass through", "collision", "velocity error, collision", 0.6),
    Watch("pass through", "collision", "collisions without interpenetration"),
    Watch("reversed gravity", "fall", GRAVITY, 0.5),
    Watch("vanish", "occlusion", "occluded things that reappear", 0.75),
    Watch("vanish", "extension", COUNT),
    Watch("recolour", "extension", IDENTITY),
    Watch("recolour", "extension", COLOUR, 0.5),
    Watch("seam", "extension", "seam error at joins"),
    Watch("drift", "extension", "drift of the background"),
    Watch("flicker", "static", FLICKER),
    Watch("noise", "static", FLICKER, 0.4),
    Watch("recolour", "world", "colour, English"),
    Watch("reshape", "world", "shape, English"),
    Watch("mirror", "world", "direction, English"),
    Watch("night", "world", "light, English"),
    Watch("vanish", "world", "count, English"),
)
BLURRED: Kind = "blur"  # what the kernel distance must notice


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


def curve(watch: Watch, papers: Sequence[Paper], strengths: Sequence[float] = STRENGTHS) -> Curve:
    """What is watched, on a task's own clips under damage of each strength (a share of the greatest)."""
    readings = [
        named(watch.name, read([damaged(paper, watch.kind, watch.top * share) for paper in papers]))
        for share in strengths
    ]
    estimates = [one.estimated() for one in readings]
    values = tuple(np.nan if one is None else one.value for one in estimates)
    told = tuple(watch.top * share for share in strengths)
    return Curve(watch.kind, watch.task, watch.name, readings[0].unit, readings[0].better, told, values)


def read(clips: Sequence[Examined]) -> list[Reading]:
    """All readings of clips but those of distributions; of clips made for prompts, how they follow them."""
    if all(clip.asked is not None for clip in clips):
        return following.measure(clips)
    return [one for measure in (physics.measure, permanence.measure, stability.measure) for one in measure(clips)]


def named(name: str, readings: Sequence[Reading]) -> Reading:
    for reading in readings:
        if reading.name == name:
            return reading
    raise ValueError(f"no measure reads {name!r}")


def distance_curve(real: Sequence[Frames], others: Sequence[Frames], strengths: Sequence[float] = STRENGTHS) -> Curve:
    """The kernel distance of ever more blurred clips from other real ones."""
    known = features(others)
    values = [
        kernel_distance(features([corrupt(clip, BLURRED, strength) for clip in real]), known) for strength in strengths
    ]
    return Curve(BLURRED, "world", "kernel distance", "/1000", "lower", tuple(strengths), tuple(values))


def damaged(paper: Paper, kind: str, strength: float) -> Examined:
    """The simulator's own clip for a paper, damaged; the thing that is damaged is the one that acts."""
    own = paper.own()
    if kind in RESTAGED:
        return replace(own, frames=RESTAGED[kind](paper.scene, strength, paper.form.height, paper.form.width))
    truth = paper.rendered[1]
    actor = own.told.actors[0]
    name = cast(Kind, kind)
    masks = truth.segmentation == 2 + actor if CORRUPTIONS[name].needs_masks else None
    at = paper.joins[0] if paper.joins else None
    return replace(own, frames=corrupt(own.frames, name, strength, masks=masks, seed=paper.number, at=at))


def _says_all(paper: Paper) -> bool:
    """Whether a paper is one of the four of its prompt's scene, or of none."""
    return paper.asked is None or (paper.asked.language, paper.asked.detail) == ("en", "dense")


def curves(
    papers: Sequence[Paper], real: Sequence[Frames], count: int, on_progress: Callable[[str, int, int], None]
) -> tuple[Curve, ...]:
    """All curves, each of `count` clips, of the tasks that are among the papers."""
    drawn = []
    for done, watch in enumerate(WATCHED):
        on_progress("corrupted clips", done, len(WATCHED) + 1)
        of_task = [paper for paper in papers if paper.task == watch.task and _says_all(paper)][:count]
        if of_task:
            drawn.append(curve(watch, of_task))
    if len(real) >= 4:
        drawn.append(distance_curve(real[: len(real) // 2], real[len(real) // 2 :]))
    on_progress("corrupted clips", len(WATCHED) + 1, len(WATCHED) + 1)
    return tuple(drawn)
