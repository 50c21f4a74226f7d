"""Where a scene is seen from and what lights it: camera paths and lights, drawn to suit what moves.

The camera looks along +y by default, with the action about the origin.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from langit.simulator.camera import axes, project
from langit.simulator.world import CAMERA_ANGLES, CAMERA_MOVES, LIGHT_SIDES, LIGHTS, Camera, Light, Trajectory

Rng = np.random.Generator

HEIGHTS = {"eye level": (1.7, 2.3), "low angle": (0.6, 1.0), "high angle": (4.4, 5.4)}  # metres, of the camera
ANGLE_WEIGHTS = (0.5, 0.22, 0.28)
STATIC_SHARE = 0.46  # some moves fall back to it
MARGIN = 0.04  # of the frame: a centre further out counts as out of frame
SEEN_SHARE = 0.55  # of frames in which the actor must be in the frame
NEAREST = 2.5  # metres from the camera to any centre
TRIES = 12
GIRTH = 0.75  # metres that a thing takes beside its centre
DISTANCES = (6.4, 9.0)  # metres; what goes further leaves the frame


def draw_camera(rng: Rng, trajectory: Trajectory, actors: tuple[int, ...]) -> Camera | None:
    """A camera that sees the actors at the start and the first of them most of four seconds; None if none is found."""
    for attempt in range(TRIES):
        moving = rng.random() > STATIC_SHARE and attempt < TRIES - 4
        move = str(rng.choice(CAMERA_MOVES[1:])) if moving else "static"
        camera = _path(rng, move, trajectory, actors)
        where, depth = project(camera, trajectory.positions, 64, 64)
        within: NDArray[np.bool_] = np.abs(where[:, actors] - 0.5).max(-1) < 0.5 - MARGIN
        if depth.min() > NEAREST and within[:3].all() and within[: round(4 * trajectory.fps), 0].mean() >= SEEN_SHARE:
            return camera
    return None


def _path(rng: Rng, move: str, trajectory: Trajectory, actors: tuple[int, ...]) -> Camera:
    num_frames = len(trajectory.positions)
    angle = str(rng.choice(CAMERA_ANGLES, p=ANGLE_WEIGHTS))
    highest = float(trajectory.positions[:, actors, 2].max())
    target = np.array([rng.uniform(-0.3, 0.3), 0.0, float(np.clip(0.45 * highest + 0.25, 0.9, 1.8))])
    height, fov = rng.uniform(*HEIGHTS[angle]), math.radians(rng.uniform(38, 43))
    bearing = math.radians(rng.uniform(-22, 22))
    distance = float(np.clip(_reach(trajectory, actors) / math.tan(fov / 2), *DISTANCES)) * rng.uniform(1.0, 1.12)
    along = np.linspace(-0.5, 0.5, num_frames)
    bearings, heights = np.full(num_frames, bearing), np.full(num_frames, height)
    distances, turns = np.full(num_frames, distance), np.zeros(num_frames)
    kind, _, side = move.partition(" ")
    sign = {"left": -1.0, "right": 1.0, "in": -1.0, "out": 1.0}.get(side, 0.0)
    match kind:
        case "pan":
            turns = sign * math.radians(rng.uniform(15, 23)) * along
        case "orbit":
            bearings = bearing + sign * math.radians(rng.uniform(25, 40)) * along
        case "dolly":
            distances = distance * (1 + sign * rng.uniform(0.22, 0.3) * along)
        case "rise":
            heights = height + rng.uniform(1.3, 1.8) * (along + (0.2 if angle == "low angle" else 0.5))
            heights = np.maximum(heights, 0.4)
    offset = np.stack([np.sin(bearings), -np.cos(bearings)], -1) * distances[:, None]
    positions = np.concatenate([target[:2] + offset, heights[:, None]], -1)
    sight = target - positions
    # A pan turns the line of sight about the vertical; to the right is clockwise seen from above.
    x = sight[:, 0] * np.cos(turns) + sight[:, 1] * np.sin(turns)
    y = sight[:, 1] * np.cos(turns) - sight[:, 0] * np.sin(turns)
    targets = positions + np.stack([x, y, sight[:, 2]], -1)
    return Camera(move, angle, positions.astype(np.float32), targets.astype(np.float32), fov)


def _reach(trajectory: Trajectory, actors: tuple[int, ...]) -> float:
    """Half the width or height that shows where all things start and where the actors are in the first four seconds."""
    acting = trajectory.positions[: round(4 * trajectory.fps), actors].reshape(-1, 3)
    places = np.concatenate([trajectory.positions[0], acting])
    return max(float(np.abs(places[:, 0]).max()) + GIRTH, (float(places[:, 2].max()) + GIRTH) / 2)


def draw_light(rng: Rng, camera: Camera) -> Light:
    """A light that suits its hour. "behind" is behind the camera, "front" before it, shining towards the lens."""
    time = str(rng.choice(LIGHTS, p=(0.45, 0.3, 0.25)))
    side = str(rng.choice(LIGHT_SIDES, p=(0.4, 0.4, 0.1, 0.1) if time == "sunset" else (0.3, 0.3, 0.25, 0.15)))
    low, high = {"noon": (58, 75), "sunset": (12, 22), "night": (45, 62)}[time]
    elevation, stray = math.radians(rng.uniform(low, high)), math.radians(rng.uniform(-20, 20))
    right, _, forward = (axis[0].astype(np.float64) for axis in axes(camera))
    ahead = np.array([forward[0], forward[1]]) / math.hypot(forward[0], forward[1])
    across = np.array([right[0], right[1]])
    towards = {"left": -across, "right": across, "behind": -ahead, "front": ahead}[side]
    x = towards[0] * math.cos(stray) - towards[1] * math.sin(stray)
    y = towards[0] * math.sin(stray) + towards[1] * math.cos(stray)
    flat = math.cos(elevation)
    return Light(time, side, (float(x * flat), float(y * flat), math.sin(elevation)))
