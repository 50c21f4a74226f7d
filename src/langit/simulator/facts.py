"""What truly happens in a scene, read from its states and never from its plan.

Everything is a threshold on positions, velocities and contacts at the frames. A thing that is never visible is not
told, nor is what begins while a thing is out of sight.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from langit.simulator.camera import axes, project
from langit.simulator.physics import GROUND, depths_below_centre, rotations
from langit.simulator.world import Facts, Happening, Relation, Scene, Truth

Doubles = NDArray[np.float64]
Flags = NDArray[np.bool_]

VISIBLE_SHARE = 0.15  # below it a thing is out of sight
CLEAR_SHARE = 0.6  # from it on a thing is well seen
STILL_SPEED = 0.12  # m/s
STILL_SHIFT, STILL_TURN = 0.06, math.radians(6)  # of a thing that never moves
STOP_TIME = 0.35  # seconds at rest at the end
MOVING_SPEED = 0.4  # m/s over the ground
TRAVEL = 0.6  # metres that a roll or slide must cover
ROLLING = (0.6, 1.5)  # turning speed times height over speed: 1 for pure rolling
SLIDING = 0.35  # the same, at most
DROP = 0.6  # metres, of a fall
FLIGHT = 1.0  # metres along the ground, of a flight
AIR_GAP = 0.04  # metres under a thing in the air
BOUNCE_RISE = 0.15  # metres that a bounce must fall and rise
HIT_CHANGE = 0.3  # m/s that a hit changes of what is hit
PROP_CHANGE = 0.6  # m/s that hitting a prop changes of what hits it
TOPPLE_TILT = math.radians(50)
TOPPLE_DROP = 0.7  # of the height it stood at
SPIN_SPEED, SPIN_TURN = 1.2, math.radians(170)  # rad/s, radians
SWING_ANGLE = math.radians(8)
LAP = 0.15  # of the frame: side by side
DEEPER = 1.0  # metres: one behind the other
SIDES = (0.38, 0.62)  # of the frame's width: where the centre begins and ends
ABOVE = 0.33  # of the frame's height
ROUND = ("ball", "cylinder", "cone", "egg")


@dataclass(frozen=True)
class _Motion:
    """The scene's states with what several readings share; F frames, K things."""

    scene: Scene
    time: Doubles  # (F,)
    positions: Doubles  # (F, K, 3)
    velocities: Doubles  # (F, K, 3)
    turning: Doubles  # (F, K, 3) angular velocities
    heights: Doubles  # (F, K) of the centre over the lowest point
    gaps: Doubles  # (F, K) between the lowest point and the ground
    tilts: Doubles  # (F, K) of its own z axis from where it started
    touched: dict[
        int, Flags
    ]  # per thing, (F, K + 1): touched thing j, or at K the ground, in the interval before the frame
    screen: Doubles  # (F, K, 2)
    depth: Doubles  # (F, K)
    share: Doubles  # (F, K) visible

    @property
    def speeds(self) -> Doubles:
        return np.asarray(np.linalg.norm(self.velocities, axis=-1))

    @property
    def ground_speeds(self) -> Doubles:
        return np.asarray(np.linalg.norm(self.velocities[..., :2], axis=-1))

    def seen(self, thing: int, frame: int) -> bool:
        return bool(self.share[frame, thing] >= VISIBLE_SHARE)

    def props(self, shape: str) -> list[int]:
        return [k for k, thing in enumerate(self.scene.things) if thing.shape == shape]


def read_facts(scene: Scene, truth: Truth | None = None) -> Facts:
    """All that a true caption may say of `scene`, with its happenings in the order of time.

    `truth.visible_share` decides what is seen when rendered frames are at hand; otherwise lines of sight do.
    """
    motion = _read_motion(scene, truth)
    told = [k for k in range(len(scene.things)) if (motion.share[:, k] >= VISIBLE_SHARE).any()]
    happenings: list[Happening] = _hits(motion)
    for thing in told:
        if not scene.things[thing].is_prop:
            happenings += _of_thing(motion, thing)
    happenings = [one for one in happenings if one.subject in told and (one.object is None or one.object in told)]
    return Facts(
        things=scene.things,
        places=tuple(_place(motion, thing, 0) for thing in range(len(scene.things))),
        happenings=tuple(sorted(happenings, key=lambda one: one.time)),
        relations=tuple(_relations(motion, 0)),
        camera_move=scene.camera.move,
        camera_angle=scene.camera.angle,
        light_time=scene.light.time,
        light_side=scene.light.side,
        ground=scene.ground,
    )


