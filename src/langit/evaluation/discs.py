"""Clips as PhyWorld draws them, for the measures of motion to be read where nothing else disturbs: flat discs, an empty ground.

PhyWorld (arXiv 2411.02385) shows a world 10 units wide in 32 frames of 128x128, 0.1 s apart: discs with radii of 0.7 to 1.4 units
that move on evenly, collide head on, or are thrown and fall. Every pixel is the mean of `finer` times `finer` points, or
of its whole area where `finer` is None. The same code as in an exam reads them, from `observe` to `physics.velocity_error`: a
camera that is far away and has as narrow an angle sees the world flat. How they are drawn bounds what can be read, and
`centroid_error` tells that bound: places by the centroid of how far every pixel is covered, all colours known.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from langit.evaluation.footage import Examined, Told
from langit.evaluation.physics import PHYWORLD_WIDTH, counted_frames
from langit.simulator.camera import project
from langit.simulator.plans import EARTH
from langit.simulator.world import Camera, Thing
from langit.types import Frames

FRAMES, SIDE, STEP, GIVEN = 32, 128, 0.1, 3
RADII, SPEEDS = (0.7, 1.4), (1.0, 4.0)
GAP = 0.2  # units, from the frame's edge at the start
CHORDS = 64  # of a row of pixels, where the whole area of pixels counts
FAR = 1000.0  # units, from the camera to the discs
COLOURS = {"red": (222, 32, 28), "blue": (28, 60, 214)}
GROUND = (128, 148, 92)

Doubles = NDArray[np.float64]
Motion = Callable[[np.random.Generator, Doubles], tuple[Doubles, Doubles]]
"""Of times (F,), radii (K,) and places (F, K, 2) of discs: across from the left edge, up from the lower one."""


def uniform(rng: np.random.Generator, time: Doubles) -> tuple[Doubles, Doubles]:
    """A disc that moves on evenly, from left to right."""
    radius, speed, height = rng.uniform(*RADII), rng.uniform(*SPEEDS), rng.uniform(2, 8)
    places = np.stack([radius + GAP + speed * time, np.full(len(time), height)], -1)
    return np.array([radius]), places[:, None]


def collision(rng: np.random.Generator, time: Doubles) -> tuple[Doubles, Doubles]:
    """Two discs that meet head on and bounce without loss."""
    radii, speeds = rng.uniform(*RADII, 2), rng.uniform(*SPEEDS, 2) * [1, -1]
    starts = np.array([radii[0] + GAP, PHYWORLD_WIDTH - radii[1] - GAP])
    hit = (starts[1] - starts[0] - radii.sum()) / (speeds[0] - speeds[1])
    mass = radii**2
    common = (mass * speeds).sum() / mass.sum()
    before, after = np.minimum(time, hit)[:, None], np.maximum(time - hit, 0)[:, None]
    across = starts + speeds * before + (2 * common - speeds) * after
    return radii, np.stack([across, np.full(across.shape, PHYWORLD_WIDTH / 2)], -1)


def parabola(rng: np.random.Generator, time: Doubles) -> tuple[Doubles, Doubles]:
    """A disc that is thrown ahead and falls."""
    radius, speed = rng.uniform(*RADII), rng.uniform(*SPEEDS)
    height = PHYWORLD_WIDTH - radius - GAP - EARTH / 2 * time**2
    return np.array([radius]), np.stack([radius + GAP + speed * time, height], -1)[:, None]


MOTIONS: dict[str, Motion] = {"uniform": uniform, "collision": collision, "parabola": parabola}


def make_clip(task: str, number: int, *, finer: int | None = 4, seed: int = 0) -> Examined:
    """Clip `number` of a task with what is true of it."""
    rng = np.random.default_rng([seed, list(MOTIONS).index(task), number])
    radii, places = MOTIONS[task](rng, np.asarray(np.arange(FRAMES) * STEP, np.float64))
    flat = np.zeros(places.shape[:2])
    positions = np.stack([places[..., 0] - PHYWORLD_WIDTH / 2, flat, places[..., 1]], -1).astype(np.float32)
    stand, aim = (np.tile(np.array([0, y, PHYWORLD_WIDTH / 2], np.float32), (FRAMES, 1)) for y in (-FAR, 0))
    camera = Camera("static", "eye level", stand, aim, 2 * math.atan(PHYWORLD_WIDTH / 2 / FAR))
    inside = ((places > radii[:, None]) & (places < PHYWORLD_WIDTH - radii[:, None])).all(-1)
    things = tuple(
        Thing("ball", "medium", "matte", colour, (float(radius),) * 3)
        for colour, radius in zip(COLOURS, radii, strict=False)
    )
    told = Told(
        json={"actors": list(range(len(things)))},
        things=things,
        positions=positions,
        centroids=project(camera, positions, SIDE, SIDE)[0],
        visible_share=np.asarray(inside, np.float32),
        camera=camera,
        touching=np.zeros(inside.shape, bool),
        size=(SIDE, SIDE),
        fps=1 / STEP,
    )
    return Examined(f"{task}-{number:03d}", task, drawn(radii, places, finer), told, GIVEN)


def drawn(radii: Doubles, places: Doubles, finer: int | None) -> Frames:
    """Frames (F, SIDE, SIDE, 3) of discs at places (F, K, 2)."""
    frames = np.empty((len(places), SIDE, SIDE, 3), np.uint8)
    for frame, here in enumerate(places):
        picture = np.tile(np.array(GROUND, np.float64), (SIDE, SIDE, 1))
        for radius, (across, height), colour in zip(radii, here, COLOURS.values(), strict=False):
            covered = share_within(radius, across, PHYWORLD_WIDTH - height, finer)[..., None]
            picture += covered * (np.array(colour) - GROUND)  # discs touch and never lie above each other
        frames[frame] = np.rint(picture.clip(0, 255))
    return frames


def share_within(radius: float, across: float, below: float, finer: int | None) -> Doubles:
    """(SIDE, SIDE): how much of every pixel is within a disc, by its points, or of its area by the lengths of chords."""
    if finer is None:
        rows = (np.arange(SIDE * CHORDS) + 0.5) / (SIDE * CHORDS) * PHYWORLD_WIDTH - below
        half = np.sqrt(np.maximum(radius**2 - rows**2, 0))[:, None]
        edges = np.clip(np.arange(SIDE + 1) / SIDE * PHYWORLD_WIDTH, across - half, across + half)
        return np.asarray(np.diff(edges).reshape(SIDE, CHORDS, SIDE).mean(1) * SIDE / PHYWORLD_WIDTH)
    points = (np.arange(SIDE * finer) + 0.5) / (SIDE * finer) * PHYWORLD_WIDTH
    within = (points - across) ** 2 + (points[:, None] - below) ** 2 < radius**2
    return np.asarray(within.reshape(SIDE, finer, SIDE, finer).mean((1, 3)))


def centroid_error(clip: Examined) -> float:
    """Mean distance between true velocities, in units a second, and those of centroids of how far pixels are covered."""
    count = len(clip.told.things)
    apart = (np.array(list(COLOURS.values())[:count]) - GROUND).T  # (3, K)
    covered = (clip.frames.astype(np.float64) - GROUND) @ np.linalg.pinv(apart).T  # (F, H, W, K)
    total = covered.sum((1, 2))
    middle = (np.arange(SIDE) + 0.5) / SIDE
    x, y = (np.einsum("fsk,s->fk", covered.sum(axis), middle) / np.maximum(total, 1) for axis in (1, 2))
    missed = (np.stack([x, y], -1) - clip.told.centroids) * PHYWORLD_WIDTH
    errors = np.linalg.norm(np.diff(missed, axis=0), axis=-1) / STEP
    return float(np.mean([errors[counted_frames(clip, k)[1:], k].mean() for k in range(count)]))
