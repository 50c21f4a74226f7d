"""Pixels to what is seen in them.

Reading order: `seen` (the values), `segmenter` (frames to maps), `patches`, `tracks` (patches to tracks), `namer` and `sizes`
(what they are), `moves` and `backdrop` (the camera), `lamp` (the side of the light), `paths` and `happenings` (what the
tracks do), `observe` (all of it). The weights are made by `films`, `fit`, `extracts`, `fit_judge`, `fit_moves`, `fit_namer`,
`fit_sizes` and `fit_reader`, and by `relit` and `fit_lamp` after `fit`, in that order.
"""

from langit.evaluation.observation.observe import observe
from langit.evaluation.observation.seen import Observation, Track

__all__ = ["Observation", "Track", "observe"]
