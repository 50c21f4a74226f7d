"""How each planned event starts: the things that take part and where, and how fast.

An event is laid out along +x with the action centred on the origin, then turned to its heading. Lengths are in metres;
speeds and heights are chosen so that what matters is over well within four seconds, whatever the gravity.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from langit.simulator.physics import Body, Quaternion, Vector, height_of_centre, inertia, mass, rotations
from langit.simulator.world import Thing

Rng = np.random.Generator

LYING: Quaternion = (math.sqrt(0.5), math.sqrt(0.5), 0.0, 0.0)
"""Own z along -y: cylinders and eggs that roll along x."""

ROLLERS = ("ball", "egg", "cylinder")


@dataclass(frozen=True)
class Stage:
    """What takes part in an event, with the actors first and the props last. `hangs_from` counts within the stage."""

    bodies: tuple[Body, ...]
    reach: tuple[float, float]
    """The stretch of the x axis that the action needs free."""


@dataclass(frozen=True)
class Role:
    """Who may act in an event, and what it needs."""

    shapes: dict[str, float]
    """Shapes of the thing that acts, with their weights."""
    lay: Callable[[Rng, tuple[Thing, ...], float], Stage]
    """(rng, the things that take part, gravity) to the stage."""
    materials: tuple[str, ...] = ("matte", "matte", "metal", "rubber")
    sizes: tuple[str, ...] = ("small", "medium", "medium", "large")
    props: tuple[str, ...] = ()
    depth: float = 0.3
    """Share of headings away from or towards the camera."""


def still(rng: Rng, things: tuple[Thing, ...], gravity: float) -> Stage:
    return Stage((resting(things[0], rng.uniform(-0.8, 0.8), rng.uniform(-0.6, 0.6), yaw(rng)),), (-0.8, 0.8))


def fall(rng: Rng, things: tuple[Thing, ...], gravity: float) -> Stage:
    quaternion = yaw(rng)
    if rng.random() < 0.5 and things[0].shape != "plank":
        quaternion = multiply(quaternion, about((1.0, 0.0, 0.0), rng.uniform(-0.35, 0.35)))
    highest = 4.5 - height_of_centre(things[0])
    body = resting(things[0], rng.uniform(-0.6, 0.6), 0.0, quaternion, lift=rng.uniform(2.2, highest))
    return Stage((replace(body, velocity=(rng.uniform(0.0, 0.2), 0.0, 0.0)),), (-0.6, 0.6))


def bounce(rng: Rng, things: tuple[Thing, ...], gravity: float) -> Stage:
    ball = things[0].shape == "ball"
    along = rng.uniform(0.1, 0.8) if ball else 0.0  # what has corners or is long bounces straight, or else it tumbles
    quaternion = multiply(yaw(rng), LYING) if things[0].shape == "egg" else yaw(rng)
    body = resting(things[0], -1.8 * along, 0.0, quaternion, lift=rng.uniform(1.8, 4.3 - height_of_centre(things[0])))
    return Stage((replace(body, velocity=(along, 0.0, 0.0)),), (-1.8 * along - 0.2, 1.8 * along + 0.2))


def roll(rng: Rng, things: tuple[Thing, ...], gravity: float) -> Stage:
    start, speed = rng.uniform(-2.7, -1.7), rng.uniform(1.1, 2.2)
    body = rolling(things[0], start, speed)
    slowing = rng.uniform(0.05, 0.3) if rng.random() < 0.6 else rng.uniform(0.5, 0.9)
    return Stage((slowed(body, slowing, gravity),), (start, 2.8))


def slide(rng: Rng, things: tuple[Thing, ...], gravity: float) -> Stage:
    start, distance, time = rng.uniform(-2.5, -1.8), rng.uniform(2.2, 4.2), rng.uniform(1.4, 2.6)
    body = resting(things[0], start, 0.0, about((0.0, 0.0, 1.0), rng.uniform(-0.3, 0.3)))
    body = replace(body, velocity=(2 * distance / time, 0.0, 0.0), friction=2 * distance / time**2 / gravity)
    return Stage((body,), (start, start + distance))


def throw(rng: Rng, things: tuple[Thing, ...], gravity: float) -> Stage:
    start, reach, rise = rng.uniform(-2.6, -2.0), rng.uniform(3.0, 4.2), rng.uniform(0.9, 1.9)
    body = resting(things[0], start, 0.0, yaw(rng), lift=rng.uniform(0.5, 1.0))
    drop = rise + body.position[2] - height_of_centre(things[0])
    time = math.sqrt(2 * rise / gravity) + math.sqrt(2 * drop / gravity)
    spin = (0.0, 0.0, 0.0) if things[0].shape == "ball" else tuple(rng.uniform(-2.0, 2.0, 3).tolist())
    velocity = (reach / time, 0.0, math.sqrt(2 * gravity * rise))
    body = slowed(replace(body, velocity=velocity, angular_velocity=spin), rng.uniform(0.5, 1.2), gravity)
    return Stage((body,), (start, start + reach + 0.6))


def collide(rng: Rng, things: tuple[Thing, ...], gravity: float) -> Stage:
    start, speed, at = rng.uniform(-2.8, -2.4), rng.uniform(2.2, 3.6), rng.uniform(0.2, 0.9)
    target = resting(things[1], at, rng.uniform(-0.08, 0.08), yaw(rng))
    if things[1].shape in ("egg", "cylinder") and rng.random() < 0.5:
        target = rolling(things[1], at, 0.0)
    target = replace(target, friction=rng.uniform(0.2, 0.4))
    return Stage((advancing(things[0], start, speed), target), (start, 2.8))


def topple(rng: Rng, things: tuple[Thing, ...], gravity: float) -> Stage:
    at, turn = rng.uniform(0.5, 1.0), about((0.0, 0.0, 1.0), rng.uniform(-0.2, 0.2))
    if things[1].shape == "plank":  # its thin side to what comes
        turn = multiply(turn, about((0.0, 0.0, 1.0), math.pi / 2))
    stack: list[Body] = []
    top = 0.0
    for thing in things[1:]:
        body = resting(thing, at + rng.uniform(-0.04, 0.04), rng.uniform(-0.04, 0.04), turn, lift=top)
        # What stands on another slips off it when that is knocked away.
        stack.append(replace(body, friction=rng.uniform(0.12, 0.2) if stack else rng.uniform(0.4, 0.6)))
        top += extent_up(thing) + height_of_centre(thing)
    actor = advancing(things[0], rng.uniform(-2.8, -2.4), rng.uniform(3.3, 4.4))
    return Stage((replace(actor, density=1.8 * actor.density), *stack), (-2.6, 2.6))


def ramp(rng: Rng, things: tuple[Thing, ...], gravity: float) -> Stage:
    slope, length = math.radians(rng.uniform(15, 22)), rng.uniform(3.4, 4.0)
    foot, wide = rng.uniform(0.3, 0.7), max(things[0].half_extents) + rng.uniform(0.15, 0.35)
    # As thick as makes its raised end stand on the ground, so that it looks like a wedge.
    prop = Thing("ramp", "white", "matte", "large", (length / 2, wide, length * math.tan(slope) / 2))
    tilt = about((0.0, 1.0, 0.0), slope)
    normal = np.array([math.sin(slope), 0.0, math.cos(slope)])
    downhill = np.array([math.cos(slope), 0.0, -math.sin(slope)])
    edge = np.array([foot, 0.0, 0.0])
    centre = vector(edge - downhill * length / 2 - normal * prop.half_extents[2])
    rolls = things[0].shape in ROLLERS  # what does not roll needs a slippery ramp
    board = Body(prop, centre, tilt, fixed=True, friction=0.9 if rolls else rng.uniform(0.04, 0.1))
    body = advancing(things[0], 0.0, rng.uniform(0.0, 0.8))
    at = (
        edge
        - downhill * (length - things[0].half_extents[0] - rng.uniform(0.05, 0.25))
        + normal * (body.position[2] + 0.002)
    )
    body = replace(
        body,
        position=vector(at),
        quaternion=multiply(tilt, body.quaternion),
        velocity=vector(downhill * body.velocity[0]),
        friction=0.9 if rolls else rng.uniform(0.25, 0.4),
    )
    body = slowed(body, rng.uniform(0.3, 0.7), gravity)
    return Stage((body, board), (foot - length, foot + 2.0))


def occlude(rng: Rng, things: tuple[Thing, ...], gravity: float) -> Stage:
    start, speed = rng.uniform(-2.8, -2.4), rng.uniform(1.5, 2.2)
    body = advancing(things[0], start, speed)
    wide, high = body.thing.half_extents[0] + rng.uniform(0.3, 0.5), body.position[2] + rng.uniform(0.3, 0.45)
    wall = Thing("wall", "white", "matte", "large", (wide, 0.12, high))
    body = replace(body, friction=body.friction if things[0].shape in ROLLERS else 0.02)
    return Stage((body, Body(wall, (rng.uniform(-0.3, 0.2), 0.0, wall.half_extents[2]), fixed=True)), (start, 2.8))


def swing(rng: Rng, things: tuple[Thing, ...], gravity: float) -> Stage:
    thing, pivot = things[0], np.array([rng.uniform(-0.4, 0.4), 0.0, rng.uniform(3.9, 4.3)])
    lowest = pivot[2] - 0.35 - height_of_centre(thing)
    length = min(rng.uniform(2.2, 2.8), lowest)
    rod = length - 0.8 * extent_up(thing)
    angle = rng.uniform(math.radians(35), math.radians(60)) * rng.choice([-1.0, 1.0])
    tilt = about((0.0, 1.0, 0.0), angle)
    up = np.array([math.sin(angle), 0.0, math.cos(angle)])
    prop = Thing("rod", "white", "matte", "small", (0.04, 0.04, rod / 2))
    hung = Body(thing, vector(pivot - up * length), tilt, hangs_from=1)
    side = length * math.sin(abs(angle))
    bar = Body(prop, vector(pivot - up * rod / 2), tilt, hinge=(0.0, 1.0, 0.0))
    return Stage((hung, bar), (-side - 0.3, side + 0.3))


def spin(rng: Rng, things: tuple[Thing, ...], gravity: float) -> Stage:
    quaternion = multiply(yaw(rng), LYING) if things[0].shape == "egg" else yaw(rng)
    body = resting(things[0], rng.uniform(-0.5, 0.5), rng.uniform(-0.4, 0.4), quaternion)
    turning = rng.uniform(3.2, 5.0) * rng.choice([-1.0, 1.0])
    # Friction at its corners that slows it by 0.4 to 1.2 rad/s^2.
    a, b, _ = things[0].half_extents
    friction = rng.uniform(0.4, 1.2) * inertia(body)[2] / mass(body) / math.hypot(a, b) / gravity
    body = replace(body, angular_velocity=(0.0, 0.0, turning), friction=friction, torsion=0.002)
    return Stage((body,), (-0.5, 0.5))


ANY = dict.fromkeys(("ball", "cube", "cylinder", "cone", "pyramid", "egg", "plank"), 1.0)
ROLES: dict[str, Role] = {
    "still": Role(ANY, still),
    "fall": Role(ANY, fall, materials=("matte", "metal")),
    "bounce": Role({"ball": 4.0, "cube": 1.0, "egg": 1.0, "cylinder": 1.0}, bounce, materials=("rubber",)),
    "roll": Role({"ball": 2.0, "cylinder": 1.0, "egg": 1.0}, roll),
    "slide": Role({"cube": 1.0, "cylinder": 1.0, "pyramid": 1.0, "cone": 1.0}, slide),
    "throw": Role(ANY | {"ball": 2.0}, throw, sizes=("small", "medium")),
    "collide": Role(
        {"ball": 2.0, "cube": 1.0, "cylinder": 1.0, "egg": 1.0}, collide, sizes=("small", "medium", "medium", "large")
    ),
    "topple": Role(
        {"ball": 2.0, "cube": 1.0, "cylinder": 1.0, "egg": 1.0}, topple, sizes=("medium", "large"), depth=0.15
    ),
    "ramp": Role(
        {"ball": 2.0, "cylinder": 1.0, "egg": 1.0, "cube": 1.0, "pyramid": 1.0},
        ramp,
        sizes=("small", "medium"),
        props=("ramp",),
        depth=0.2,
    ),
    "occlude": Role(
        {"ball": 2.0, "egg": 1.0, "cylinder": 1.0, "cube": 1.0},
        occlude,
        sizes=("small", "medium"),
        props=("wall",),
        depth=0.0,
    ),
    "swing": Role(ANY | {"ball": 2.0}, swing, sizes=("small", "medium"), props=("rod",)),
    "spin": Role({"cube": 1.0, "plank": 1.0, "pyramid": 1.0, "egg": 1.0}, spin),
}


def extent_up(thing: Thing) -> float:
    """From the centre of mass to the top, upright."""
    return thing.half_extents[2] * (1.5 if thing.shape in ("cone", "pyramid") else 1.0)


def resting(thing: Thing, x: float, y: float, quaternion: Quaternion, *, lift: float = 0.0) -> Body:
    """A thing that stands upright, or lies if it is an egg turned so, `lift` above the ground."""
    lying = thing.shape == "egg"
    if lying and abs(rotations(np.array(quaternion))[2, 2]) > 0.5:  # an egg would not stand on its end
        quaternion = multiply(quaternion, LYING)
    height = thing.half_extents[0] if lying else height_of_centre(thing)
    return Body(thing, (x, y, height + lift), quaternion, friction=0.8 if thing.shape in ROLLERS else 0.6)


def rolling(thing: Thing, x: float, speed: float) -> Body:
    """A ball, egg or cylinder that rolls along +x without slipping."""
    radius = thing.half_extents[0]
    quaternion = (1.0, 0.0, 0.0, 0.0) if thing.shape == "ball" else LYING
    return Body(thing, (x, 0.0, radius), quaternion, (speed, 0.0, 0.0), (0.0, speed / radius, 0.0), friction=0.8)


def advancing(thing: Thing, x: float, speed: float) -> Body:
    """Rolls if it can, slides with little friction if not."""
    if thing.shape in ROLLERS:
        return rolling(thing, x, speed)
    return replace(resting(thing, x, 0.0, (1.0, 0.0, 0.0, 0.0)), velocity=(speed, 0.0, 0.0), friction=0.1)


def slowed(body: Body, slowing: float, gravity: float) -> Body:
    """With the rolling friction that slows it by about `slowing` metres per second squared, if it rolls."""
    return replace(body, rolling=1.4 * slowing * body.thing.half_extents[0] / gravity)


def turned(body: Body, heading: float, shift: tuple[float, float]) -> Body:
    """The body with the world turned about the z axis by `heading` and moved by `shift`."""
    quaternion = about((0.0, 0.0, 1.0), heading)
    matrix = rotations(np.array(quaternion))
    x, y, z = (matrix @ body.position).tolist()
    return replace(
        body,
        position=(x + shift[0], y + shift[1], z),
        quaternion=multiply(quaternion, body.quaternion),
        velocity=vector(matrix @ body.velocity),
        angular_velocity=vector(matrix @ body.angular_velocity),
        hinge=None if body.hinge is None else vector(matrix @ body.hinge),
    )


def yaw(rng: Rng) -> Quaternion:
    return about((0.0, 0.0, 1.0), rng.uniform(-math.pi, math.pi))


def about(axis: Vector, angle: float) -> Quaternion:
    """The rotation by `angle` about a unit `axis`."""
    s = math.sin(angle / 2)
    return (math.cos(angle / 2), axis[0] * s, axis[1] * s, axis[2] * s)


def multiply(p: Quaternion, q: Quaternion) -> Quaternion:
    """First q, then p."""
    a, b, c, d = p
    e, f, g, h = q
    return (
        a * e - b * f - c * g - d * h,
        a * f + b * e + c * h - d * g,
        a * g - b * h + c * e + d * f,
        a * h + b * g - c * f + d * e,
    )


def vector(values: np.ndarray) -> Vector:
    x, y, z = (float(value) for value in values)
    return (x, y, z)
