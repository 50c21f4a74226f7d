"""Shadows: whether the ground is darker where the light, and the place at which a thing is seen, put its shadow."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from langit.evaluation.follow import follow, in_space
from langit.evaluation.footage import Examined
from langit.simulator.camera import project
from langit.simulator.world import Array

DARKER = 0.9  # brightness over that of the same ground in the light, of a shadow
LIT = 75  # percentile over time, of what a place on the ground looks like in the light
STEP, REACH = 0.15, 0.9
SPOTS = np.array(
    [
        (1 + STEP * up, STEP * aside)
        for up in range(-6, 7)
        for aside in range(-6, 7)
        if STEP * math.hypot(up, aside) < REACH + 0.01
    ]
)
"""Points of a thing, in its radius: how high, and how far to the side. Their shadows are looked for."""
FEWEST_PIXELS = 2  # of the ground that must be in sight
RIM = 1.0  # pixels about a thing that are partly of it
ROUND = ("ball", "egg")  # they fill the ellipse of their boxes, and others may fill their boxes


def shadow_share(clip: Examined) -> float:
    """Share of the frames that were made in which the first thing's shadow is where it belongs; NaN where it is never in
    sight. Of clips with a camera at rest."""
    thing = clip.told.actors[0]
    followed = follow(clip, thing)
    points = in_space(clip, followed, where=followed.whole)
    lit = np.percentile(clip.frames, LIT, axis=0).astype(np.float32)
    found = []
    for frame in range(max(clip.given, 1), len(clip.frames)):
        if np.isfinite(points[frame]).all():
            ratio = _darkness(clip, lit, frame, points[frame], thing)
            if math.isfinite(ratio):
                found.append(float(ratio < DARKER))
    return float(np.mean(found)) if found else math.nan


def _darkness(clip: Examined, lit: Array, frame: int, place: Array, thing: int) -> float:
    """How bright the ground is in the shadow of a thing at `place`, over what it is in the light; NaN out of sight."""
    light = np.array(clip.told.json["light"]["direction"], np.float32)
    radius = clip.told.things[thing].half_extents[0]
    slope = light[:2] / max(float(light[2]), 0.05)
    across = np.array([-slope[1], slope[0]]) / max(float(np.hypot(*slope)), 1e-6)
    high, aside = radius * SPOTS.T[:, :, None]
    ground = place[:2] - high * slope + aside * across
    spots = np.concatenate([ground, np.zeros((len(ground), 1))], 1).astype(np.float32)
    height, width = clip.told.size
    screen = project(clip.told.camera, np.broadcast_to(spots, (clip.told.num_frames, *spots.shape)), height, width)[0]
    x, y = screen[min(frame, clip.told.num_frames - 1)].T
    free: NDArray[np.bool_] = (x > 0) & (x < 1) & (y > 0) & (y < 1)
    for track in clip.observation.tracks:
        if track.visible[frame]:
            left, top, right, bottom = track.boxes[frame]
            wide, tall = (right - left) / 2 + RIM / width, (bottom - top) / 2 + RIM / height
            along, down = np.abs((x - (left + right) / 2) / wide), np.abs((y - (top + bottom) / 2) / tall)
            free &= (np.hypot(along, down) if track.shape in ROUND else np.maximum(along, down)) > 1
    row, column = np.unique([(y[free] * height).astype(int), (x[free] * width).astype(int)], axis=1)
    if len(row) < FEWEST_PIXELS:
        return math.nan
    here = clip.frames[frame, row, column].astype(np.float64).mean()
    return float(here / max(float(lit[row, column].mean()), 1.0))
