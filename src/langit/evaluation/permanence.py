"""Object permanence: things go on being there while they are hidden, out of the frame, or long in it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from langit.evaluation.follow import Followed, follow
from langit.evaluation.footage import Examined
from langit.evaluation.statistics import Reading, missing, reading
from langit.simulator.world import COLOURS

PART = "permanence"
SEEN, HIDDEN = 0.5, 0.1  # visible shares
PLACE_ERROR = 0.12  # of the frame: as near as a thing that returned must be to where it belongs
LAST = 6  # frames at the end of a clip
MIN_SHARE = 0.02  # visible share below which a thing need not be counted


def measure(clips: Sequence[Examined]) -> list[Reading]:
    """All readings of permanence; `clips` may hold clips of other tasks."""
    hidden = [clip for clip in clips if clip.task == "occlusion"]
    panned = [clip for clip in clips if clip.task == "pan"]
    extended = [clip for clip in clips if clip.task == "extension"]
    readings = []
    if hidden:
        why = "no thing was seen to go behind a wall"
        exits = [reappearance(clip) for clip in hidden]
        readings += [
            reading(PART, "occluded things that reappear", "", "higher", [one[0] for one in exits], why=why),
            reading(
                PART, "same identity after occlusion", "", "higher", [one[1] for one in exits], why="none reappeared"
            ),
            reading(PART, "exit time error", "s", "lower", [one[2] for one in exits], why="none reappeared"),
        ]
    else:
        readings.append(missing(PART, "occluded things that reappear", "there are no clips of an occlusion"))
    if panned:
        returns = [returning(clip) for clip in panned]
        why = "no thing was seen before the camera turned away"
        readings.append(reading(PART, "there again when the camera pans back", "", "higher", returns, why=why))
    else:
        why = "the clips hold no camera that pans away and back, which takes nearly twice the model's native length"
        readings.append(missing(PART, "there again when the camera pans back", why))
    if extended:
        counts, same = zip(*(steadiness(clip) for clip in extended), strict=True)
        why = "the clips end where the given frames do"
        readings += [
            reading(PART, "right number of things, extended clips", "", "higher", counts, why=why),
            reading(PART, "things that keep their identity, extended clips", "", "higher", same, why=why),
        ]
    else:
        readings.append(missing(PART, "right number of things, extended clips", "there are no extended clips"))
    return readings


def reappearance(clip: Examined) -> tuple[float, float, float]:
    """(1 if it came out on the other side, 1 if as the same thing, seconds from the true moment) of what goes behind a
    wall; NaN where that cannot be said, and all NaN when it was not seen to go there."""
    nothing = (math.nan, math.nan, math.nan)
    thing = clip.told.actors[0]
    share = clip.told.visible_share[:, thing]
    behind = np.flatnonzero((share < HIDDEN) & (np.arange(len(share)) >= clip.given))
    out = np.flatnonzero((share > SEEN) & (np.arange(len(share)) > (behind[0] if len(behind) else len(share))))
    if not len(behind) or not len(out):
        return nothing
    followed, truth = follow(clip, thing), clip.told.centroids[:, thing, 0]
    heading = float(np.sign(truth[out[0]] - truth[behind[0]]))
    before = followed.visible[: behind[0]]
    if before.mean() < SEEN:
        return nothing
    # Out means seen beyond the middle of the wall, after it was last seen before it.
    wall = next((k for k, other in enumerate(clip.told.things) if other.shape == "wall"), None)
    middle = truth[behind].mean() if wall is None else np.nanmean(clip.told.centroids[:, wall, 0])
    beyond = followed.visible & (heading * (followed.x - middle) > 0) & (np.arange(len(share)) >= clip.given)
    if not beyond.any():
        # It may have come out as something else: any thing that was not there before, beyond the wall.
        return (0.0, math.nan, math.nan)
    frame = int(np.argmax(beyond))
    # The same part of it must show as at the true moment, so the true moment is when its first part shows again.
    first_out = int(np.argmax((share >= HIDDEN) & (np.arange(len(share)) > behind[0])))
    return 1.0, float(is_same(clip, followed, beyond)), abs(frame - first_out) / clip.fps


def is_same(clip: Examined, followed: Followed, where: np.ndarray) -> bool:
    """Whether most of what is seen at those frames has the thing's colour, and its shape or the one it had before."""
    told = clip.told.things[followed.thing]
    tracks = clip.observation.tracks
    frames = [int(frame) for frame in np.flatnonzero(where & followed.visible)]
    colours = [int(tracks[followed.track[frame]].colours_seen[frame]) for frame in frames]
    same_colour = [list(COLOURS)[colour] == told.colour for colour in colours if colour >= 0]
    shapes = {tracks[followed.track[frame]].shape for frame in frames}
    # A lying egg may look like a ball throughout: what counts is that it is what it was.
    known = {told.shape} | {tracks[i].shape for i in followed.track[~where & followed.visible]}
    return bool(same_colour) and float(np.mean(same_colour)) > 0.5 and bool(shapes & known)


