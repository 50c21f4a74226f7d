"""Tracks in metres, and the numbers about them that the reader of happenings sees, frame by frame.

A thing's place is reckoned from its patch's centroid and lower end, its depth, the horizon and the camera's height,
with the camera's motion taken out. All of it is coarse: a tenth of a metre along the screen, a few tenths in depth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from langit.evaluation.observation.backdrop import HALF_VIEW, Backdrop
from langit.evaluation.observation.moves import AHEAD
from langit.evaluation.observation.seen import Array, Track
from langit.evaluation.observation.segmenter import SEEN_SHAPES

Doubles = NDArray[np.float64]
Flags = NDArray[np.bool_]

OFFSET = 1.0  # metres over the ground that are laid to the camera's height being off
PROPS = ("wall", "ramp", "rod")
MOVE_KINDS = ("static", "pan", "orbit", "dolly", "rise")
NUM_SIGNED = 7
NUM_OWN = NUM_SIGNED + 32 + len(SEEN_SHAPES) + len(MOVE_KINDS) + 5 * len(PROPS) + 5
NUM_PAIR = 15
NEAREST_ROW = 0.02  # below the horizon, of a lower end: nearer to it, a row tells no distance


@dataclass(frozen=True, eq=False)
class Path:
    """A track in metres. F frames; NaN where it is not visible and not between two visible frames."""

    track: Track
    across: Doubles  # (F,) to the right
    deep: Doubles  # (F,) away from the camera
    above: Doubles  # (F,) of its lower end over the ground
    ground_across: Doubles  # (F,) as across and deep, if its lower end stands on the ground
    ground_deep: Doubles
    rise: Doubles  # (F,) of its centroid, from an arbitrary level
    lowest: float  # metres over the ground, before it is laid to the camera's height
    fps: float


def path_of(track: Track, backdrop: Backdrop, fps: float, height: int, width: int) -> Path:
    num_frames = len(track.x)
    times = np.arange(num_frames)
    short = min(height, width)
    seen = np.flatnonzero(track.visible)

    def filled(values: Doubles) -> Doubles:
        whole = np.interp(times, seen, values[seen])
        whole[: seen[0]], whole[seen[-1] + 1 :] = np.nan, np.nan
        return whole

    depth = filled(track.depth.astype(np.float64))
    inside = slice(seen[0], seen[-1] + 1)
    smooth = depth.copy()
    smooth[inside] = ndimage.gaussian_filter1d(
        ndimage.median_filter(depth[inside], 5, mode="nearest"), 1.0, mode="nearest"
    )
    x, y, low = (
        (filled(values.astype(np.float64)) - 0.5) * side / short * 2 * HALF_VIEW
        for values, side in ((track.steady_x, width), (track.steady_y, height), (track.boxes[:, 3], height))
    )
    row = (backdrop.horizon.astype(np.float64) - 0.5) * height / short * 2 * HALF_VIEW
    axial = smooth / np.sqrt(1 + x * x + y * y)
    level = 1 / np.sqrt(1 + row * row)
    above = backdrop.camera_height - axial * level * (low - row)
    lowest = float(np.nanpercentile(above, 8))
    if lowest < OFFSET:
        above = above - lowest
    travelled = np.concatenate([[0.0], np.cumsum(backdrop.steps[:, AHEAD])]) * float(np.median(backdrop.camera_height))
    middle = float(np.nanmedian(axial))
    ground = backdrop.camera_height / np.maximum(low - row, NEAREST_ROW)
    return Path(
        track=track,
        across=x * axial,
        deep=axial + travelled,
        above=above,
        ground_across=x * ground,
        ground_deep=ground + travelled,
        rise=-y * middle,
        lowest=lowest,
        fps=fps,
    )


def numbers_of(paths: Sequence[Path], backdrop: Backdrop) -> Array:
    """(T, NUM_OWN, F): what the reader sees of every track."""
    return np.stack([_own(paths, k, backdrop) for k in range(len(paths))])


def pair_numbers(one: Path, other: Path) -> Array:
    """(NUM_PAIR, F): what the reader sees of two tracks together, from the first's side."""
    a, b = one.track.boxes.astype(np.float64), other.track.boxes.astype(np.float64)
    beside = np.maximum(b[:, 0] - a[:, 2], a[:, 0] - b[:, 2])
    apart = np.maximum(b[:, 1] - a[:, 3], a[:, 1] - b[:, 3])
    gap = np.hypot(np.maximum(beside, 0), np.maximum(apart, 0))
    across, deep, rise = other.across - one.across, other.deep - one.deep, other.above - one.above
    rows = [
        10 * beside,
        10 * apart,
        10 * gap,
        across / 2,
        deep / 2,
        rise / 2,
        _speed(np.hypot(across, deep), one.fps) / 2,
        5 * (one.track.x - other.track.x),
        5 * (one.track.y - other.track.y),
        5 * (a[:, 3] - b[:, 3]),
        5 * (a[:, 3] - b[:, 1]),
        (one.track.visible & other.track.visible).astype(np.float64),
        (other.ground_across - one.ground_across) / 2,
        (other.ground_deep - one.ground_deep) / 2,
        _speed(np.hypot(other.ground_across - one.ground_across, other.ground_deep - one.ground_deep), one.fps) / 2,
    ]
    return _clean(rows)


PAIR_SIGNS = np.ones(NUM_PAIR, np.float32)
PAIR_SIGNS[[3, 7, 12]] = -1
"""What a mirror turns over."""


