"""A model as solvers see it, `denoise(x, sigma) -> x0`: under prompts, beside what is known, and led away from without them.

Read `denoiser`, then `make_casts`: who is in a clip and where is made before the picture, on the same path, and stands beside it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from langit.catalog import Bundle
from langit.conditioning import Held
from langit.conditioning.cast import CAST
from langit.conditioning.channels import Beside, noisy_channels
from langit.conditioning.drawing import FILLS
from langit.conditioning.glance import behind, looked_up, pulled
from langit.flow import add_noise, predicted_x
from langit.packing import Bounds, Layout, Text
from langit.patches import Grid
from langit.sampling import SCHEDULES, SOLVERS, Denoise, guided, levels_of, seeing
from langit.transformer import Transformer
from langit.transformer.experts import Experts

CASTS = 0x5EE7C4
"""A clip's cast has noise of its own: that of its seed with these bits turned."""


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
    nothing = torch.zeros(layout.num_patches, FILLS * cells, device=bundle.device)
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


def make_casts(
    bundle: Bundle,
    layout: Layout,
    seeds: Sequence[int],
    prompts: Sequence[str],
    governs: Bounds | None,
    seen: Tensor,
    bands: Tensor,
    known: Sequence[Tensor],
) -> Tensor:
    """The casts of clips as rows (N, CAST), made from noise as pictures are, and kept where things are seen.

    Of each clip so much is `known`: its first rows (n, CAST), and where names are `seen` in its pictures (`glance`), and
    the colours of their `bands`. `governs` are the bounds of the rows that each prompt governs.
    """
    sampling, caster = bundle.config.sampling, bundle.cast
    assert caster is not None
    noise = noise_of([seed ^ CASTS for seed in seeds], layout.grids, CAST)
    mask, content = torch.zeros(len(noise), dtype=torch.bool), torch.zeros_like(noise)
    for start, rows in zip(layout.bounds, known, strict=False):
        mask[start : start + len(rows)], content[start : start + len(rows)] = True, rows
    negatives = [sampling.negative] * len(seeds)

    def looking(where: Tensor) -> Beside:
        return Beside(looked_up=lambda x, sigma: looked_up(x, sigma, where, layout))

    denoise = guided(
        denoiser(bundle, layout, prompts, governs, looking(seen), caster),
        denoiser(bundle, layout, negatives, None, looking(torch.zeros_like(seen)), caster),
        sampling.cast_guidance,
        sampling.cast_interval,
    )
    assert bundle.casting is not None
    paths, backdrops = (code.to(str(bundle.device)) for code in (bundle.casting.paths, bundle.casting.backdrops))

    def placed(x: Tensor, sigma: Tensor) -> Tensor:
        return behind(pulled(denoise(x, sigma), seen, layout, paths), bands, backdrops)

    schedule = SCHEDULES[sampling.schedule](sampling.cast_steps, sampling.shift)
    levels = levels_of(schedule, mask, torch.ones(len(noise)))
    x = add_noise(content, noise, levels[0]).to(bundle.device)
    return SOLVERS[sampling.solver](placed, x, levels.to(bundle.device), lambda step: None).cpu()


def noise_of(seeds: Sequence[int], grids: Sequence[Grid], patch_dim: int) -> Tensor:
    """Clips' noise, of each from its own seed and by position; always drawn on the CPU, so that every device starts alike."""
    drawn = [
        torch.randn(grid.num_patches, patch_dim, generator=torch.Generator().manual_seed(seed))
        for seed, grid in zip(seeds, grids, strict=True)
    ]
    return torch.cat(drawn)
