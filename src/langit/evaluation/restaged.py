"""Damage that is done to a scene and rendered, at graded strength: it changes one thing and leaves no trace of having done so.

Pixels that are painted over (`corruptions`) keep shadows and mirror images of what was there, and show what never was.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from langit.evaluation.violations import AWAY, against_gravity, passing, with_shadow_frozen
from langit.simulator.physics import depths_below_centre, height_of_centre
from langit.simulator.plans import make_thing
from langit.simulator.render import render
from langit.simulator.splits import colours_for
from langit.simulator.world import Scene, Thing
from langit.types import Frames

UPRIGHT = np.array([1.0, 0.0, 0.0, 0.0], np.float32)


def recoloured(scene: Scene) -> Scene:
    """The thing that acts has a colour that nothing in the scene has."""
    taken = {thing.colour for thing in scene.things}
    thing = scene.things[scene.actors[0]]
    return _with_actor(
        scene, replace(thing, colour=next(c for c in colours_for(thing.shape, "train") if c not in taken))
    )


def reshaped(scene: Scene) -> Scene:
    """The thing that acts is a cube, or a ball if it was a cube, and goes its way upright, its lower end as high as it was."""
    actor, path = scene.actors[0], scene.trajectory
    thing = scene.things[actor]
    other = make_thing("ball" if thing.shape == "cube" else "cube", thing.size, thing.material, thing.colour)
    positions, quaternions = path.positions.copy(), path.quaternions.copy()
    quaternions[:, actor] = UPRIGHT
    positions[:, actor, 2] += height_of_centre(other) - depths_below_centre(thing, path.quaternions[:, actor])
    return _with_actor(replace(scene, trajectory=replace(path, positions=positions, quaternions=quaternions)), other)


def vanished(scene: Scene) -> Scene:
    """The thing that acts is not there."""
    positions = scene.trajectory.positions.copy()
    positions[:, scene.actors[0]] = AWAY
    return replace(scene, trajectory=replace(scene.trajectory, positions=positions))


def benighted(scene: Scene) -> Scene:
    """It is night, or noon if it was."""
    return replace(scene, light=replace(scene.light, time="noon" if scene.light.time == "night" else "night"))


def _with_actor(scene: Scene, actor: Thing) -> Scene:
    things = list(scene.things)
    things[scene.actors[0]] = actor
    return replace(scene, things=tuple(things))


def _late(change: Callable[[Scene], Scene]) -> Callable[[Scene, float, int, int], Frames]:
    """The change, in the last `share` of the frames."""

    def rendered(scene: Scene, share: float, height: int, width: int) -> Frames:
        (right, _), (wrong, _) = render([scene, change(scene)], height, width, truth=False)
        first = len(right) - round(share * len(right))
        return np.concatenate([right[:first], wrong[first:]])

    return rendered


def _whole(change: Callable[[Scene, float], Scene]) -> Callable[[Scene, float, int, int], Frames]:
    """The change, by that much in every frame."""

    def rendered(scene: Scene, strength: float, height: int, width: int) -> Frames:
        return render([change(scene, strength)], height, width, truth=False)[0][0]

    return rendered


RESTAGED: dict[str, Callable[[Scene, float, int, int], Frames]] = {
    "recolour": _late(recoloured),
    "reshape": _late(reshaped),
    "vanish": _late(vanished),
    "night": _late(benighted),
    "pass through": _whole(passing),
    "reversed gravity": _whole(against_gravity),
    "frozen shadow": with_shadow_frozen,
}
"""(scene, strength, height, width) -> frames."""
