"""What can be seen in a clip: the values that `observe` returns and every measure of the exam reads.

F frames, T tracks. Places are in [0, 1] of the frame, x to the right and y down, pixel centres at (i + 0.5) / size.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from langit.simulator.world import SHAPES, Happening, Relation

Array = NDArray[np.float32]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Track:
    """One thing followed through the clip. Where it is not visible its numbers are NaN (area 0)."""

    colour: str
    shape: str
    """One of `SHAPES`, or "wall", "ramp", "rod" for props."""
    material: str
    size: str
    certainty: dict[str, float]
    """Per "colour", "shape", "material", "size": share of what was seen that speaks for it."""
    x: Array  # (F,) centroid of the visible part, sub-pixel
    y: Array  # (F,)
    area: Array  # (F,) share of the frame's pixels
    boxes: Array  # (F, 4) left, top, right, bottom of the visible part, sub-pixel
    visible: Flags  # (F,)
    whole: Flags  # (F,) visible, away from the frame's edge and with no other thing in contact on the screen
    depth: Array  # (F,) estimated metres from the camera; coarse
    steady_x: Array  # (F,) as x with the camera's motion since the first frame taken out
    steady_y: Array  # (F,)
    change: Array  # (F,) how much its looks changed since the frame before: mean absolute difference, in [0, 1]
    colours_seen: NDArray[np.int8]  # (F,) index into COLOURS per frame, -1 where not visible
    shapes_seen: NDArray[np.int8]  # (F,) index into SEEN_SHAPES per frame, -1 where not visible
    shapes: Array = field(default_factory=lambda: np.zeros(0, np.float32))
    """Probability of each of SEEN_SHAPES; empty where nobody asked."""

    @property
    def is_prop(self) -> bool:
        return self.shape not in SHAPES

    @property
    def first(self) -> int:
        """First visible frame."""
        return int(np.argmax(self.visible))

    @property
    def last(self) -> int:
        """Last visible frame."""
        return int(len(self.visible) - 1 - np.argmax(self.visible[::-1]))


@dataclass(frozen=True, eq=False)
class Observation:
    """All that is read from the pixels of one clip."""

    fps: float
    num_frames: int
    height: int
    width: int
    tracks: tuple[Track, ...]
    """Largest first; props among them."""
    events: tuple[Happening, ...]
    """In the order of time; subjects and objects are indices of tracks. Kinds as in `simulator.world.Happening`."""
    relations: tuple[Relation, ...]
    """Between tracks in the first frame."""
    camera_move: str
    """One of CAMERA_MOVES."""
    background_motion: Array
    """(F, 3): shift x, shift y (of the frame) and log zoom of the background since the first frame: a background point
    p of frame 0 is seen at (p - 0.5) * exp(zoom) + 0.5 + shift."""
    light_time: str
    light_side: str
    ground: str
    horizon: Array  # (F,) row in [0, 1] where the ground begins; 0 where all is ground
    background: Array  # (F, 2, 3) mean sRGB in [0, 1] of sky and ground where no thing is; NaN where none is seen

    @property
    def things(self) -> tuple[Track, ...]:
        return tuple(track for track in self.tracks if not track.is_prop)

    @property
    def time(self) -> Array:
        return np.arange(self.num_frames, dtype=np.float32) / np.float32(self.fps)
