"""What may be asked of a clip: of all that a caption promises, what 64x64 pixels can show.

A thing that is a speck, a roll of a step's length, a relation at the edge of its own threshold: a caption tells them, and
no reader of pixels could be held to them. The rules here are read from the truth of the prompt's own scene, never from a
clip, so that a clip made for a prompt is asked exactly what the simulator's own clip is asked.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from langit.simulator.camera import project
from langit.simulator.world import SIZES, Array, Camera, Facts, Happening, Relation, Scene, Thing, Truth

NOMINAL_HEIGHTS = {"eye level": 2.0, "low angle": 0.8, "high angle": 4.9}
"""Metres of a camera at each angle, in the middle of what it may be: all that a prompt tells of scale."""
SIDE = 64  # pixels of the frames that the rules have in mind
FILL = 0.7  # of its box, that a thing fills
SIZE_MARGIN = 0.12  # of the log of metres, by which a size must look nearer to what it is than to any other
SIZE_PIXELS, MATERIAL_PIXELS, SHAPE_PIXELS = 90, 150, 100
AIRBORNE = ("flies", "swings", "rolls_down", "falls", "bounces")
LIKE_OTHERS = {"cone": 160, "pyramid": 160, "egg": 200}
"""Pixels that it takes to tell a cone from a pyramid, and an egg that is seen end on from a ball."""
ASIDE, DEEPER = 0.20, 1.5  # of the frame, metres: of a relation (told from 0.15 and 1.0 on)
TRAVEL, DROP, FLIGHT, RISE, STRUCK = 1.0, 0.8, 1.4, 0.3, 0.6  # metres, and metres per second of what is hit
HIDDEN_FRAMES = 3
OPENING_FRAMES, SHADOW_PIXELS = 8, 60  # frames, and pixels of a thing whose shadow tells the side of the light
ORDER_GAP = 0.5  # seconds between two happenings whose order is asked


@dataclass(frozen=True, eq=False)
class Sight:
    """What is true of a clip's scene and view. F frames, K things."""

    facts: Facts
    positions: Array  # (F, K, 3)
    velocities: Array  # (F, K, 3)
    centroids: Array  # (F, K, 2)
    boxes: Array  # (F, K, 4), NaN where nothing is seen
    visible_share: Array  # (F, K)
    camera: Camera
    fps: float

    @classmethod
    def of(cls, scene: Scene, truth: Truth, facts: Facts) -> Sight:
        path = scene.trajectory
        return cls(
            facts, path.positions, path.velocities, truth.centroids, truth.boxes, truth.visible_share, scene.camera,
            path.fps,
        )  # fmt: skip

    def pixels(self, thing: int) -> NDArray[np.float64]:
        """(F,) about how many pixels of it are seen at 64x64."""
        box = self.boxes[:, thing].astype(np.float64)
        area = (box[:, 2] - box[:, 0]) * (box[:, 3] - box[:, 1]) * SIDE * SIDE * FILL
        return np.nan_to_num(area) * np.clip(self.visible_share[:, thing], 0, 1) ** 0.5

    def thing(self, k: int) -> Thing:
        return self.facts.things[k]


def tells_size(sight: Sight, k: int) -> bool:
    """Whether the thing is large enough on the screen and looks its size from a camera of the usual height.

    The same picture shows a small thing before a low camera and a large one before a high one, and a prompt tells the
    camera's angle but not its height: so size is asked where the usual height gives the right answer by a margin."""
    own = [happening for happening in sight.facts.happenings if happening.subject == k]
    if any(one.kind in AIRBORNE or (one.kind == "slides" and one.object is not None) for one in own):
        return False  # nothing tells how far away it is
    if sight.facts.camera_move == "rise" or float(sight.pixels(k).max()) < SIZE_PIXELS:
        return False
    size = sight.thing(k).size
    height = float(np.median(sight.camera.positions[:, 2]))
    looks = SIZES[size] * NOMINAL_HEIGHTS[sight.facts.camera_angle] / height
    return all(
        abs(math.log(looks / SIZES[size])) + SIZE_MARGIN < abs(math.log(looks / other))
        for name, other in SIZES.items()
        if name != size
    )


def tells_material(sight: Sight, k: int) -> bool:
    return float(sight.pixels(k).max()) >= MATERIAL_PIXELS


def tells_shape(sight: Sight, k: int) -> bool:
    """Whether the thing is large enough for its shape; more is asked of those that differ from others by little."""
    shape = sight.thing(k).shape
    if shape == "cylinder" and sight.facts.camera_angle == "low angle":  # from its side it is a square
        return False
    return float(sight.pixels(k).max()) >= LIKE_OTHERS.get(shape, SHAPE_PIXELS)


def tells_relation(sight: Sight, relation: Relation) -> bool:
    """Whether it holds by a clear margin in the first frame."""
    a, b = relation.subject, relation.object
    if relation.kind == "on":  # that something is on a ramp is told by what it does there
        return "ramp" not in (sight.thing(a).shape, sight.thing(b).shape)
    if relation.kind in ("left_of", "right_of"):
        return abs(float(sight.centroids[0, a, 0] - sight.centroids[0, b, 0])) >= ASIDE
    _, depth = project(sight.camera, sight.positions, SIDE, SIDE)
    return abs(float(depth[0, a] - depth[0, b])) >= DEEPER


def tells_light_side(sight: Sight) -> bool:
    """Whether a thing stands on the ground in the first frames, and the ground is not seen too slantwise for its shadow."""
    if sight.facts.camera_angle == "low angle":
        return False
    aloft = {one.subject for one in sight.facts.happenings if one.kind in ("falls", "flies", "swings")}
    return any(
        k not in aloft and float(sight.pixels(k)[:OPENING_FRAMES].max()) >= SHADOW_PIXELS
        for k in range(len(sight.facts.things))
    )


def tells_happening(sight: Sight, happening: Happening) -> bool:
    """Whether what happens goes clearly beyond the threshold from which on it is told."""
    k, start = happening.subject, round(happening.time * sight.fps)
    path = sight.positions[:, k].astype(np.float64)
    shown = np.flatnonzero(sight.visible_share[start:, k] > 0.4) + start
    if happening.kind in ("still", "spins"):
        return float((sight.visible_share[:, k] > 0.4).mean()) > 0.5
    if len(shown) < 3:
        return False
    seen = path[shown]
    along = float(np.linalg.norm(seen[:, :2] - seen[0, :2], axis=-1).max())
    match happening.kind:
        case "rolls" | "slides" | "rolls_down":
            return along >= TRAVEL
        case "falls":
            return float(seen[:, 2].max() - seen[:, 2].min()) >= DROP
        case "flies":
            return along >= FLIGHT
        case "bounces":
            low = int(np.argmin(path[start : start + 3, 2])) + start
            return float(path[low:, 2].max() - path[low, 2]) >= RISE
        case "hits":
            assert happening.object is not None
            struck = sight.velocities[max(start - 1, 0) : start + 3, happening.object].astype(np.float64)
            return float(np.linalg.norm(struck - struck[0], axis=-1).max()) >= STRUCK
        case "goes_behind":
            return int((sight.visible_share[start:, k] < 0.15).sum()) >= HIDDEN_FRAMES
        case _:
            return True
