"""Which of the things seen is which of the things told: the place of every true thing, frame by frame, from tracks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import wraps
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from langit.evaluation.footage import Examined
from langit.evaluation.observation import Track
from langit.evaluation.outline import fitted
from langit.simulator.world import Array

EDGE = 0.6  # pixels
LOSS = 0.25  # of its usual area
ROUND = 1.15  # times its height, that a ball may be wide, and the other way round
NEAR = 0.1  # of the frame: what stands as near to a true place may be that thing, whatever its colour


@dataclass(frozen=True, eq=False)
class Followed:
    """Where a thing of the truth is seen; NaN where it is not."""

    thing: int
    x: Array  # (F,)
    y: Array  # (F,)
    area: Array  # (F,)
    visible: NDArray[np.bool_]  # (F,)
    whole: NDArray[np.bool_]  # (F,)
    track: NDArray[np.intp]  # (F,) index of the observation's track, -1 where not seen

    @property
    def is_found(self) -> bool:
        return bool(self.visible.any())


def _once(reading: Callable[[Examined, int], Followed]) -> Callable[[Examined, int], Followed]:
    """The reading of a clip's thing, kept as long as the clip."""
    kept: WeakKeyDictionary[Examined, dict[int, Followed]] = WeakKeyDictionary()

    @wraps(reading)
    def read(clip: Examined, thing: int) -> Followed:
        known = kept.setdefault(clip, {})
        if thing not in known:
            known[thing] = reading(clip, thing)
        return known[thing]

    return read


@_once
def pinpoint(clip: Examined, thing: int) -> Followed:
    """As `follow`; a ball where its centre is projected, by its outline, in frames that show it whole."""
    followed = follow(clip, thing)
    frames = np.flatnonzero(followed.whole)
    if clip.told.things[thing].shape != "ball" or not len(frames) or not _is_round(clip, followed, frames):
        return followed
    x, y = followed.x.copy(), followed.y.copy()
    view = clip.told.camera.vertical_fov
    x[frames], y[frames] = fitted(clip.frames[frames], x[frames], y[frames], followed.area[frames], view)
    return replace(followed, x=x, y=y)


def _is_round(clip: Examined, followed: Followed, frames: NDArray[np.intp]) -> bool:
    """Whether a thing is about as wide as it is high in those frames, on the whole."""
    height, width = clip.told.size
    boxes = np.stack([clip.observation.tracks[followed.track[frame]].boxes[frame] for frame in frames])
    aspect = np.median((boxes[:, 2] - boxes[:, 0]) * width / ((boxes[:, 3] - boxes[:, 1]) * height))
    return bool(1 / ROUND < aspect < ROUND)


@_once
def follow(clip: Examined, thing: int) -> Followed:
    """The tracks of the thing's colour, and those that begin where it is, put together: at each frame the one
    nearest to where it was last."""
    tracks, told = clip.observation.tracks, clip.told
    candidates = [i for i, track in enumerate(tracks) if _may_be(track, clip, thing)]
    num_frames = len(clip.frames)
    chosen = np.full(num_frames, -1, np.intp)
    last = told.centroids[0, thing]
    for frame in range(num_frames):
        seen = [i for i in candidates if tracks[i].visible[frame]]
        if not seen:
            continue
        places = np.array([[tracks[i].x[frame], tracks[i].y[frame]] for i in seen])
        nearest = int(np.argmin(np.nan_to_num(np.linalg.norm(places - last, axis=-1), nan=9.0)))
        chosen[frame], last = seen[nearest], places[nearest]

    def gathered(name: str) -> Array:
        rows = [getattr(tracks[i], name)[frame] if i >= 0 else np.nan for frame, i in enumerate(chosen)]
        return np.array(rows, np.float32)

    area = gathered("area")
    return Followed(thing, gathered("x"), gathered("y"), area, chosen >= 0, _whole(clip, chosen, area), chosen)


def _whole(clip: Examined, chosen: NDArray[np.intp], area: Array) -> NDArray[np.bool_]:
    """(F,): seen inside the frame at about its usual area.

    What moves in the plane that the camera faces keeps its area, so this tells a hidden part as well as a contact on the
    screen does, and does not lose the frames in which things merely touch.
    """
    height, width = clip.told.size
    inside = np.zeros(len(chosen), bool)
    for frame in np.flatnonzero(chosen >= 0):
        left, top, right, bottom = clip.observation.tracks[chosen[frame]].boxes[frame]
        inside[frame] = left * width > EDGE and top * height > EDGE
        inside[frame] &= (1 - right) * width > EDGE and (1 - bottom) * height > EDGE
    if not inside.any():
        return inside
    usual = float(np.median(area[inside]))
    return np.asarray(inside & (area > (1 - LOSS) * usual) & (area < usual / (1 - LOSS)))


def _may_be(track: Track, clip: Examined, thing: int) -> bool:
    if track.shape == "rod" or not track.visible.any():
        return False
    if track.colour == clip.told.things[thing].colour:
        return True
    first = track.first
    if first >= clip.told.num_frames:
        return False
    apart = np.hypot(*(np.array([track.x[first], track.y[first]]) - clip.told.centroids[first, thing]))
    others = {other.colour for k, other in enumerate(clip.told.things) if k != thing}
    return bool(apart < NEAR and track.colour not in others)


def in_space(clip: Examined, followed: Followed, *, where: NDArray[np.bool_], scale: float = 1.0) -> Array:
    """Where a thing is seen, as points of the world (F, 3) at its true distance from the camera; NaN outside `where`.

    `scale` multiplies the screen places before they are read.
    """
    depth = clip.told.depth[:, followed.thing]
    points = clip.told.in_space(followed.x * np.float32(scale), followed.y * np.float32(scale), depth)
    return np.where(where[:, None], points, np.float32(np.nan)).astype(np.float32)