def read_still(scene: Scene, truth: Truth | None, frames: Sequence[int]) -> list[Facts]:
    """All that a true caption may say of single frames: where things are, and nothing that takes time."""
    motion = _read_motion(scene, truth)
    return [
        Facts(
            things=scene.things,
            places=tuple(_place(motion, thing, frame) for thing in range(len(scene.things))),
            happenings=(),
            relations=tuple(_relations(motion, frame)),
            camera_move="static",
            camera_angle=scene.camera.angle,
            light_time=scene.light.time,
            light_side=scene.light.side,
            ground=scene.ground,
        )
        for frame in frames
    ]


def _read_motion(scene: Scene, truth: Truth | None) -> _Motion:
    path, things = scene.trajectory, scene.things
    num_frames, num_things = path.positions.shape[:2]
    positions = path.positions.astype(np.float64)
    heights = np.stack([depths_below_centre(thing, path.quaternions[:, k]) for k, thing in enumerate(things)], -1)
    own_up = rotations(path.quaternions)[..., :, 2]  # (F, K, 3)
    tilts = np.arccos(np.clip((own_up * own_up[:1]).sum(-1), -1, 1))
    touched = {k: np.zeros((num_frames, num_things + 1), bool) for k in range(num_things)}
    for frame, contacts in enumerate(path.contacts):
        for a, b, _ in contacts:
            touched[b][frame, num_things if a == GROUND else a] = True
            if a != GROUND:
                touched[a][frame, b] = True
    screen, depth = project(scene.camera, path.positions, 64, 64)
    share = estimated_share(scene) if truth is None else np.nan_to_num(truth.visible_share.astype(np.float64))
    return _Motion(
        scene=scene,
        time=np.arange(num_frames) / path.fps,
        positions=positions,
        velocities=path.velocities.astype(np.float64),
        turning=path.angular_velocities.astype(np.float64),
        heights=heights,
        gaps=positions[..., 2] - heights,
        tilts=tilts,
        touched=touched,
        screen=screen.astype(np.float64),
        depth=depth.astype(np.float64),
        share=share,
    )


def estimated_share(scene: Scene) -> Doubles:
    """About what share of every thing is seen, (F, K): of the lines of sight to it, those in frame and free."""
    num_things = len(scene.things)
    share = np.zeros((scene.num_frames, num_things))
    for k in range(num_things):
        points = _sight_points(scene, k)
        where, depth = project(scene.camera, points.astype(np.float32), 64, 64)
        free = ((where > 0) & (where < 1)).all(-1) & (depth > 0)
        for j in range(num_things):
            if j != k and scene.things[j].shape != "rod":
                free &= ~_crosses(scene, points, j)
        share[:, k] = free.mean(-1)
    return share


def _sight_points(scene: Scene, thing: int) -> Doubles:
    """Points (F, P, 3) within a thing, on a plane through its centre that faces the camera."""
    right, up, _ = axes(scene.camera)
    turn = rotations(scene.trajectory.quaternions[:, thing])
    reach = np.array(scene.things[thing].half_extents)
    # Half widths seen along the camera's axes, shrunk to stay within the thing.
    wide, high = (0.7 * np.linalg.norm(np.einsum("fij,fi->fj", turn, axis) * reach, axis=-1) for axis in (right, up))
    grid = np.stack(np.meshgrid([-1.0, -0.5, 0.0, 0.5, 1.0], [-1.0, -0.5, 0.0, 0.5, 1.0]), -1).reshape(-1, 2)
    across = (wide[:, None] * grid[:, 0])[..., None] * right[:, None]
    upward = (high[:, None] * grid[:, 1])[..., None] * up[:, None]
    return np.asarray(scene.trajectory.positions[:, thing, None] + across + upward, np.float64)


