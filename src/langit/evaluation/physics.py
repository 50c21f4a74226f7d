"""Physics: what is seen to move, held against the laws and against what truly came after the frames that were given.

Places on the screen become metres at the true distance from the camera (the scenes move in the plane that the camera
faces). Velocities are differences of neighbouring frames, of the truth as of the clip.

The velocity error is that of PhyWorld (arXiv 2411.02385): the mean distance between the velocities seen and the true
ones, over frames and things. Three times: in metres a second; in the units of their world, whose frame is 10 wide, so
that their table can stand beside it; and in these as theirs is read (pixel i of S drawn at i / (S - 1) and read at i /
S, which makes every speed (S - 1) / S of what it is). Their clips have 32 frames of 128x128 at 10 fps, flat discs of
0.7 to 1.5 units before an empty ground and 3 frames given; ours have shading, shadows and perspective.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from langit.evaluation.follow import Followed, follow, in_space, pinpoint
from langit.evaluation.footage import Examined
from langit.evaluation.shadows import shadow_share
from langit.evaluation.statistics import Reading, missing, reading
from langit.simulator.camera import half_extent
from langit.simulator.physics import depths_below_centre, volume
from langit.simulator.world import Array

PART = "physics"
PHYWORLD = {  # velocity error of DiT-S / B / L at 3M clips; the floor of their parser; out of distribution
    "uniform": ".015 / .014 / .012, floor .0099; out of distribution .29 to .43",
    "collision": ".023 / .018 / .015, floor .0117; out of distribution .15 to .21",
    "parabola": ".047 / .036 / .033, floor .0210; out of distribution .29 to .34",
}
PHYWORLD_WIDTH = 10.0  # units, of the frame
FOLLOWED_SHARE = 0.5  # of the frames in question: a thing seen less is not followed
AWAY = 0.15  # of the frame
LANDED = 0.25  # metres over its height at rest
FALLING = 0.15  # metres between frames
LATE = 1.5  # times the true flight: a flight that lasts longer is fitted so far
REST_FRAMES, REST_SPEED = 5, 0.2  # frames at the end, m/s
FLOATING = 0.35  # metres of air under a thing at rest
DEEP = 0.25  # of the sum of two radii
AFTER_HIT = 4  # frames over which a velocity after a collision is taken


def measure(clips: Sequence[Examined]) -> list[Reading]:
    """All readings of physics; `clips` may hold clips of other tasks."""
    of_task = {task: [clip for clip in clips if clip.task == task] for task in (*PHYWORLD, "fall", "bounce", "static")}
    readings = [*_velocity_readings(of_task)]
    flights = [*of_task["fall"], *of_task["bounce"], *of_task["parabola"]]
    readings.append(
        _read(
            "gravity, relative error", "", "lower", flights, gravity_error, "no thing was seen long enough in the air"
        )
    )
    readings.append(
        _read("restitution, error", "", "lower", of_task["bounce"], restitution_error, "no thing was seen to fall")
    )
    readings.append(
        _read(
            "uniform motion, spread of speed", "", "lower", of_task["uniform"], unevenness, "no moving thing was seen"
        )
    )
    why = "no shadow of a moving thing was in sight"
    readings.append(_read("shadows that go with their things", "", "higher", of_task["uniform"], shadow_share, why))
    hits = of_task["collision"]
    readings.append(
        _read(
            "momentum, relative error", "", "lower", hits, momentum_error, "not both things were seen about a collision"
        )
    )
    readings.append(
        _read("collisions without interpenetration", "", "higher", hits, keeps_apart, "no two things were seen")
    )
    resting = [*of_task["fall"], *of_task["static"], *of_task["parabola"]]
    readings.append(
        _read("things at rest on something", "", "higher", resting, is_supported, "no thing was seen to come to rest")
    )
    return readings


def _read(
    name: str,
    unit: str,
    better: Literal["higher", "lower"],
    clips: Sequence[Examined],
    value: Callable[[Examined], float],
    why: str,
) -> Reading:
    if not clips:
        return missing(PART, name, "there are no clips of its kind")
    return reading(PART, name, unit, better, [value(clip) for clip in clips], why=why)


def _velocity_readings(of_task: dict[str, list[Examined]]) -> list[Reading]:
    readings = []
    for task, published in PHYWORLD.items():
        name = f"velocity error, {task}"
        if not of_task[task]:
            readings.append(missing(PART, name, "there are no clips of its kind"))
            continue
        why = "no thing was followed in half of the frames"
        found = [is_followed(clip) for clip in of_task[task]]
        readings.append(reading(PART, f"things followed, {task}", "", "higher", found, why=why))
        errors = [velocity_error(clip) for clip in of_task[task]]
        readings.append(reading(PART, name, "m/s", "lower", errors, why=why))
        for how, biased in (("in units of PhyWorld", False), ("as PhyWorld reads", True)):
            errors = [velocity_error(clip, in_units=True, biased=biased) for clip in of_task[task]]
            readings.append(
                reading(PART, f"{name} ({how})", "units/s", "lower", errors, published=f"PhyWorld {published}", why=why)
            )
    return readings


def acting(clip: Examined) -> list[int]:
    """The things that the clip is about."""
    count = 2 if clip.task == "collision" else 1
    return list(clip.told.actors[:count])


def counted_frames(clip: Examined, thing: int) -> NDArray[np.bool_]:
    """(F,): frames after those given at which the thing should be seen and, in a parabola, fly."""
    frames = np.arange(clip.told.num_frames) >= max(clip.given, 1)
    inside = (np.abs(clip.told.centroids[:, thing] - 0.5) < 0.5).all(-1) & (clip.told.visible_share[:, thing] > 0.9)
    if clip.task == "parabola":
        inside &= np.cumsum(clip.told.touching[:, thing]) == 0
    return np.asarray(frames & inside)


def is_followed(clip: Examined) -> float:
    """1 if the things were seen in at least half of the frames in question, 0 if not; NaN without such frames."""
    shares = [
        follow(clip, thing).visible[counted].mean()
        for thing in acting(clip)
        if (counted := counted_frames(clip, thing)).any()
    ]
    return float(min(shares) >= FOLLOWED_SHARE) if shares else math.nan


def velocity_error(clip: Examined, *, in_units: bool = False, biased: bool = False) -> float:
    """Mean distance between seen and true velocities in m/s, or `in_units` of PhyWorld's a second; NaN when a thing is not
    followed."""
    if is_followed(clip) != 1.0:
        return math.nan
    width = clip.told.size[1]
    errors = []
    for thing in acting(clip):
        followed = pinpoint(clip, thing)
        counted = counted_frames(clip, thing)
        # What is cut by the frame's edge is not read, unless it is far from where it should be.
        away = np.hypot(*(np.stack([followed.x, followed.y]) - clip.told.centroids[:, thing].T)) > AWAY
        where = followed.whole | (followed.visible & away)
        seen = in_space(clip, followed, where=where, scale=(width - 1) / width if biased else 1.0)
        apart = np.linalg.norm(np.diff(seen - clip.told.positions[:, thing], axis=0), axis=-1) * clip.fps
        if in_units:
            across = 2 * half_extent(clip.told.camera, *clip.told.size)[1] * clip.told.depth[1:, thing]
            apart *= PHYWORLD_WIDTH / across  # metres that the frame is wide where the thing is
        errors.append(apart[counted[1:] & np.isfinite(apart)])
    every = np.concatenate(errors)
    return float(every.mean()) if len(every) else math.nan


def heights(clip: Examined, thing: int) -> Array:
    """(F,): how high a thing is seen over its place at rest, metres; NaN where it is not whole."""
    followed = pinpoint(clip, thing)
    quaternions = np.array(clip.told.json["things"][thing]["quaternions"], np.float32)
    rest = depths_below_centre(clip.told.things[thing], quaternions)[-1]
    return np.asarray(in_space(clip, followed, where=followed.whole)[:, 2] - np.float32(rest))


def gravity_error(clip: Examined) -> float:
    """|a - g| / g of a parabola fitted to the heights of the first flight."""
    thing = acting(clip)[0]
    start = max(clip.given - 1, 0)
    true_flight = np.cumsum(clip.told.touching[:, thing]) == 0
    longest = start + round(LATE * max(int(true_flight.sum()) - start, 0))
    height = heights(clip, thing)[: longest + 1]
    flight = np.arange(start, _landing(height, start))
    flight = flight[np.isfinite(height[flight])]
    if len(flight) < 4:
        return math.nan
    acceleration = 2 * np.polyfit(flight / clip.fps, height[flight], 2)[0]
    return float(abs(-acceleration - clip.told.gravity) / clip.told.gravity)


def _landing(height: Array, start: int) -> int:
    """The first frame that is no longer of the flight: low, or less far below the frame before than that one was below
    its own (what falls, falls ever faster)."""
    for frame in range(start + 1, len(height)):
        if height[frame] < LANDED:
            return frame
        fallen, before = height[frame - 1] - height[frame], height[max(frame - 2, start)] - height[frame - 1]
        if before > FALLING and fallen < 0.75 * before:
            return frame
    return len(height)


def restitution_error(clip: Examined) -> float:
    """|e - e_true|, e = sqrt(h2 / h1) of the heights before and after the first bounce, both from the frames' times."""
    thing = acting(clip)[0]
    true_height = clip.told.positions[:, thing, 2] - clip.told.positions[:, thing, 2].min()
    seen, true = restitution(heights(clip, thing)), restitution(true_height)
    return abs(seen - true)


