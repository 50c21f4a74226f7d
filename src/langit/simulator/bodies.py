"""The tables that rays gather from: every thing in every view, its matrices, its surface and its box on the screen.

A view is one frame of one scene; a body is one thing in one view. V views, B bodies, P rays.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from langit.simulator import camera as pinhole
from langit.simulator.backdrop import GROUND_COLOURS, Floats, View, palette_rows
from langit.simulator.shapes import KINDS, UNIT_SHAPE, Z_RANGE
from langit.simulator.world import COLOURS, Array, Camera, Scene, Thing

NEAR = 0.05
"""Metres in front of the camera where projection gives up."""

_SURFACES = {"matte": (1.0, 0.0, 0.0, 0.0), "rubber": (0.92, 0.24, 0.0, 0.0), "metal": (0.38, 0.10, 1.7, 0.80)}
"""Diffuse, broad highlight, sharp highlight and mirror of each material."""

_NOWHERE = (0, -1, 0, -1)


def views(scenes: Sequence[Scene], chosen: list[NDArray[np.intp]], height: int, width: int) -> View:
    """The views of the chosen frames of every scene, one scene after the other."""
    right: list[Array] = []
    up: list[Array] = []
    forward: list[Array] = []
    position, light, times, grounds, halves = [], [], [], [], []
    for scene, frames in zip(scenes, chosen, strict=True):
        camera = camera_at(scene.camera, frames)
        for where, axis in zip((right, up, forward), pinhole.axes(camera), strict=True):
            where.append(axis)
        position.append(camera.positions)
        light += [scene.light.direction] * len(frames)
        times += [scene.light.time] * len(frames)
        grounds += [list(GROUND_COLOURS).index(scene.ground)] * len(frames)
        halves += [pinhole.half_extent(camera, height, width)] * len(frames)
    half = np.array(halves, np.float64).reshape(-1, 2)
    return View(
        np.concatenate(position).astype(np.float64),
        np.concatenate(right).astype(np.float64) * half[:, 1:],
        np.concatenate(up).astype(np.float64) * half[:, :1],
        np.concatenate(forward).astype(np.float64),
        half[:, 0],
        half[:, 1],
        height,
        width,
        np.array(light, np.float64),
        palette_rows(times),
        np.array(grounds, np.intp),
    )


def camera_at(camera: Camera, frames: NDArray[np.intp]) -> Camera:
    """The camera at some frames only."""
    return replace(camera, positions=camera.positions[frames], targets=camera.targets[frames])


def still_views(scenes: Sequence[Scene], chosen: list[NDArray[np.intp]]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The views (U,) that differ, a camera that stands still having one, and which of those each view (V,) is."""
    firsts: list[int] = []
    which: list[NDArray[np.intp]] = []
    start = 0
    for scene, frames in zip(scenes, chosen, strict=True):
        positions, targets = scene.camera.positions[frames], scene.camera.targets[frames]
        still = bool((positions == positions[:1]).all() and (targets == targets[:1]).all())
        count = min(1, len(frames)) if still else len(frames)
        which.append(len(firsts) + (np.zeros(len(frames), np.intp) if still else np.arange(len(frames))))
        firsts += range(start, start + count)
        start += len(frames)
    return np.array(firsts, np.intp), np.concatenate(which)


def _by_body(states: Sequence[NDArray[np.float32]], width: int) -> Floats:
    """States (F, K, width) of every scene as rows, (bodies, width)."""
    return np.concatenate([state.reshape(-1, width) for state in states]).astype(np.float64)


def _rotations(quaternions: Floats) -> Floats:
    """Matrices (B, 3, 3), body to world, of quaternions (B, 4)."""
    w, x, y, z = (quaternions / np.linalg.norm(quaternions, axis=-1, keepdims=True)).T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, -1) for row in rows], -2)


def _on_screen(points: Floats, view: View, view_of: NDArray[np.int64]) -> tuple[Floats, Floats, Floats]:
    """Points or vectors (B, P, 3) along each body's view's axes: right and up in half frames at distance 1, forward."""
    scaled_right = view.right / (view.half_width**2)[:, None]
    scaled_up = view.up / (view.half_height**2)[:, None]
    across, down, depth = (
        np.einsum("bpc,bc->bp", points, axis[view_of]) for axis in (scaled_right, -scaled_up, view.forward)
    )
    return across, down, depth


