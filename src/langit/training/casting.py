"""The cast of a simulated clip, read from its states and its frames (`conditioning.cast` says what a cast is)."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from numpy.typing import NDArray
from torch import Tensor

from langit.conditioning.cast import BANDS, DIRECTIONS, NUM_COLOURS, NUM_KINDS, NUM_SHAPES, THINGS, Cast
from langit.simulator import camera as pinhole
from langit.simulator.physics import rotations
from langit.simulator.shapes import UNIT_SHAPE, Z_RANGE
from langit.simulator.world import COLOURS, SHAPES, Camera, Scene, Thing
from langit.types import Frames

KINDS = (*SHAPES, "wall", "ramp", "rod")
NAMES = (*COLOURS, *KINDS)
"""What a thing is named by: the colours, then the shapes and props."""
assert (len(COLOURS), len(KINDS), len(SHAPES)) == (NUM_COLOURS, NUM_KINDS, NUM_SHAPES)
AWAY = 3.0
"""Half sides from the middle beyond which the paths of what is out of the frame are told as being there."""
LARGEST = 2.0
"""Half sides that an outline may reach."""
NEAREST = 0.3
"""Metres before the camera, of the surface of things that pass it."""
BEHIND = {"ramp": 1.0, "rod": 0.5}
"""Metres that props count as farther than they are, so that what is on them is before them."""
SUNK = ("ramp", "wall")
"""Props of which a part may be under the ground."""
POINTS = 24  # around a circle


def cast_of(scene: Scene, frames: Frames, segmentation: NDArray[np.uint8], stride: tuple[int, int, int]) -> Cast:
    """The cast of a scene that was filmed as frames (F, H, W, 3); its segmentation (F, H, W) has thing k as 2 + k.

    ValueError for a scene of more things than a cast has rows.
    """
    if len(scene.things) > THINGS:
        raise ValueError(f"a cast has {THINGS} rows for things, and the scene has {len(scene.things)} things")
    height, width = frames.shape[1:3]
    groups = np.array([0] * (stride[0] - 1) + list(range(len(frames)))).reshape(-1, stride[0])  # (f, t)
    centres, outlines, distances = _outlines(scene, height, width)
    away = [BEHIND.get(thing.shape, 0.0) for thing in scene.things]
    depths = np.log(np.maximum(distances + np.array(away), NEAREST))[groups].mean(1)  # (f, K)
    names = np.array([[float(name in (thing.colour, thing.shape)) for name in NAMES] for thing in scene.things])
    pixels = frames.astype(np.float32) / 127.5 - 1
    colours = np.stack([_colour(pixels, segmentation == 2 + k, groups) for k in range(len(scene.things))], 1)
    num = len(groups)
    return Cast(
        _rows(np.broadcast_to(names, (num, *names.shape))),
        _rows(colours),
        _rows(np.clip(centres, -AWAY, AWAY)[groups].transpose(0, 2, 1, 3)),
        _rows(np.minimum(outlines, LARGEST)[groups].transpose(0, 2, 1, 3)),
        _rows(depths),
        _bands(pixels, segmentation >= 2, groups),
        _drift(scene.camera, range(0, len(frames), stride[0]), height // stride[1], width // stride[2]),
    )


def at_moment(scene: Scene, frame: int) -> Scene:
    """The scene as the picture of one frame."""
    path, camera, one = scene.trajectory, scene.camera, slice(frame, frame + 1)
    still = replace(
        path,
        positions=path.positions[one],
        quaternions=path.quaternions[one],
        velocities=path.velocities[one],
        angular_velocities=path.angular_velocities[one],
        contacts=path.contacts[one],
    )
    return replace(
        scene,
        trajectory=still,
        camera=replace(camera, positions=camera.positions[one], targets=camera.targets[one]),
    )


def _rows(values: NDArray[np.floating]) -> Tensor:
    """(f, K, ...) -> (f, THINGS, ...), empty rows being 0."""
    filled = np.zeros((len(values), THINGS, *values.shape[2:]), np.float32)
    filled[:, : values.shape[1]] = values
    return torch.from_numpy(filled)


def _outlines(scene: Scene, height: int, width: int) -> tuple[NDArray[np.float64], ...]:
    """Centres (F, K, 2), how far outlines reach in each direction (F, K, DIRECTIONS), both in half shorter sides, and
    distances (F, K) in metres."""
    path, camera = scene.trajectory, scene.camera
    right, up, forward = pinhole.axes(camera)
    axes = np.stack([right, -up, forward], 1).astype(np.float64)  # (F, 3, world)
    half = math.tan(camera.vertical_fov / 2)
    angles = 2 * math.pi * np.arange(DIRECTIONS) / DIRECTIONS
    directions = np.stack([np.cos(angles), np.sin(angles)])  # (2, DIRECTIONS)
    centres, reaches, distances = [], [], []
    for k, thing in enumerate(scene.things):
        middle = path.positions[:, k].astype(np.float64) - camera.positions
        points = (
            np.einsum("fij,pj->fpi", rotations(path.quaternions[:, k]), _surface(thing)) + path.positions[:, None, k]
        )
        if thing.shape in SUNK:
            points = _above_ground(points)
        seen = np.einsum("fci,fpi->fpc", axes, points - camera.positions[:, None])
        flat = seen[..., :2] / np.maximum(seen[..., 2:], NEAREST) / half  # (F, P, 2)
        own = np.einsum("fci,fi->fc", axes, middle)
        centre = own[:, :2] / np.maximum(own[:, 2:], NEAREST) / half
        centres.append(centre)
        reaches.append(((flat - centre[:, None]) @ directions).max(1))
        distances.append(own[:, 2])
    return np.stack(centres, 1), np.stack(reaches, 1), np.stack(distances, 1)


def _above_ground(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points (F, P, 3) -> (F, more, 3) whose hull is what of theirs is above the ground."""
    first, second = np.triu_indices(points.shape[1], 1)
    a, b = points[:, first], points[:, second]
    crosses = (a[..., 2] > 0) != (b[..., 2] > 0)
    share = a[..., 2] / np.where(crosses, a[..., 2] - b[..., 2], 1.0)
    every = np.concatenate([points, a + share[..., None] * (b - a)], 1)
    counts = np.concatenate([points[..., 2] > 0, crosses], 1)
    highest = points[np.arange(len(points)), points[..., 2].argmax(1)]
    return np.where(counts[..., None], every, highest[:, None])