def _crosses(scene: Scene, points: Doubles, other: int) -> Flags:
    """Whether the lines (F, P) from the camera to `points` cross thing `other`: a box or, if round, an ellipsoid."""
    turn = rotations(scene.trajectory.quaternions[:, other])
    reach = np.array(scene.things[other].half_extents)
    centre = scene.trajectory.positions[:, other].astype(np.float64)
    eye = np.einsum("fij,fi->fj", turn, scene.camera.positions - centre)[:, None] / reach  # it is the unit cube or ball
    ray = np.einsum("fij,fpi->fpj", turn, points - centre[:, None]) / reach - eye
    if scene.things[other].shape in ROUND:
        at = np.clip(-(eye * ray).sum(-1) / (ray * ray).sum(-1), 0, 1)
        return np.asarray(np.linalg.norm(eye + at[..., None] * ray, axis=-1) < 1)
    ray = np.where(np.abs(ray) < 1e-9, 1e-9, ray)
    first, last = (-1 - eye) / ray, (1 - eye) / ray
    enters, leaves = np.minimum(first, last).max(-1), np.maximum(first, last).min(-1)
    return np.asarray((enters < leaves) & (leaves > 0) & (enters < 1))


def _of_thing(motion: _Motion, thing: int) -> list[Happening]:
    """What one thing does, hits apart."""
    if _is_still(motion, thing):
        return [Happening(0.0, "still", thing)]
    swings = _swings(motion, thing)
    if swings:
        return swings
    toppled = _topples(motion, thing)
    found = toppled or [*_flights(motion, thing), *_bounces(motion, thing)]
    found += [*_spins(motion, thing), *_travels(motion, thing), *_out_of_sight(motion, thing), *_stops(motion, thing)]
    return found


def _is_still(motion: _Motion, thing: int) -> bool:
    shift = np.linalg.norm(motion.positions[:, thing] - motion.positions[0, thing], axis=-1).max()
    turned = np.abs(motion.turning[:, thing]).max() * 0.3  # a thing that turns at all turns for a while
    return bool(shift < STILL_SHIFT and motion.tilts[:, thing].max() < STILL_TURN and turned < STILL_TURN * 3)


def _swings(motion: _Motion, thing: int) -> list[Happening]:
    """A thing swings that keeps its place in the frame of a rod that turns."""
    path = motion.scene.trajectory
    for rod in motion.props("rod"):
        frames = rotations(path.quaternions[:, rod])
        local = np.einsum("fij,fi->fj", frames, motion.positions[:, thing] - motion.positions[:, rod])
        if np.ptp(local, axis=0).max() < 0.02 and motion.tilts[:, rod].max() > SWING_ANGLE:
            start = int(np.argmax(motion.speeds[:, thing] > STILL_SPEED))
            return [Happening(float(motion.time[start]), "swings", thing, direction=_direction(motion, thing, start))]
    return []


def _topples(motion: _Motion, thing: int) -> list[Happening]:
    """Stood at rest, was touched by another thing, then tilted over or fell from where it stood."""
    in_air = motion.gaps[0, thing] > AIR_GAP and not motion.touched[thing][1, :-1].any()
    if motion.speeds[0, thing] > STILL_SPEED or in_air:
        return []
    stood = motion.gaps[0, thing]
    tall = motion.scene.things[thing].shape not in ("ball", "egg")
    over = (motion.tilts[:, thing] > TOPPLE_TILT) & tall
    if stood > 0.2:
        over |= motion.gaps[:, thing] < stood * (1 - TOPPLE_DROP)
    ramps = motion.props("ramp")
    touched = np.delete(motion.touched[thing], [*ramps, -1], axis=1)
    if not over.any() or not touched[: int(np.argmax(over)) + 1].any() or motion.touched[thing][1, ramps].any():
        return []
    moving = (motion.speeds[:, thing] > MOVING_SPEED) | (motion.tilts[:, thing] > STILL_TURN)
    start = int(np.argmax(moving))
    lasting = int(np.argmax(over))
    if motion.share[start : lasting + 4, thing].max() < VISIBLE_SHARE:
        return []
    return [Happening(float(motion.time[start]), "topples", thing, direction=_direction(motion, thing, lasting))]


