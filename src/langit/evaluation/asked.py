"""What may be asked of a clip: of all that a caption promises, what 64x64 pixels can show.

One principle: an attribute is asked only where its answer is in the pixels of the simulator's own clip. A thing that is a
speck, white on snow, an egg that is seen end on, a turn that changes no pixel, a shadow that falls behind what casts it, a
relation at the edge of its own threshold: a caption tells them, and no reader of pixels could be held to them. Every rule
is read from the truth of the prompt's own scene (its states, its rendered pixels, or its pixels with the attribute
changed) and never from what a reader said nor from a model's clip, so that a clip made for a prompt is asked exactly what
the simulator's own clip is asked.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from langit.simulator.camera import axes, project
from langit.simulator.physics import depths_below_centre
from langit.simulator.render import render
from langit.simulator.world import LIGHT_SIDES, SIZES, Array, Camera, Facts, Happening, Relation, Scene, Thing, Truth
from langit.types import Frames

SIDE = 64  # pixels of the shorter side of the frames that the rules look at
NOMINAL_HEIGHTS = {"eye level": 2.0, "low angle": 0.8, "high angle": 4.9}
"""Metres of a camera at each angle, in the middle of what it may be: all that a prompt tells of scale."""
SIZE_MARGIN = 0.25  # of the log of metres, by which a size must look nearer to what it is than to any other
WHOLE, WHOLE_FRAMES = 0.97, 0.5  # of a thing, that is seen; in so much of the clip, of what is measured
SIZE_PIXELS, MATERIAL_PIXELS, SHAPE_PIXELS = 90, 150, 130
UNCUT = 0.9  # of a thing, that is seen in some frames where its shape is asked
MOVING = ("rolls", "slides", "rolls_down", "falls", "flies")
AIRBORNE = ("flies", "swings", "rolls_down", "falls", "bounces")
LIKE_OTHERS = {"cone": 200, "pyramid": 200, "egg": 250}
"""Pixels that it takes to tell a cone from a pyramid, and an egg from a ball."""
UNEVEN = 20.0  # levels by which a thing's pixels would change otherwise than all alike, were it metal or were it not
LONGER = 1.15  # times its shorter axis, that an egg must look long in some frames
FEWEST_PIXELS, CLEAR_FRAMES = 40, 4  # of a thing that is told; in so many frames
STANDS_OUT, MOST = 15.0, 0.5  # levels between pixels of a thing and what mostly is about it; of so many of its pixels
ABOUT = 3  # pixels
ASIDE, DEEPER = 0.20, 1.8  # of the frame, metres: of a relation (told from 0.15 and 1.0 on)
UNHIDDEN = 0.65  # of a thing, that is seen in the first frame where a relation is asked
ALOFT_FLIGHT = 0.3  # metres over the ground, of a flight: what skims the ground looks as if it slid
ALOFT = 0.3  # metres over the ground, from which on nothing tells how far away a thing is
TRAVEL, DROP, FLIGHT, RISE, STRUCK = 1.0, 0.8, 1.4, 0.3, 0.6  # metres, and metres per second of what is hit
HIDDEN_FRAMES = 3
SHIFT = 6.0  # pixels that a camera that stays would see a moving thing go
CLEARER = 2.0  # times the other component of its velocity, of the direction in which something moves
TURNING = 5.0  # levels that a turning thing's pixels change from frame to frame
OPENING_FRAMES = (0, 3, 6)  # that show the side of the light
SHADOW_REACH = 0.6  # times what casts it, of a shadow's way aside: that of a high light lies beneath its thing
SHADOW_PIXELS, SHADOW_LEVELS = (
    120,
    12,
)  # of the ground that would look otherwise, were the light on another side; by how much
GRAIN = 0.8  # levels from pixel to pixel, of a ground whose motion tells the camera's
ORDER_GAP = 0.5  # seconds between two happenings whose order is asked, or two hits of one thing that are told apart


@dataclass(frozen=True, eq=False)
class Sight:
    """A scene with what is true of it, and its own clip. F frames, K things."""

    scene: Scene
    facts: Facts
    frames: Frames  # (F, SIDE, SIDE, 3) or larger one way
    truth: Truth

    @classmethod
    def of(cls, scene: Scene, facts: Facts, size: tuple[int, int] = (SIDE, SIDE)) -> Sight:
        """Renders the scene at `SIDE`, with the aspect of a (height, width)."""
        scale = SIDE / min(size)
        frames, truth = render([scene], round(size[0] * scale), round(size[1] * scale))[0]
        assert truth is not None
        return cls(scene, facts, frames, truth)

    @property
    def positions(self) -> Array:
        return self.scene.trajectory.positions

    @property
    def camera(self) -> Camera:
        return self.scene.camera

    @property
    def visible_share(self) -> Array:
        return self.truth.visible_share

    @cached_property
    def pixels(self) -> NDArray[np.int64]:
        """(F, K) of every thing that are seen."""
        return np.stack([self.mask(k).sum((1, 2)) for k in range(len(self.facts.things))], -1)

    def mask(self, k: int) -> NDArray[np.bool_]:
        return np.asarray(self.truth.segmentation == 2 + k)

    def most(self, k: int) -> float:
        """Pixels of a thing in the frame that shows most of it."""
        return float(self.pixels[:, k].max())

    def best(self, k: int) -> list[int]:
        """Frames that show most of a thing."""
        return [int(frame) for frame in np.argsort(-self.pixels[:, k], kind="stable")[:8:2] if self.pixels[frame, k]]

    def otherwise(self, scene: Scene, frames: Sequence[int]) -> NDArray[np.float64]:
        """(frames, H, W, 3) levels by which pixels of a changed scene lie over those of this one."""
        size = self.frames.shape[1:3]
        parts = [render([scene], *size, frames=slice(one, one + 1), truth=False)[0][0][0] for one in frames]
        return np.asarray(np.stack(parts).astype(np.float64) - self.frames[list(frames)])

    def thing(self, k: int) -> Thing:
        return self.facts.things[k]


def stands_out(sight: Sight, k: int) -> bool:
    """Whether a thing is well seen in some frames, and most of it has another colour than what is about it there.

    That is the middle colour, not the mean: a dark shadow beside a mirror of the snow does not make it stand out."""
    clear = (sight.pixels[:, k] >= FEWEST_PIXELS) & (sight.visible_share[:, k] > 0.6)
    if clear.sum() < CLEAR_FRAMES:
        return False
    shares = []
    for frame in sight.best(k):
        mask = sight.mask(k)[frame]
        about = ndimage.binary_dilation(mask, iterations=ABOUT) & ~mask
        if about.any():
            colours = sight.frames[frame].astype(np.float64)
            apart = np.abs(colours[mask] - np.median(colours[about], 0)).mean(-1)
            shares.append(float((apart >= STANDS_OUT).mean()))
    return not shares or float(np.mean(shares)) >= MOST


def tells_size(sight: Sight, k: int) -> bool:
    """Whether the thing is large enough on the screen and looks its size from a camera of the usual height.

    The same picture shows a small thing before a low camera and a large one before a high one, and a prompt tells the
    camera's angle but not its height: so size is asked where the usual height gives the right answer by a margin."""
    own = [happening for happening in sight.facts.happenings if happening.subject == k]
    if any(one.kind in AIRBORNE or (one.kind == "slides" and one.object is not None) for one in own):
        return False  # nothing tells how far away it is
    if sight.facts.camera_move == "rise" or sight.most(k) < SIZE_PIXELS or not tells_shape(sight, k):
        return False
    whole = np.flatnonzero(sight.visible_share[:, k] > WHOLE)
    if len(whole) < WHOLE_FRAMES * len(sight.frames):
        return False
    if float(np.median([_aloft(sight, k, int(frame)) for frame in whole])) > ALOFT:  # it stands on something
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
    """Whether the thing is large enough, and would look otherwise than brighter or darker, were it metal or were it not."""
    if sight.most(k) < MATERIAL_PIXELS:
        return False
    others = ("matte", "rubber") if sight.thing(k).material == "metal" else ("metal",)
    return all(_uneven(sight, k, other) >= UNEVEN for other in others)


