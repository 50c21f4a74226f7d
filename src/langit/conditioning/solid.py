"""Things are solid: how far those of a cast are in one another, which no two things can be.

What the caster draws from noise now and then slides into another thing where it should hit it. The picture shows what the cast
says, so such casts are made again (`casts`).
"""

from __future__ import annotations

import math
from itertools import combinations

import torch
from einops import rearrange

from langit.conditioning.cast import NUM_COLOURS, NUM_SHAPES, Cast

HALF_VIEW = math.tan(math.radians(20))
"""Half the shorter side of a frame at distance 1, about: what a step in depth is measured by."""
DEEP = 0.25
"""Of both radii together: things nearer than that are in one another. Of the simulator's own casts 1.6% have such things, as they
come back from their numbers."""


def depth_of_contact(cast: Cast) -> float:
    """How far the two things of a cast that are most in one another are so, in frames where both are in sight: 0 where they
    touch, 1 where one's middle is the other's.

    Props, which things lie on and lean against, do not count. A thing is as thick as it is where it is thinnest.
    """
    centres, outlines = (rearrange(part, "f k t ... -> (f t) k ...") for part in (cast.centres, cast.outlines))
    depths = cast.depths.repeat_interleave(cast.centres.shape[2], 0) / HALF_VIEW
    radii = (outlines + outlines.roll(outlines.shape[-1] // 2, -1)).amin(-1) / 2  # (F, k)
    named = cast.names.amax(0)
    solid = (named.sum(-1) > 0) & ~(named[:, NUM_COLOURS + NUM_SHAPES :] > 0).any(-1)
    in_sight = centres.abs().amax(-1) < 1
    deepest = 0.0
    for one, other in combinations(solid.nonzero().flatten().tolist(), 2):
        beside = (centres[:, one] - centres[:, other]).square().sum(-1)
        apart = (beside + (depths[:, one] - depths[:, other]).square()).sqrt()
        both = in_sight[:, one] & in_sight[:, other]
        share = 1 - apart / (radii[:, one] + radii[:, other]).clamp(min=1e-3)
        deepest = max(deepest, float(torch.where(both, share, 0.0).max()))
    return deepest
