"""A model as solvers see it, `denoise(x, sigma) -> x0`: under prompts, beside what is known, and led away from without them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

import torch
from torch import Tensor

from langit.catalog import Bundle
from langit.conditioning import Held
from langit.conditioning.channels import Beside, noisy_channels
from langit.conditioning.drawing import num_fills
from langit.flow import predicted_x
from langit.packing import Bounds, Layout, Text, bounds_of
from langit.patches import Grid
from langit.sampling import Denoise, seeing
from langit.transformer import Transformer
from langit.transformer.experts import Experts


def denoiser(
    bundle: Bundle,
    layout: Layout,
    prompts: Sequence[str],
    governs: Bounds | None = None,
    beside: Beside | None = None,
    instead: Transformer | None = None,
) -> Denoise:
    """The transformer, or another `instead`, under these prompts, one to a clip or to each part of `governs`, as
    `denoise(x, sigma) -> x0`. A model that sees sketches and is given none goes without."""
    transformer = instead or bundle.transformer
    if beside is None and bundle.sees_sketch:
        beside = no_sketch(bundle, layout)
    prediction_kind = (instead.config if instead else bundle.config.transformer).prediction
    text: Text = replace(bundle.text.encode(prompts), governs=governs, pictures=beside.pictures if beside else None)

    def denoise(x: Tensor, sigma: Tensor) -> Tensor:
        entering = x if beside is None or beside.channels is None else torch.cat([x, beside.channels], 1)
        if beside is not None and beside.looked_up is not None:
            entering = torch.cat([x, beside.looked_up(x, sigma)], 1)
        prediction = transformer(entering, sigma, layout, text)
        return predicted_x(x, prediction, sigma, prediction_kind)

    return denoise


def no_sketch(bundle: Bundle, layout: Layout) -> Beside:
    """What stands beside pictures of which no sketch is known."""
    cells = math.prod(bundle.config.patch)
    nothing = torch.zeros(layout.num_patches, num_fills(bundle.tokenizer.channels) * cells, device=bundle.device)
    return Beside(noisy_channels(nothing, nothing.new_ones(len(nothing)), cells))


def unguided(bundle: Bundle, layout: Layout, held: Sequence[Held], beside: Beside | None) -> Denoise:
    """What guidance leads away from: the model that reads no prompt and, where it is langit's own, sees no held frames.

    So what is made agrees more with what is held, and frames that are held cost half. What is held of a frame that is
    otherwise made (a region's surrounding) stays in sight: without it the model has nothing like what it was trained on.
    """
    negatives = [bundle.config.sampling.negative] * len(held)
    frames = [_in_sight(one, grid) for one, grid in zip(held, layout.grids, strict=True)]
    if torch.cat(frames).all() or isinstance(bundle.transformer, Experts):
        return denoiser(bundle, layout, negatives, None, beside)
    seen = torch.cat([grid.box(some) for grid, some in zip(layout.grids, frames, strict=True)])
    seen = seen.to(bundle.device)
    if beside is not None:
        assert beside.channels is not None
        beside = Beside(beside.channels[seen])
    return seeing(seen, denoiser(bundle, layout.only(frames), negatives, None, beside))


def _in_sight(held: Held, grid: Grid) -> Tensor:
    """(t,) bool: the patch frames that are not held whole; all of them where no other is left."""
    whole = held.mask.reshape(grid.t, -1).all(1)
    return ~(whole & ~whole.all())


def noise_of(seeds: Sequence[int], grids: Sequence[Grid], patch_dim: int) -> Tensor:
    """Clips' noise, of each from its own seed and by position; always drawn on the CPU, so that every device starts alike."""
    drawn = [
        torch.randn(grid.num_patches, patch_dim, generator=torch.Generator().manual_seed(seed))
        for seed, grid in zip(seeds, grids, strict=True)
    ]
    return torch.cat(drawn)


def governed(prompts: Sequence[str], held: Sequence[Held], grids: Sequence[Grid]) -> tuple[list[str], Bounds | None]:
    """The prompts in the order of the patches they govern, and the bounds of these; None where each governs a clip."""
    if not any(one.prompts for one in held):
        return list(prompts), None
    told, counts = [], []
    for prompt, one, grid in zip(prompts, held, grids, strict=True):
        for said, frames in groupby(one.prompts or (prompt,) * grid.t):
            told.append(said)
            counts.append(len(list(frames)) * grid.y * grid.x)
    return told, bounds_of(counts)
