"""What the tracks do: places in metres from the maps' depth, and thresholds on them as in `simulator.facts`.

A thing's place is reckoned from its patch's centroid and lower end, its depth, the horizon and the camera's height,
with the camera's motion taken out. All of it is coarse (a tenth of a metre along the screen, a few tenths in depth), so
thresholds are wider than those of the facts that they stand for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from langit.evaluation.observation.backdrop import AHEAD, HALF_VIEW, Backdrop
from langit.evaluation.observation.seen import Track
from langit.simulator.world import Happening, Relation

Doubles = NDArray[np.float64]
Flags = NDArray[np.bool_]

ROLLERS = ("ball", "egg", "cylinder")
STILL_SHIFT, STILL_SHIFT_FILMED = 0.4, 0.6  # metres, of a thing that stays: for a static camera and a moving one
MOVING_SPEED = 0.45  # m/s along the ground
TRAVEL = 0.75  # metres
AIR = 0.22  # metres under a thing in the air
DROP = 0.7  # metres
FLIGHT = 0.9  # metres
BOUNCE_RISE = 0.15  # metres
RESTLESS, RESTLESS_FILMED = 0.008, 0.024  # of `Track.change`, of what spins, likewise
OFFSET = 1.0  # metres over the ground that are laid to the camera's height being off
UPRIGHT = 1.08  # height over width of a cylinder that slides
CLEAR_FRAMES, CLEAR_AREA = 6, 22 / 64**2  # of what can hit and be hit
NEAR = 0.045  # of the frame, between things that touch
HANGING = 0.2  # metres under a thing that swings
HIT_SPEED = 0.35  # m/s
LAP, DEEPER = 0.15, 1.0  # as in facts
EDGE = 0.035  # of the frame


@dataclass(frozen=True, eq=False)
class Path:
    """A track in metres. F frames; NaN where it is not visible and not between two visible frames."""

    track: Track
    across: Doubles  # (F,) to the right
    deep: Doubles  # (F,) away from the camera
    above: Doubles  # (F,) of its lower end over the ground
    rise: Doubles  # (F,) of its centroid, from an arbitrary level
    visible: Flags
    lowest: float  # metres over the ground, before it is laid to the camera's height
    fps: float

    def speed(self, of: Doubles) -> Doubles:
        """(F,) m/s, over two frame intervals."""
        if len(of) < 2:
            return np.zeros_like(of)
        return np.asarray(np.gradient(of) * self.fps)


def read_happenings(
    tracks: tuple[Track, ...], backdrop: Backdrop, fps: float, height: int, width: int
) -> tuple[Happening, ...]:
    """What happens, in the order of time."""
    paths = [path_of(track, backdrop, fps, height, width) for track in tracks]
    found = _hits(paths)
    struck = {hit.object: hit for hit in found}
    for k, path in enumerate(paths):
        if not path.track.is_prop:
            found += _of_thing(paths, k, struck.get(k), backdrop.camera_move == "static")
    return tuple(sorted(found, key=lambda one: one.time))


def read_relations(
    tracks: tuple[Track, ...], backdrop: Backdrop, fps: float, height: int, width: int
) -> tuple[Relation, ...]:
    """Of every pair that the first frame shows, as in facts."""
    shown = [k for k, track in enumerate(tracks) if track.visible[0] and track.shape != "rod"]
    found: list[Relation] = []
    for a in shown:
        for b in shown:
            if a >= b:
                continue
            one, other = tracks[a], tracks[b]
            upper, lower = (a, b) if one.y[0] < other.y[0] else (b, a)
            if _stands_on(tracks[upper], tracks[lower]):
                found.append(Relation("on", upper, lower))
                continue
            across = float(one.x[0] - other.x[0])
            deeper = float(np.nanmedian(one.depth[:3]) - np.nanmedian(other.depth[:3]))
            if abs(across) > LAP:
                found.append(Relation("left_of" if across < 0 else "right_of", a, b))
            if abs(deeper) > DEEPER and abs(across) < 2 * LAP:
                found.append(Relation("behind" if deeper > 0 else "in_front_of", a, b))
    return tuple(found)


def _stands_on(upper: Track, lower: Track) -> bool:
    top, base = upper.boxes[0], lower.boxes[0]
    inside = base[0] - 0.02 < upper.x[0] < base[2] + 0.02
    gap = abs(float(top[3] - base[1]))
    tall = float(base[3] - base[1])
    near = abs(float(np.nanmedian(upper.depth[:3]) - np.nanmedian(lower.depth[:3]))) < 1.2
    return bool(inside and near and gap < 0.35 * tall and top[3] < base[3] - 0.5 * tall)


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
    return Path(
        track=track,
        across=x * axial,
        deep=axial + travelled,
        above=above,
        rise=-y * middle,
        visible=track.visible,
        lowest=lowest,
        fps=fps,
    )


def _of_thing(paths: list[Path], k: int, struck: Happening | None, static: bool) -> list[Happening]:
    """What one thing does, hits apart."""
    path = paths[k]
    hidden = _out_of_sight(paths, k)
    across, rise = (_quiet(values) for values in (path.across, path.rise))
    shift = max(float(np.nanmax(values) - np.nanmin(values)) for values in (across, rise))
    deep = float(np.ptp(ndimage.gaussian_filter1d(path.deep[np.isfinite(path.deep)], 2.0)))
    if shift < (STILL_SHIFT if static else STILL_SHIFT_FILMED) and deep < 1.2:
        spins = _spins(path, RESTLESS if static else RESTLESS_FILMED)
        return [Happening(0.0, "spins" if spins else "still", k)]
    rods = [other for other in paths if other.track.shape == "rod"]
    if any(_hangs(path, rod) for rod in rods) or _pendulum(path):
        return [Happening(0.0, "swings", k, direction=_direction(path, 0))]
    ramp = _ramp_under(paths, k)
    found = _in_air(path, k, struck) if ramp is None else []
    found += _travels(path, k, ramp)
    if struck is not None and _topples(path):
        found.append(Happening(struck.time, "topples", k))
    return [*found, *hidden]


def _quiet(values: Doubles) -> Doubles:
    finite = values[np.isfinite(values)]
    return np.asarray(ndimage.median_filter(finite, min(3, len(finite)), mode="nearest"))


def _hangs(path: Path, rod: Path) -> bool:
    """Whether the rod's lower end keeps with the thing."""
    both = path.visible & rod.visible
    if both.sum() < 3:
        return False
    box, bar = path.track.boxes[both], rod.track.boxes[both]
    beside = np.maximum(np.maximum(bar[:, 0] - box[:, 2], box[:, 0] - bar[:, 2]), 0)
    below = np.abs(bar[:, 3] - box[:, 1])
    return bool(np.median(beside) < 0.05 and np.median(below) < 0.25)