def _in_air(motion: _Motion, thing: int) -> Flags:
    """Per frame: well above the ground and touching nothing in the interval before it."""
    free = ~motion.touched[thing].any(-1)
    return np.asarray((motion.gaps[:, thing] > AIR_GAP) & free)


def _flights(motion: _Motion, thing: int) -> list[Happening]:
    """Falls and flights: the first stretch in the air that goes far enough down or along."""
    for start, end in _runs(_in_air(motion, thing)):
        first = max(start - 1, 0) if start and motion.gaps[start - 1, thing] > -AIR_GAP else start
        last = min(end, len(motion.time) - 1)  # the frame after: it has landed
        if not motion.seen(thing, start):
            continue
        path = motion.positions[first : last + 1, thing]
        along = float(np.linalg.norm(path[-1, :2] - path[0, :2]))
        drop = float(path[:, 2].max() - path[-1, 2])
        rebounding = first > 0 and motion.touched[thing][first, -1] and motion.velocities[first, thing, 2] > 0
        if rebounding:
            continue
        if along >= FLIGHT and along > 0.5 * drop:
            return [Happening(float(motion.time[first]), "flies", thing, direction=_direction(motion, thing, start))]
        if drop >= DROP:
            return [Happening(float(motion.time[first]), "falls", thing)]
    return []


def _bounces(motion: _Motion, thing: int) -> list[Happening]:
    """Landings that rise again high enough, as one happening with their count.

    In free flight height and speed at any frame tell the peak: the one before a landing from the last frame in the air,
    the one after from the first. A contact is shorter than a frame, but a frame may fall within it.
    """
    gravity, gaps = motion.scene.gravity, motion.gaps[:, thing]
    up = motion.velocities[:, thing, 2]
    peaks = gaps + up**2 / (2 * gravity)
    times = []
    for frame in range(1, len(motion.time)):
        landed = motion.touched[thing][frame, -1] and not motion.touched[thing][frame, :-1].any()
        if not landed or gaps[frame] <= 0 or up[frame] + gravity / motion.scene.trajectory.fps <= 0:
            continue
        before = frame - 1 if gaps[frame - 1] > 0 or frame == 1 else frame - 2
        if min(peaks[before], peaks[frame]) > BOUNCE_RISE and motion.seen(thing, frame):
            fall = (up[before] + math.sqrt(up[before] ** 2 + 2 * gravity * max(gaps[before], 0))) / gravity
            times.append(float(motion.time[before] + fall))
    return [Happening(times[0], "bounces", thing, count=len(times))] if times else []


def _spins(motion: _Motion, thing: int) -> list[Happening]:
    """Turns about the vertical in its place, in a way that is seen: round things that stand do not show it."""
    turning = motion.turning[:, thing]
    axis = rotations(motion.scene.trajectory.quaternions[:, thing])[:, 2, 2]
    if motion.scene.things[thing].shape == "ball":
        return []
    if motion.scene.things[thing].shape in ROUND and (np.abs(axis) > 0.9).mean() > 0.5:
        return []
    upright = np.abs(turning[:, 2])
    about_up = (upright > SPIN_SPEED) & (upright > 2 * np.linalg.norm(turning[:, :2], axis=-1))
    about_up &= (motion.ground_speeds[:, thing] < 2 * MOVING_SPEED) & (motion.gaps[:, thing] < AIR_GAP)
    for start, end in _runs(about_up & (motion.share[:, thing] >= VISIBLE_SHARE)):
        if np.abs(turning[start:end, 2]).sum() / motion.scene.trajectory.fps >= SPIN_TURN:
            return [Happening(float(motion.time[start]), "spins", thing)]
    return []