def restitution(height: Array) -> float:
    """sqrt(h2 / h1) of a thing dropped at frame 0; 0 when it does not rise again, NaN when it is not seen to fall."""
    known = np.flatnonzero(np.isfinite(height))
    if len(known) < 8 or known[0] > 2:
        return math.nan
    filled = np.interp(np.arange(len(height)), known, height[known])
    first = filled[: known[0] + 2].max()
    low = np.flatnonzero(filled < 0.35 * first)
    if first <= 0.3 or not len(low):
        return math.nan
    begin = int(low[0])
    while begin + 1 < len(filled) and filled[begin + 1] < filled[begin]:
        begin += 1
    end = begin
    while end + 1 < len(filled) and filled[end + 1] > filled[end]:
        end += 1
    peak = filled[end]
    if begin < end < len(filled) - 1:  # a parabola through the highest frame and its neighbours
        before, after = filled[end - 1], filled[end + 1]
        bend = before - 2 * peak + after
        peak = peak - (after - before) ** 2 / (8 * bend) if bend < -1e-6 else peak
    return math.sqrt(max(float(peak), 0.0) / float(first))


def unevenness(clip: Examined) -> float:
    """Standard deviation of the velocity seen over its mean: 0 for uniform motion."""
    thing = acting(clip)[0]
    followed = pinpoint(clip, thing)
    velocity = np.diff(in_space(clip, followed, where=followed.whole), axis=0) * clip.fps
    velocity = velocity[counted_frames(clip, thing)[1:] & np.isfinite(velocity).all(-1)]
    if len(velocity) < 4:
        return math.nan
    mean = velocity.mean(0)
    speed = float(np.linalg.norm(mean))
    return float(np.sqrt(((velocity - mean) ** 2).sum(-1).mean()) / max(speed, 0.05))


