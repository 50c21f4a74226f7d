"""One clip's frames to all that is seen in it."""

from __future__ import annotations

import math

import numpy as np

from langit.evaluation.observation.backdrop import background_motion, gather, read_backdrop, steadied
from langit.evaluation.observation.happenings import read_happenings
from langit.evaluation.observation.lamp import light_side
from langit.evaluation.observation.moves import camera_move
from langit.evaluation.observation.seen import Observation
from langit.evaluation.observation.segmenter import segment
from langit.evaluation.observation.tracks import find_chains, tracks_of
from langit.types import Frames, InputError

SMALLEST = 16  # pixels


def observe(frames: Frames, fps: float) -> Observation:
    """All that is read from uint8 frames (F, H, W, 3) at `fps`.

    Raises InputError for anything else, and for frames smaller than 16 pixels.
    """
    shape = np.shape(frames)
    if len(shape) != 4 or shape[-1] != 3 or frames.dtype != np.uint8 or shape[0] < 1 or min(shape[1:3]) < SMALLEST:
        raise InputError(
            f"Frames to observe must be uint8 of (frames, height, width, 3) with sides of {SMALLEST} pixels or more, "
            f"not {getattr(frames, 'dtype', type(frames).__name__)} of {shape}."
        )
    if not (math.isfinite(fps) and fps > 0):
        raise InputError(f"The fps of frames to observe must be a number above 0, not {fps}.")
    num_frames, height, width = shape[:3]
    seen = segment(frames)
    evidence = gather(seen)
    chains = find_chains(seen)
    backdrop = read_backdrop(evidence, camera_move(evidence, chains))
    found = tracks_of(seen, backdrop.horizon, backdrop.camera_height, chains)
    tracks = tuple(steadied(track, backdrop, height, width) for track in found)
    events, relations = read_happenings(tracks, backdrop, fps, height, width)
    return Observation(
        fps=float(fps),
        num_frames=num_frames,
        height=height,
        width=width,
        tracks=tracks,
        events=events,
        relations=relations,
        camera_move=backdrop.camera_move,
        background_motion=background_motion(backdrop),
        light_time=backdrop.light_time,
        light_side=light_side(seen),
        ground=backdrop.ground,
        horizon=np.clip(backdrop.horizon, 0, 1),
        background=backdrop.colours,
    )