def _pendulum(path: Path) -> bool:
    """Whether it goes to and fro without ever reaching the ground."""
    if path.visible.mean() < 0.6 or path.lowest < HANGING:
        return False
    across = path.across[np.isfinite(path.across)]
    return len(_bounces(across)) + len(_bounces(-across)) >= 2


def _spins(path: Path, restless: float) -> bool:
    change = path.track.change[np.isfinite(path.track.change)]
    return bool(len(change) > 4 and np.percentile(change, 60) > restless)


def _in_air(path: Path, k: int, struck: Happening | None) -> list[Happening]:
    """Falls, flights and bounces, by the height of the lower end."""
    above = np.nan_to_num(path.above, nan=0.0)
    rise = path.rise
    found: list[Happening] = []
    runs = [(start, end) for start, end in _runs((above > AIR) & np.isfinite(rise)) if end - start >= 2]
    for start, end in runs:
        last = min(end, len(rise) - 1)
        if not np.isfinite(rise[last]):
            last = end - 1
        drop = float(np.nanmax(rise[start : last + 1]) - rise[last])
        along = float(np.hypot(path.across[last] - path.across[start], path.deep[last] - path.deep[start]))
        if along >= FLIGHT and along > 0.45 * drop and drop > 0.3:
            found.append(Happening(start / path.fps, "flies", k, direction=_direction(path, start)))
            break
        if drop >= DROP:
            found.append(Happening(start / path.fps, "falls", k))
            break
    minima = _bounces(rise)
    if minima and found and struck is None:
        found.append(Happening(minima[0] / path.fps, "bounces", k, count=len(minima)))
    return found


