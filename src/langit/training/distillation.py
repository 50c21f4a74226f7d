"""Distillation: a copy of a model learns to do in one evaluation what the model does in several, guidance included.

Between two of the few levels that the copy will visit, the teacher goes down in small guided steps to where it lands; the
copy is taught the one prediction of the clean patches that lands there too. Progressive distillation (arXiv 2202.00512),
in one stage and with the guidance folded in (arXiv 2210.03142). To the training loop a lesson is a batch like any other: the
clean patches are those that the teacher's way leads to, and the noise is what then makes the same noisy ones.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace
from itertools import pairwise

import torch
from torch import Tensor

from langit.catalog import Bundle, load_bundle
from langit.catalog.find import find_model
from langit.flow import add_noise, predicted_x
from langit.packing import Text
from langit.sampling import SOLVERS, Denoise, guided
from langit.text.encoder import PromptEncoder
from langit.training.batches import STREAM, Batch
from langit.training.config import Distillation, TrainingConfig
from langit.transformer import Transformer
from langit.types import InputError


class Teacher:
    """The model that is distilled, and its lessons."""

    def __init__(self, config: TrainingConfig, distillation: Distillation, device: str = "cpu"):
        self.bundle: Bundle = load_bundle(find_model(distillation.teacher), device)
        self.config, self.distillation = config, distillation
        if (self.bundle.config.transformer, self.bundle.config.patch) != (config.transformer, config.patch):
            raise InputError(
                f"The teacher {distillation.teacher} has another shape than the recipe {config.name}; "
                "name a teacher that was trained by the recipe that this one builds on."
            )

    @property
    def transformer(self) -> Transformer:
        assert isinstance(self.bundle.transformer, Transformer)
        return self.bundle.transformer

    @property
    def text(self) -> PromptEncoder:
        assert isinstance(self.bundle.text, PromptEncoder)
        return self.bundle.text

    @torch.no_grad()
    def lesson(self, batch: Batch) -> Batch:
        """The batch at levels of the course, with where the teacher lands in place of the footage."""
        free = batch.sigma > 0
        now, then = self._levels(batch)
        now, then = now.masked_fill(~free, 0.0), then.masked_fill(~free, 0.0)
        noisy = add_noise(batch.patches, batch.noise, now)
        steps = torch.linspace(0, 1, self.distillation.substeps + 1)
        levels = torch.stack([torch.lerp(now, then, step) for step in steps])
        solver = SOLVERS[self.bundle.config.sampling.solver]
        landed = solver(self._denoise(batch), noisy, levels, lambda step: None)
        # The straight line from `noisy` at `now` through `landed` at `then` meets level 0 at the clean patches to predict.
        reach = (now / (now - then).clamp(min=1e-6))[:, None]
        clean = torch.where(free[:, None], noisy + reach * (landed - noisy), batch.patches)
        level = now.clamp(min=1e-6)[:, None]
        noise = torch.where(free[:, None], (noisy - (1 - now[:, None]) * clean) / level, batch.noise)
        return replace(batch, patches=clean, noise=noise, sigma=now)

    def _levels(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Where each clip is on the course and which level of it comes next, (N,) each."""
        course = self.distillation.levels
        segments = list(pairwise(course))
        rising = sorted(course)
        now, then = [], []
        for seed in batch.seeds:
            generator = torch.Generator().manual_seed(seed ^ STREAM)
            start, end = segments[int(torch.randint(len(segments), (1,), generator=generator))]
            where, anywhere = torch.rand(2, generator=generator).tolist()
            if anywhere < self.distillation.anywhere:
                start = end + (start - end) * max(where, 0.05)
                end = rising[bisect_left(rising, start) - 1]
            now.append(start)
            then.append(end)
        device = batch.sigma.device
        return batch.layout.spread(torch.tensor(now, device=device)), batch.layout.spread(
            torch.tensor(then, device=device)
        )

    def _denoise(self, batch: Batch) -> Denoise:
        sampling = self.bundle.config.sampling
        empty = self.text.encode([sampling.negative] * batch.num_clips)
        return guided(
            self._under(self.text(batch.tokens), batch),
            self._under(empty, batch),
            sampling.guidance,
            sampling.guidance_interval,
        )

    def _under(self, text: Text, batch: Batch) -> Denoise:
        def denoise(x: Tensor, sigma: Tensor) -> Tensor:
            prediction = self.transformer(batch.entering(x), sigma, batch.layout, text)
            return predicted_x(x, prediction, sigma, self.config.transformer.prediction)

        return denoise