def _screen_bounds(points: Floats, view: View, view_of: NDArray[np.int64]) -> Floats:
    """Left, right, top and bottom (B, 4), in half frames from the centre, of the hulls of points (B, P, 3).

    A hull that reaches behind the camera is unbounded; one that lies behind it has left > right."""
    across, down, depth = _on_screen(points - view.position[view_of][:, None], view, view_of)
    safe = np.maximum(depth, NEAR)
    x, y = across / safe, down / safe
    bounds = np.stack([x.min(1), x.max(1), y.min(1), y.max(1)], -1)
    bounds[(depth < NEAR).any(1)] = (-np.inf, np.inf, -np.inf, np.inf)
    bounds[(depth < NEAR).all(1)] = (np.inf, -np.inf, np.inf, -np.inf)
    return bounds


def _ellipsoid_bounds(matrix: Floats, position: Floats, view: View, view_of: NDArray[np.int64]) -> Floats:
    """`_screen_bounds` of the images of the unit ball under `matrix` (B, 3, 3), moved to `position` (B, 3).

    Lines that touch the outline are the zeros of the projected dual quadric (Hartley and Zisserman 2004, eq. 8.5)."""
    poles = np.concatenate([matrix, -matrix], 2).transpose(0, 2, 1)
    loose = _screen_bounds(position[:, None] + poles * 1.8, view, view_of)
    across, down, depth = _on_screen(matrix.transpose(0, 2, 1), view, view_of)  # (B, 3 columns)
    middle = _on_screen((position - view.position[view_of])[:, None], view, view_of)
    bounds = []
    squared = (depth * depth).sum(1) - middle[2][:, 0] ** 2
    safe = np.minimum(squared, -1e-9)
    for along, centre in ((across, middle[0]), (down, middle[1])):
        mixed = (along * depth).sum(1) - centre[:, 0] * middle[2][:, 0]
        own = (along * along).sum(1) - centre[:, 0] ** 2
        root = np.sqrt(np.maximum(mixed**2 - safe * own, 0))
        bounds += [(mixed + root) / safe, (mixed - root) / safe]
    ahead = (squared < -1e-9) & np.isfinite(loose).all(1)
    return np.where(ahead[:, None], np.stack(bounds, -1), loose)


def _pixel_boxes(bounds: Floats, view: View, border: float) -> NDArray[np.int64]:
    """First and last column, first and last row (B, 4) of the pixels that bounds (B, 4) touch, within the frame and
    `border` of its size around it."""
    size = np.array([view.width, view.width, view.height, view.height])
    limits = np.round(border * size)
    pixels = np.floor(np.clip((bounds + 1) / 2 * size, -limits - 1, size + limits + 1))
    pixels[:, ::2] = np.maximum(pixels[:, ::2], -limits[::2])
    pixels[:, 1::2] = np.minimum(pixels[:, 1::2], size[1::2] + limits[1::2] - 1)
    boxes: NDArray[np.int64] = pixels.astype(np.int64)
    return boxes


