"""Matched clips for violation of expectation: the same scene as it truly goes on, and as it cannot.

| kind | what cannot be |
|---|---|
| vanish | a moving thing is gone from one frame to the next |
| recolour | a thing has another colour from one frame to the next |
| teleport | a moving thing is suddenly somewhere else |
| pass through | a ball rolls through another as if it were not there |
| reversed gravity | a thing rises as it should fall |
| frozen shadow | a thing moves and its shadow stays where it was |

All clips are rendered alike, from simulator states, and matched in what single frames show, because less to see is
easier to denoise: what vanishes is compared with the mean of a clip in which it stays and one in which it never was,
what changes colour with the mean of both colours, what jumps plays the two halves of the valid clip in the other order,
and what rises is the fall mirrored in height. The prompt names the things and the scene, not where they are or what
happens.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from langit.evaluation.scenes import Length, bounce, collision, fall, uniform
from langit.simulator.captions import caption
from langit.simulator.facts import read_still
from langit.simulator.render import render
from langit.simulator.splits import colours_for
from langit.simulator.world import Array, Scene
from langit.types import Frames

Rng = np.random.Generator
AWAY = np.array([0.0, -1000.0, 5.0], np.float32)  # far behind the camera, where nothing is seen and no shadow falls


@dataclass(frozen=True, eq=False)
class Pair:
    """Clips of what can be, whose mean loss counts, and the one of what cannot."""

    kind: str
    prompt: str
    valid: tuple[Frames, ...]
    invalid: Frames


def make_pair(kind: str, seed: int, number: int, length: Length, height: int, width: int) -> Pair:
    """Pair `number` of a kind, the same whatever else is made."""
    rng = np.random.default_rng(np.random.SeedSequence([seed, zlib.crc32(kind.encode()), number]))
    return KINDS[kind](rng, length, height, width)


def vanish(rng: Rng, length: Length, height: int, width: int) -> Pair:
    scene = uniform(rng, length)
    absent = _with_positions(scene, np.broadcast_to(AWAY, scene.trajectory.positions.shape))
    return _spliced("vanish", scene, absent, _moment(rng, length), height, width)


def recolour(rng: Rng, length: Length, height: int, width: int) -> Pair:
    scene = uniform(rng, length)
    thing = scene.things[0]
    colour = str(rng.choice([other for other in colours_for(thing.shape, "train") if other != thing.colour]))
    other = replace(scene, things=(replace(thing, colour=colour), *scene.things[1:]))
    return _spliced("recolour", scene, other, _moment(rng, length), height, width)


def teleport(rng: Rng, length: Length, height: int, width: int) -> Pair:
    scene = uniform(rng, length)
    valid = render([scene], height, width, truth=False)[0][0]
    return Pair("teleport", _prompt(scene), (valid,), np.roll(valid, _moment(rng, length), axis=0))


def pass_through(rng: Rng, length: Length, height: int, width: int) -> Pair:
    scene = collision(rng, length)
    return _pair("pass through", scene, passing(scene, 1.0), height, width)


def reversed_gravity(rng: Rng, length: Length, height: int, width: int) -> Pair:
    scene = (fall, bounce)[int(rng.integers(2))](rng, length)
    return _pair("reversed gravity", scene, against_gravity(scene, 1.0), height, width)


def frozen_shadow(rng: Rng, length: Length, height: int, width: int) -> Pair:
    """Both clips put the thing over an empty scene with a shadow: its own, or the one of the first frame."""
    scene = uniform(rng, length)
    moving, frozen = (with_shadow_frozen(scene, share, height, width) for share in (0.0, 1.0))
    return Pair("frozen shadow", _prompt(scene), (moving,), frozen)


def passing(scene: Scene, strength: float) -> Scene:
    """A collision in which the first thing goes on as if the second were not there, and the second stays: at less than
    full strength so much of the way from what truly happens to that."""
    positions = scene.trajectory.positions.copy()
    times = np.arange(len(positions), dtype=np.float32) / scene.trajectory.fps
    velocity = scene.trajectory.velocities[0, 0]
    through = positions.copy()
    through[:, 0] = positions[0, 0] + times[:, None] * np.array([velocity[0], 0.0, 0.0], np.float32)
    through[:, 1] = positions[0, 1]
    quaternions = np.tile(scene.trajectory.quaternions[:1], (len(positions), 1, 1))
    mixed = (positions + np.float32(strength) * (through - positions)).astype(np.float32)
    return replace(scene, trajectory=replace(scene.trajectory, positions=mixed, quaternions=quaternions))


def against_gravity(scene: Scene, strength: float) -> Scene:
    """The first thing's heights turned over about the middle of its way; at half strength it stays at that height."""
    positions = scene.trajectory.positions.copy()
    height = positions[:, 0, 2].copy()
    positions[:, 0, 2] = height + np.float32(strength) * (height.max() + height.min() - 2 * height)
    return _with_positions(scene, positions)


def with_shadow_frozen(scene: Scene, share: float, height: int, width: int) -> Frames:
    """The scene with its shadow standing still for the last `share` of its frames, laid over the empty scene."""
    empty = _with_positions(scene, np.broadcast_to(AWAY, scene.trajectory.positions.shape))
    (full, truth), (bare, _) = render([scene, empty], height, width)
    assert truth is not None
    thing = (truth.segmentation >= 2)[..., None]
    # Under the thing itself the shadow is unknown: none.
    darker = np.where(thing, 1.0, full.astype(np.float32) / np.maximum(bare, 1))
    last = len(full) - 1 - round(share * (len(full) - 1))
    shown = darker[np.minimum(np.arange(len(full)), last)]
    return np.where(thing, full, np.clip(bare * shown, 0, 255)).astype(np.uint8)


KINDS: dict[str, Callable[[Rng, Length, int, int], Pair]] = {
    "vanish": vanish,
    "recolour": recolour,
    "teleport": teleport,
    "pass through": pass_through,
    "reversed gravity": reversed_gravity,
    "frozen shadow": frozen_shadow,
}


def _pair(kind: str, valid: Scene, invalid: Scene, height: int, width: int) -> Pair:
    (right, _), (wrong, _) = render([valid, invalid], height, width, truth=False)
    return Pair(kind, _prompt(valid), (right,), wrong)


def _spliced(kind: str, before: Scene, after: Scene, moment: int, height: int, width: int) -> Pair:
    """One scene up to a moment and another from it on, against either of them throughout."""
    (one, _), (other, _) = render([before, after], height, width, truth=False)
    return Pair(kind, _prompt(before), (one, other), np.concatenate([one[:moment], other[moment:]]))


def _prompt(scene: Scene) -> str:
    facts = read_still(scene, None, [0])[0]
    facts = replace(facts, places=(None,) * len(facts.things), relations=())
    return caption(facts, language="en", detail="dense", rng=np.random.default_rng(0))


def _moment(rng: Rng, length: Length) -> int:
    """A frame in the middle third of the clip."""
    return int(rng.integers(length.frames // 3, max(length.frames * 2 // 3, length.frames // 3 + 1)))


def _with_positions(scene: Scene, positions: Array) -> Scene:
    return replace(scene, trajectory=replace(scene.trajectory, positions=positions))