def _surface(thing: Thing) -> NDArray[np.float64]:
    """(P, 3) points of its own frame whose hull is the thing, metres."""
    scaled: NDArray[np.float64] = _unit_surface(UNIT_SHAPE[thing.shape]) * np.array(thing.half_extents)
    return scaled


@cache
def _unit_surface(kind: str) -> NDArray[np.float64]:
    low, high = Z_RANGE[kind]
    turn = 2 * math.pi * np.arange(POINTS) / POINTS
    circle = np.stack([np.cos(turn), np.sin(turn)], -1)
    corners = np.array([[x, y] for x in (-1.0, 1.0) for y in (-1.0, 1.0)])
    if kind == "ball":
        number = np.arange(POINTS * 10) + 0.5
        z = 1 - 2 * number / len(number)
        around = number * math.pi * (3 - math.sqrt(5))
        flat = np.sqrt(1 - z * z)
        return np.stack([flat * np.cos(around), flat * np.sin(around), z], -1)
    base = circle if kind in ("cylinder", "cone") else corners
    if kind in ("cone", "pyramid"):
        return np.concatenate([_at(base, low), [[0.0, 0.0, high]]])
    return np.concatenate([_at(base, low), _at(base, high)])


def _at(flat: NDArray[np.float64], z: float) -> NDArray[np.float64]:
    return np.concatenate([flat, np.full((len(flat), 1), z)], 1)


def _colour(pixels: NDArray[np.float32], mine: NDArray[np.bool_], groups: NDArray[np.int64]) -> NDArray[np.float32]:
    """(f, 3): the mean colour of a thing's pixels in each latent frame, or in the nearest in which it is seen."""
    shown = mine.reshape(len(mine), -1).sum(1)
    total = np.stack([pixels[frame][mine[frame]].sum(0) for frame in range(len(pixels))])
    count, total = shown[groups].sum(1), total[groups].sum(1)  # (f,), (f, 3)
    visible = count.nonzero()[0]
    if not len(visible):
        return np.zeros((len(groups), 3), np.float32)
    nearest = visible[np.abs(np.arange(len(groups))[:, None] - visible).argmin(1)]
    found: NDArray[np.float32] = (total / np.maximum(count, 1)[:, None])[nearest]
    return found


def _bands(pixels: NDArray[np.float32], covered: NDArray[np.bool_], groups: NDArray[np.int64]) -> Tensor:
    """(f, BANDS, 3): the mean colour of what no thing covers, row by row, as so many bands."""
    free = (~covered)[groups].astype(np.float32)  # (f, t, H, W)
    count = free.sum((1, 3))  # (f, H)
    colour = (pixels[groups] * free[..., None]).sum((1, 3)) / np.maximum(count, 1)[..., None]
    for told, known in zip(
        colour, count > 0, strict=True
    ):  # rows that are covered whole are as the nearest that is not
        rows = known.nonzero()[0]
        if len(rows):
            told[:] = told[rows[np.abs(np.arange(len(told))[:, None] - rows).argmin(1)]]
    return F.interpolate(torch.from_numpy(colour).mT, BANDS, mode="area").mT.contiguous()


def _drift(camera: Camera, shown: range, rows: int, columns: int) -> Tensor:
    """(f, 2, BANDS, 2): of a straight line over the columns, its left and its right end, in half shorter sides."""
    cells = torch.from_numpy(pinhole.drift(camera, shown, rows, columns)) / (min(rows, columns) / 2)
    x = torch.linspace(-1, 1, columns)
    middle, slope = cells.mean(2), (cells * x[:, None]).sum(2) / x.square().sum()  # (f, rows, 2)
    reach = columns / (columns - 1)  # from the middle of the last cell to its border
    ends = torch.stack([middle - slope * reach, middle + slope * reach], 1)
    told = F.interpolate(rearrange(ends, "f side row two -> f (side two) row"), BANDS, mode="linear")
    return rearrange(told, "f (side two) band -> f side band two", side=2)
