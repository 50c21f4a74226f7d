"""Noise by position: each number is a function of its clip's seed and of where in the clip it is, and of nothing else.

So a clip has the same noise whoever's share of a step it is, on any device, and all of a step's is made at once. Bits are mixed
by SplitMix64's finalizer (Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators") and become normal by
Box and Muller's transform.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

_STEP = 0x9E3779B97F4A7C15 - 2**64
_FIRST, _SECOND = 0xBF58476D1CE4E5B9 - 2**64, 0x94D049BB133111EB - 2**64
_BITS = 24  # that a float32 holds


def position_noise(seeds: Tensor, rows: Tensor, width: int) -> Tensor:
    """Normal numbers (N, width) for rows (N,) of clips with these seeds (N,), both int64."""
    keys = mixed(seeds) + rows * _STEP
    half = (width + 1) // 2
    bits = mixed(keys[:, None] + torch.arange(half, device=keys.device) * _FIRST)  # (N, half)
    lengths = ((bits >> 40) & (2**_BITS - 1)).float().add_(0.5).mul_(2.0**-_BITS).log_().mul_(-2).sqrt_()
    angles = ((bits >> 8) & (2**_BITS - 1)).float().mul_(2 * math.pi * 2.0**-_BITS)
    return torch.cat([angles.cos().mul_(lengths), angles.sin_().mul_(lengths)], 1)[:, :width]


def seed_uniform(seeds: Tensor, which: int) -> Tensor:
    """A number in [0, 1) for each seed (N,), the one of this number."""
    drawn: Tensor = ((mixed(mixed(seeds) + which) >> 40) & (2**_BITS - 1)).float() * 2.0**-_BITS
    return drawn


def mixed(bits: Tensor) -> Tensor:
    """SplitMix64's next value after each state, int64 as unsigned."""
    bits = bits + _STEP
    bits = (bits ^ _shifted(bits, 30)) * _FIRST
    bits = (bits ^ _shifted(bits, 27)) * _SECOND
    return bits ^ _shifted(bits, 31)


def _shifted(bits: Tensor, by: int) -> Tensor:
    """To the right as unsigned."""
    shifted: Tensor = (bits >> by) & (2 ** (64 - by) - 1)
    return shifted