def _own(paths: Sequence[Path], k: int, backdrop: Backdrop) -> Array:
    path, track, fps = paths[k], paths[k].track, paths[k].fps
    box = track.boxes.astype(np.float64)
    wide, high = box[:, 2] - box[:, 0], box[:, 3] - box[:, 1]
    seen = np.flatnonzero(track.visible)
    usual = float(np.median(track.area[seen]))
    frames = np.arange(len(track.x))
    signed = [  # a mirror turns these over
        4 * (track.x - 0.5),
        4 * (track.steady_x - track.steady_x[seen[0]]),
        (path.across - path.across[seen[0]]) / 2,
        _speed(path.across, fps) / 2,
        _speed(track.steady_x.astype(np.float64), fps) * 2,
        (path.ground_across - path.ground_across[seen[0]]) / 2,
        _speed(path.ground_across, fps) / 2,
    ]
    plain = [
        4 * (track.y - 0.5),
        4 * (track.steady_y - track.steady_y[seen[0]]),
        (path.deep - path.deep[seen[0]]) / 2,
        _speed(path.deep, fps) / 2,
        (path.ground_deep - path.ground_deep[seen[0]]) / 2,
        _speed(path.ground_deep, fps) / 2,
        np.log(np.maximum(path.ground_deep, 1.0) / 8),
        path.above,
        np.full(len(frames), path.lowest),
        path.rise - np.nanmin(path.rise),
        _speed(path.rise, fps) / 2,
        _speed(_speed(path.rise, fps), fps) / 10,
        _speed(np.log(track.area + 1e-6), fps) / 2,
        np.log(wide + 1e-3) + 2,
        np.log(high + 1e-3) + 2,
        np.log((high + 1e-3) / (wide + 1e-3)),
        _speed(np.log((high + 1e-3) / (wide + 1e-3)), fps) / 2,
        np.log(track.area / usual + 1e-3),
        np.full(len(frames), np.log(usual) + 4),
        np.log(track.change.astype(np.float64) + 0.002) + 4,
        20 * track.change,
        np.full(len(frames), 20 * _median(track.change)),
        np.full(len(frames), path.lowest < OFFSET),
        np.full(len(frames), np.log(backdrop.camera_height[0] / 2)),
        np.full(len(frames), 2 * backdrop.horizon[0] - 1),
        *(10 * np.minimum(side, 0.1) for side in (box[:, 1], 1 - box[:, 3], np.minimum(box[:, 0], 1 - box[:, 2]))),
        track.visible,
        track.whole,
        frames < seen[0],
        frames > seen[-1],
    ]
    shapes = [np.full(len(frames), value) for value in track.shapes]
    kind = backdrop.camera_move.partition(" ")[0]
    moves = [np.full(len(frames), kind == each) for each in MOVE_KINDS]
    return np.concatenate([_clean([*signed, *plain, *shapes, *moves]), _beside(paths, k)])


SIGNS = np.ones(NUM_OWN, np.float32)
SIGNS[:NUM_SIGNED] = -1


def _beside(paths: Sequence[Path], k: int) -> Array:
    """What is about a track: the likeliest wall, ramp and rod, and the nearest thing."""
    track = paths[k].track
    rows = []
    for prop in PROPS:
        number = SEEN_SHAPES.index(prop)
        others = [path for j, path in enumerate(paths) if j != k]
        best = max(others, key=lambda path: float(path.track.shapes[number]), default=None)
        rows += _about(track, None if best is None else best.track, 0.0 if best is None else best.track.shapes[number])
    near, gap = None, np.inf
    for j, other in enumerate(paths):
        if j != k and other.track.shape not in PROPS:
            apart = np.hypot(other.track.x - track.x, other.track.y - track.y)
            least = float(np.nanmin(apart)) if np.isfinite(apart).any() else np.inf
            if least < gap:
                near, gap = other.track, least
    rows += _about(track, near, 0.0 if near is None else 1.0)
    return _clean(rows)


def _about(track: Track, other: Track | None, sure: float) -> list[NDArray[np.floating]]:
    if other is None:
        return [np.zeros(len(track.x))] * 5
    a, b = track.boxes.astype(np.float64), other.boxes.astype(np.float64)
    still = np.median(b[np.isfinite(b[:, 0])], 0)  # many times faster than nanmedian
    b = np.where(np.isfinite(b), b, still)
    wide, high = np.maximum(b[:, 2] - b[:, 0], 0.02), np.maximum(b[:, 3] - b[:, 1], 0.02)
    gap = np.hypot(
        np.maximum(np.maximum(b[:, 0] - a[:, 2], a[:, 0] - b[:, 2]), 0),
        np.maximum(np.maximum(b[:, 1] - a[:, 3], a[:, 1] - b[:, 3]), 0),
    )
    middle = (b[:, 0] + b[:, 2]) / 2
    return [
        np.full(len(track.x), sure),
        sure * np.abs(track.x - middle) / wide,
        sure * (a[:, 3] - b[:, 1]) / high,
        sure * 10 * gap,
        sure * 5 * (a[:, 1] - b[:, 3]),
    ]


def _speed(values: NDArray[np.floating], fps: float) -> Doubles:
    """A second, over two frame intervals."""
    return np.asarray(np.gradient(values) * fps) if len(values) > 1 else np.zeros(len(values))


def _median(values: Array) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else 0.0


def _clean(rows: Sequence[NDArray[np.generic]]) -> Array:
    return np.clip(np.nan_to_num(np.stack(rows).astype(np.float32), nan=0.0, posinf=6.0, neginf=-6.0), -6, 6)
