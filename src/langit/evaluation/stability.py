"""Stability: what should stay the same stays the same, from frame to frame, from start to end, and over a join.

Read from pixels: levels are 8-bit sRGB levels, 0 to 255.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from langit.evaluation.footage import Examined
from langit.evaluation.statistics import Reading, missing, reading

PART = "stability"
NEIGHBOURS = 6  # frames on each side of a join that it is compared with
SCATTER = 3.0  # standard errors, that a drift must go beyond
EDGE = 4  # frames at the start and at the end of a clip whose means are compared

Levels = NDArray[np.float32]
Doubles = NDArray[np.float64]


def measure(clips: Sequence[Examined]) -> list[Reading]:
    """All readings of stability; `clips` may hold clips of other tasks."""
    still = [clip for clip in clips if clip.task == "static" and len(clip.frames) > 2]
    long = [clip for clip in clips if clip.task == "extension"]
    lasting = [*still, *long]
    readings = []
    if still:
        why = "no clip of a static scene has three frames"
        readings.append(
            reading(PART, "flicker, static scenes", "levels", "lower", [flicker(c) for c in still], why=why)
        )
    else:
        readings.append(missing(PART, "flicker, static scenes", "there are no clips of static scenes"))
    if lasting:
        drifts = [background_drift(clip) for clip in lasting]
        kept = [colour_kept(clip) for clip in lasting]
        why = "no background was seen both at the start and at the end"
        readings.append(reading(PART, "drift of the background", "levels", "lower", drifts, why=why))
        readings.append(reading(PART, "things that keep their colour", "", "higher", kept, why="no thing was seen"))
    else:
        readings.append(missing(PART, "drift of the background", "there are no clips of static scenes"))
    if any(clip.joins for clip in long):
        seams = [float(np.mean([seam(clip, join) for join in clip.joins])) for clip in long if clip.joins]
        why = "the clips are too short about their joins"
        readings.append(reading(PART, "seam error at joins", "levels", "lower", seams, why=why))
    else:
        readings.append(missing(PART, "seam error at joins", "the clips were made in one piece: there are no joins"))
    return readings


def flicker(clip: Examined) -> float:
    """Mean absolute second difference in time: steady change counts for nothing, to and fro counts in full."""
    levels = clip.frames.astype(np.float32)
    return float(np.abs(levels[2:] - 2 * levels[1:-1] + levels[:-2]).mean() / 2)


def steps(clip: Examined) -> Levels:
    """(F - 1,): mean absolute difference of neighbouring frames."""
    return np.asarray(np.abs(np.diff(clip.frames.astype(np.float32), axis=0)).mean((1, 2, 3)))


def seam(clip: Examined, join: int) -> float:
    """How much more the frame at a join differs from the one before than any of its neighbours does; 0 at least."""
    step = steps(clip)
    about = np.concatenate([step[max(join - 1 - NEIGHBOURS, 0) : join - 1], step[join : join + NEIGHBOURS]])
    if not 1 <= join < len(clip.frames) or not len(about):
        return math.nan
    return float(max(step[join - 1] - about.max(), 0.0))


def drift_over_time(clip: Examined) -> Levels:
    """(F,): how far the mean colours of sky and ground are from those of the first frames, jumps at joins apart."""
    background = clip.observation.background.reshape(len(clip.frames), -1) * 255  # (F, 6)
    after = _after(clip)
    for values in background.T:  # a seam is told as such
        line = _line(values.astype(np.float64), after)
        if line is not None:
            values -= after @ line.jumps
    known = np.isfinite(background)
    begin = np.where(known[:EDGE], background[:EDGE], 0).sum(0) / np.maximum(known[:EDGE].sum(0), 1)
    begin = np.where(known[:EDGE].any(0), begin, np.nan)
    apart = np.abs(background - begin)
    count = np.isfinite(apart).sum(1)
    return np.where(count > 0, np.nan_to_num(apart).sum(1) / np.maximum(count, 1), np.nan).astype(np.float32)


def background_drift(clip: Examined) -> float:
    """How far the mean colours of sky and ground go steadily over the clip, beyond what their scatter about a straight
    line that jumps at the joins would make by chance; NaN where none is seen."""
    background = clip.observation.background.reshape(len(clip.frames), -1).astype(np.float64) * 255
    lines = [_line(values, _after(clip)) for values in background.T]
    gone = [max(abs(one.slope) - SCATTER * one.error, 0.0) * one.length for one in lines if one is not None]
    return float(np.mean(gone)) if gone else math.nan


class _Line(NamedTuple):
    """A straight line through values, with a jump at every join."""

    slope: float  # a frame
    error: float  # its standard error
    length: float  # frames
    jumps: Doubles  # (joins,)


def _after(clip: Examined) -> Doubles:
    """(F, joins): 1 from the join on."""
    joins = [join for join in clip.joins if 1 <= join < len(clip.frames)]
    return (
        np.stack([np.arange(len(clip.frames)) >= join for join in joins], -1, dtype=np.float64)
        if joins
        else np.zeros((len(clip.frames), 0))
    )


def _line(values: Doubles, after: Doubles) -> _Line | None:
    """The line of least squares through those values (F,) that are known; None where they are few."""
    frames = np.flatnonzero(np.isfinite(values))
    design = np.concatenate([np.stack([np.ones(len(values)), np.arange(len(values))], -1), after], 1)[frames]
    if len(frames) < 2 * EDGE or np.linalg.matrix_rank(design) < design.shape[1]:
        return None
    inverse = np.linalg.inv(design.T @ design)
    found = inverse @ design.T @ values[frames]
    left = values[frames] - design @ found
    error = math.sqrt(float((left**2).sum()) / max(len(frames) - len(found), 1) * float(inverse[1, 1]))
    return _Line(float(found[1]), error, float(np.ptp(frames)), found[2:])


def colour_kept(clip: Examined) -> float:
    """Share of the frames in which a thing has the colour that it was first seen with."""
    shares = []
    for track in clip.observation.things:
        seen = track.colours_seen[track.visible]
        if len(seen) > 2:
            shares.append(float((seen == seen[0]).mean()))
    return float(np.mean(shares)) if shares else math.nan
