"""Solvers of dx/dsigma = (x - x0) / sigma, each patch along its own levels.

A solver takes `denoise`, the starting x (N, P), and levels (S + 1, N) that never rise; it returns x at the last level.
A patch whose level is already 0 (a held one) is left as it is by every solver. `on_step(i)` is called after each step.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

Denoise = Callable[[Tensor, Tensor], Tensor]
"""(x (N, P), sigma (N,)) -> x0 (N, P)."""
OnStep = Callable[[int], None]
Solver = Callable[[Denoise, Tensor, Tensor, OnStep], Tensor]


def euler(denoise: Denoise, x: Tensor, levels: Tensor, on_step: OnStep) -> Tensor:
    """First order: one evaluation a step."""
    for step, (now, then) in enumerate(pairwise(levels)):
        x = x + (then - now)[:, None] * _slope(x, denoise(x, now), now)
        on_step(step)
    return x


def heun(denoise: Denoise, x: Tensor, levels: Tensor, on_step: OnStep) -> Tensor:
    """Second order by the trapezoid (EDM, arXiv 2206.00364, algorithm 1): two evaluations a step, one in the last."""
    for step, (now, then) in enumerate(pairwise(levels)):
        slope = _slope(x, denoise(x, now), now)
        ahead = x + (then - now)[:, None] * slope
        if then.any():
            ahead_slope = _slope(ahead, denoise(ahead, then), then)
            both = torch.where((then > 0)[:, None], (slope + ahead_slope) / 2, slope)
            ahead = x + (then - now)[:, None] * both
        x = ahead
        on_step(step)
    return x


def dpmpp_2m(denoise: Denoise, x: Tensor, levels: Tensor, on_step: OnStep) -> Tensor:
    """DPM-Solver++(2M) (arXiv 2211.01095, algorithm 2) with alpha = 1 - sigma: one evaluation a step, second order.

    x_then = (sigma_then / sigma_now) x - alpha_then (exp(-h) - 1) D, h = lambda_then - lambda_now,
    lambda = log(alpha / sigma); D extrapolates the last two predictions. Where h is infinite (from level 1 or to level 0)
    a step, and the one that would lean on it, are first order.
    """
    last_x0, last_h = None, None
    for step, (now, then) in enumerate(pairwise(levels)):
        x0 = denoise(x, now)
        h = _log_snr(then) - _log_snr(now)
        direction = x0
        if last_x0 is not None and last_h is not None:
            ratio = last_h / h  # 0 or infinite or nan where a side is: then stay first order
            usable = torch.isfinite(ratio) & (ratio > 0) & torch.isfinite(last_h)
            correction = torch.where(usable, 0.5 / ratio, torch.zeros_like(ratio))
            direction = x0 + correction[:, None] * (x0 - last_x0)
        decay = torch.where(now > 0, then / now.clamp(min=1e-12), torch.ones_like(now))
        ahead = decay[:, None] * x + ((1 - then) - (1 - now) * decay)[:, None] * direction
        x = torch.where((now > 0)[:, None], ahead, x)
        last_x0, last_h = x0, h
        on_step(step)
    return x


def _slope(x: Tensor, x0: Tensor, sigma: Tensor) -> Tensor:
    """dx/dsigma = (x - x0) / sigma; 0 where sigma is."""
    return (x - x0) * torch.where(sigma > 0, 1 / sigma.clamp(min=1e-12), torch.zeros_like(sigma))[:, None]


def _log_snr(sigma: Tensor) -> Tensor:
    return torch.log1p(-sigma) - torch.log(sigma)


SOLVERS: dict[str, Solver] = {"euler": euler, "heun": heun, "dpmpp": dpmpp_2m}
