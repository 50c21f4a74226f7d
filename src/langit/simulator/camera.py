"""The pinhole camera: rays through pixels, and points onto the screen."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np

from langit.simulator.world import Array, Camera

FASTEST = 4.0
"""Cells from frame to frame, of what drifts over the screen."""


def axes(camera: Camera) -> tuple[Array, Array, Array]:
    """Unit vectors to the right, up and forward of the camera, each (F, 3), in the world."""
    forward = camera.targets - camera.positions
    forward = forward / np.linalg.norm(forward, axis=-1, keepdims=True)
    right = np.cross(forward, np.array([0.0, 0.0, 1.0], np.float32))
    right = right / np.linalg.norm(right, axis=-1, keepdims=True)
    up = np.cross(right, forward)
    return right.astype(np.float32), up.astype(np.float32), forward.astype(np.float32)


def half_extent(camera: Camera, height: int, width: int) -> tuple[float, float]:
    """Half height and half width of the image plane at distance 1; the shorter side spans `vertical_fov`."""
    half = math.tan(camera.vertical_fov / 2)
    return half * height / min(height, width), half * width / min(height, width)


def rays(camera: Camera, height: int, width: int) -> Array:
    """Unit directions through the centres of all pixels, (F, H, W, 3); all start at `camera.positions`."""
    right, up, forward = axes(camera)
    half_height, half_width = half_extent(camera, height, width)
    across = ((np.arange(width) + 0.5) / width * 2 - 1) * half_width
    down = ((np.arange(height) + 0.5) / height * 2 - 1) * half_height
    direction = (
        forward[:, None, None]
        + across[None, None, :, None] * right[:, None, None]
        - down[None, :, None, None] * up[:, None, None]
    )
    unit: Array = (direction / np.linalg.norm(direction, axis=-1, keepdims=True)).astype(np.float32)
    return unit


def project(camera: Camera, points: Array, height: int, width: int) -> tuple[Array, Array]:
    """Points (F, K, 3) onto the screen: (F, K, 2) x, y in [0, 1] of the frame (may lie outside), and depth (F, K) along
    the camera's axis; the screen position of a point behind the camera (depth <= 0) is NaN."""
    right, up, forward = axes(camera)
    half_height, half_width = half_extent(camera, height, width)
    offset = points - camera.positions[:, None]
    depth = np.einsum("fkc,fc->fk", offset, forward)
    safe = np.where(depth > 1e-6, depth, np.nan)
    x = np.einsum("fkc,fc->fk", offset, right) / safe / half_width
    y = -np.einsum("fkc,fc->fk", offset, up) / safe / half_height
    return np.stack([(x + 1) / 2, (y + 1) / 2], -1).astype(np.float32), depth.astype(np.float32)


def drift(camera: Camera, shown: Sequence[int], rows: int, columns: int) -> Array:
    """(f, rows, columns, 2): how far down and across the camera's motion has carried, since the frame shown before, what
    each cell of so many rows and columns shows in frames `shown` of the ground, or of the sky far away; in cells.

    It is 0 in the first of them.
    """
    found = np.zeros((len(shown), rows, columns, 2), np.float32)
    shorter = min(rows, columns)
    half = math.tan(camera.vertical_fov / 2)
    right, up, forward = axes(camera)
    toward = rays(camera, rows, columns)
    middles = np.stack(np.meshgrid(np.arange(rows) + 0.5, np.arange(columns) + 0.5, indexing="ij"), -1)
    for number, (before, now) in enumerate(itertools.pairwise(shown), 1):
        # One over the distance along each ray to the ground: 0 for the sky, which only the camera's turning moves.
        nearness = np.maximum(0, -toward[now, ..., 2:]) / max(float(camera.positions[now, 2]), 1e-3)
        offset = toward[now] + nearness * (camera.positions[now] - camera.positions[before])
        depth = np.maximum(offset @ forward[before], 1e-3)
        down, across = -(offset @ up[before]) / depth / half, offset @ right[before] / depth / half
        came_from = (np.stack([down, across], -1) * shorter + (rows, columns)) / 2
        found[number] = np.clip(middles - came_from, -FASTEST, FASTEST)
    return found
