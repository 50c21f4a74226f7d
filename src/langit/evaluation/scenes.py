"""The scenes of the exam: staged so that what is to be measured happens in the plane that the camera faces.

Every scene is a function of (task, seed, number) alone. Looks are pairs that training shows (`splits`): these tasks ask
what moves how, and prompt following asks for what was never seen together. Lengths in metres.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass, replace

import numpy as np

from langit.simulator.events import Rng, about, resting, rolling, slowed
from langit.simulator.physics import Body, height_of_centre, simulate
from langit.simulator.plans import EARTH, make_thing, plan
from langit.simulator.splits import colours_for
from langit.simulator.views import draw_light
from langit.simulator.world import GROUNDS, Camera, Scene, Thing

DISTANCE, HEIGHT, FOV = 8.0, 2.0, math.radians(40)
PAN_AWAY = math.radians(34)
TRIES = 200


@dataclass(frozen=True)
class Length:
    """Frames and rate of the clips of an exam."""

    frames: int
    fps: float


def uniform(rng: Rng, length: Length) -> Scene:
    """A ball that rolls across without slowing down."""
    side = _side(rng)
    ball = rolling(_thing(rng, "ball", ("small", "medium")), -2.2, float(rng.uniform(0.9, 1.6)))
    return _staged(rng, "roll", (_mirrored(slowed(ball, 0.0, EARTH), side),), length)


def collision(rng: Rng, length: Length) -> Scene:
    """A ball that hits a resting one."""
    side = _side(rng)
    first = _thing(rng, "ball", ("small", "medium"))
    second = _thing(rng, "ball", ("small", "medium"), without=first.colour)
    actor = slowed(rolling(first, float(rng.uniform(-2.6, -2.2)), float(rng.uniform(2.2, 3.0))), 0.0, EARTH)
    target = slowed(rolling(second, float(rng.uniform(0.3, 0.8)), 0.0), 0.0, EARTH)
    return _staged(rng, "collide", (_mirrored(actor, side), _mirrored(target, side)), length)


def parabola(rng: Rng, length: Length) -> Scene:
    """A ball that flies in an arc."""
    side, rise = _side(rng), float(rng.uniform(1.3, 1.9))
    thing = _thing(rng, "ball", ("small", "medium"))
    body = resting(thing, -2.2, 0.0, (1.0, 0.0, 0.0, 0.0), lift=float(rng.uniform(0.5, 1.0)))
    drop = rise + body.position[2] - height_of_centre(thing)
    time = math.sqrt(2 * rise / EARTH) + math.sqrt(2 * drop / EARTH)
    velocity = (float(rng.uniform(3.0, 4.0)) / time, 0.0, math.sqrt(2 * EARTH * rise))
    return _staged(rng, "throw", (_mirrored(slowed(replace(body, velocity=velocity), 0.8, EARTH), side),), length)


def fall(rng: Rng, length: Length) -> Scene:
    """A thing that is dropped and hardly bounces."""
    thing = _thing(rng, str(rng.choice(["ball", "cube", "cylinder"])), ("small", "medium"))
    turn = about((0.0, 0.0, 1.0), float(rng.uniform(-0.6, 0.6)))
    body = resting(thing, float(rng.uniform(-1.2, 1.2)), 0.0, turn, lift=float(rng.uniform(2.2, 3.0)))
    return _staged(rng, "fall", (body,), length)


def bounce(rng: Rng, length: Length) -> Scene:
    """A rubber ball that is dropped."""
    thing = _thing(rng, "ball", ("small", "medium"), materials=("rubber",))
    lift = float(rng.uniform(2.0, 3.0))
    body = resting(thing, float(rng.uniform(-1.2, 1.2)), 0.0, (1.0, 0.0, 0.0, 0.0), lift=lift)
    return _staged(rng, "bounce", (body,), length)


def static(rng: Rng, length: Length) -> Scene:
    """One to three things at rest, seen by a camera at rest."""
    for _ in range(TRIES):
        try:
            return _staged(rng, "still", _at_rest(rng), length)
        except ValueError:  # two of them stand in one another
            continue
    raise RuntimeError(f"none of {TRIES} scenes of things at rest has room for them")


def _at_rest(rng: Rng) -> tuple[Body, ...]:
    count = int(rng.integers(1, 4))
    bodies: list[Body] = []
    colours: set[str] = set()
    for place in rng.permutation(np.linspace(-1.6, 1.6, 3))[:count]:
        thing = _thing(rng, str(rng.choice(["ball", "cube", "cylinder", "cone"])), ("small", "medium"), without=colours)
        colours.add(thing.colour)
        turn = about((0.0, 0.0, 1.0), float(rng.uniform(-0.6, 0.6)))
        body = resting(thing, float(place), float(rng.uniform(-0.4, 0.4)), turn)
        bodies.append(replace(body, rolling=0.1))
    return tuple(bodies)


def pan(rng: Rng, length: Length) -> Scene:
    """A thing at rest; the camera turns away until it is out of sight, then back. Twice the frames, less one."""
    whole = Length(2 * length.frames - 1, length.fps)
    side = _side(rng)
    thing = _thing(rng, str(rng.choice(["ball", "cube", "cylinder"])), ("medium",))
    body = replace(resting(thing, -0.4 * side, 0.0, (1.0, 0.0, 0.0, 0.0)), rolling=0.1)
    scene = _staged(rng, "still", (body,), whole)
    turn = side * PAN_AWAY * (1 - np.abs(np.linspace(-1, 1, whole.frames)))  # clockwise seen from above: to the right
    sight = scene.camera.targets - scene.camera.positions
    x = sight[:, 0] * np.cos(turn) + sight[:, 1] * np.sin(turn)
    y = sight[:, 1] * np.cos(turn) - sight[:, 0] * np.sin(turn)
    targets = scene.camera.positions + np.stack([x, y, sight[:, 2]], -1).astype(np.float32)
    # Named after the second half, which is the one to be made.
    move = "pan left" if side > 0 else "pan right"
    return replace(scene, camera=replace(scene.camera, targets=targets.astype(np.float32), move=move))


def occlusion(rng: Rng, length: Length) -> Scene:
    """A thing that rolls behind a wall and comes out, before a camera at rest."""
    for _ in range(TRIES):
        try:
            scene = plan(
                int(rng.integers(2**53)), event="occlude", num_things=1, num_frames=length.frames, fps=length.fps
            )
        except RuntimeError:
            continue
        if scene.camera.move == "static" and scene.camera.angle == "eye level":
            return scene
    raise RuntimeError(f"none of {TRIES} scenes of an occlusion has a camera at rest")


TASKS = {
    "uniform": uniform,
    "collision": collision,
    "parabola": parabola,
    "fall": fall,
    "bounce": bounce,
    "occlusion": occlusion,
    "pan": pan,
    "static": static,
}


def make_scene(task: str, seed: int, number: int, length: Length) -> Scene:
    """Scene `number` of a task, the same whatever else is made."""
    rng = np.random.default_rng(np.random.SeedSequence([seed, zlib.crc32(task.encode()), number]))
    return TASKS[task](rng, length)


def _staged(rng: Rng, event: str, bodies: tuple[Body, ...], length: Length) -> Scene:
    trajectory = simulate(bodies, gravity=EARTH, num_frames=length.frames, fps=length.fps)
    highest = float(trajectory.positions[..., 2].max())
    target = np.array([0.0, 0.0, np.clip(0.45 * highest + 0.25, 0.9, 1.8)], np.float32)
    place = np.array([0.0, -DISTANCE, HEIGHT], np.float32)
    camera = Camera("static", "eye level", np.tile(place, (length.frames, 1)), np.tile(target, (length.frames, 1)), FOV)
    actors = tuple(range(len(bodies))) if event == "collide" else (0,)
    things = tuple(body.thing for body in bodies)
    light, ground = draw_light(rng, camera), str(rng.choice(GROUNDS))
    return Scene(0, event, things, trajectory, camera, light, ground, EARTH, actors)


def _thing(
    rng: Rng,
    shape: str,
    sizes: tuple[str, ...],
    *,
    materials: tuple[str, ...] = ("matte", "metal"),
    without: str | set[str] = "",
) -> Thing:
    taken = {without} if isinstance(without, str) else without
    colours = [colour for colour in colours_for(shape, "train") if colour not in taken]
    return make_thing(shape, str(rng.choice(sizes)), str(rng.choice(materials)), str(rng.choice(colours)))


def _side(rng: Rng) -> float:
    return float(rng.choice([-1.0, 1.0]))


def _mirrored(body: Body, side: float) -> Body:
    """The body of a scene seen in a mirror, where `side` is -1."""
    (x, y, z), (u, v, w), (p, q, r) = body.position, body.velocity, body.angular_velocity
    return replace(body, position=(side * x, y, z), velocity=(side * u, v, w), angular_velocity=(p, side * q, side * r))
