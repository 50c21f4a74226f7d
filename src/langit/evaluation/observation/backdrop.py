"""The camera's motion, from what lies still: ground and sky.

Between two frames a camera over flat ground moves the background by five numbers, all linear for a small step: yaw and
pitch, which move everything alike, and steps to the right, up and ahead, which move the ground the more the nearer it
is, by its row below the horizon. Brightness that stays the same makes each pixel one equation in them (Lucas and Kanade
1981); the moves of the simulated camera are steady, so all frames' equations may be solved together.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from langit.evaluation.observation.seen import Array, Track
from langit.evaluation.observation.segmenter import FIRST_COLOUR, Segmentation
from langit.simulator.world import GROUNDS, LIGHT_SIDES, LIGHTS

Doubles = NDArray[np.float64]

HALF_VIEW = np.tan(np.radians(40.5) / 2)  # of the shorter side; the simulated lenses differ by 6% from it
MARGIN = 3  # pixels about things, left out
SMOOTH = 1.0  # pixels
CHANGE = 0.06  # of brightness, between two frames, from which on a pixel is trusted less
TARGET_DISTANCE = 8.5  # metres, of what a camera looks at
LEAST = {"pan": 0.12, "orbit": 0.18, "dolly": 0.12, "rise": 0.05}
"""Least motion over the clip: radians; for dolly and rise a share of the target's distance."""
RISEN = 0.13  # of the frame, that the horizon climbs when the camera rises
EXPLAINED = 0.12  # least share of the background's change that a move explains
YAW, PITCH, RIGHT, UP, AHEAD = range(5)


@dataclass(frozen=True, eq=False)
class Backdrop:
    """What the background tells."""

    steps: Doubles  # (F - 1, 5): yaw, pitch (radians); steps right, up and ahead (of the camera's height)
    mean_step: Doubles  # (5,) of all frames together
    horizon: Array  # (F,) row in [0, 1], may lie outside
    camera_height: Array  # (F,) metres
    camera_move: str
    light_time: str
    light_side: str
    ground: str
    colours: Array  # (F, 2, 3)


def read_backdrop(seen: Segmentation) -> Backdrop:
    num_frames = len(seen.depth)
    horizon = np.asarray(ndimage.median_filter(seen.horizon, min(5, num_frames)), np.float32)
    normal, wanted, energy = _equations(seen, horizon)
    total = normal.sum(0)
    ridge = np.diag([1e-2, 1e-2, 1e-2, 1e-2, 1e-2]) * (np.trace(total) * 1e-3 + 1e-9)
    mean = np.linalg.solve(total + ridge, wanted.sum(0)) if num_frames > 1 else np.zeros(5)
    steps = np.zeros((num_frames - 1, 5))
    for frame in range(num_frames - 1):  # each frame's own, drawn towards the mean where it shows little
        hold = np.diag(np.diag(total) / max(num_frames - 1, 1) * 0.3 + 1e-6)
        steps[frame] = mean + np.linalg.solve(normal[frame] + hold, wanted[frame] - normal[frame] @ mean)
    move = camera_move(total, wanted.sum(0), energy, num_frames - 1, float(np.median(seen.camera_height)))
    if move == "static" and float(np.median(horizon[-5:]) - np.median(horizon[:5])) < -RISEN:
        move = "rise"  # over ground too plain to be followed
    ground = seen.what[..., 1:FIRST_COLOUR].sum((0, 1, 2))
    return Backdrop(
        steps=steps,
        mean_step=mean,
        horizon=_steady(horizon, move != "static"),
        camera_height=np.exp(_steady(np.log(seen.camera_height), move == "rise")),
        camera_move=move,
        light_time=LIGHTS[int(seen.light_time.mean(0).argmax())],
        light_side=LIGHT_SIDES[int(seen.light_side[:3].mean(0).argmax())],
        ground=GROUNDS[int(ground.argmax())],
        colours=_colours(seen),
    )


