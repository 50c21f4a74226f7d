"""Bodies in, states out: MuJoCo moves the world, and only what it did at the frames is kept.

Contacts are declared pair by pair, so that friction and restitution belong to the two things that meet. A body's own
frame is placed on its centre of mass with an explicit inertia, so that MuJoCo's re-centring of meshes never reaches a
pose. K bodies, F frames.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import mujoco
import numpy as np
from mujoco import rollout
from numpy.typing import NDArray

from langit.simulator.world import Thing, Trajectory

Vector = tuple[float, float, float]
Quaternion = tuple[float, float, float, float]
Doubles = NDArray[np.float64]

GROUND = -1
DENSITY = 300.0  # kg/m^3, of every material: so matte and metal move alike and may be swapped
RESTITUTION = {"matte": 0.2, "metal": 0.2, "rubber": 0.76}
SLOWEST_STEP = 0.0032  # seconds
CONTACT_FREQUENCY = 130.0  # rad/s of the contact spring: a contact lasts about 24 ms
IMPEDANCE = "0.7 0.98 0.01"  # softer in the first centimetre: things at rest lie still instead of hopping
SIDEWAYS = 1e-6
"""Share of gravity along x: MuJoCo 4.0 loses contacts of a cylinder that stands on a plane and leans by 1e-15 to 1e-13
rad; this makes it lean more."""
START_OVERLAP = 0.01  # metres
RING = 24  # sides of the polygon that stands for a cone's base
NUM_STATES = 13  # position, quaternion, velocity and angular velocity of one body


@dataclass(frozen=True)
class Body:
    """A thing as the physics sees it at time 0."""

    thing: Thing
    position: Vector
    """Of its centre of mass."""
    quaternion: Quaternion = (1.0, 0.0, 0.0, 0.0)
    velocity: Vector = (0.0, 0.0, 0.0)
    angular_velocity: Vector = (0.0, 0.0, 0.0)
    """Radians per second about the world's axes."""
    fixed: bool = False
    friction: float = 0.6
    torsion: float = 0.01
    """Coefficient of torsional friction, in metres."""
    rolling: float = 0.003
    """Coefficient of rolling friction, in metres."""
    density: float = DENSITY
    restitution: float | None = None
    """Speed kept by a bounce; that of its material when None."""
    hinge: Vector | None = None
    """A rod's: the world axis about which it turns, through its upper end."""
    hangs_from: int | None = None
    """Index of the rod that this body is fastened to."""

    @property
    def bounciness(self) -> float:
        return RESTITUTION[self.thing.material] if self.restitution is None else self.restitution


def simulate(bodies: tuple[Body, ...], *, gravity: float, num_frames: int, fps: float) -> Trajectory:
    """Moves `bodies` for `num_frames` frames and returns their states at the frames, the first of them at time 0.

    Raises ValueError when bodies start inside each other or the motion blows up.
    """
    steps_per_frame = max(1, math.ceil(1 / fps / SLOWEST_STEP))
    pairs = contact_pairs(bodies)
    model = mujoco.MjModel.from_xml_string(mjcf(bodies, pairs, gravity, 1 / fps / steps_per_frame))
    data = mujoco.MjData(model)
    _set_velocities(model, data, bodies)
    mujoco.mj_forward(model, data)
    if data.ncon and data.contact.dist.min() < -START_OVERLAP:
        overlap = -data.contact.dist.min()
        raise ValueError(f"bodies start {overlap:.3f} m inside each other; the most allowed is {START_OVERLAP} m")
    state = np.zeros(mujoco.mj_stateSize(model, mujoco.mjtState.mjSTATE_FULLPHYSICS))
    mujoco.mj_getState(model, data, state, mujoco.mjtState.mjSTATE_FULLPHYSICS)
    # The sensors of a step tell the state before it: one step past the last frame reads the last frame.
    num_steps = (num_frames - 1) * steps_per_frame + 1
    readings: Doubles = rollout.rollout(model, data, state, nstep=num_steps)[1][0]  # (S, 13 K + 3 pairs)
    if not np.isfinite(readings).all() or data.warning[mujoco.mjtWarning.mjWARN_BADQACC].number:
        raise ValueError("the motion blew up; give the bodies lower speeds or other places")
    states = readings[::steps_per_frame, : NUM_STATES * len(bodies)].reshape(num_frames, len(bodies), NUM_STATES)
    forces = np.linalg.norm(readings[:, NUM_STATES * len(bodies) :].reshape(num_steps, len(pairs), 3), axis=-1)
    return Trajectory(
        positions=states[..., 0:3].astype(np.float32),
        quaternions=states[..., 3:7].astype(np.float32),
        velocities=states[..., 7:10].astype(np.float32),
        angular_velocities=states[..., 10:13].astype(np.float32),
        contacts=_contacts(forces, pairs, steps_per_frame),
        fps=fps,
    )


