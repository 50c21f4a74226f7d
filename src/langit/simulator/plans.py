"""Scenes from seeds: who is there, what happens, and how it is seen.

Everything is drawn from generators named by (seed, purpose, attempt), so that a scene is the same on any process, and
new looks leave the motion alone.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import replace

import numpy as np

from langit.simulator import splits
from langit.simulator.events import ROLES, Role, Stage, resting, turned, yaw
from langit.simulator.physics import Body, simulate
from langit.simulator.views import draw_camera, draw_light
from langit.simulator.world import COLOURS, EVENTS, GROUNDS, SHAPES, SIZES, Scene, Thing, Trajectory

Rng = np.random.Generator

EARTH = 9.81
OTHER_GRAVITY_SHARE, OTHER_GRAVITY = 0.1, (5.0, 15.0)
BYSTANDERS = (0.54, 0.38, 0.08)  # none, one, two
MOST_THINGS = 4
RESERVED_ACT_SHARE = 0.3  # of test scenes, where the event has such a shape; the others have a reserved look
SAME_SHAPE_SHARE, SAME_COLOUR_SHARE = 0.15, 0.08
STACKED_SHARE = 0.35  # of still scenes with two things or more
CLEARANCE = 0.15  # metres between a bystander and the way of the action
ATTEMPTS = 8
PROPORTIONS = {  # half extents in units of the size
    "ball": (1.0, 1.0, 1.0),
    "cube": (0.85, 0.85, 0.85),
    "cylinder": (0.75, 0.75, 0.9),
    "cone": (0.95, 0.95, 1.05),
    "pyramid": (0.95, 0.95, 0.9),
    "egg": (0.72, 0.72, 1.0),
    "plank": (0.6, 0.2, 1.35),
}


def plan(
    seed: int,
    *,
    split: str = "train",
    event: str | None = None,
    num_things: int | None = None,
    num_frames: int = 33,
    fps: float = 8.0,
) -> Scene:
    """The scene of a seed: one of `EVENTS` with one to four things besides the props, simulated, lit and filmed.

    "train" never makes a reserved pair (`splits`); "test" makes one on the thing that acts. A plan that turns out
    degenerate (bodies inside each other, the actor out of sight) is drawn again. Raises ValueError for an unknown split
    or event, a negative seed, and for more or fewer things than the event can have.
    """
    splits.check_split(split)
    if seed < 0 or num_frames < 2 or fps <= 0:
        raise ValueError(
            f"seed {seed}, num_frames {num_frames}, fps {fps}: need a seed >= 0, two frames or more, fps > 0"
        )
    if event is not None and event not in EVENTS:
        raise ValueError(f"event is {event!r}; it must be one of {', '.join(EVENTS)}")
    fewest = 2 if event in ("collide", "topple") else 1
    if num_things is not None and not fewest <= num_things <= MOST_THINGS:
        raise ValueError(f"num_things is {num_things}; {event or 'a scene'} can have {fewest} to {MOST_THINGS}")
    for attempt in range(ATTEMPTS):
        rng = _generator(seed, "cast", attempt)
        # The event is the seed's own: what is hard to stage is drawn again, not drawn less often.
        act = event or _draw_event(_generator(seed, "event", 0), num_things)
        things, takers = _cast(rng, act, split, num_things)
        gravity = float(rng.uniform(*OTHER_GRAVITY)) if rng.random() < OTHER_GRAVITY_SHARE else EARTH
        bodies = _lay_out(_generator(seed, "stage", attempt), act, things, takers, gravity)
        if bodies is None:
            continue
        try:
            trajectory = simulate(bodies, gravity=gravity, num_frames=num_frames, fps=fps)
        except ValueError:
            continue
        filmed = _film(
            _generator(seed, "looks", attempt),
            seed,
            act,
            tuple(body.thing for body in bodies),
            trajectory,
            gravity,
            takers,
        )
        if filmed is not None:
            return filmed
    raise RuntimeError(f"no scene for seed {seed}, event {event}, {num_things} things after {ATTEMPTS} attempts")


def relook(scene: Scene, seed: int, *, split: str = "train") -> Scene:
    """The same motion of the same shapes in new colours, materials, light, ground and camera.

    Rubber stays rubber and nothing becomes rubber, because it bounces; matte and metal move alike. Raises ValueError
    when the scene cannot be in the split: a reserved (event, shape) stays what it is.
    """
    splits.check_split(split)
    acting = (scene.event, scene.things[scene.actors[0]].shape)
    if split == "train" and acting in splits.RESERVED_ACTS:
        raise ValueError(f"{acting} is reserved for test; no new look makes it a training scene")
    for attempt in range(ATTEMPTS):
        rng = _generator(seed, "relook", attempt)
        reserved = None if split == "train" or acting in splits.RESERVED_ACTS else scene.actors[0]
        things = tuple(
            thing
            if thing.material == "rubber"
            else replace(thing, material=_draw_material(rng, ("matte", "matte", "metal")))
            for thing in scene.things
        )
        things = _colour(rng, things, split, reserved)
        filmed = _film(rng, scene.seed, scene.event, things, scene.trajectory, scene.gravity, scene.actors)
        if filmed is not None:
            return filmed
    return replace(scene, things=things)


def make_thing(shape: str, size: str, material: str = "matte", colour: str = "white") -> Thing:
    """A thing with the proportions of its shape."""
    a, b, c = (SIZES[size] * proportion for proportion in PROPORTIONS[shape])
    return Thing(shape, colour, material, size, (a, b, c))


def _generator(seed: int, purpose: str, attempt: int) -> Rng:
    return np.random.default_rng(np.random.SeedSequence([seed, zlib.crc32(purpose.encode()), attempt]))


def _draw_event(rng: Rng, num_things: int | None) -> str:
    return str(rng.choice([event for event in EVENTS if num_things != 1 or event not in ("collide", "topple")]))


def _cast(rng: Rng, event: str, split: str, num_things: int | None) -> tuple[tuple[Thing, ...], tuple[int, ...]]:
    """The things with their colours, those that take part first, and the indices of these."""
    role = ROLES[event]
    bystanders = int(rng.choice(3, p=BYSTANDERS))
    num_takers = {"collide": 2, "topple": int(rng.choice([2, 3, 4], p=[0.3, 0.5, 0.2]))}.get(event, 1)
    if event == "collide":
        bystanders = int(rng.random() < 0.15)
    if event == "topple":
        bystanders = 0
    if num_things is not None:
        num_takers = min(num_takers, num_things) if event != "topple" else num_things
        bystanders = num_things - num_takers
    act_reserved = split == "test" and rng.random() < RESERVED_ACT_SHARE
    shapes = [_draw_actor_shape(rng, event, role, "test" if act_reserved else "train")]
    act_reserved = (event, shapes[0]) in splits.RESERVED_ACTS
    things = [make_thing(shapes[0], str(rng.choice(role.sizes)), str(rng.choice(role.materials)))]
    if event == "topple":
        things += _stack(rng, num_takers - 1)
    while len(things) < num_takers + bystanders:
        others = [shape for shape in SHAPES if shape != things[-1].shape or rng.random() < SAME_SHAPE_SHARE]
        material = _draw_material(rng, ("matte", "matte", "metal", "rubber"))
        things.append(
            make_thing(
                str(rng.choice(others)), str(rng.choice(["small", "small", "medium", "medium", "large"])), material
            )
        )
    reserved = None if split == "train" or act_reserved else 0
    return _colour(rng, tuple(things), split, reserved), tuple(range(num_takers))


def _draw_actor_shape(rng: Rng, event: str, role: Role, split: str) -> str:
    weights = {shape: role.shapes[shape] for shape in splits.shapes_for(event, split) if shape in role.shapes}
    if not weights:  # nothing of this event is reserved
        return _draw_actor_shape(rng, event, role, "train")
    total = sum(weights.values())
    return str(rng.choice(list(weights), p=[weight / total for weight in weights.values()]))


def _stack(rng: Rng, num: int) -> list[Thing]:
    """Upright things, the first at the bottom, that stand on each other."""
    if num == 1:
        return [make_thing("plank", str(rng.choice(["medium", "large"])), _draw_material(rng, ("matte", "metal")))]
    flat = [str(rng.choice(["cube", "cylinder"])) for _ in range(num - 1)]
    tops = ["cube", "cylinder", "cone", "pyramid"]
    size = "small"
    shapes = [*flat, str(rng.choice([shape for shape in tops if shape != flat[-1]]))]
    return [make_thing(shape, size, _draw_material(rng, ("matte", "matte", "metal"))) for shape in shapes]


def _draw_material(rng: Rng, materials: tuple[str, ...]) -> str:
    return str(rng.choice(materials))


def _colour(rng: Rng, things: tuple[Thing, ...], split: str, reserved: int | None) -> tuple[Thing, ...]:
    """The things in colours of the split, mostly all different; in test, thing `reserved` makes a reserved pair."""
    coloured: list[Thing] = []
    for k, thing in enumerate(things):
        if thing.is_prop:
            allowed = list(COLOURS)
        elif split == "test":
            allowed = list(splits.colours_for(thing.shape, "test") if k == reserved else COLOURS)
        else:
            allowed = list(splits.colours_for(thing.shape, "train"))
        taken = {(other.colour, other.shape) for other in coloured}
        seen = set() if rng.random() < SAME_COLOUR_SHARE else {other.colour for other in coloured}
        free = [colour for colour in allowed if (colour, thing.shape) not in taken and colour not in seen]
        coloured.append(replace(thing, colour=str(rng.choice(free or allowed))))
    return tuple(coloured)


def _lay_out(
    rng: Rng, event: str, things: tuple[Thing, ...], takers: tuple[int, ...], gravity: float
) -> tuple[Body, ...] | None:
    """All bodies at time 0: takers, bystanders, props. None where the bystanders find no room."""
    role = ROLES[event]
    stage: Stage = role.lay(rng, tuple(things[k] for k in takers), gravity)
    depth = rng.random() < role.depth
    heading = float(rng.choice([math.pi / 2, -math.pi / 2] if depth else [0.0, math.pi])) + rng.uniform(-0.25, 0.25)
    if event == "occlude":  # across the view, behind a wall that stands between it and the camera
        heading = float(rng.choice([0.0, math.pi]))
    middle = np.array([math.cos(heading), math.sin(heading)]) * sum(stage.reach) / 2
    shift = (float(rng.uniform(-0.25, 0.25) - middle[0]), float(rng.uniform(-0.3, 0.3) - middle[1]))
    bodies = [turned(body, heading, shift) for body in stage.bodies]
    if event == "occlude":
        x, y, z = bodies[-1].position
        bodies[-1] = replace(
            bodies[-1],
            position=(x, y - max(things[0].half_extents) - rng.uniform(0.3, 0.5), z),
            quaternion=(1.0, 0.0, 0.0, 0.0),
        )
    props = bodies[len(takers) :]
    props = [replace(prop, thing=replace(prop.thing, colour=_prop_colour(rng, things))) for prop in props]
    bodies = bodies[: len(takers)]
    way = np.array([[math.cos(heading), math.sin(heading)]]) * np.array(stage.reach)[:, None] + np.array(
        shift
    )  # (2, xy)
    for thing in things[len(takers) :]:
        if event == "still" and rng.random() < STACKED_SHARE and bodies[-1].thing.shape in ("cube", "cylinder"):
            below = bodies[-1]
            if thing.shape not in ("ball", "egg") and thing.half_extents[0] <= 1.3 * below.thing.half_extents[0]:
                x, y, z = below.position
                bodies.append(resting(thing, x, y, below.quaternion, lift=z + below.thing.half_extents[2]))
                continue
        placed = _place(rng, thing, bodies + props, way, widest(things[0]))
        if placed is None:
            return None
        bodies.append(placed)
    shifted = len(bodies) - len(takers)  # the bystanders stand before the props
    hung = [body if body.hangs_from is None else replace(body, hangs_from=body.hangs_from + shifted) for body in bodies]
    return tuple(hung + props)


def _place(rng: Rng, thing: Thing, others: list[Body], way: np.ndarray, width: float) -> Body | None:
    """The thing at rest somewhere clear of the others and of the way of the action."""
    for _ in range(40):
        x, y = float(rng.uniform(-2.7, 2.7)), float(rng.uniform(-1.5, 3.2))
        body = resting(thing, x, y, yaw(rng))
        clear = all(
            math.hypot(x - other.position[0], y - other.position[1]) > widest(thing) + widest(other.thing) + CLEARANCE
            for other in others
        )
        along = way[1] - way[0]
        nearest = way[0] + along * float(np.clip(np.dot(np.array([x, y]) - way[0], along) / np.dot(along, along), 0, 1))
        if clear and np.hypot(*(np.array([x, y]) - nearest)) > widest(thing) + width + CLEARANCE:
            return body
    return None


def widest(thing: Thing) -> float:
    """Radius of a vertical cylinder about a standing thing."""
    a, b, _ = thing.half_extents
    if thing.shape in ("cube", "pyramid", "plank", "wall", "ramp"):
        return math.hypot(a, b)
    return max(thing.half_extents) if thing.shape == "egg" else a


def _prop_colour(rng: Rng, things: tuple[Thing, ...]) -> str:
    used = {thing.colour for thing in things}
    return str(rng.choice([colour for colour in COLOURS if colour not in used]))


def _film(
    rng: Rng,
    seed: int,
    event: str,
    things: tuple[Thing, ...],
    trajectory: Trajectory,
    gravity: float,
    actors: tuple[int, ...],
) -> Scene | None:
    camera = draw_camera(rng, trajectory, actors)
    if camera is None:
        return None
    light, ground = draw_light(rng, camera), str(rng.choice(GROUNDS))
    return Scene(seed, event, things, trajectory, camera, light, ground, gravity, actors)