def _bounces(rise: Doubles) -> list[int]:
    """Frames at which a thing that fell is lowest and after which it rises again."""
    finite = np.flatnonzero(np.isfinite(rise))
    if len(finite) < 5:
        return []
    values = rise[finite]
    found, peak, low = [], values[0], values[0]
    at = 0
    for index, value in enumerate(values):
        if value < low:
            low, at = value, index
        if value - low > BOUNCE_RISE:
            if peak - low > BOUNCE_RISE:
                found.append(int(finite[at]))
            peak = low = value
        if value > peak:
            peak, low, at = value, value, index
    return found


def _ramp_under(paths: list[Path], k: int) -> int | None:
    """The ramp on whose picture a thing is first seen."""
    first = paths[k].track.first
    box = paths[k].track.boxes[first]
    for j, other in enumerate(paths):
        if other.track.shape == "ramp" and other.visible.any():
            bar = other.track.boxes[max(first, other.track.first)]
            if bar[0] - 0.06 < (box[0] + box[2]) / 2 < bar[2] + 0.06 and box[3] > bar[1] - 0.08:
                return j
    return None


def _travels(path: Path, k: int, ramp: int | None) -> list[Happening]:
    """Rolls and slides along the ground or down a ramp."""
    speed = np.hypot(path.speed(path.across), 0.6 * path.speed(path.deep))
    low = (np.nan_to_num(path.above, nan=9.0) < max(AIR, 0.35)) | (ramp is not None)
    start = None
    for first, last in _runs((np.nan_to_num(speed) > MOVING_SPEED) & low):
        end = min(last, len(speed) - 1)
        length = float(np.hypot(path.across[end] - path.across[first], 0.6 * (path.deep[end] - path.deep[first])))
        if length > TRAVEL:
            start = first
            break
    if start is None:
        return []
    rolls = path.track.shape in ROLLERS and not _is_upright(path)
    way = _direction(path, start)
    return [
        Happening(
            start / path.fps, ("rolls_down" if ramp is not None else "rolls") if rolls else "slides", k, ramp, way
        )
    ]


def _is_upright(path: Path) -> bool:
    """Whether a cylinder stands: it looks taller than wide."""
    if path.track.shape != "cylinder":
        return False
    boxes = path.track.boxes[path.track.whole if path.track.whole.any() else path.visible]
    return bool(np.median((boxes[:, 3] - boxes[:, 1]) / np.maximum(boxes[:, 2] - boxes[:, 0], 1e-3)) > UPRIGHT)


def _topples(path: Path) -> bool:
    boxes = path.track.boxes[path.visible]
    tall = boxes[:, 3] - boxes[:, 1]
    wide = boxes[:, 2] - boxes[:, 0]
    shape = tall / np.maximum(wide, 1e-3)
    drop = float(np.nanmax(path.rise[:3]) - np.nanmin(path.rise)) if np.isfinite(path.rise[:3]).any() else 0.0
    return (
        bool(shape[:3].mean() > 1.25 * np.percentile(shape, 10) and path.track.shape not in ("ball", "egg"))
        or drop > 0.6
    )


def _out_of_sight(paths: list[Path], k: int) -> list[Happening]:
    """Goes behind something, comes out, leaves the frame."""
    path = paths[k]
    found: list[Happening] = []
    num_frames = len(path.visible)
    for start, end in _runs(~path.visible):
        if start == 0 or end - start < 2:
            continue
        x, y = path.track.x[start - 1], path.track.y[start - 1]
        box = path.track.boxes[start - 1]
        at_edge = min(box[0], box[1], 1 - box[2], 1 - box[3]) < EDGE
        cover = _cover(paths, k, start - 1)
        way = _direction(path, max(start - 3, 0))
        if cover is not None and not at_edge and np.isfinite([x, y]).all():
            found.append(Happening(start / path.fps, "goes_behind", k, cover, way))
            if end < num_frames:
                found.append(Happening(end / path.fps, "comes_out", k, cover, way))
        elif end == num_frames and at_edge:
            found.append(Happening(start / path.fps, "leaves", k, direction=way))
    return found


