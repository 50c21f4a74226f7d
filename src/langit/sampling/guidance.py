"""Guidance wraps `denoise`."""

from __future__ import annotations

from torch import Tensor

from langit.sampling.solvers import Denoise


def guided(with_prompt: Denoise, without: Denoise, scale: float, interval: tuple[float, float] = (0.0, 1.0)) -> Denoise:
    """Classifier-free guidance (arXiv 2207.12598), only where the noise level is in `interval` (arXiv 2404.07724).

    x0 = without + scale * (with - without). Outside the interval, and at scale 1, the second evaluation is not made. The
    level of a step is that of its noisiest patch.
    """
    if scale == 1.0:
        return with_prompt
    low, high = interval

    def denoise(x: Tensor, sigma: Tensor) -> Tensor:
        x0 = with_prompt(x, sigma)
        if not low <= float(sigma.max()) <= high:
            return x0
        base = without(x, sigma)
        return base + scale * (x0 - base)

    return denoise