def momentum_error(clip: Examined) -> float:
    """|change of momentum seen - true change| over the true momentum before, from the hit to some frames after it.

    Rolling takes some momentum from the ground, so the truth and not zero is what the change is held against.
    """
    pair = acting(clip)
    hit = _hit_frame(clip)
    if len(pair) < 2 or hit is None or hit < 3 or hit + AFTER_HIT >= clip.told.num_frames:
        return math.nan
    before, after = slice(max(hit - AFTER_HIT, 0), hit), slice(hit + 1, hit + 1 + AFTER_HIT)
    seen, true = (np.zeros((2, 3), np.float64) for _ in range(2))
    for thing in pair:
        mass = volume(clip.told.things[thing])
        followed = pinpoint(clip, thing)
        points = in_space(clip, followed, where=followed.visible)
        for row, frames in enumerate((before, after)):
            moved = np.diff(points[frames], axis=0)
            if not np.isfinite(moved).all(-1).any():
                return math.nan
            seen[row] += mass * np.nanmean(moved, axis=0) * clip.fps
            true[row] += mass * np.diff(clip.told.positions[frames, thing], axis=0).mean(0) * clip.fps
    change = (seen[1] - seen[0]) - (true[1] - true[0])
    return float(np.linalg.norm(change)) / max(float(np.linalg.norm(true[0])), 1e-6)