def _travels(motion: _Motion, thing: int) -> list[Happening]:
    """Rolls and slides: over the ground, and down ramps (a slide down a ramp has the ramp as its object)."""
    velocity, along = motion.velocities[:, thing], motion.ground_speeds[:, thing]
    touched = motion.touched[thing]
    seen = motion.share[:, thing] >= VISIBLE_SHARE
    turning = motion.turning[:, thing]
    # The turning that rolls along the velocity has its axis to the left of it, and height times it is the speed.
    axis = np.stack([-velocity[:, 1], velocity[:, 0]], -1) / np.maximum(along, 1e-6)[:, None]
    ratio = (turning[:, :2] * axis).sum(-1) * motion.heights[:, thing] / np.maximum(motion.speeds[:, thing], 1e-6)
    found: list[Happening] = []
    ramps = motion.props("ramp")
    for support in [-1, *ramps]:
        on = touched[:, support].copy()
        on[0] = on[1]  # the first frame has no interval before it
        # Riding the ground: also low, or every touch of a bounce would count.
        on &= (motion.gaps[:, thing] < AIR_GAP) if support == -1 else (velocity[:, 2] < -0.1)
        moving = on & (along > MOVING_SPEED) & seen
        for kind, rides in (
            ("rolls", moving & (ratio > ROLLING[0]) & (ratio < ROLLING[1])),
            ("slides", moving & (np.abs(ratio) < SLIDING)),
        ):
            for start, end in _runs(_bridged(rides)):
                if along[start:end].sum() / motion.scene.trajectory.fps < TRAVEL:
                    continue
                told = "rolls_down" if kind == "rolls" and support != -1 else kind
                ramp = None if support == -1 else support
                if not any(one.kind == told and one.object == ramp for one in found):
                    way = _direction(motion, thing, start)
                    found.append(Happening(float(motion.time[start]), told, thing, ramp, way))
    return found


def _stops(motion: _Motion, thing: int) -> list[Happening]:
    """Comes to rest for good, in sight, after having moved."""
    quick = (motion.speeds[:, thing] > STILL_SPEED) | (np.linalg.norm(motion.turning[:, thing], axis=-1) > 0.4)
    if not quick.any() or motion.speeds[:, thing].max() < MOVING_SPEED:
        return []
    rest = int(np.flatnonzero(quick)[-1]) + 1
    if rest >= len(motion.time) or motion.time[-1] - motion.time[rest] < STOP_TIME or not motion.seen(thing, rest):
        return []
    return [Happening(float(motion.time[rest]), "stops", thing)]


