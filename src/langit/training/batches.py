"""What each step trains on, as a function of (recipe, step) alone: resuming needs no saved state of any generator."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from queue import Queue
from threading import Thread
from typing import TypeVar

import torch
from torch import Tensor

from langit.conditioning.tasks import draw_noise_levels, draw_task
from langit.packing import Layout, pack
from langit.text.encoder import tokens_of
from langit.training.config import TrainingConfig
from langit.training.corpus import DETAILS, LANGUAGES, Corpus, Sample

STREAM, ODD = 0x5EED, 0x9E3779B1
Drawn = TypeVar("Drawn")


@dataclass(frozen=True)
class Batch:
    """Clean patches, the noise and levels to train at, and the prompts."""

    step: int
    patches: Tensor  # (N, P)
    noise: Tensor  # (N, P)
    sigma: Tensor  # (N,), 0 for held patches
    weight: Tensor  # (N,), of each patch in the loss; 0 for held patches
    shares: Tensor  # (N, names * cells) in [0, 1]: what fills each cell of a patch (`naming.shares_of`)
    layout: Layout
    tokens: list[tuple[int, ...]]  # concept ids, a prompt to a clip
    waited: float  # seconds that the trainer waited for footage

    @property
    def num_clips(self) -> int:
        return len(self.tokens)


def draw_batch(config: TrainingConfig, corpus: Corpus, step: int) -> Batch:
    """The batch of a step."""
    generator = torch.Generator().manual_seed((config.seed * ODD + step * 2 + STREAM) % 2**32)  # torch reads 32 bits
    pool = min(config.corpus.clips, int(config.first_clips + config.growth * step))
    waited = corpus.wait_for(pool)
    stage = config.stage_at(step)
    latents, shares, prompts = [], [], []
    for kind, share in stage.shares.items():
        budget = share * stage.patches
        while budget > 0:
            index = int(torch.randint(pool, (1,), generator=generator))
            latent, fill, prompt = _cut(kind, corpus[index], config.prompt_dropout, stage.dense_captions, generator)
            patches = latent[0].numel() // _volume(config.patch)
            # The last clip of a kind is taken with the chance that keeps the expected number of patches.
            if budget < patches and float(torch.rand((), generator=generator)) > budget / patches:
                break
            latents.append(latent)
            shares.append(fill)
            prompts.append(prompt)
            budget -= patches
    if not latents:  # every kind's budget was smaller than its first clip
        sample = corpus[int(torch.randint(pool, (1,), generator=generator))]
        latent, fill, prompt = _cut("whole", sample, config.prompt_dropout, stage.dense_captions, generator)
        latents, shares, prompts = [latent], [fill], [prompt]
    patches_, layout = pack(latents, config.patch)
    filled = pack(shares, config.patch)[0].float() / 255
    sigma = torch.cat(
        [
            draw_noise_levels(draw_task(grid, generator, config.tasks), grid, stage.levels, generator)
            for grid in layout.grids
        ]
    )
    noise = torch.randn(patches_.shape, generator=generator)
    weight = 1 + stage.salience * standing_out(patches_, layout, corpus.config.channels) if stage.salience else 1.0
    return Batch(step, patches_, noise, sigma, (sigma > 0) * weight, filled, layout, tokens_of(prompts), waited)


def batches(config: TrainingConfig, corpus: Corpus, start: int, ahead: int = 2) -> Iterator[Batch]:
    """The batches of all steps from `start`, drawn by a thread that stays `ahead`."""
    return drawn_ahead(lambda step: draw_batch(config, corpus, step), range(start, config.steps), ahead)


def drawn_ahead(draw: Callable[[int], Drawn], steps: range, ahead: int) -> Iterator[Drawn]:
    """What `draw` gives for each step, drawn by a thread that stays `ahead`; its errors are raised here."""
    queue: Queue[Drawn | BaseException] = Queue(ahead)

    def fill() -> None:
        try:
            for step in steps:
                queue.put(draw(step))
        except BaseException as error:
            queue.put(error)

    Thread(target=fill, daemon=True).start()
    for _ in steps:
        item = queue.get()
        if isinstance(item, BaseException):
            raise item
        yield item


def standing_out(patches: Tensor, layout: Layout, channels: int, leading: int = 8) -> Tensor:
    """(N,) in [0, 1): how much a patch differs from the others of its row, in the strongest latent channels.

    Sky and ground are alike along a row; a thing is not. Things fill few patches and so weigh little in a mean over all of
    them, while the words of a prompt are mostly about things.
    """
    found = []
    for (start, end), grid in zip(pairwise(layout.bounds), layout.grids, strict=True):
        strongest = patches[start:end].unflatten(1, (channels, -1))[:, :leading].mean(-1)  # (N, leading)
        rows = strongest.unflatten(0, (grid.t, grid.y, grid.x))
        away = (rows - rows.median(2, keepdim=True).values).square().mean(-1)
        found.append(1 - torch.exp(-away.flatten()))
    return torch.cat(found)


def _cut(
    kind: str, sample: Sample, dropout: float, dense: float, generator: torch.Generator
) -> tuple[Tensor, Tensor, str]:
    """A picture, the beginning or the whole of a clip; what fills its cells; one of the captions true of it."""

    def below(count: int) -> int:
        return int(torch.randint(count, (1,), generator=generator))

    captions, latent, shares = sample.captions, sample.latents, sample.shares
    if kind == "picture" or latent.shape[1] == 1:
        moment = below(sample.stills.shape[1])
        latent, captions = sample.stills[:, moment : moment + 1], sample.still_captions[moment]
        shares = sample.still_shares[:, moment : moment + 1]
    elif kind == "short":
        latent = latent[:, : 2 + below(max(1, latent.shape[1] // 2 - 1))]
        shares = shares[:, : latent.shape[1]]
    elif kind != "whole":
        raise ValueError(f"a stage has shares of picture, short and whole, not of {kind!r}")
    if float(torch.rand((), generator=generator)) < dropout:
        return latent, shares, ""
    detail = DETAILS[0] if float(torch.rand((), generator=generator)) < dense else DETAILS[1]
    wordings = captions[LANGUAGES[below(len(LANGUAGES))]][detail]
    return latent, shares, wordings[below(len(wordings))]


def _volume(patch: tuple[int, int, int]) -> int:
    return patch[0] * patch[1] * patch[2]
