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

from langit.evaluation.observation.moves import AHEAD, LAGS, QUANTILES, Evidence, solved
from langit.evaluation.observation.seen import Array, Flags, Track
from langit.evaluation.observation.segmenter import Segmentation
from langit.simulator.world import GROUNDS, LIGHTS

Doubles = NDArray[np.float64]

HALF_VIEW = np.tan(np.radians(40.5) / 2)  # of the shorter side; the simulated lenses differ by 6% from it
MARGIN = 3  # pixels about things, left out
SMOOTH = 1.0  # pixels
STRIDE = 2  # every second pixel tells as much, once they are smooth
CHANGE = 0.06  # of brightness, between two frames, from which on a pixel is trusted less
LEAST_CHANGE = 0.002  # of brightness, that is told from none
SURE = 0.9  # of sky or ground, for their mean colours
FEWEST_OF_ROW, FEWEST_ROWS = 8, 8  # pixels of a row, and rows, by which frames are compared in brightness
LINE_ROUNDS, LEAST_LEFT, TINY = 4, 4e-4, 1e-9


@dataclass(frozen=True, eq=False)
class Backdrop:
    """What the background tells."""

    steps: Doubles  # (F - 1, 5): yaw, pitch (radians); steps right, up and ahead (of the camera's height)
    mean_step: Doubles  # (5,) of all frames together
    horizon: Array  # (F,) row in [0, 1], may lie outside
    camera_height: Array  # (F,) metres
    camera_move: str
    light_time: str
    ground: str
    colours: Array  # (F, 2, 3)


def gather(seen: Segmentation) -> Evidence:
    num_frames = len(seen.depth)
    horizon = np.asarray(ndimage.median_filter(seen.horizon, min(5, num_frames)), np.float32)
    clear = _clear(seen)
    grey = _evened(seen.frames @ np.array([0.3, 0.5, 0.2], np.float32), clear)
    normal, wanted, energy = _equations(grey, clear, horizon)
    return Evidence(
        normal,
        wanted,
        energy,
        _changes(grey, clear & (seen.likeliest == 1)),
        horizon,
        np.asarray(ndimage.median_filter(seen.camera_height, min(5, num_frames)), np.float32),
        seen.light_time.mean(0),
        seen.ground.mean(0),
        _colours(seen),
    )


def read_backdrop(found: Evidence, move: str) -> Backdrop:
    return Backdrop(
        steps=_steps(found),
        mean_step=solved(found.normal.sum(0), found.wanted.sum(0)),
        horizon=_steady(found.horizon, move != "static"),
        camera_height=np.exp(_steady(np.log(found.camera_height), move == "rise")),
        camera_move=move,
        light_time=LIGHTS[int(found.light_time.argmax())],
        ground=GROUNDS[int(found.ground.argmax())],
        colours=found.colours,
    )


def _steps(found: Evidence) -> Doubles:
    """Each frame's own step, drawn towards the mean where it shows little."""
    num_steps, total = len(found.normal), found.normal.sum(0)
    if not num_steps:
        return np.zeros((0, 5))
    mean = solved(total, found.wanted.sum(0))
    hold = np.diag(np.diag(total) / num_steps * 0.3 + 1e-6)
    apart = found.wanted - found.normal @ mean
    return np.asarray(mean + np.linalg.solve(found.normal + hold, apart[..., None])[..., 0])


def _steady(values: Array, moves: bool) -> Array:
    """Values of every frame without their noise: one for all, or a straight line over time."""
    if not moves or len(values) < 5:
        return np.full_like(values, np.median(values))
    times = np.arange(len(values))
    return np.asarray(np.polyval(np.polyfit(times, values, 1), times), np.float32)


def flow(x: Doubles, y: Doubles, horizon: Doubles | float, step: Doubles) -> tuple[Doubles, Doubles]:
    """How far (in the image plane at distance 1) background points x, y, there too, move in a step of the camera.

    `horizon` is the row of the horizon in the same measure; the camera looks almost level, so the ground's inverse
    distance in camera heights is the row below the horizon."""
    near = np.maximum(y - horizon, 0.0)
    yaw, pitch, right, up, ahead = np.moveaxis(np.asarray(step), -1, 0)
    across = -yaw * (1 + x * x) - pitch * x * y - right * near + ahead * near * x
    down = -yaw * x * y - pitch * (1 + y * y) + up * near + ahead * near * y
    return across, down


def _clear(seen: Segmentation) -> Flags:
    """(F, h, w): sky and ground, away from things."""
    thing = seen.what[..., 0] + seen.what[..., 1] < 0.7
    return np.asarray(~ndimage.maximum_filter(thing, (1, 2 * MARGIN + 1, 2 * MARGIN + 1)))


