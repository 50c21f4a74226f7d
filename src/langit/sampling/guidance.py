"""Guidance wraps `denoise`."""

from __future__ import annotations

import torch
from torch import Tensor

from langit.sampling.solvers import Denoise


def guided(
    with_prompt: Denoise,
    without: Denoise,
    scale: float | Tensor,
    interval: tuple[float, float] = (0.0, 1.0),
    late: tuple[float, float] | None = None,
) -> Denoise:
    """Classifier-free guidance (arXiv 2207.12598), only where the noise level is in `interval` (arXiv 2404.07724).

    x0 = without + scale * (with - without). Each patch goes by its own level, so that clips packed together do not
    decide for one another; held patches (level 0) count for none. The scale may be each patch's own, (N,). Where no patch
    is in the interval, and at scale 1, the second evaluation is not made. `late` is a level and the scale below it, for
    models whose second half wants another.
    """
    scale = torch.as_tensor(scale)
    if bool((scale == 1).all()) and late is None:
        return with_prompt
    low, high = interval

    def denoise(x: Tensor, sigma: Tensor) -> Tensor:
        x0 = with_prompt(x, sigma)
        guides = (sigma > 0) & (sigma >= low) & (sigma <= high)
        if not guides.any():
            return x0
        base = without(x, sigma)
        strength = scale.to(x) if late is None else torch.where(sigma < late[0], late[1], scale.to(x))
        return torch.where(guides[:, None], base + strength.expand(len(x))[:, None] * (x0 - base), x0)

    return denoise


def seeing(some: Tensor, denoise: Denoise) -> Denoise:
    """`denoise` of the patches `some` (N,) bool alone, for patches (N, P) of which the others come back as they are.

    As what guidance leads away from, a model that does not see what is held: then guidance leads towards it, as it leads
    towards the prompt (history guidance, arXiv 2502.06764).
    """

    def on_some(x: Tensor, sigma: Tensor) -> Tensor:
        x0 = x.clone()
        x0[some] = denoise(x[some], sigma[some])
        return x0

    return on_some