def returning(clip: Examined) -> float:
    """1 when the thing is seen again where it belongs in the last frames, after the camera had turned from it."""
    share = clip.told.visible_share[:, 0]
    followed, frames = follow(clip, 0), np.arange(len(share))
    before = followed.visible & (frames < max(clip.given, 1)) & (share > SEEN)
    if not before.any() or not (share[: max(clip.given, len(share) // 2 + 1)] < HIDDEN).any():
        return math.nan
    apart = np.hypot(followed.x - clip.told.centroids[:, 0, 0], followed.y - clip.told.centroids[:, 0, 1])[-LAST:]
    near = followed.visible[-LAST:] & (np.nan_to_num(apart, nan=9.0) < PLACE_ERROR)
    return float(near.mean() >= 0.5 and is_same(clip, followed, frames >= len(frames) - LAST))


def steadiness(clip: Examined) -> tuple[float, float]:
    """(share of the frames that were made with the right number of things, share of things and frames with a thing of
    the right colour and shape in its place)."""
    made = range(max(clip.given, 1), len(clip.frames))
    if not made:
        return math.nan, math.nan
    counts, same = count_right(clip), identity_kept(clip)
    return float(np.mean(counts[made.start :])), float(np.mean(same[made.start :]))


def count_right(clip: Examined) -> np.ndarray:
    """(F,): 1 where as many things are seen as are there."""
    real = [k for k, thing in enumerate(clip.told.things) if thing.shape != "rod"]
    there = (clip.told.visible_share[:, real] > MIN_SHARE).sum(1)
    tracks = [track for track in clip.observation.tracks if track.shape != "rod"]
    seen = np.sum([track.visible for track in tracks], axis=0) if tracks else np.zeros(len(clip.frames))
    return np.asarray(seen == there, np.float64)


def identity_kept(clip: Examined) -> np.ndarray:
    """(F,): share of the things in sight that are seen near their place in their colour and shape."""
    kept, due = np.zeros(len(clip.frames)), np.zeros(len(clip.frames))
    colours = list(COLOURS)
    for thing, told in enumerate(clip.told.things):
        if told.is_prop:
            continue
        followed = follow(clip, thing)
        in_sight = clip.told.visible_share[:, thing] > HIDDEN
        apart = np.hypot(*(np.stack([followed.x, followed.y]) - clip.told.centroids[:, thing].T))
        for frame in np.flatnonzero(in_sight & followed.visible & (np.nan_to_num(apart, nan=9.0) < PLACE_ERROR)):
            track = clip.observation.tracks[followed.track[frame]]
            seen = int(track.colours_seen[frame])
            kept[frame] += seen >= 0 and colours[seen] == told.colour and track.shape == told.shape
        due += in_sight
    return np.asarray(kept / np.maximum(due, 1))
