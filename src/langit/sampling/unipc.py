"""UniPC (arXiv 2302.04867), second order with B(h) = exp(h) - 1, on the path of rectified flow: what Wan is sampled with."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from langit.sampling.solvers import Denoise, OnStep

SIGMA_MOST = 1 - 1e-6
"""At level 1 the log-SNR is infinite; the reference implementation begins just below, and so do we."""


@dataclass(frozen=True)
class Leg:
    """One step's numbers for every patch, (N,) each, in float64: x_then = decay x + gain (m0 + correction)."""

    h: Tensor  # step in log-SNR
    decay: Tensor  # sigma_then / sigma_now
    gain: Tensor  # alpha_then (1 - exp(-h))

    @classmethod
    def between(cls, now: Tensor, then: Tensor) -> Leg:
        now, then = (level.double().clamp(max=SIGMA_MOST) for level in (now, then))
        h = _log_snr(then) - _log_snr(now)
        return cls(h, then / now.clamp(min=1e-12), -(1 - then) * torch.expm1(-h))


def unipc(denoise: Denoise, x: Tensor, levels: Tensor, on_step: OnStep) -> Tensor:
    """UniP-2 predicts, UniC-2 corrects with the next evaluation, so that there is one evaluation a step.

    The first step, and the last one to level 0, are first order; a patch at level 0 stays as it is.
    """
    last_x, last_x0, last_leg, last_slope = None, None, None, None
    for step, (now, then) in enumerate(pairwise(levels)):
        moves = (now > 0)[:, None]
        x0 = denoise(x, now)
        leg = Leg.between(now, then)
        if last_x is not None and last_x0 is not None and last_leg is not None:
            corrected = _corrected(last_x, last_x0, x0, last_leg, last_slope)
            x = torch.where(moves, corrected, x)
        slope = None
        if last_x0 is not None and last_leg is not None:
            ratio = -last_leg.h / leg.h  # (lambda before - lambda now) / h, infinitely small at the last step
            usable = torch.isfinite(ratio) & (ratio < 0) & torch.isfinite(leg.h)
            inverse = torch.where(usable, 1 / ratio, torch.zeros_like(ratio))
            slope = _times(inverse, last_x0 - x0), ratio
        last_x, last_x0, last_leg, last_slope = x, x0, leg, slope
        ahead = x0 if slope is None else x0 + 0.5 * slope[0]
        x = torch.where(moves, _times(leg.decay, x) + _times(leg.gain, ahead), x)
        on_step(step)
    return x


def _corrected(x: Tensor, x0: Tensor, new_x0: Tensor, leg: Leg, slope: tuple[Tensor, Tensor] | None) -> Tensor:
    """UniC: the step from x made again, now that the prediction at its end is known (equations 5 to 7)."""
    change = new_x0 - x0
    if slope is None:
        return _times(leg.decay, x) + _times(leg.gain, x0 + 0.5 * change)
    difference, ratio = slope
    h = -leg.h
    phi_1 = torch.expm1(h)
    phi_2 = phi_1 / h - 1
    phi_3 = phi_2 / h - 0.5
    first, second = phi_2 / phi_1, 2 * phi_3 / phi_1
    rho_before = (first - second) / (1 - ratio)
    ahead = x0 + _times(rho_before, difference) + _times(first - rho_before, change)
    return _times(leg.decay, x) + _times(leg.gain, ahead)


def _times(factor: Tensor, x: Tensor) -> Tensor:
    return factor.to(x.dtype)[:, None] * x


def _log_snr(sigma: Tensor) -> Tensor:
    return torch.log1p(-sigma) - torch.log(sigma)
