"""Where a ball is, to a few hundredths of a pixel: its outline fitted to how far the pixels on it are covered.

A pixel on the outline holds a share of the ball and a share of what is behind it; in linear light its colour is their
mean by these shares, and both colours stand beside it, inward and outward. So each such pixel tells how far the outline
is from its centre, and a few weighted least squares put the sphere's projection, of known form for a known camera, where
all of them together want it. Pixels that are alike inside and outside (a dark ball on its own shadow) tell nothing and
weigh nothing; the radius is one for all frames, since what is measured moves in the plane that the camera faces.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from langit.simulator.world import Array
from langit.types import Frames

Doubles = NDArray[np.float64]

BAND = 0.71  # pixels on either side of the outline that are looked at: it touches none farther away
BESIDE = 0.5  # pixels beyond the band, where the colours of the ball and of what is behind it are taken
CONTRAST = 0.1  # of linear light, between the two, from which on a pixel is trusted by half
ODD = 0.25  # of coverage, by which a pixel may be off before it is trusted less
HOLD = 0.3  # pixels' worth of trust that hold the outline where it was
ROUNDS, LAST_ROUNDS = 5, 4  # with a radius of its own for every frame, and with one for all
MARGIN = 2.0  # pixels of the frame's edge where nothing is looked at
OVERLAP = 0.2  # of linear light's range, and of coverage, beyond what is possible, that noise may take
FARTHEST = 0.35  # of the radius, that a fit may lie from where the ball was seen


def fitted(frames: Frames, x: Array, y: Array, area: Array, view: float) -> tuple[Array, Array]:
    """Of frames (T, H, W, 3) that show a ball about x, y (T,) of the frame with an `area` (T,) as a share of it: where its
    centre is projected. `view` is the angle in radians that the shorter side spans.

    Where no outline is found near that place, the place as it came.
    """
    height, width = frames.shape[1:3]
    scale = 2 * math.tan(view / 2) / min(height, width)  # of the image plane at distance 1, per pixel
    light = _linear(frames)
    start = np.stack([x * width, y * height]).astype(np.float64)
    radius = np.arctan(np.sqrt(area.astype(np.float64) * height * width / math.pi) * scale)
    place, own = _moved(light, start, radius, scale, ROUNDS, fits_radius=True)
    common = np.full(len(radius), np.median(own))
    place, _ = _moved(light, place, common, scale, LAST_ROUNDS, fits_radius=False)
    near = np.hypot(*(place - start)) * scale < FARTHEST * np.tan(radius)
    place = np.where(near, place, start)
    return (place[0] / width).astype(np.float32), (place[1] / height).astype(np.float32)


def _moved(
    light: Doubles, place: Doubles, radius: Doubles, scale: float, rounds: int, *, fits_radius: bool
) -> tuple[Doubles, Doubles]:
    """Places (2, T) in pixels and radii (T,), angles from the camera, after some rounds of least squares."""
    count, (height, width) = len(light), light.shape[1:3]
    place, radius = place.copy(), radius.copy()
    reach = math.ceil(float(np.tan(radius.max())) / scale * 1.1 + 3)
    about = np.arange(-reach, reach + 1) + 0.5
    for _ in range(rounds):
        corner = np.floor(place)
        column = (corner[0][:, None] + about)[:, None, :]  # (T, 1, S), pixel centres
        row = (corner[1][:, None] + about)[:, :, None]
        apart, by_column, by_row = _angles(column, row, place, scale, height, width)
        steep = np.hypot(by_column, by_row)
        out = (apart - radius[:, None, None]) / steep  # (T, S, S) pixels beyond the outline
        inside = (column > MARGIN) & (column < width - MARGIN) & (row > MARGIN) & (row < height - MARGIN)
        frame, i, j = np.nonzero((np.abs(out) < BAND) & inside)
        out, right, down = (each[frame, i, j] for each in (out, by_column / steep, by_row / steep))
        at = np.stack([row[frame, i, 0], column[frame, 0, j]])
        ahead = np.stack([down, right])
        ball, behind = (_colours(light, frame, at + ahead * (way - out)) for way in (-BAND - BESIDE, BAND + BESIDE))
        here = light[frame, at[0].astype(int), at[1].astype(int)]
        contrast = ((ball - behind) ** 2).sum(-1)
        covered = ((here - behind) * (ball - behind)).sum(-1) / np.maximum(contrast, 1e-6)
        left = covered.clip(-OVERLAP, 1 + OVERLAP) - share_within(out, right, down)
        trust = contrast / (contrast + CONTRAST**2) / np.maximum(1, np.abs(left) / ODD)
        design = np.stack([right, down, np.ones_like(right)][: 3 if fits_radius else 2])
        normal = [[np.bincount(frame, a * b * trust, count) for b in design] for a in design]
        wanted = [np.bincount(frame, a * left * trust, count) for a in design]
        held = np.moveaxis(np.array(normal), -1, 0) + HOLD * np.eye(len(design))
        step = np.linalg.solve(held, np.stack(wanted, -1)[..., None])[..., 0].clip(-1, 1)
        place += step[:, :2].T
        if fits_radius:
            radius += step[:, 2] * scale
    return place, radius


def share_within(out: Doubles, right: Doubles, down: Doubles) -> Doubles:
    """Of square pixels whose centres lie `out` beyond a straight edge, how much is on its inner side; the edge's unit normal is
    (right, down)."""
    steep, flat = np.maximum(np.abs(right), np.abs(down)), np.minimum(np.abs(right), np.abs(down))
    corner = ((steep + flat) / 2 - np.abs(out)).clip(0) ** 2 / (2 * steep * np.maximum(flat, 1e-9))
    across = 0.5 - out / steep
    return np.where(np.abs(out) <= (steep - flat) / 2, across, np.where(out > 0, corner, 1 - corner))


def _angles(
    column: Doubles, row: Doubles, place: Doubles, scale: float, height: int, width: int
) -> tuple[Doubles, Doubles, Doubles]:
    """Angles between the rays through pixels and the one through `place`, and how they grow by column and by row.

    Points of the image plane at distance 1 are vectors p and c: the angle's tangent is |p x c| / p.c."""
    a, b = (column - width / 2) * scale, (row - height / 2) * scale
    c, d = ((place[k] - side / 2)[:, None, None] * scale for k, side in enumerate((width, height)))
    dot = 1 + a * c + b * d
    cross = np.sqrt((a - c) ** 2 + (b - d) ** 2 + (a * d - b * c) ** 2) + 1e-9
    both = dot**2 + cross**2
    twist = a * d - b * c
    by_column = (dot * ((a - c) + twist * d) / cross - cross * c) / both * scale
    by_row = (dot * ((b - d) - twist * c) / cross - cross * d) / both * scale
    return np.arctan2(cross, dot), by_column, by_row


def _colours(light: Doubles, frame: NDArray[np.intp], at: Doubles) -> Doubles:
    """(P, 3) at places between pixels, rows and columns (2, P)."""
    where = [frame, at[0] - 0.5, at[1] - 0.5]
    return np.stack([ndimage.map_coordinates(light[..., k], where, order=1, mode="nearest") for k in range(3)], -1)


def _linear(frames: Frames) -> Doubles:
    """sRGB levels as linear light in [0, 1]."""
    table = np.arange(256) / 255
    table = np.where(table <= 0.04045, table / 12.92, ((table + 0.055) / 1.055) ** 2.4)
    return np.asarray(table[frames], np.float64)