def _cover(paths: list[Path], k: int, frame: int) -> int | None:
    """What stands where a thing was last seen."""
    box = paths[k].track.boxes[frame]
    for j, other in enumerate(paths):
        if j == k or not other.visible[frame]:
            continue
        bar = other.track.boxes[frame]
        beside = max(bar[0] - box[2], box[0] - bar[2])
        apart = max(bar[1] - box[3], box[1] - bar[3])
        if beside < 0.05 and apart < 0.02:
            return j
    return None


def _hits(paths: list[Path]) -> list[Happening]:
    """The first time that two things meet after which the slower of them moves."""
    found = []
    for a, one in enumerate(paths):
        for b, other in enumerate(paths):
            if a < b and not one.track.is_prop and not other.track.is_prop and _is_clear(one) and _is_clear(other):
                hit = _hit(paths, a, b)
                if hit is not None:
                    found.append(hit)
    return found


def _is_clear(path: Path) -> bool:
    return bool((path.track.area > CLEAR_AREA).sum() >= CLEAR_FRAMES)


def _hit(paths: list[Path], a: int, b: int) -> Happening | None:
    if {paths[a].track.shape, paths[b].track.shape} & {"ramp", "rod", "wall"}:
        return None
    gaps = _gaps(paths[a], paths[b])
    speeds = [
        np.nan_to_num(np.hypot(np.hypot(p.speed(p.across), p.speed(p.rise)), 0.5 * p.speed(p.deep)))
        for p in (paths[a], paths[b])
    ]
    for frame in np.flatnonzero(gaps < NEAR).tolist():
        before, after = slice(max(frame - 3, 0), frame), slice(frame, frame + 4)
        if frame < 1:
            continue
        earlier = [float(np.max(speed[before])) for speed in speeds]
        fast, slow = (0, 1) if earlier[0] >= earlier[1] else (1, 0)
        gained = float(np.max(speeds[slow][after])) - float(np.min(speeds[slow][before]))
        if earlier[fast] > MOVING_SPEED and gained > HIT_SPEED:
            mover = (a, b)[fast]
            return Happening(
                (frame - 0.5) / paths[a].fps,
                "hits",
                mover,
                (a, b)[slow],
                _direction(paths[mover], max(frame - 2, 0)),
            )
    return None


def _gaps(one: Path, other: Path) -> Doubles:
    """(F,) between the boxes on the screen, with differences of depth beyond two metres added."""
    a, b = one.track.boxes.astype(np.float64), other.track.boxes.astype(np.float64)
    beside = np.maximum(np.maximum(b[:, 0] - a[:, 2], a[:, 0] - b[:, 2]), 0)
    apart = np.maximum(np.maximum(b[:, 1] - a[:, 3], a[:, 1] - b[:, 3]), 0)
    deeper = np.maximum(np.abs(one.deep - other.deep) - 1.6, 0)
    return np.asarray(np.nan_to_num(beside + apart + deeper, nan=9.0))


def _direction(path: Path, frame: int) -> str | None:
    """Where a thing goes in the half second after a frame, on the screen."""
    last = min(frame + max(2, round(0.5 * path.fps)), len(path.across) - 1)
    while last > frame and not np.isfinite(path.across[last]):
        last -= 1
    if last <= frame or not np.isfinite(path.across[frame]):
        return None
    across = float(path.across[last] - path.across[frame])
    deep = float(path.deep[last] - path.deep[frame])
    if max(abs(across), abs(deep)) < 0.1:
        return None
    if abs(across) >= abs(deep):
        return "right" if across > 0 else "left"
    return "away" if deep > 0 else "towards"


def _runs(flags: Flags) -> list[tuple[int, int]]:
    """Stretches [start, end) where `flags` hold."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]