def _steady(values: Array, moves: bool) -> Array:
    """Values of every frame without their noise: one for all, or a straight line over time."""
    if not moves or len(values) < 5:
        return np.full_like(values, np.median(values))
    times = np.arange(len(values))
    return np.asarray(np.polyval(np.polyfit(times, values, 1), times), np.float32)


def camera_move(normal: Doubles, wanted: Doubles, energy: float, num_steps: int, height: float) -> str:
    """The move whose motion explains the change of the background best, or "static" when that is little.

    `normal` (5, 5) and `wanted` (5,) are the equations of all steps; `height` of the camera in metres. Every move is
    one number: an orbit turns as much as keeps its target in sight, a rise and a dolly tilt a little.
    """
    turn = height / TARGET_DISTANCE
    moves: dict[str, list[Doubles]] = {"pan": [_unit(YAW)], "dolly": [], "orbit": [], "rise": []}
    for share in (0.6, 0.8, 1.0, 1.25, 1.6):
        moves["orbit"].append(_unit(RIGHT) - share * turn * _unit(YAW))
    for tilt in (-0.5, 0.0, 0.5):
        moves["dolly"].append(_unit(AHEAD) + tilt * turn**2 * _unit(PITCH))
    for tilt in (0.0, 0.5, 1.0, 1.5):
        moves["rise"].append(_unit(UP) + tilt * turn * _unit(PITCH))
    best, explained, amount = "static", 0.0, 0.0
    for move, directions in moves.items():
        for direction in directions:
            along = float(direction @ wanted)
            gain = along**2 / max(float(direction @ normal @ direction), 1e-12)
            if gain > explained:
                best, explained = move, gain
                amount = along / max(float(direction @ normal @ direction), 1e-12) * num_steps
    scale = 1.0 if best == "pan" else turn
    if best == "static" or abs(amount) * scale < LEAST[best] or explained < EXPLAINED * energy:
        return "static"
    positive = amount > 0
    match best:
        case "dolly":
            return "dolly in" if positive else "dolly out"
        case "rise":
            return "rise" if positive else "static"
        case _:
            return f"{best} {'right' if positive else 'left'}"


def _unit(axis: int) -> Doubles:
    return np.asarray(np.eye(5)[axis])


def flow(x: Doubles, y: Doubles, horizon: Doubles | float, step: Doubles) -> tuple[Doubles, Doubles]:
    """How far (in the image plane at distance 1) background points x, y, there too, move in a step of the camera.

    `horizon` is the row of the horizon in the same measure; the camera looks almost level, so the ground's inverse
    distance in camera heights is the row below the horizon."""
    near = np.maximum(y - horizon, 0.0)
    yaw, pitch, right, up, ahead = np.moveaxis(np.asarray(step), -1, 0)
    across = -yaw * (1 + x * x) - pitch * x * y - right * near + ahead * near * x
    down = -yaw * x * y - pitch * (1 + y * y) + up * near + ahead * near * y
    return across, down