def _uneven(sight: Sight, k: int, material: str) -> float:
    """Levels by which the thing's pixels would change otherwise than all alike, were it of another material."""
    things = list(sight.scene.things)
    things[k] = replace(things[k], material=material)
    uneven = []
    for frame in sight.best(k)[:3]:
        apart = sight.otherwise(replace(sight.scene, things=tuple(things)), [frame])[0][sight.mask(k)[frame]]
        uneven.append(np.abs(apart - apart.mean(0)).mean())
    return float(np.mean(uneven))


def tells_shape(sight: Sight, k: int) -> bool:
    """Whether the thing is large enough for its shape and not cut; more is asked of those that differ from others by little."""
    shape = sight.thing(k).shape
    if shape == "cylinder" and sight.facts.camera_angle == "low angle":  # from its side it is a square
        return False
    if int((sight.visible_share[:, k] > UNCUT).sum()) < min(CLEAR_FRAMES, len(sight.frames)):
        return False
    if shape == "egg" and not _looks_long(sight, k):
        return False
    return sight.most(k) >= LIKE_OTHERS.get(shape, SHAPE_PIXELS)


def _looks_long(sight: Sight, k: int) -> bool:
    """Whether it is seen from its side in some frames, whole."""
    shown = (sight.pixels[:, k] >= 0.5 * sight.most(k)) & (sight.visible_share[:, k] > UNCUT)
    long = []
    for frame in np.flatnonzero(shown):
        rows, columns = np.nonzero(sight.mask(k)[frame])
        spread = np.linalg.eigvalsh(np.cov(np.stack([rows, columns]).astype(np.float64)) + np.eye(2) / 12)
        long.append(math.sqrt(spread[1] / spread[0]) >= LONGER)
    return sum(long) >= min(CLEAR_FRAMES, len(sight.frames))


