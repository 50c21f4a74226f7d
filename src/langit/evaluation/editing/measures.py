"""Measures of edits: whether joins show, loops close, what was kept is kept, and what drifts.

The reference of each is the clip itself or real footage: a join in footage that was never cut scores about 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from langit.types import Frames

NEIGHBOURS = 8
"""Frames on each side of a join whose changes are typical."""
NEAREST = 2
"""Changes on each side of a join that tell a jump from motion."""


def changes(frames: Frames) -> np.ndarray:
    """Mean absolute change from each frame to the next, (F, H, W, 3) -> (F - 1,), in 1/255."""
    return np.array(
        [np.abs(one.astype(np.int16) - other).mean() for one, other in zip(frames[1:], frames[:-1], strict=True)]
    )


def seam_error(frames: Frames, join: int) -> float:
    """The change across the join (from frame `join - 1` to `join`) over the typical one between neighbours around it.

    The typical one is the median of the changes within `NEIGHBOURS` frames on both sides. About 1 is no seam; the target is
    at most 1.2. A clip that stands still has none: the change is then counted in whole steps of 1/255.
    """
    if not 1 <= join < len(frames):
        raise ValueError(f"a join at {join} was given for {len(frames)} frames; it lies from 1 to {len(frames) - 1}")
    first = max(0, join - 1 - NEIGHBOURS)
    around = changes(frames[first : join + NEIGHBOURS + 1])
    at = join - 1 - first
    typical = np.median(np.delete(around, at)) if len(around) > 1 else 0.0
    return float((around[at] + 1) / (typical + 1)) if typical < 0.25 else float(around[at] / typical)


def jump(frames: Frames, join: int) -> float:
    """The change across the join over the largest of the `NEAREST` changes on either side of it.

    Beside `seam_error`, which a clip that was never cut fails where motion begins or ends within a second: half of its
    neighbours then stand still. This one it passes there, since motion begins and ends over some frames. About 1 at most is no
    seam; a made part that jitters from its first frames on is seen by `seam_error` alone.
    """
    if not 1 <= join < len(frames):
        raise ValueError(f"a join at {join} was given for {len(frames)} frames; it lies from 1 to {len(frames) - 1}")
    first = max(0, join - 1 - NEAREST)
    around = changes(frames[first : join + NEAREST + 1])
    at = join - 1 - first
    largest = np.delete(around, at).max() if len(around) > 1 else 0.0
    return float((around[at] + 1) / (largest + 1)) if largest < 0.25 else float(around[at] / largest)


def loop_closure(frames: Frames) -> float:
    """The seam error across the wrap, from the last frame to the first."""
    middle = len(frames) // 2
    return seam_error(np.roll(frames, -middle, axis=0), len(frames) - middle)


def kept_error(source: Frames, output: Frames, kept: np.ndarray | None = None) -> float:
    """Mean absolute difference in 1/255 of what was to be kept: all of it, or where the mask (F, H, W) is true."""
    difference = np.abs(source.astype(np.int16) - output).mean(-1)
    return float(difference.mean() if kept is None else difference[kept].mean())


@dataclass(frozen=True)
class Drift:
    """How far the end of a chain of edits has come from its beginning."""

    colour: float  # mean absolute difference of the mean colours, in 1/255
    contrast: float  # ratio of the standard deviations, last over first
    sharpness: float  # ratio of the mean gradients, last over first


def drift(parts: Sequence[Frames]) -> Drift:
    """From the first part of a chain (F, H, W, 3) to the last."""
    first, last = (part.astype(np.float64) for part in (parts[0], parts[-1]))
    colour = np.abs(first.mean((0, 1, 2)) - last.mean((0, 1, 2))).mean()
    return Drift(float(colour), _ratio(last.std(), first.std()), _ratio(_gradient(last), _gradient(first)))


def structure_kept(source: Frames, output: Frames) -> float:
    """Correlation of the edges of two clips, -1 to 1: how much of the source's structure a remix kept."""
    edges = [_edges(clip.astype(np.float64).mean(-1)).ravel() for clip in (source, output)]
    one, other = (edge - edge.mean() for edge in edges)
    length = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one @ other) / length if length else 1.0


def _edges(grey: np.ndarray) -> np.ndarray:
    return np.abs(np.diff(grey, axis=1))[:, :, 1:] + np.abs(np.diff(grey, axis=2))[:, 1:]


def _gradient(clip: np.ndarray) -> float:
    return float(_edges(clip.mean(-1)).mean())


def _ratio(one: float, other: float) -> float:
    return float(one / other) if other else 1.0