class Bodies:
    """Every thing in every view, as tables (rows, B) that lists of rays gather from; ordered by unit shape."""

    def __init__(
        self, scenes: Sequence[Scene], chosen: list[NDArray[np.intp]], view: View, device: torch.device
    ) -> None:
        things = [thing for scene, frames in zip(scenes, chosen, strict=True) for _ in frames for thing in scene.things]
        kinds = np.array([KINDS.index(UNIT_SHAPE[thing.shape]) for thing in things], np.int64)
        order = np.argsort(kinds, kind="stable")
        counts = [len(scene.things) for scene, frames in zip(scenes, chosen, strict=True) for _ in frames]
        view_of = np.repeat(np.arange(len(counts)), counts)[order]
        slot = np.concatenate([np.arange(count) for count in counts] or [np.zeros(0, np.int64)])[order]
        position = _by_body([s.trajectory.positions[f] for s, f in zip(scenes, chosen, strict=True)], 3)[order]
        quaternions = [s.trajectory.quaternions[f] for s, f in zip(scenes, chosen, strict=True)]
        rotation = _rotations(_by_body(quaternions, 4)[order])
        half = np.array([thing.half_extents for thing in things], np.float64).reshape(-1, 3)[order]
        self.kinds = kinds[order]
        self._firsts = torch.from_numpy(np.searchsorted(self.kinds, np.arange(len(KINDS) + 1))).to(device)
        number = np.empty(len(order), np.int64)
        number[order] = np.arange(len(order))
        bounds = np.cumsum([0, *[len(frames) * len(s.things) for s, frames in zip(scenes, chosen, strict=True)]])
        self.place_of = [
            number[a:b].reshape(len(frames), len(scene.things))
            for a, b, frames, scene in zip(bounds[:-1], bounds[1:], chosen, scenes, strict=True)
        ]

        def table(*rows: Floats) -> Tensor:
            columns = [row.reshape(len(order), math.prod(row.shape[1:])) for row in rows]
            joined = np.ascontiguousarray(np.concatenate(columns, 1).T)
            return torch.from_numpy(joined).to(device, torch.float32)

        to_unit = rotation.transpose(0, 2, 1) / half[:, :, None]  # (B, 3, 3)
        shift = -np.einsum("bij,bj->bi", to_unit, position)
        light = view.light[view_of]
        frame = [axis[view_of] for axis in (view.forward, view.right, view.up)]
        unit_frame = [np.einsum("bij,bj->bi", to_unit, axis) for axis in frame]
        origin = np.einsum("bij,bj->bi", to_unit, view.position[view_of] - position)
        unit_light = np.einsum("bij,bj->bi", to_unit, light)
        self.view_of = torch.from_numpy(view_of).to(device)
        self.slot = torch.from_numpy(slot).to(device, torch.int16)
        self.rays = table(*unit_frame, origin)
        self.to_unit = table(to_unit, shift)
        self.camera = table(*frame, view.position[view_of])
        self.ground = table(unit_light, view.position[view_of, 2], view.forward[view_of, 2], view.up[view_of, 2])
        self.light = table(light)
        self._surfaces([things[i] for i in order], view, view_of, table)
        self._boxes(position, rotation, half, view, view_of)

        ground_lift = np.array([Z_RANGE[kind][0] + 1 for kind in KINDS])[self.kinds]
        is_ball = (self.kinds == KINDS.index("ball")).astype(np.float64)
        self.contact = table(half, ground_lift, 1 / self.margin, is_ball)
        pixel = 2 * view.half_height / view.height
        depth = np.einsum("bc,bc->b", position - view.position[view_of], frame[0])
        footprint = pixel[view_of] * np.maximum(depth, NEAR)
        thin = half.min(1) < footprint
        self.thin = torch.from_numpy(thin).to(device) if thin.any() else None
        self.grow = table(half / (half + 1.2 * footprint[:, None]))
        casters = self._casters(position, np.linalg.norm(half, axis=1) * 1.2, light)
        self.casters = None if casters is None else torch.from_numpy(casters).to(device)

    def by_kind(self, body: Tensor) -> Iterator[tuple[str, int, int]]:
        """The runs of each unit shape in bodies (P,) that come in order."""
        bounds = torch.searchsorted(body, self._firsts).tolist()
        for kind, first, last in zip(KINDS, bounds[:-1], bounds[1:], strict=True):
            if first < last:
                yield kind, first, last

    def _surfaces(
        self, things: list[Thing], view: View, view_of: NDArray[np.int64], table: Callable[..., Tensor]
    ) -> None:
        albedo = np.array([COLOURS[thing.colour] for thing in things], np.float64).reshape(-1, 3)
        surface = np.array([_SURFACES[thing.material] for thing in things], np.float64).reshape(-1, 4)
        two_tone = np.array([0.0 if thing.is_prop or thing.shape in ("cube", "plank") else 0.16 for thing in things])
        palette = view.palette[view_of]
        direct, ambient = palette[:, 3], palette[:, 4]
        floor = np.array([colours[0] for colours in GROUND_COLOURS.values()])[view.ground[view_of]]
        floor = floor * (ambient + direct * np.maximum(view.light[view_of, 2:], 0))
        bounce = 0.55 * floor + 0.25 * ambient
        horizon = palette[:, 0]
        self.shading = table(view.light[view_of], direct, ambient, bounce, albedo, horizon, surface, two_tone)
        self.mirrored = table(horizon, palette[:, 1], palette[:, 2], floor, surface[:, 3])

    def _boxes(self, position: Floats, rotation: Floats, half: Floats, view: View, view_of: NDArray[np.int64]) -> None:
        low = np.array([Z_RANGE[kind][0] for kind in KINDS])[self.kinds]
        high = np.array([Z_RANGE[kind][1] for kind in KINDS])[self.kinds]
        signs = np.stack(np.meshgrid([-1.0, 1.0], [-1.0, 1.0], [0.0, 1.0], indexing="ij"), -1).reshape(8, 3)
        unit = np.broadcast_to(signs, (len(half), 8, 3)).copy()
        unit[..., 2] = low[:, None] + unit[..., 2] * (high - low)[:, None]
        corners = np.einsum("bij,bpj->bpi", rotation, unit * half[:, None]) + position[:, None]
        bounds = _screen_bounds(corners, view, view_of)
        balls = self.kinds == KINDS.index("ball")
        if balls.any():
            stretch = rotation[balls] * half[balls][:, None, :]
            bounds[balls] = _ellipsoid_bounds(stretch, position[balls], view, view_of[balls])
        self.boxes = _pixel_boxes(bounds, view, 0.0)
        crossing = (np.abs(bounds) > 1).any(1)
        crossing &= (self.boxes[:, 0] <= self.boxes[:, 1]) & (self.boxes[:, 2] <= self.boxes[:, 3])
        self.crossing = crossing
        self.wide_boxes = None
        if crossing.any():
            self.wide_boxes = np.where(crossing[:, None], _pixel_boxes(bounds, view, 0.5), np.array(_NOWHERE))
        light = view.light[view_of][:, None]
        height = np.maximum(corners[..., 2:], 0)
        self.shadow_boxes = _pixel_boxes(
            _screen_bounds(corners - light * (height / np.maximum(light[..., 2:], 0.03)), view, view_of), view, 0.0
        )
        self.margin = np.clip(0.8 * np.sort(half, 1)[:, 1], 0.12, 0.5)
        low_x, low_y = (corners[..., axis].min(1) - self.margin for axis in (0, 1))
        high_x, high_y = (corners[..., axis].max(1) + self.margin for axis in (0, 1))
        feet = np.zeros((len(half), 4, 3))
        feet[..., 0] = np.stack([low_x, low_x, high_x, high_x], 1)
        feet[..., 1] = np.stack([low_y, high_y, low_y, high_y], 1)
        self.occlusion_boxes = _pixel_boxes(_screen_bounds(feet, view, view_of), view, 0.0)
        self.occlusion_boxes[corners[..., 2].min(1) > self.margin] = _NOWHERE

    def _casters(self, position: Floats, radius: Floats, light: Floats) -> NDArray[np.int64] | None:
        """For each body (columns) the others that may stand before its light, by number, -1 for none."""
        slots = max((place.shape[1] for place in self.place_of), default=0)
        casters = np.full((slots, len(position)), -1, np.int64)
        for place in self.place_of:
            for k in range(place.shape[1]):
                other = place[:, k : k + 1]  # (F, 1) against all (F, K)
                away = position[other] - position[place]
                along = np.einsum("fkc,fkc->fk", away, light[place])
                reach = radius[other] + radius[place]
                aside = np.einsum("fkc,fkc->fk", away, away) - along**2
                may = (along > -reach) & (aside < reach**2) & (place != other)
                casters[k][place[may]] = np.broadcast_to(other, place.shape)[may]
        used = (casters >= 0).any(1)
        return casters[used] if used.any() else None
