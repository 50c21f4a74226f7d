"""A batched ray caster: scenes become frames and ground truth.

One ray is cast through every pixel that a thing, its shadow or its contact darkening may touch; all other pixels are
backdrop. Where the thing, its face or the shadow state differs between neighbours, the pixel is an edge and is cast
again with several rays, averaged in linear light. All work runs on flat lists of (body, pixel) pairs, where a body is
one thing in one view and a view is one frame of one scene, so one pass serves any number of scenes.

Sums are written out and powers are products and square roots: the bytes of a scene do not depend on its batch.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from langit.simulator import camera as pinhole
from langit.simulator.backdrop import FOG_DISTANCE, backdrop
from langit.simulator.bodies import NEAR, Bodies, camera_at, still_views, views
from langit.simulator.shapes import dot, normal, span
from langit.simulator.world import Scene, Truth

SINK = 0.01
"""Metres below the ground to which a thing is still seen: contacts give a little."""
_PIXELS_PER_GROUP = {"cpu": 1, "cuda": 1 << 22}  # the CPU's caches like one scene at a time

_SAMPLES = np.array([(1, 11), (3, 3), (5, 15), (7, 7), (9, 1), (11, 9), (13, 5), (15, 13)]) / 16 - 0.5
"""Where an edge pixel's rays pass, in pixels from its centre: eight rooks, none in another's row or column."""


def render(
    scenes: Sequence[Scene],
    height: int,
    width: int,
    *,
    device: str | torch.device = "cpu",
    frames: slice | None = None,
    truth: bool = True,
) -> list[tuple[NDArray[np.uint8], Truth | None]]:
    """Frames (F, H, W, 3) in sRGB and, where asked for, the ground truth of each scene.

    `frames` chooses frames of every scene. A scene's bytes depend on that scene alone, not on the others beside it.
    Raises ValueError for an empty frame size or choice of frames."""
    if height < 1 or width < 1:
        raise ValueError(f"height {height}, width {width}: a frame needs at least one pixel each way")
    place = torch.device(device)
    chosen = [np.arange(scene.num_frames)[slice(None) if frames is None else frames] for scene in scenes]
    if not all(map(len, chosen)):
        raise ValueError(f"frames {frames} chooses none of a scene's frames; choose at least one")
    limit = _PIXELS_PER_GROUP.get(place.type, 1)
    rendered: list[tuple[NDArray[np.uint8], Truth | None]] = []
    start = 0
    with torch.inference_mode():
        while start < len(scenes):
            stop = start + 1
            while stop < len(scenes) and sum(map(len, chosen[start : stop + 1])) * height * width <= limit:
                stop += 1
            rendered += _Group(scenes[start:stop], chosen[start:stop], height, width, place).render(truth)
            start = stop
    return rendered


@dataclass(frozen=True)
class _Pairs:
    """P rays, each with the body it may meet, ordered by body."""

    body: Tensor  # (P,)
    pixel: Tensor  # (P,) index into (V, H, W)
    x: Tensor  # (P,) from -1 at the frame's left edge to 1 at its right
    y: Tensor  # (P,) from -1 at the top to 1 at the bottom

    def select(self, index: Tensor) -> _Pairs:
        return _Pairs(*(_at(rays, index) for rays in (self.body, self.pixel, self.x, self.y)))


@dataclass(frozen=True)
class _Hits:
    """N points seen on bodies."""

    body: Tensor  # (N,)
    slot: Tensor  # (N,) where the result goes
    point: Tensor  # (3, N) world
    direction: Tensor  # (3, N) world, unit, from the camera
    distance: Tensor  # (N,) metres along the ray
    normal: Tensor  # (3, N) world, unit
    unit_point: Tensor  # (3, N)
    face: Tensor  # (N,)
    shaded: Tensor  # (N,) whether another body stands before the light

    def select(self, index: Tensor) -> _Hits:
        return _Hits(*(_at(getattr(self, field.name), index) for field in fields(self)))


class _Group:
    """Some scenes on their way to frames."""

    def __init__(
        self,
        scenes: Sequence[Scene],
        chosen: list[NDArray[np.intp]],
        height: int,
        width: int,
        device: torch.device,
    ) -> None:
        self.scenes, self.chosen, self.device = scenes, chosen, device
        self.height, self.width = height, width
        self.view = views(scenes, chosen, height, width)
        self.num_views = len(self.view.position)
        self.bodies = Bodies(scenes, chosen, self.view, device)
        self.still, backdrop_of = still_views(scenes, chosen)
        self.backdrop = backdrop(self.view.select(self.still), device)
        self.backdrop_of = torch.from_numpy(backdrop_of).to(device)

    def render(self, truth: bool) -> list[tuple[NDArray[np.uint8], Truth | None]]:
        bodies, shape = self.bodies, (self.num_views, self.height, self.width)
        num_pixels = self.num_views * self.height * self.width
        # What is seen through pixel centres.
        pairs = self.cover(bodies.boxes)
        t, met = self.meet(pairs)
        winner = _nearest(t, met, pairs.pixel, num_pixels).nonzero()[:, 0]
        hits = self.surface(pairs.select(winner), _at(t, winner), _at(pairs.pixel, winner))
        covered = torch.zeros(num_pixels, dtype=torch.bool, device=self.device)
        covered[hits.slot] = True

        # Shadows and darkness on the ground between.
        shade_pairs = self.cover(bodies.shadow_boxes)
        in_shade = torch.zeros(num_pixels, dtype=torch.bool, device=self.device)
        uncovered = (~_at(covered, shade_pairs.pixel)).nonzero()[:, 0]
        ground = shade_pairs.select(uncovered)
        in_shade[ground.pixel[self.ground_shaded(ground, ground.x, ground.y)]] = True
        occlusion = self.occlusion(num_pixels)

        # Pixels whose neighbours show something else.
        state = torch.zeros(num_pixels, dtype=torch.int16, device=self.device)
        state[hits.slot] = (_at(bodies.slot, hits.body) + 1) * 32 + hits.face * 2 + hits.shaded
        state += in_shade
        edge = _edges(state.view(shape)).view(-1)
        self.mark_thin(pairs, shade_pairs, edge)

        # Their colours, laid over the backdrop.
        inside = (~_at(edge, hits.slot)).nonzero()[:, 0]
        inner = hits.select(inside)
        open_ground = ((in_shade | (occlusion > 0)) & ~covered & ~edge).nonzero()[:, 0]
        lit, shade = self.ground_colours(open_ground, occlusion)
        edge_pixels = edge.nonzero()[:, 0]
        colours = torch.cat(
            [
                self.shade(inner),
                torch.where(in_shade[open_ground], shade, lit),
                self.edge_colours(edge_pixels, pairs, shade_pairs, occlusion),
            ],
            1,
        )
        pixels = torch.cat([inner.slot, open_ground, edge_pixels])
        frames = self.per_view(_encode(self.backdrop.radiance()).permute(1, 2, 3, 0).contiguous())
        frames.view(-1, 3)[pixels] = _encode(colours).T
        truths = self.truths(pairs, met, hits) if truth else [None] * len(self.scenes)
        bounds = np.cumsum([0, *map(len, self.chosen)])
        images = frames.cpu().numpy()
        return [(images[first:last], each) for first, last, each in zip(bounds[:-1], bounds[1:], truths, strict=True)]

    def per_view(self, of_backdrop: Tensor) -> Tensor:
        """Maps (U, ...) of the backdrop's views as maps (V, ...) of all views, fit for writing."""
        return of_backdrop if len(of_backdrop) == self.num_views else of_backdrop.index_select(0, self.backdrop_of)

    # -- rays ----------------------------------------------------------------------------------------------------------

    def cover(self, boxes: NDArray[np.int64]) -> _Pairs:
        """Every pixel centre in every body's box (B, 4) of first and last column and row, inclusive."""
        box = torch.from_numpy(boxes.T.copy()).to(self.device)
        left, right, top, bottom = box
        across = (right - left + 1).clamp(min=0)
        down = torch.where(across > 0, (bottom - top + 1).clamp(min=0), 0)
        row_body = torch.repeat_interleave(down)
        row = torch.arange(len(row_body), device=self.device) - _at(down.cumsum(0) - down - top, row_body)
        row_across = _at(across, row_body)
        start = row_across.cumsum(0) - row_across
        pair_row = torch.repeat_interleave(row_across)
        column = torch.arange(len(pair_row), device=self.device) - _at(start - _at(left, row_body), pair_row)
        pixel = _at((_at(self.bodies.view_of, row_body) * self.height + row) * self.width, pair_row) + column
        x = (column + 0.5) * (2 / self.width) - 1
        y = _at((row + 0.5) * (2 / self.height) - 1, pair_row)
        return _Pairs(_at(row_body, pair_row), pixel, x, y)

    def meet(self, pairs: _Pairs, x: Tensor | None = None, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Where camera rays (..., P) enter their bodies, in metres along the camera's axis, and whether they do.

        What lies below the ground, as a ramp's foot does, is not met."""
        x, y = pairs.x if x is None else x, pairs.y if y is None else y
        origin, direction = self.unit_rays(pairs.body, x, y)
        enter, leave = self.spans(pairs.body, origin, direction)
        camera = self.bodies.ground.index_select(1, pairs.body)[3:6]  # height, forward's, up's
        above = camera[0] + enter * (camera[1] - y * camera[2]) > -SINK
        return enter, (enter < leave) & (enter > NEAR) & above

    def unit_rays(self, body: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Camera rays (3, ..., P) in their bodies' unit spaces."""
        table = self.bodies.rays.index_select(1, body)  # (12, P)
        if x.ndim == 2:
            table = table[:, None]
        direction = x * table[3:6]
        direction += table[0:3]
        direction -= y * table[6:9]
        return table[9:12].expand(direction.shape), direction

    def spans(self, body: Tensor, origin: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
        """`shapes.span` for rays (3, ..., P) whose bodies (P,) come in order."""
        parts = [
            span(kind, origin[..., first:last], direction[..., first:last])
            for kind, first, last in self.bodies.by_kind(body)
        ]
        if len(parts) == 1:
            return parts[0]
        if not parts:
            return torch.empty_like(direction[0]), torch.empty_like(direction[0])
        return torch.cat([enter for enter, _ in parts], -1), torch.cat([leave for _, leave in parts], -1)

    def surface(self, pairs: _Pairs, t: Tensor, slot: Tensor) -> _Hits:
        """The points that N camera rays meet, each on its own body."""
        bodies, body = self.bodies, pairs.body
        origin, along = self.unit_rays(body, pairs.x, pairs.y)
        unit_point = origin + t * along
        parts = [normal(kind, unit_point[:, first:last]) for kind, first, last in bodies.by_kind(body)]
        unit_normal = torch.cat([part[0] for part in parts], 1) if parts else unit_point
        face = torch.cat([part[1] for part in parts]) if parts else torch.empty_like(body, dtype=torch.int16)
        to_unit = bodies.to_unit.index_select(1, body)  # (12, N)
        outward = _unit(unit_normal[0] * to_unit[0:3] + unit_normal[1] * to_unit[3:6] + unit_normal[2] * to_unit[6:9])
        camera = bodies.camera.index_select(1, body)
        direction = camera[0:3] + pairs.x * camera[3:6] - pairs.y * camera[6:9]
        point = camera[9:12] + t * direction
        length = dot(direction, direction).sqrt()
        shaded = self.thing_shaded(body, point, outward)
        return _Hits(body, slot, point, direction / length, t * length, outward, unit_point, face, shaded)

    # -- shadows -------------------------------------------------------------------------------------------------------

    def ground_shaded(self, pairs: _Pairs, x: Tensor, y: Tensor) -> Tensor:
        """Whether the ground points of rays (..., P) lie in the shadow of the pairs' bodies."""
        point, light, on_ground = self.ground_points(pairs.body, x, y)
        enter, leave = self.spans(pairs.body, point, light.expand(point.shape))
        return (enter < leave) & (leave > 0) & on_ground

    def ground_points(self, body: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Ground points and directions to the light (3, ..., P) in unit space, and whether a ray meets the ground."""
        table = self.bodies.ground.index_select(1, body)  # (6, P): light in unit space, camera z, forward z, up z
        if x.ndim == 2:
            table = table[:, None]
        origin, direction = self.unit_rays(body, x, y)
        drop = y * table[5] - table[4]
        on_ground = drop > 1e-4
        t = table[3] / drop.clamp(min=1e-4)
        return origin + t * direction, table[0:3], on_ground

    def thing_shaded(self, body: Tensor, point: Tensor, outward: Tensor) -> Tensor:
        """Whether another body stands between points (3, N) and the light."""
        bodies = self.bodies
        shaded = torch.zeros_like(body, dtype=torch.bool)
        if bodies.casters is None:
            return shaded
        facing = dot(outward, bodies.light.index_select(1, body)) > 0
        casters, receivers = [], []
        for of_body in bodies.casters:
            caster = _at(of_body, body)
            index = ((caster >= 0) & facing).nonzero()[:, 0]
            casters.append(_at(caster, index))
            receivers.append(index)
        caster, order = torch.cat(casters).sort(stable=True)
        receiver = torch.cat(receivers)[order]
        to_unit = bodies.to_unit.index_select(1, caster)
        place = _at(point, receiver)
        origin = torch.stack([dot(to_unit[3 * axis : 3 * axis + 3], place) + to_unit[9 + axis] for axis in range(3)])
        enter, leave = self.spans(caster, origin, bodies.ground.index_select(1, caster)[0:3])
        shaded[receiver[(enter < leave) & (leave > 1e-3)]] = True
        return shaded

    def occlusion(self, num_pixels: int) -> Tensor:
        """How much of the sky the nearest body hides from each ground point, (V * H * W): darkness under things."""
        bodies = self.bodies
        pairs = self.cover(bodies.occlusion_boxes)
        point, _, on_ground = self.ground_points(pairs.body, pairs.x, pairs.y)
        table = bodies.contact.index_select(1, pairs.body)  # (6, P): half extents, z offset, 1 / margin, is a ball
        centred = torch.stack([point[0], point[1], point[2] - table[3]])
        beyond = (centred.abs() - 1).clamp(min=0) * table[0:3]
        length = dot(point, point).sqrt()
        metres = point * table[0:3]
        radial = dot(metres, metres).sqrt() * (1 - 1 / length)
        gap = torch.where(table[5] > 0, radial, dot(beyond, beyond).sqrt())
        near = (1 - gap * table[4]).clamp(0, 1)
        near = torch.where(on_ground, near * near, 0.0)
        whole = torch.zeros(num_pixels, device=self.device)
        return whole.scatter_reduce(0, pairs.pixel, near, "amax")

    # -- edges ---------------------------------------------------------------------------------------------------------

    def mark_thin(self, pairs: _Pairs, shade_pairs: _Pairs, edge: Tensor) -> None:
        """Marks as edges the pixels near things too thin for a ray through every pixel centre."""
        bodies = self.bodies
        if bodies.thin is None:
            return
        for of_ground, every in ((False, pairs), (True, shade_pairs)):
            some = every.select(_at(bodies.thin, every.body).nonzero()[:, 0])
            grow = bodies.grow.index_select(1, some.body)
            if of_ground:
                origin, direction, _ = self.ground_points(some.body, some.x, some.y)
            else:
                origin, direction = self.unit_rays(some.body, some.x, some.y)
            enter, leave = self.spans(some.body, origin * grow, direction * grow)
            edge[some.pixel[(enter < leave) & (leave > 0)]] = True

    def edge_colours(self, pixels: Tensor, pairs: _Pairs, shade_pairs: _Pairs, occlusion: Tensor) -> Tensor:
        """Radiance (3, E) of edge pixels, the mean of S rays each."""
        samples = torch.from_numpy(_SAMPLES).to(self.device, torch.float32)
        shift_x = (samples[:, :1] * (2 / self.width)).contiguous()
        shift_y = (samples[:, 1:] * (2 / self.height)).contiguous()
        num_samples, num_edges = len(samples), len(pixels)
        number = torch.full((len(occlusion),), -1, dtype=torch.int64, device=self.device)
        number[pixels] = torch.arange(num_edges, device=self.device)
        offset = torch.arange(num_samples, device=self.device)[:, None] * num_edges

        near = pairs.select((_at(number, pairs.pixel) >= 0).nonzero()[:, 0])
        slot = _at(number, near.pixel) + offset  # (S, P)
        x, y = near.x + shift_x, near.y + shift_y
        t, met = self.meet(near, x, y)
        first = _nearest(t.view(-1), met.view(-1), slot.view(-1), num_samples * num_edges)
        # Hits must come in the order of bodies, so samples run fastest.
        pair, sample = first.view(num_samples, -1).T.contiguous().nonzero().unbind(1)
        winner = sample * len(near.body) + pair
        rays = _Pairs(_at(near.body, pair), _at(near.pixel, pair), _at(x.view(-1), winner), _at(y.view(-1), winner))
        hits = self.surface(rays, _at(t.view(-1), winner), _at(slot.view(-1), winner))
        colours = torch.zeros(3, num_samples * num_edges, device=self.device)
        colours.index_copy_(1, hits.slot, self.shade(hits))
        covered = torch.zeros(num_samples * num_edges, dtype=torch.bool, device=self.device)
        covered[hits.slot] = True

        near = shade_pairs.select((_at(number, shade_pairs.pixel) >= 0).nonzero()[:, 0])
        in_shade = torch.zeros_like(covered)
        in_shade[(_at(number, near.pixel) + offset)[self.ground_shaded(near, near.x + shift_x, near.y + shift_y)]] = (
            True
        )
        dark = (in_shade & ~covered).view(num_samples, num_edges).sum(0)
        bright = num_samples - covered.view(num_samples, num_edges).sum(0) - dark
        lit, shade = self.ground_colours(pixels, occlusion)
        total = lit * bright + shade * dark
        for one in colours.view(3, num_samples, num_edges).unbind(1):
            total += one
        return total / num_samples

    # -- light ---------------------------------------------------------------------------------------------------------

    def ground_colours(self, pixels: Tensor, occlusion: Tensor) -> tuple[Tensor, Tensor]:
        """Radiance (3, N) of the backdrop at pixels (N,) in the light and in shadow."""
        back, area = self.backdrop, self.height * self.width
        view = pixels // area
        inside = pixels - view * area
        still = _at(self.backdrop_of, view)
        row = inside // self.width
        coefficient = back.rows.reshape(12, -1).index_select(1, still * self.height + row).view(4, 3, -1)
        pattern = _at(back.pattern.reshape(-1), still * area + inside)
        hidden = _at(occlusion, pixels)
        lit = (coefficient[0] + coefficient[1] * pattern) * (1 - 0.35 * hidden)
        shade = (coefficient[2] + coefficient[3] * pattern) * (1 - 0.55 * hidden)
        if back.glow is not None:
            tint, by_row, by_column = back.glow
            glow = by_row[still, row, 0] * by_column[still, 0, inside - row * self.width] * tint[:, still, 0, 0]
            lit, shade = lit + glow, shade + glow
        return lit, shade

    def shade(self, hits: _Hits) -> Tensor:
        """Radiance (3, N) that points send to the camera."""
        table = self.bodies.shading.index_select(1, hits.body)
        light, direct, ambient, bounce, albedo, haze = (table[3 * i : 3 * i + 3] for i in range(6))
        diffuse, broad, sharp, mirror, two_tone = table[18:23]
        facing = dot(hits.normal, light)
        sun = torch.where(hits.shaded, 0.0, facing.clamp(min=0))
        upward = 0.5 + 0.5 * hits.normal[2]
        near_ground = (1 - upward) / (1 + 5 * hits.point[2].clamp(min=0))
        around = (bounce + (ambient - bounce) * upward) * (1 - 0.55 * near_ground)
        quarters = (hits.unit_point[0] * hits.unit_point[1] * 9).clamp(-1, 1)
        colour = albedo * (1 + two_tone * quarters)
        radiance = colour * (sun * direct + around) * diffuse
        half_way = _unit(light - hits.direction)
        spot = dot(hits.normal, half_way).clamp(min=0)
        spot = spot * spot
        spot = spot * spot
        spot8 = spot * spot
        spot = spot8 * spot8
        spot = spot * spot
        spot64 = spot * spot
        visible = torch.where(hits.shaded | (facing <= 0), 0.0, 1.0)
        radiance += (broad * spot8 + sharp * spot64 * spot64) * visible * direct
        shiny = (mirror > 0).nonzero()[:, 0]
        if len(shiny):
            radiance.index_add_(1, shiny, self.reflection(hits, shiny, colour))
        fog = self.fog(hits)
        seen: Tensor = radiance + (haze - radiance) * fog
        return seen

    def reflection(self, hits: _Hits, index: Tensor, colour: Tensor) -> Tensor:
        """What metal mirrors: the sky's gradient above, the ground below, tinted by the metal's own colour."""
        table = self.bodies.mirrored.index_select(1, _at(hits.body, index))  # (12 + 1, M)
        horizon, middle, zenith, floor = (table[3 * i : 3 * i + 3] for i in range(4))
        direction, outward = _at(hits.direction, index), _at(hits.normal, index)
        towards = dot(direction, outward)
        height = direction[2] - 2 * towards * outward[2]
        up = height.clamp(min=0)
        air = horizon + (middle - horizon) * (up / (up + 0.12)) + (zenith - middle) * (up * up / (up * up + 0.2))
        down = (-height).clamp(min=0)
        earth = horizon + (floor - horizon) * (down / (down + 0.06))
        seen = torch.where(height > 0, air, earth)
        graze = 1 - towards.abs().clamp(max=1)
        graze = graze * graze
        tint = 0.04 + 0.96 * _at(colour, index)
        tint = tint + (1 - tint) * (graze * graze * graze)
        mirrored: Tensor = seen * tint * table[12]
        return mirrored

    def fog(self, hits: _Hits) -> Tensor:
        scaled = hits.distance * (1 / FOG_DISTANCE)
        cubed: Tensor = scaled * scaled * scaled
        return cubed / (1 + cubed)

    # -- ground truth --------------------------------------------------------------------------------------------------

    def truths(self, pairs: _Pairs, met: Tensor, hits: _Hits) -> list[Truth | None]:
        """Ground truth per scene."""
        bodies, num_bodies = self.bodies, len(self.bodies.view_of)
        shape = (self.num_views, self.height, self.width)
        segmentation = torch.from_numpy(self.below_horizon()).to(self.device)[:, :, None].expand(shape).contiguous()
        segmentation.view(-1)[hits.slot] = (_at(bodies.slot, hits.body) + 2).to(torch.uint8)
        depth = self.per_view(torch.from_numpy(self.ground_depth()).to(self.device))
        depth.view(-1)[hits.slot] = hits.distance
        visible = torch.bincount(hits.body, minlength=num_bodies)
        whole = torch.bincount(pairs.body[met], minlength=num_bodies)
        if bodies.wide_boxes is not None:
            outer = self.cover(bodies.wide_boxes)
            crossing = torch.from_numpy(bodies.crossing).to(self.device)
            beyond = torch.bincount(outer.body[self.meet(outer)[1]], minlength=num_bodies)
            whole = torch.where(crossing, beyond, whole)
        row = hits.slot // self.width
        column = hits.slot - row * self.width
        row = row % self.height
        far = torch.full((num_bodies,), 1 << 30, device=self.device)
        ends = [
            far.scatter_reduce(0, hits.body, column, "amin"),
            far.scatter_reduce(0, hits.body, row, "amin"),
            (-far).scatter_reduce(0, hits.body, column, "amax"),
            (-far).scatter_reduce(0, hits.body, row, "amax"),
        ]
        counts = torch.stack([visible, whole, *ends]).cpu().numpy()
        seen = counts[0] > 0
        scale = np.array([self.width, self.height, self.width, self.height], np.float32)
        boxes = np.where(seen[:, None], (counts[2:].T + np.array([0, 0, 1, 1])) / scale, np.nan).astype(np.float32)
        share = np.where(seen, counts[0] / np.maximum(counts[1], 1), 0).clip(0, 1).astype(np.float32)
        maps, depths = segmentation.cpu().numpy(), depth.cpu().numpy()
        truths: list[Truth | None] = []
        first = 0
        for scene, frames, place in zip(self.scenes, self.chosen, bodies.place_of, strict=True):
            last = first + len(frames)
            centroids, _ = pinhole.project(
                camera_at(scene.camera, frames), scene.trajectory.positions[frames], self.height, self.width
            )
            truths.append(
                Truth(maps[first:last], boxes[place], share[place], centroids, depths[first:last])
            )  # place: (F, K) numbers of the bodies
            first = last
        return truths

    def below_horizon(self) -> NDArray[np.uint8]:
        """1 for each view's rows (V, H) whose rays point at the ground, else 0."""
        rows = (np.arange(self.height) + 0.5) / self.height * 2 - 1
        return (self.view.forward[:, 2:] - rows * self.view.up[:, 2:] < 0).astype(np.uint8)

    def ground_depth(self) -> NDArray[np.float32]:
        """Distance (U, H, W) of the ground along each ray of the backdrop's views, inf in the sky."""
        view = self.view.select(self.still)
        rows = (np.arange(self.height) + 0.5) / self.height * 2 - 1
        columns = (np.arange(self.width) + 0.5) / self.width * 2 - 1
        drop = view.forward[:, 2:] - rows * view.up[:, 2:]
        axial = np.where(drop < 0, view.position[:, 2:] / np.maximum(-drop, 1e-9), np.inf).astype(np.float32)
        upward, sideward = rows * view.half_height[:, None], columns * view.half_width[:, None]
        slant = np.sqrt((1 + upward[:, :, None] ** 2 + sideward[:, None] ** 2).astype(np.float32))
        depth: NDArray[np.float32] = axial[:, :, None] * slant
        return depth


def _at(rays: Tensor, index: Tensor) -> Tensor:
    """Some of a list (..., N) of numbers or vectors; several times as fast as brackets where it is of vectors."""
    return rays.index_select(-1, index)


def _nearest(t: Tensor, met: Tensor, slot: Tensor, num_slots: int) -> Tensor:
    """Whether each ray (N,) comes first in its slot; of rays that tie, the first one does.

    A positive float's bits order as it does, so parameter and number are compared as one integer."""
    ray = met.nonzero()[:, 0]
    key = (_at(t, ray).view(torch.int32).to(torch.int64) << 32) | ray
    slot = _at(slot, ray)
    best = torch.full((num_slots,), torch.iinfo(torch.int64).max, device=t.device)
    best = best.scatter_reduce(0, slot, key, "amin")
    first = torch.zeros_like(met)
    first[ray] = _at(best, slot) == key
    return first


def _edges(state: Tensor) -> Tensor:
    """Where a pixel of maps (V, H, W) differs from the one beside, above or below it."""
    edge = torch.zeros_like(state, dtype=torch.bool)
    across = state[:, :, 1:] != state[:, :, :-1]
    down = state[:, 1:] != state[:, :-1]
    edge[:, :, 1:] |= across
    edge[:, :, :-1] |= across
    edge[:, 1:] |= down
    edge[:, :-1] |= down
    return edge


def _unit(vector: Tensor) -> Tensor:
    return vector / dot(vector, vector).sqrt()


def _encode(radiance: Tensor) -> Tensor:
    """Linear radiance to sRGB bytes: a soft shoulder, then the sRGB curve, from a table over the square root."""
    table = _encoding(radiance.device)
    index = (radiance.sqrt() * _TABLE_SCALE + 0.5).clamp_(max=len(table) - 1).to(torch.int32)
    return table.index_select(0, index.view(-1)).view(radiance.shape)


_TABLE_SCALE = 2048.0


@functools.cache
def _encoding(device: torch.device) -> Tensor:
    linear = (np.arange(4096) / _TABLE_SCALE) ** 2
    contrast = 1.04 * linear**1.12  # deepens colours a little
    shoulder = contrast / (1 + contrast**4) ** 0.25
    curve = np.where(shoulder <= 0.0031308, 12.92 * shoulder, 1.055 * shoulder ** (1 / 2.4) - 0.055)
    return torch.from_numpy(np.round(curve * 255).clip(0, 255).astype(np.uint8)).to(device)