def contact_pairs(bodies: tuple[Body, ...]) -> tuple[tuple[int, int], ...]:
    """Bodies that can touch, (a, b) with a < b; the ground is -1. A rod touches nothing."""
    solid = [k for k, body in enumerate(bodies) if body.thing.shape != "rod"]
    free = [k for k in solid if not bodies[k].fixed]
    ground = [(GROUND, k) for k in free]
    return tuple(ground + [(a, b) for a in solid for b in solid if a < b and (a in free or b in free)])


def mass(body: Body) -> float:
    return body.density * volume(body.thing)


def volume(thing: Thing) -> float:
    """Cubic metres."""
    a, b, c = thing.half_extents
    share = {
        "ball": 4 / 3 * math.pi,
        "egg": 4 / 3 * math.pi,
        "cylinder": 2 * math.pi,
        "cone": 2 / 3 * math.pi,
        "pyramid": 8 / 3,
    }
    return a * b * c * share.get(thing.shape, 8.0)


def inertia(body: Body) -> Vector:
    """Moments about its own axes through the centre of mass, kg m^2."""
    thing, weight = body.thing, mass(body)
    # Mean squares of x, y and z over the solid, in units of the squared half extents.
    squares = {
        "ball": (1 / 5, 1 / 5),
        "egg": (1 / 5, 1 / 5),
        "cylinder": (1 / 4, 1 / 3),
        "cone": (3 / 20, 3 / 20),
        "pyramid": (1 / 5, 3 / 20),
    }
    across, along = squares.get(thing.shape, (1 / 3, 1 / 3))
    a, b, c = thing.half_extents
    x, y, z = across * a * a, across * b * b, along * c * c
    return weight * (y + z), weight * (x + z), weight * (x + y)


def height_of_centre(thing: Thing) -> float:
    """Of the centre of mass over the base, upright."""
    return thing.half_extents[2] * (0.5 if thing.shape in ("cone", "pyramid") else 1.0)


@cache
def vertices(thing: Thing) -> Doubles:
    """Corners (V, 3) of a thing in its own frame: polygons stand in for cones and cylinders; none for ball and egg."""
    a, b, c = thing.half_extents
    angle = np.arange(RING) * 2 * np.pi / RING
    ring = np.stack([a * np.cos(angle), b * np.sin(angle)], -1)
    square = np.array([[-a, -b], [a, -b], [a, b], [-a, b]])
    match thing.shape:
        case "ball" | "egg":
            return np.zeros((0, 3))
        case "cone" | "pyramid":
            base = ring if thing.shape == "cone" else square
            return np.concatenate([np.insert(base, 2, -c / 2, axis=1), [[0.0, 0.0, 1.5 * c]]])
        case "cylinder":
            return np.concatenate([np.insert(ring, 2, -c, axis=1), np.insert(ring, 2, c, axis=1)])
        case _:
            return np.concatenate([np.insert(square, 2, -c, axis=1), np.insert(square, 2, c, axis=1)])


def rotations(quaternions: NDArray[np.floating]) -> Doubles:
    """Body-to-world matrices (..., 3, 3) of quaternions (..., 4)."""
    w, x, y, z = np.moveaxis(np.asarray(quaternions, np.float64), -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, -1) for row in rows], -2)


def depths_below_centre(thing: Thing, quaternions: NDArray[np.floating]) -> Doubles:
    """How far the lowest point of a thing is under its centre of mass, metres; (...) for quaternions (..., 4)."""
    up = rotations(quaternions)[..., 2, :]  # the world's z in the body's frame
    if thing.shape in ("ball", "egg"):
        return np.asarray(np.linalg.norm(up * np.array(thing.half_extents), axis=-1))
    return np.asarray(-(up @ vertices(thing).T).min(-1))


def mjcf(bodies: tuple[Body, ...], pairs: tuple[tuple[int, int], ...], gravity: float, timestep: float) -> str:
    """The world as MuJoCo's XML: body, geom and joint k are named after `bodies[k]`."""
    meshes, trees, sensors = [], [], []
    for k, body in enumerate(bodies):
        if body.thing.shape in ("cone", "pyramid"):
            meshes.append(f'<mesh name="m{k}" vertex="{_numbers(vertices(body.thing).ravel())}"/>')
        if body.hangs_from is None:
            hung = (j for j, other in enumerate(bodies) if other.hangs_from == k)
            trees.append(_body_xml(k, bodies, "".join(_body_xml(j, bodies, "") for j in hung)))
        sensors += [f'<{kind} objtype="xbody" objname="b{k}"/>' for kind in ("framepos", "framequat")]
        sensors += [f'<{kind} objtype="body" objname="b{k}"/>' for kind in ("framelinvel", "frameangvel")]
    for a, b in pairs:
        sensors.append(f'<contact geom1="{_geom_name(a)}" geom2="g{b}" data="force" reduce="netforce"/>')
    return (
        f'<mujoco><option timestep="{timestep!r}" gravity="{SIDEWAYS * gravity!r} 0 {-gravity!r}" cone="elliptic" '
        f'impratio="3"><flag multiccd="enable"/></option><asset>{"".join(meshes)}</asset><worldbody>'
        f'<geom name="ground" type="plane" size="0 0 1" contype="0" conaffinity="0"/>{"".join(trees)}</worldbody>'
        f"<contact>{''.join(_pair_xml(a, b, bodies) for a, b in pairs)}</contact>"
        f"<sensor>{''.join(sensors)}</sensor></mujoco>"
    )


