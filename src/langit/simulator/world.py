"""What can exist in the simulated world, and the values that its parts pass to each other.

Axes of the world: x to the right, y away from the default camera, z up; metres, seconds, radians. The ground is z = 0.
Quaternions are (w, x, y, z), body to world, as in MuJoCo. F frames, K things.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

SHAPES = ("ball", "cube", "cylinder", "cone", "pyramid", "egg", "plank")
"""ball: sphere. cube, plank: boxes (a plank is long, thin and upright). egg: an ellipsoid. cone, pyramid, cylinder stand on
their base. Every shape is convex, and its own frame is centred on its centre of mass."""

COLOURS: dict[str, tuple[float, float, float]] = {
    "red": (0.80, 0.06, 0.06),
    "orange": (0.95, 0.42, 0.03),
    "yellow": (0.95, 0.82, 0.06),
    "green": (0.06, 0.52, 0.12),
    "cyan": (0.05, 0.70, 0.75),
    "blue": (0.06, 0.16, 0.80),
    "purple": (0.42, 0.08, 0.62),
    "pink": (0.95, 0.40, 0.62),
    "white": (0.92, 0.92, 0.92),
    "black": (0.04, 0.04, 0.05),
}
"""Albedo of each colour, linear RGB."""

MATERIALS = ("matte", "metal", "rubber")
"""matte: diffuse only. metal: a sharp highlight and a reflection of the sky. rubber: a broad soft highlight, bounces well."""

SIZES: dict[str, float] = {"small": 0.58, "medium": 0.80, "large": 1.05}
"""Characteristic half extent in metres."""

EVENTS = (
    "still",  # nothing moves
    "fall",  # dropped from a height, comes to rest with little bounce
    "bounce",  # dropped, bounces at least twice
    "roll",  # rolls over the ground
    "slide",  # slides over the ground and slows down
    "throw",  # flies in an arc through the frame
    "collide",  # one thing hits another, which moves
    "topple",  # a thing hits a stack, which falls over
    "ramp",  # rolls or slides down a ramp
    "occlude",  # passes behind a wall and comes out on the other side
    "swing",  # hangs from a rod and swings
    "spin",  # spins about the vertical
)
"""The planned event of a scene. What truly happens is told by `facts`."""

CAMERA_MOVES = ("static", "pan left", "pan right", "orbit left", "orbit right", "dolly in", "dolly out", "rise")
CAMERA_ANGLES = ("eye level", "low angle", "high angle")
LIGHTS = ("noon", "sunset", "night")
LIGHT_SIDES = ("left", "right", "behind", "front")
"""Where the light comes from, seen from the camera at its first frame."""
GROUNDS = ("grass", "sand", "tiles", "wood", "snow")


@dataclass(frozen=True)
class Thing:
    """One body. `shape` may also be "wall", "ramp" or "rod": props, which are told as themselves and never reserved."""

    shape: str
    colour: str
    material: str
    size: str
    half_extents: tuple[float, float, float]
    """Half sizes along its own axes. cone and pyramid: (base radius or half side, same, half height)."""

    @property
    def is_prop(self) -> bool:
        return self.shape not in SHAPES


@dataclass(frozen=True)
class Trajectory:
    """Where every thing is at every frame: all that is kept of the physics."""

    positions: Array  # (F, K, 3) centres of mass
    quaternions: Array  # (F, K, 4)
    velocities: Array  # (F, K, 3)
    angular_velocities: Array  # (F, K, 3) world axes
    contacts: tuple[tuple[tuple[int, int, float], ...], ...]
    """Per frame interval ending at that frame: (thing a, thing b, greatest net force in newton), a < b; the ground is -1."""
    fps: float


@dataclass(frozen=True)
class Camera:
    """The camera's path."""

    move: str
    angle: str
    positions: Array  # (F, 3)
    targets: Array  # (F, 3) the point looked at; up is +z
    vertical_fov: (
        float  # radians, for a square frame; wider frames see more to the sides, taller ones more above and below
    )


@dataclass(frozen=True)
class Light:
    time: str  # one of LIGHTS
    side: str  # one of LIGHT_SIDES
    direction: tuple[float, float, float]  # unit vector from the scene towards the light


@dataclass(frozen=True)
class Scene:
    """Everything that decides the pixels, and nothing else."""

    seed: int
    event: str
    things: tuple[Thing, ...]
    trajectory: Trajectory
    camera: Camera
    light: Light
    ground: str
    gravity: float  # m/s^2, positive is down
    actors: tuple[int, ...] = ()
    """Things that the event is about, first the one that acts."""

    @property
    def num_frames(self) -> int:
        return int(self.trajectory.positions.shape[0])


@dataclass(frozen=True)
class Happening:
    """One thing that truly happens, read from the states, in the order of `time`."""

    time: float
    kind: str
    """still, falls, bounces, rolls, slides, flies, hits, topples, rolls_down, goes_behind, comes_out, swings, spins, stops,
    leaves (goes out of the frame). A slide down a ramp is slides with the ramp as its object."""
    subject: int
    object: int | None = None
    direction: str | None = None  # left, right, away, towards: on the screen of the first frame
    count: int | None = None  # bounces


@dataclass(frozen=True)
class Relation:
    """Where one thing is from another in the first frame: left_of, right_of, in_front_of, behind, on."""

    kind: str
    subject: int
    object: int


@dataclass(frozen=True)
class Facts:
    """All that a true caption may say of a scene."""

    things: tuple[Thing, ...]
    places: tuple[str | None, ...]
    """Per thing, where it is first seen: left, centre, right, top ("above"), or None when it starts out of frame."""
    happenings: tuple[Happening, ...]
    relations: tuple[Relation, ...]
    camera_move: str
    camera_angle: str
    light_time: str
    light_side: str
    ground: str


@dataclass(frozen=True)
class Truth:
    """Ground truth of rendered frames."""

    segmentation: NDArray[np.uint8]  # (F, H, W): 0 sky, 1 ground, 2 + k thing k
    boxes: Array  # (F, K, 4): left, top, right, bottom of the visible part in [0, 1] of the frame; NaN when not visible
    visible_share: (
        Array  # (F, K): visible pixels / pixels with nothing in front and the frame unbounded to twice its size
    )
    centroids: Array  # (F, K, 2): x, y of the projected centre of mass in [0, 1] of the frame (may lie outside)
    depth: Array  # (F, H, W) metres along the ray; inf for the sky