def tells_relation(sight: Sight, relation: Relation) -> bool:
    """Whether it holds by a clear margin in the first frame; how far away a thing in the air is, nothing tells."""
    a, b = relation.subject, relation.object
    if relation.kind == "on":  # that something is on a ramp is told by what it does there
        return "ramp" not in (sight.thing(a).shape, sight.thing(b).shape)
    if min(sight.pixels[0, [a, b]]) < FEWEST_PIXELS or min(sight.visible_share[0, [a, b]]) < UNHIDDEN:
        return False
    if relation.kind in ("left_of", "right_of"):
        across = sight.truth.centroids[0, :, 0]
        return abs(float(across[a] - across[b])) >= ASIDE
    _, depth = project(sight.camera, sight.positions, SIDE, SIDE)
    if max(_aloft(sight, a), _aloft(sight, b)) > ALOFT:
        return False
    return abs(float(depth[0, a] - depth[0, b])) >= DEEPER


def _aloft(sight: Sight, k: int, frame: int = 0) -> float:
    """Metres under a thing in a frame."""
    turn = sight.scene.trajectory.quaternions[frame : frame + 1, k]
    return float(sight.positions[frame, k, 2] - depths_below_centre(sight.thing(k), turn)[0])


def tells_light_side(sight: Sight) -> bool:
    """Whether the light throws its shadows aside, the ground would look otherwise, were it on any other side, and is not seen
    too slantwise."""
    x, y, z = sight.scene.light.direction
    if sight.facts.camera_angle == "low angle" or math.hypot(x, y) < SHADOW_REACH * z:
        return False
    others = [side for side in LIGHT_SIDES if side != sight.facts.light_side]
    frames = [frame for frame in OPENING_FRAMES if frame < len(sight.frames)]
    ground = sight.truth.segmentation[frames] == 1
    for side in others:
        apart = np.abs(sight.otherwise(_lit_from(sight.scene, side), frames)).mean(-1)
        if ((apart >= SHADOW_LEVELS) & ground).sum() < SHADOW_PIXELS * len(frames):
            return False
    return True


def _lit_from(scene: Scene, side: str) -> Scene:
    """The scene with its light turned about the vertical to another side of the first frame's camera."""
    quarters = {"front": 0, "left": 1, "behind": 2, "right": 3}
    turn = (quarters[side] - quarters[scene.light.side]) * math.pi / 2
    x, y, z = scene.light.direction
    turned = (x * math.cos(turn) - y * math.sin(turn), x * math.sin(turn) + y * math.cos(turn), z)
    return replace(scene, light=replace(scene.light, side=side, direction=turned))