def _equations(seen: Segmentation, horizon: Array) -> tuple[Doubles, Doubles, float]:
    """Normal equations of every step, (F - 1, 5, 5) and (F - 1, 5), and the energy of the change that they explain."""
    height, width = seen.depth.shape[1:]
    grey = seen.frames @ np.array([0.3, 0.5, 0.2], np.float32)
    smooth = ndimage.gaussian_filter(grey, (0, SMOOTH, SMOOTH), truncate=2.0)
    thing = seen.what[..., FIRST_COLOUR:].sum(-1) > 0.3
    thing = ndimage.maximum_filter(thing, (1, 2 * MARGIN + 1, 2 * MARGIN + 1))
    free = ~(thing[1:] | thing[:-1])
    free[:, :2] = free[:, -2:] = False
    free[:, :, :2] = free[:, :, -2:] = False
    pixel = 2 * HALF_VIEW / min(height, width)  # of the image plane at distance 1
    middle = (smooth[1:] + smooth[:-1]) / 2
    by_row = np.gradient(middle, axis=1) / pixel
    by_column = np.gradient(middle, axis=2) / pixel
    change = smooth[1:] - smooth[:-1]
    x = ((np.arange(width) + 0.5) - width / 2)[None, :] * pixel * np.ones((height, 1))
    y = ((np.arange(height) + 0.5) - height / 2)[:, None] * pixel * np.ones((1, width))
    row = (horizon - 0.5) * height * pixel
    num_steps = len(change)
    normal, wanted, energy = np.zeros((num_steps, 5, 5)), np.zeros((num_steps, 5)), 0.0
    for step in range(num_steps):
        here = free[step]
        at_x, at_y = x[here], y[here]
        near = np.maximum(at_y - float(row[step] + row[step + 1]) / 2, 0.0)
        gx, gy, left = by_column[step][here], by_row[step][here], change[step][here]
        design = np.stack(  # `flow` by its five numbers
            [
                -gx * (1 + at_x * at_x) - gy * at_x * at_y,
                -gx * at_x * at_y - gy * (1 + at_y * at_y),
                -gx * near,
                gy * near,
                (gx * at_x + gy * at_y) * near,
            ]
        )
        trust = 1 / (1 + (left / CHANGE) ** 2)  # shadows and glows move by themselves
        normal[step] = (design * trust) @ design.T
        wanted[step] = -(design * trust) @ left
        energy += float((trust * left * left).sum())
    return normal, wanted, energy


def _colours(seen: Segmentation) -> Array:
    """(F, 2, 3) mean colours of sky and ground."""
    sky = seen.what[..., 0]
    ground = seen.what[..., 1:FIRST_COLOUR].sum(-1)
    means = []
    for share in (sky > 0.9, ground > 0.9):
        count = share.sum((1, 2))[:, None]
        summed = (seen.frames * share[..., None]).sum((1, 2))
        means.append(np.where(count > 0, summed / np.maximum(count, 1), np.nan))
    return np.stack(means, 1).astype(np.float32)


def background_motion(backdrop: Backdrop) -> Array:
    """(F, 3) shift x, shift y and log zoom since the first frame, of the ground halfway down the frame."""
    num_frames = len(backdrop.horizon)
    motion = np.zeros((num_frames, 3))
    at = 0.25 * HALF_VIEW
    for frame, step in enumerate(backdrop.steps):
        row = (float(backdrop.horizon[frame]) - 0.5) * 2 * HALF_VIEW
        across, down = flow(np.array(0.0), np.array(at), row, step)
        zoom = step[AHEAD] * max(at - row, 0.0)
        motion[frame + 1] = motion[frame] + [float(across), float(down), float(zoom)]
    motion[:, :2] /= 2 * HALF_VIEW
    return motion.astype(np.float32)


def steadied(track: Track, backdrop: Backdrop, height: int, width: int) -> Track:
    """The track with places as a camera that had stayed as in the first frame would show them, about."""
    shift = np.zeros((len(track.x), 2))
    short = min(height, width)
    place = None
    for frame, step in enumerate(backdrop.steps):
        if track.visible[frame]:
            x = (track.x[frame] - 0.5) * width / short * 2 * HALF_VIEW
            y = (track.boxes[frame, 3] - 0.5) * height / short * 2 * HALF_VIEW
            place = float(x), float(y)
        if place is None:
            continue
        row = (float(backdrop.horizon[frame]) - 0.5) * height / short * 2 * HALF_VIEW
        across, down = flow(np.array(place[0]), np.array(place[1]), row, step)
        shift[frame + 1] = shift[frame] + [float(across), float(down)]
    shift /= 2 * HALF_VIEW
    x = track.x - (shift[: len(track.x), 0] * short / width).astype(np.float32)
    y = track.y - (shift[: len(track.y), 1] * short / height).astype(np.float32)
    return replace(track, steady_x=x, steady_y=y)
