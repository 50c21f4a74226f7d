"""Pixels to what is seen in them.

Reading order: `seen` (the values), `segmenter` (frames to maps), `namer` (patches to shapes), `tracks`, `backdrop` (camera,
light, ground), `happenings` (what the tracks do), `observe` (all of it). `fit` and `fit_namer` make the weights.
"""

from langit.evaluation.observation.observe import observe
from langit.evaluation.observation.seen import Observation, Track

__all__ = ["Observation", "Track", "observe"]
