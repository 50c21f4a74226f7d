"""What rests stays what it was, from window to window and from edit to edit.

A model errs a little in every window, and the next one begins with the error: after ten of them a scene in which nothing
happened would be eaten away. So where what a window begins with (or leads up to) rests, and what was made there is
hardly another thing, the made latents give way to the known ones. These are handed on, and the next window has the same
in the same place: an error can no longer grow where nothing moves.

Whether the known rests is read from its own frames and not from what was made: with a moving camera nothing but flat sky
passes. A thing that moves in what was made has places that are far from what was there; about these little is held back. What moves
is left as it was made.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from langit.catalog import Bundle
from langit.conditioning import (
    CastCondition,
    Condition,
    FramesCondition,
    LatentsCondition,
    SpansCondition,
    TurnCondition,
)
from langit.conditioning.stillness import RESTS, distance, falling, led
from langit.editing.footage import groups_of
from langit.generate import OnStep, Sampler
from langit.planning import Plan
from langit.tokenizer import decode, encode
from langit.types import Frames

RESTING_SECONDS = 0.5
"""In which a place has to be still, to rest."""
SAME, NEAR_MOTION = (1.2, 1.6), (0.6, 1.0)
"""How far made latents may be from known ones that rest: up to the first they are the same thing, from the second on another. The
latter in places beside one that is another thing without doubt.

Where nothing moves the embedded model is 0.1 to 1.1 off; where a thing comes or goes the change is 1 to 4."""
AGREE = (0.3, 0.6)
"""How far what rests before may be from what rests after: up to the first it stays, from the second on it has to change."""
CAMERA = 0.5
"""The share of places that become another thing from which on it is the camera that moves, and nothing is anchored."""


class Anchor:
    """What rests at both ends of one passage: `before` and `after` (h, w) say of each place how much, None where it is not known.

    `sampler` keeps it so in every window, and `share_of` says then what of a frame is as it was.
    """

    def __init__(self, bundle: Bundle, before: Tensor | None, after: Tensor | None):
        self._tokenizer = bundle.tokenizer
        self._before, self._after = before, after
        self._groups: list[Tensor] = []  # by made group, in order; (h, w) each

    def sampler(self, sampler: Sampler) -> Sampler:
        """The sampler, whose clips give way to what rests in the groups that they hold at their beginning and end.

        Clips that know more of their own frames (a source, a region, pictures at their times) are left as they are.
        """

        def anchored(bundle: Bundle, plans: Sequence[Plan], on_step: OnStep | None = None) -> list[Tensor]:
            made = sampler(bundle, plans, on_step)
            return [self._anchored(p.conditions, clip) for p, clip in zip(plans, made, strict=True)]

        return anchored

    def share_of(self, index: int) -> NDArray[np.float32] | None:
        """(H, W, 1): how much of a frame is as it was at the known end; None where nothing is.

        `index` counts from the first frame that was made after a known end, or, negative, back from the last one before one.
        """
        stride, *pixels = self._tokenizer.stride
        group = index // stride + (len(self._groups) if index < 0 else 0)
        if not self._groups or group >= len(self._groups) or not self._groups[max(group, 0)].any():
            return None
        share = self._groups[max(group, 0)].numpy().repeat(pixels[0], 0).repeat(pixels[1], 1)
        return np.asarray(share[..., None], np.float32)

    @torch.inference_mode()
    def _anchored(self, conditions: Sequence[Condition], clip: Tensor) -> Tensor:
        """The latents (C, F, h, w) of a clip, anchored to what its conditions hold at its ends."""
        groups = [one for one in conditions if isinstance(one, LatentsCondition)]
        head = next((one for one in groups if one.start == 1), None)
        tail = next(
            (one for one in groups if one.start > 1 and one.start + one.latents.shape[1] == clip.shape[1]), None
        )
        first = 1 if head is None else 1 + head.latents.shape[1]
        made = clip[:, first : clip.shape[1] if tail is None else tail.start]
        count = made.shape[1]
        along = torch.arange(1, count + 1)[:, None, None] / (count + 1)  # (g, 1, 1), from head to tail
        ends = []
        if head is not None and self._before is not None:
            ends.append((head.latents[:, -1:], self._before, 1 - along))
        if tail is not None and self._after is not None:
            ends.append((tail.latents[:, :1], self._after, along))
        if len(ends) == 2:  # what is one thing here and another there has to change, however still it is at both ends
            agree = falling(distance(ends[0][0], ends[1][0]), AGREE)
            ends = [(latents, rests * agree, near) for latents, rests, near in ends]
        shares, weight, known = torch.zeros(made.shape[1:]), torch.zeros(made.shape[1:]), torch.zeros_like(made)
        for latents, rests, near in ends if all(map(_is_of_time, conditions)) else ():
            share = rests * _same(made, latents)
            known, weight = known + near * share * latents, weight + near * share
            shares = torch.maximum(shares, share)
        backward = head is None and tail is not None
        self._groups = [*shares, *self._groups] if backward else [*self._groups, *shares]
        # The next window begins (backward: ends) with what this one made last: it rests where it is what was known.
        if count and self._before is not None:
            self._before = (shares[-1] >= 1).float()
        if count and backward and self._after is not None:
            self._after = (shares[0] >= 1).float()
        target = ends[0][0] if len(ends) == 1 else known / weight.clamp(min=1e-6)  # of one end to the last bit
        anchored = led(made, target, shares)
        picture = clip[:, :1]
        if ends and backward and tail is not None and count:  # the picture was made, too
            frame = decode(self._tokenizer, torch.cat([picture, tail.latents[:, :1]], 1))[1]
            picture = led(picture, encode(self._tokenizer, frame[None]), shares[:1])
        return torch.cat([picture, clip[:, 1:first], anchored, clip[:, first + count :]], 1)


def resting(bundle: Bundle, frames: Sequence[Frames], fps: float, last: bool) -> Tensor | None:
    """(h, w), 0 to 1: how much each place rests at the end of these frames (H, W, 3), or (not `last`) at their beginning.

    None where there are too few to say.
    """
    stride, count = bundle.tokenizer.stride[0], resting_frames(bundle, fps)
    if len(frames) < count:
        return None
    some = np.stack(list(frames)[-count:] if last else list(frames)[:count])
    still = (some[-1:] if last else some[:1]).repeat(stride, 0)
    return falling(distance(groups_of(bundle, some), groups_of(bundle, still)), RESTS).amin(0)


def resting_frames(bundle: Bundle, fps: float) -> int:
    """Of which it is read whether a place rests: whole groups."""
    stride = bundle.tokenizer.stride[0]
    return max(1, math.ceil(RESTING_SECONDS * fps / stride)) * stride


def _same(made: Tensor, known: Tensor) -> Tensor:
    """(g, h, w), 0 to 1: how far the made groups (C, g, h, w) are the same thing as the known one (C, 1, h, w)."""
    apart = distance(made, known)
    another = (apart >= SAME[1]).float()
    beside = functional.max_pool2d(another[None], 3, stride=1, padding=1)[0] > 0
    same = torch.where(beside, falling(apart, NEAR_MOTION), falling(apart, SAME))
    return same * (another.flatten(1).mean(1) <= CAMERA)[:, None, None]


def _is_of_time(condition: Condition) -> bool:
    """Whether it holds whole groups, the picture at the head, or no pictures at all."""
    if isinstance(condition, FramesCondition):
        return set(condition.frames) == {0}
    return isinstance(condition, CastCondition | LatentsCondition | SpansCondition | TurnCondition)