def _body_xml(k: int, bodies: tuple[Body, ...], children: str) -> str:
    body, thing = bodies[k], bodies[k].thing
    position = np.array(body.position)
    quaternion = body.quaternion
    joint = "" if body.fixed else f'<freejoint name="j{k}"/>'
    if body.hinge is not None:
        to_body = rotations(np.array(body.quaternion)).T
        joint = f'<joint name="j{k}" axis="{_numbers(to_body @ body.hinge)}" pos="0 0 {thing.half_extents[2]!r}"/>'
    if body.hangs_from is not None:  # both are told in the rod's frame
        rod = bodies[body.hangs_from]
        joint = ""
        position = rotations(np.array(rod.quaternion)).T @ (position - np.array(rod.position))
        quaternion = (1.0, 0.0, 0.0, 0.0)
    extents = _numbers(thing.half_extents)
    match thing.shape:
        case "ball":
            geom = f'type="sphere" size="{thing.half_extents[0]!r}"'
        case "egg":
            geom = f'type="ellipsoid" size="{extents}"'
        case "cylinder":
            geom = f'type="cylinder" size="{thing.half_extents[0]!r} {thing.half_extents[2]!r}"'
        case "cone" | "pyramid":
            geom = f'type="mesh" mesh="m{k}"'
        case _:
            geom = f'type="box" size="{extents}"'
    return (
        f'<body name="b{k}" pos="{_numbers(position)}" quat="{_numbers(quaternion)}">{joint}'
        f'<inertial pos="0 0 0" mass="{mass(body)!r}" diaginertia="{_numbers(inertia(body))}"/>'
        f'<geom name="g{k}" {geom} contype="0" conaffinity="0"/>{children}</body>'
    )


def _pair_xml(a: int, b: int, bodies: tuple[Body, ...]) -> str:
    second = bodies[b]
    first = second if a == GROUND else bodies[a]  # the ground takes after what touches it
    restitution = (first.bounciness + second.bounciness) / 2
    if first.fixed or second.fixed:
        restitution = (second if first.fixed else first).bounciness
    friction = min(first.friction, second.friction)
    torsion, rolling = min(first.torsion, second.torsion), min(first.rolling, second.rolling)
    damping = damping_ratio(restitution)
    return (
        f'<pair geom1="{_geom_name(a)}" geom2="g{b}" condim="6" '
        f'friction="{_numbers((friction, friction, torsion, rolling, rolling))}" '
        f'solref="{1 / (CONTACT_FREQUENCY * damping)!r} {damping!r}" solimp="{IMPEDANCE}"/>'
    )


def damping_ratio(restitution: float) -> float:
    """Of the contact spring that gives back `restitution` of the speed.

    A contact ends when the force does, before the spring is back at its length: Schwager and Poeschel, "Coefficient of
    restitution and linear-dashpot model revisited" (2007), equation 22. The inverse is read from a table.
    """
    return float(np.interp(-restitution, -_RESTITUTIONS, _DAMPINGS))


_DAMPINGS = np.linspace(0.001, 0.999, 999)
_SWINGS = np.sqrt(1 - _DAMPINGS**2)
_RESTITUTIONS = np.exp(-_DAMPINGS / _SWINGS * (np.pi - np.arctan2(2 * _DAMPINGS * _SWINGS, _SWINGS**2 - _DAMPINGS**2)))


def _set_velocities(model: mujoco.MjModel, data: mujoco.MjData, bodies: tuple[Body, ...]) -> None:
    for k, body in enumerate(bodies):
        if body.fixed or body.hangs_from is not None:
            continue
        at = model.joint(f"j{k}").dofadr[0]
        if body.hinge is not None:
            data.qvel[at] = np.dot(body.hinge, body.angular_velocity)
        else:  # a free joint turns about the body's own axes
            data.qvel[at : at + 3] = body.velocity
            data.qvel[at + 3 : at + 6] = rotations(np.array(body.quaternion)).T @ body.angular_velocity


def _contacts(
    forces: Doubles, pairs: tuple[tuple[int, int], ...], steps_per_frame: int
) -> tuple[tuple[tuple[int, int, float], ...], ...]:
    """Forces (S, pairs) to the greatest per frame interval; the first frame has none before it."""
    intervals = forces[1:].reshape(-1, steps_per_frame, len(pairs)).max(1)
    touching = tuple(
        tuple((a, b, float(force)) for (a, b), force in zip(pairs, interval, strict=True) if force > 0)
        for interval in intervals
    )
    return ((), *touching)


def _geom_name(k: int) -> str:
    return "ground" if k == GROUND else f"g{k}"


def _numbers(values: Doubles | tuple[float, ...]) -> str:
    return " ".join(f"{float(value):.9g}" for value in values)