def _hit_frame(clip: Examined) -> int | None:
    """The first frame whose interval before it has the pair touch."""
    pair = set(acting(clip))
    for frame, contacts in enumerate(clip.told.json["contacts"]):
        if any({a, b} == pair for a, b, _ in contacts):
            return frame
    return None


def keeps_apart(clip: Examined) -> float:
    """1 when two things that move in one plane never come nearer than 3/4 of their radii together."""
    pair = acting(clip)
    if len(pair) < 2:
        return math.nan
    points = []
    for thing in pair:
        followed = pinpoint(clip, thing)
        points.append(in_space(clip, followed, where=followed.visible))
    apart = np.linalg.norm(points[0] - points[1], axis=-1)[clip.given :]
    if not np.isfinite(apart).any():
        return math.nan
    reach = sum(clip.told.things[thing].half_extents[0] for thing in pair)
    return float(np.nanmin(apart) > (1 - DEEP) * reach)


def is_supported(clip: Examined) -> float:
    """1 when nothing that has come to rest is seen with air under it, and NaN when nothing has come to rest.

    How far away a thing is is told by its size on the screen against that in the first frame.
    """
    verdicts = [_is_supported(clip, follow(clip, thing)) for thing in range(len(clip.told.things))]
    known = [verdict for verdict in verdicts if verdict is not None]
    return float(all(known)) if known else math.nan


def _is_supported(clip: Examined, followed: Followed) -> bool | None:
    thing = followed.thing
    told = clip.told.things[thing]
    if told.is_prop or not followed.whole[0] or not followed.whole[-REST_FRAMES:].all():
        return None
    scale = np.sqrt(followed.area[0] / np.median(followed.area[-REST_FRAMES:]))
    depth = np.full(len(followed.x), clip.told.depth[0, thing] * scale, np.float32)
    points = clip.told.in_space(followed.x, followed.y, depth)[-REST_FRAMES:]
    if np.linalg.norm(points[-1] - points[0]) * clip.fps / (REST_FRAMES - 1) > REST_SPEED:
        return None
    quaternions = np.array(clip.told.json["things"][thing]["quaternions"], np.float32)
    lowest = float(np.median(points[:, 2])) - float(depths_below_centre(told, quaternions)[-1])
    boxes = clip.observation.tracks[followed.track[-1]].boxes[-1]
    others = [
        track.boxes[-1]
        for i, track in enumerate(clip.observation.tracks)
        if i != followed.track[-1] and track.visible[-1]
    ]
    on_another = any(
        box[0] < boxes[2] and box[2] > boxes[0] and abs(box[1] - boxes[3]) < 0.06 and box[3] > boxes[3]
        for box in others
    )
    return on_another or lowest < FLOATING