def _evened(grey: Array, clear: Flags) -> Array:
    """Brightness (F, h, w) as if all frames were exposed as the first: what brightens, darkens or pales as a whole did not move.

    Between neighbouring frames brightness is a straight line of what it was; the means of rows tell it, since no move of the
    camera changes many of them by much in one step. Rows that do not fit weigh little."""
    gain, offset, even = 1.0, 0.0, [grey[0]]
    for frame in range(1, len(grey)):
        both = clear[frame] & clear[frame - 1]
        count = both.sum(1)
        rows = count >= FEWEST_OF_ROW
        if rows.sum() >= FEWEST_ROWS:
            now, before = ((grey[k] * both).sum(1)[rows] / count[rows] for k in (frame, frame - 1))
            slope, lift = _line(now, before, count[rows].astype(np.float64))
            gain, offset = gain * slope, gain * lift + offset
        even.append((gain * grey[frame] + offset).astype(np.float32))
    return np.stack(even)


def _line(x: Doubles, y: Doubles, count: Doubles) -> tuple[float, float]:
    """Slope and height at 0 of the line through points of which some may lie far off it, by reweighted least squares."""
    weight, slope, lift = count, 1.0, 0.0
    for _ in range(LINE_ROUNDS):
        middle, level = float(weight @ x / weight.sum()), float(weight @ y / weight.sum())
        slope = float(weight @ ((x - middle) * (y - level)) / (weight @ (x - middle) ** 2 + TINY))
        lift = level - slope * middle
        left = np.abs(y - slope * x - lift)
        weight = count / (1 + (left / (2 * np.median(left) + LEAST_LEFT)) ** 2)
    return slope, lift


def _equations(grey: Array, clear: Flags, horizon: Array) -> tuple[Doubles, Doubles, Doubles]:
    """Normal equations of every step, (F - 1, 5, 5) and (F - 1, 5), and the energy (F - 1,) of the change that they
    explain, from brightness (F, h, w) where it is clear."""
    height, width = grey.shape[1:]
    smooth = ndimage.gaussian_filter(grey, (0, SMOOTH, SMOOTH), truncate=2.0)
    some = np.s_[:, 2 : height - 2 : STRIDE, 2 : width - 2 : STRIDE]
    free = (clear[1:] & clear[:-1])[some]
    pixel = 2 * HALF_VIEW / min(height, width)  # of the image plane at distance 1
    middle = (smooth[1:] + smooth[:-1]) / 2
    by_row = np.gradient(middle, axis=1)[some] / pixel
    by_column = np.gradient(middle, axis=2)[some] / pixel
    change = (smooth[1:] - smooth[:-1])[some]
    across = ((np.arange(width) + 0.5) - width / 2)[2 : width - 2 : STRIDE] * pixel
    down = ((np.arange(height) + 0.5) - height / 2)[2 : height - 2 : STRIDE] * pixel
    x, y = np.broadcast_arrays(across[None, :], down[:, None])
    row = (horizon - 0.5) * height * pixel
    num_steps = len(change)
    normal, wanted, energy = np.zeros((num_steps, 5, 5)), np.zeros((num_steps, 5)), np.zeros(num_steps)
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
        energy[step] = float((trust * left * left).sum())
    return normal, wanted, energy


def _changes(grey: Array, ground: Flags) -> Doubles:
    """(NUM_CHANGES,): logs of the quantiles by which brightness (F, h, w) of the ground differs some frames later, and
    from the pixel beside; where none is seen, as where nothing differs."""
    grey, ground = grey[:, ::STRIDE], ground[:, ::STRIDE]
    lags = [min(lag, len(grey) - 1) for lag in LAGS]
    apart = [np.abs(grey[lag:] - grey[: len(grey) - lag])[ground[lag:] & ground[: len(grey) - lag]] for lag in lags]
    apart.append(np.abs(np.diff(grey, axis=2))[ground[:, :, 1:] & ground[:, :, :-1]])
    told = [np.quantile(one, QUANTILES) if len(one) else np.zeros(len(QUANTILES)) for one in apart]
    return np.asarray(np.log(np.concatenate(told) + LEAST_CHANGE))


def _colours(seen: Segmentation) -> Array:
    """(F, 2, 3) mean colours of sky and ground."""
    means = []
    for kind in (0, 1):
        share = (seen.what[..., kind] > SURE).reshape(len(seen.what), -1)
        count = share.sum(1)[:, None]
        summed = np.einsum("fp,fpc->fc", share.astype(np.float32), seen.frames.reshape(*share.shape, 3))
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
