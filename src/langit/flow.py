"""The noise path, its targets and its loss: the only place that converts between what networks predict.

    x_sigma  = (1 - sigma) * x + sigma * noise           (rectified flow, arXiv 2209.03003)
    velocity = noise - x  =  (x_sigma - x) / sigma

`x` may be anything shaped (N, P); sigma is (N,), one noise level per patch.
"""

from __future__ import annotations

import torch
from torch import Tensor

from langit.transformer.model import Prediction

SIGMA_FLOOR = 0.05
"""A velocity made from a predicted x divides by sigma; below this level it divides by the floor (JiT, arXiv 2511.13720)."""


def add_noise(x: Tensor, noise: Tensor, sigma: Tensor) -> Tensor:
    """x at noise level sigma."""
    return torch.lerp(x, noise, sigma[:, None])


def velocity_of(x: Tensor, noise: Tensor) -> Tensor:
    """The direction of the path, from clean to noise."""
    return noise - x


def x_from_velocity(noisy: Tensor, velocity: Tensor, sigma: Tensor) -> Tensor:
    """x = x_sigma - sigma * velocity."""
    return noisy - sigma[:, None] * velocity


def velocity_from_x(noisy: Tensor, x: Tensor, sigma: Tensor, floor: float = SIGMA_FLOOR) -> Tensor:
    """velocity = (x_sigma - x) / max(sigma, floor)."""
    return (noisy - x) / sigma.clamp(min=floor)[:, None]


def predicted_x(noisy: Tensor, prediction: Tensor, sigma: Tensor, kind: Prediction) -> Tensor:
    """What a network's output says about the clean patches."""
    return prediction if kind == "x" else x_from_velocity(noisy, prediction, sigma)


def predicted_velocity(noisy: Tensor, prediction: Tensor, sigma: Tensor, kind: Prediction) -> Tensor:
    """What a network's output says about the velocity."""
    return prediction if kind == "velocity" else velocity_from_x(noisy, prediction, sigma)


def velocity_loss(
    noisy: Tensor, x: Tensor, noise: Tensor, prediction: Tensor, sigma: Tensor, kind: Prediction
) -> Tensor:
    """Squared error of the velocity per patch, (N,), whatever the network predicts (JiT, arXiv 2511.13720, table 1).

    For a network that predicts x, the true velocity goes through the same floor, so that the loss is
    (x_true - x_predicted)^2 / max(sigma, floor)^2 and has its minimum at the true x at every level.
    """
    if kind == "velocity":
        error = prediction - velocity_of(x, noise)
    else:
        error = (prediction - x) / sigma.clamp(min=SIGMA_FLOOR)[:, None]
    return error.float().square().mean(-1)


def shift_levels(sigma: Tensor, shift: float) -> Tensor:
    """Move levels towards noise: sigma' = shift * sigma / (1 + (shift - 1) * sigma) (SD3, arXiv 2403.03206, eq. 23)."""
    return shift * sigma / (1 + (shift - 1) * sigma)


def draw_levels(count: int, mean: float, deviation: float, generator: torch.Generator) -> Tensor:
    """Logit-normal noise levels, (count,) in (0, 1) (SD3, arXiv 2403.03206, eq. 19); a larger mean is noisier."""
    return torch.sigmoid(mean + deviation * torch.randn(count, generator=generator))
