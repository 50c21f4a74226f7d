"""Things are solid: how far those of a cast are in one another, which no two things can be.

What the caster draws from noise now and then slides into another thing where it should hit it. The picture shows what the cast
says, so such casts are made again (`casts`).
"""

from __future__ import annotations

import math
from itertools import combinations

import torch
from einops import rearrange
from torch import Tensor

from langit.conditioning.cast import NUM_COLOURS, NUM_SHAPES, Cast

HALF_VIEW = math.tan(math.radians(20))
"""Half the shorter side of a frame at distance 1, about: what a step in depth is measured by."""
DEEP = 0.25
"""Of both radii together: things nearer than that are in one another. Of the simulator's own casts 1.6% have such things, as they
come back from their numbers."""


def depth_of_contact(cast: Cast, known: Tensor) -> float:
    """How far the two things of a cast that are most in one another are so, in frames where both are in sight: 0 where they
    touch, 1 where one's middle is the other's. As far as things are in `known` (f,) latent frames they may be in the others.

    Props, which things lie on and lean against, do not count. A thing is as thick as it is where it is thinnest.
    """
    deepest = _deepest(cast)
    return float((deepest.masked_fill(known, 0).max() - deepest.masked_fill(~known, 0).max()).clamp(min=0))


def _deepest(cast: Cast) -> Tensor:
    """(f,) of each latent frame the deepest contact."""
    frames = cast.centres.shape[2]
    centres, outlines = (rearrange(part, "f k t ... -> (f t) k ...") for part in (cast.centres, cast.outlines))
    depths = cast.depths.repeat_interleave(frames, 0) / HALF_VIEW
    radii = (outlines + outlines.roll(outlines.shape[-1] // 2, -1)).amin(-1) / 2  # (F, k)
    named = cast.names.amax(0)
    solid = (named.sum(-1) > 0) & ~(named[:, NUM_COLOURS + NUM_SHAPES :] > 0).any(-1)
    in_sight = centres.abs().amax(-1) < 1
    deepest = torch.zeros(len(radii), device=radii.device)
    for one, other in combinations(solid.nonzero().flatten().tolist(), 2):
        beside = (centres[:, one] - centres[:, other]).square().sum(-1)
        apart = (beside + (depths[:, one] - depths[:, other]).square()).sqrt()
        both = in_sight[:, one] & in_sight[:, other]
        share = 1 - apart / (radii[:, one] + radii[:, other]).clamp(min=1e-3)
        deepest = torch.maximum(deepest, torch.where(both, share, 0.0))
    by_latent: Tensor = deepest.unflatten(0, (-1, frames)).amax(1)
    return by_latent