def tells_camera(sight: Sight) -> bool:
    """Whether the ground has some grain that moves with the camera: fresh snow has none."""
    frames = slice(None, None, 8)
    grey, ground = sight.frames[frames].astype(np.float64).mean(-1), sight.truth.segmentation[frames] == 1
    beside = ground[:, :, 1:] & ground[:, :, :-1]
    return bool(beside.any()) and float(np.abs(np.diff(grey, axis=2))[beside].mean()) >= GRAIN


def tells_direction(sight: Sight, happening: Happening) -> bool:
    """Whether it moves clearly more across the screen than in depth, or the other way round."""
    frame = round(happening.time * sight.scene.trajectory.fps)
    right, _, forward = (axis[0].astype(np.float64) for axis in axes(sight.camera))
    velocity = sight.scene.trajectory.velocities[frame : frame + 2, happening.subject].astype(np.float64).mean(0)[:2]
    ahead = forward[:2] / np.hypot(forward[0], forward[1])
    components = sorted((abs(float(velocity @ right[:2])), abs(float(velocity @ ahead))))
    return components[1] >= CLEARER * components[0]


def tells_happening(sight: Sight, happening: Happening) -> bool:
    """Whether what happens goes clearly beyond the threshold from which on it is told."""
    k, start = happening.subject, round(happening.time * sight.scene.trajectory.fps)
    path = sight.positions[:, k].astype(np.float64)
    shown = np.flatnonzero(sight.visible_share[start:, k] > 0.4) + start
    if happening.kind in ("still", "spins"):
        often = float((sight.visible_share[:, k] > 0.4).mean()) > 0.5
        return often and (happening.kind == "still" or _changes(sight, k) >= TURNING)
    if len(shown) < 3:
        return False
    seen = path[shown]
    along = float(np.linalg.norm(seen[:, :2] - seen[0, :2], axis=-1).max())
    if happening.kind in MOVING and _shift(sight, k, shown) < SHIFT:
        return False
    match happening.kind:
        case "rolls" | "slides" | "rolls_down":
            return along >= TRAVEL
        case "falls":
            return float(seen[:, 2].max() - seen[:, 2].min()) >= DROP
        case "flies":
            return along >= FLIGHT and max(_aloft(sight, k, int(frame)) for frame in shown) >= ALOFT_FLIGHT
        case "bounces":
            low = int(np.argmin(path[start : start + 3, 2])) + start
            return float(path[low:, 2].max() - path[low, 2]) >= RISE
        case "hits":
            assert happening.object is not None
            velocities, before = sight.scene.trajectory.velocities, max(start - 1, 0)
            struck = velocities[before : start + 3, happening.object].astype(np.float64)
            after = np.flatnonzero(sight.visible_share[before:, happening.object] > 0.4) + before
            goes = len(after) > 1 and _shift(sight, happening.object, after) >= SHIFT / 2
            return goes and float(np.linalg.norm(struck - struck[0], axis=-1).max()) >= STRUCK
        case "goes_behind":
            return int((sight.visible_share[start:, k] < 0.15).sum()) >= HIDDEN_FRAMES
        case _:
            return True


def _shift(sight: Sight, k: int, shown: NDArray[np.intp]) -> float:
    """Pixels that a thing goes on the screen in frames `shown`, seen from where the camera is in the first of them."""
    path = sight.positions[shown, k]
    right, up, forward = (axis[shown[0]] for axis in axes(sight.camera))
    offset = path - sight.camera.positions[shown[0]]
    ahead = np.maximum(offset @ forward, 0.1)
    place = np.stack([offset @ right, offset @ up], -1) / ahead[:, None] / math.tan(sight.camera.vertical_fov / 2)
    return float(np.linalg.norm(place - place[0], axis=-1).max()) * SIDE / 2


def _changes(sight: Sight, k: int) -> float:
    """Levels by which a thing's pixels change from a frame to the next, in the mean."""
    mask = sight.mask(k)
    both = mask[1:] & mask[:-1]
    apart = np.abs(np.diff(sight.frames.astype(np.float64), axis=0)).mean(-1)
    return float(apart[both].mean()) if both.any() else 0.0
