"""Stability: what should stay the same stays the same, from frame to frame, from start to end, and over a join.

Read from pixels: levels are 8-bit sRGB levels, 0 to 255.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from langit.evaluation.footage import Examined
from langit.evaluation.statistics import Reading, missing, reading

PART = "stability"
NEIGHBOURS = 4  # frames on each side of a join that it is compared with
EDGE = 4  # frames at the start and at the end of a clip whose means are compared

Levels = NDArray[np.float32]


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
    """How much more the frame at a join differs from the one before than its neighbours do; 0 at least."""
    step = steps(clip)
    about = np.concatenate([step[max(join - 1 - NEIGHBOURS, 0) : join - 1], step[join : join + NEIGHBOURS]])
    if not 1 <= join < len(clip.frames) or not len(about):
        return math.nan
    return float(max(step[join - 1] - np.median(about), 0.0))


def drift_over_time(clip: Examined) -> Levels:
    """(F,): how far the mean colours of sky and ground are from those of the first frames, jumps at joins apart."""
    background = clip.observation.background * 255  # (F, 2, 3)
    for join in clip.joins:  # a seam is told as such
        if 1 <= join < len(background):
            background[join:] -= np.nan_to_num(background[join] - background[join - 1])
    known = np.isfinite(background)
    begin = np.where(known[:EDGE], background[:EDGE], 0).sum(0) / np.maximum(known[:EDGE].sum(0), 1)
    begin = np.where(known[:EDGE].any(0), begin, np.nan)
    apart = np.abs(background - begin).reshape(len(background), -1)
    count = np.isfinite(apart).sum(1)
    return np.where(count > 0, np.nan_to_num(apart).sum(1) / np.maximum(count, 1), np.nan).astype(np.float32)


def background_drift(clip: Examined) -> float:
    """How far the mean colours of sky and ground go steadily over the clip, beyond what their scatter about a straight
    line would make by chance; NaN where none is seen."""
    background = clip.observation.background.astype(np.float64) * 255
    for join in clip.joins:
        if 1 <= join < len(background):
            background[join:] -= np.nan_to_num(background[join] - background[join - 1])
    gone = [_steady_change(values) for values in background.reshape(len(background), -1).T]
    known = [value for value in gone if math.isfinite(value)]
    return float(np.mean(known)) if known else math.nan


def _steady_change(values: NDArray[np.float64]) -> float:
    """What a straight line through values changes from the first to the last, less twice its standard error."""
    frames = np.flatnonzero(np.isfinite(values))
    if len(frames) < 2 * EDGE:
        return math.nan
    times = frames - frames.mean()
    slope = float((times * values[frames]).sum() / (times**2).sum())
    left = values[frames] - values[frames].mean() - slope * times
    error = math.sqrt(float((left**2).sum()) / max(len(frames) - 2, 1) / float((times**2).sum()))
    return max(abs(slope) - 2 * error, 0.0) * float(np.ptp(frames))


def colour_kept(clip: Examined) -> float:
    """Share of the frames in which a thing has the colour that it was first seen with."""
    shares = []
    for track in clip.observation.things:
        seen = track.colours_seen[track.visible]
        if len(seen) > 2:
            shares.append(float((seen == seen[0]).mean()))
    return float(np.mean(shares)) if shares else math.nan