def _out_of_sight(motion: _Motion, thing: int) -> list[Happening]:
    """Goes behind something, comes out, leaves the frame for good. What the camera alone hides is not told."""
    share, speeds = motion.share[:, thing], motion.speeds[:, thing]
    inside = np.abs(motion.screen[:, thing] - 0.5).max(-1) < 0.5
    found: list[Happening] = []
    for start, end in _runs(share < VISIBLE_SHARE):
        way = _direction(motion, thing, start)
        if (share[:start] < CLEAR_SHARE).all() or speeds[start] < STILL_SPEED:
            continue
        if inside[start:end].all():
            cover = _cover(motion, thing, (start + end - 1) // 2)
            if cover is not None:
                found.append(Happening(float(motion.time[start]), "goes_behind", thing, cover, way))
                if (share[end:] >= CLEAR_SHARE).any():
                    out = end + int(np.argmax(share[end:] >= CLEAR_SHARE))
                    way = _direction(motion, thing, end)
                    found.append(Happening(float(motion.time[out]), "comes_out", thing, cover, way))
        elif end == len(share) and not inside[-1]:
            found.append(Happening(float(motion.time[start]), "leaves", thing, direction=way))
    return found


def _cover(motion: _Motion, thing: int, frame: int) -> int | None:
    """What hides a thing at a frame: what crosses most of the lines of sight to it."""
    points = _sight_points(motion.scene, thing)
    covers = {
        k: int(_crosses(motion.scene, points, k)[frame].sum()) for k in range(len(motion.scene.things)) if k != thing
    }
    best = max(covers, key=covers.__getitem__, default=None)
    return best if best is not None and covers[best] > 0 else None


def _hits(motion: _Motion) -> list[Happening]:
    """The first time that two things meet in a way that moves one of them."""
    num = len(motion.scene.things)
    meetings = [_hit(motion, a, b) for a in range(num) for b in range(a + 1, num)]
    return [hit for hit in meetings if hit is not None]


def _hit(motion: _Motion, a: int, b: int) -> Happening | None:
    """The faster of two things hits the other; props are hit but do not hit, and going down a ramp is no hit."""
    things, speeds = motion.scene.things, motion.speeds
    touching = motion.touched[a][:, b]
    resting = touching[1] and max(speeds[0, a], speeds[0, b]) < STILL_SPEED
    if resting or "ramp" in (things[a].shape, things[b].shape):
        return None
    for frame in (int(one) for one in np.flatnonzero(touching)):
        one, other = (a, b) if speeds[frame - 1, a] >= speeds[frame - 1, b] else (b, a)
        last = min(frame + 1, len(motion.time) - 1)  # what was hit late in the interval moves in the next
        change = np.linalg.norm(motion.velocities[frame : last + 1] - motion.velocities[frame - 1], axis=-1).max(0)
        struck = change[one] > PROP_CHANGE if things[other].is_prop else change[other] > HIT_CHANGE
        if struck and speeds[frame - 1, one] > MOVING_SPEED and motion.seen(one, frame):
            time = float(motion.time[frame] - 0.5 / motion.scene.trajectory.fps)  # within the interval
            return Happening(time, "hits", one, other, _direction(motion, one, frame - 1))
    return None


def _direction(motion: _Motion, thing: int, frame: int) -> str | None:
    """Where a thing moves at a frame, on the screen of the first frame; None when straight up or down or at rest."""
    right, _, forward = (axis[0].astype(np.float64) for axis in axes(motion.scene.camera))
    velocity = motion.velocities[frame : frame + 2, thing].mean(0)[:2]
    ahead = forward[:2] / np.hypot(forward[0], forward[1])
    across, deep = float(velocity @ right[:2]), float(velocity @ ahead)
    if math.hypot(across, deep) < STILL_SPEED:
        return None
    if abs(across) >= abs(deep):
        return "right" if across > 0 else "left"
    return "away" if deep > 0 else "towards"


def _place(motion: _Motion, thing: int, frame: int) -> str | None:
    if not motion.seen(thing, frame):
        return None
    x, y = motion.screen[frame, thing]
    if y < ABOVE and motion.gaps[frame, thing] > DROP:
        return "top"
    return "left" if x < SIDES[0] else "right" if x > SIDES[1] else "centre"


def _relations(motion: _Motion, frame: int) -> list[Relation]:
    """Of every pair seen in the frame, told once, from the one that comes first."""
    shown = [k for k, thing in enumerate(motion.scene.things) if motion.seen(k, frame) and thing.shape != "rod"]
    found = []
    for a in shown:
        for b in shown:
            if a >= b:
                continue
            if motion.touched[a][max(frame, 1), b] and motion.speeds[frame, [a, b]].max() < STILL_SPEED:
                upper, lower = (a, b) if motion.positions[frame, a, 2] > motion.positions[frame, b, 2] else (b, a)
                if motion.gaps[frame, upper] > 0.1:
                    found.append(Relation("on", upper, lower))
                    continue
            across = motion.screen[frame, a, 0] - motion.screen[frame, b, 0]
            deeper = motion.depth[frame, a] - motion.depth[frame, b]
            if abs(across) > LAP:
                found.append(Relation("left_of" if across < 0 else "right_of", a, b))
            if abs(deeper) > DEEPER and abs(across) < 2 * LAP:
                found.append(Relation("behind" if deeper > 0 else "in_front_of", a, b))
    return found


def _runs(flags: Flags) -> list[tuple[int, int]]:
    """Stretches [start, end) where `flags` hold."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]


def _bridged(flags: Flags) -> Flags:
    """With gaps of one frame closed."""
    closed = flags.copy()
    closed[1:-1] |= flags[:-2] & flags[2:]
    return closed
