"""Open weights as they were trained: whole timesteps, one level to a clip or one to a patch, one transformer or two.

A clip of Wan 2.2 A14B is begun by one expert and finished by another; the noise level decides which.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from langit.packing import Layout, Text
from langit.transformer.model import Transformer

TIMESTEPS = 1000
SIGMA_MOST = 1 - 1e-6
"""Wan's own clock begins just below 1, so that its first timestep is 999."""


class Experts(nn.Module):
    """Called like a `Transformer`: patches (N, P), sigma (N,), layout, text -> prediction (N, out_dim)."""

    def __init__(self, experts: Sequence[Transformer], boundary: float | None = None, per_patch: bool = False):
        super().__init__()
        if (boundary is None) != (len(experts) == 1):
            raise ValueError(
                f"{len(experts)} experts with the boundary {boundary}; two have one, a single one has none"
            )
        self.experts = nn.ModuleList(experts)
        self.boundary = boundary
        self.per_patch = per_patch

    def forward(self, patches: Tensor, sigma: Tensor, layout: Layout, text: Text) -> Tensor:
        level = whole_level(sigma)
        clip_level = layout.spread(torch.stack([level[start:end].max() for start, end in pairwise(layout.bounds)]))
        if not self.per_patch:
            patches = self._at_one_level(patches, level, clip_level, layout)
            level = clip_level
        if self.boundary is None:
            return self.experts[0](patches, level, layout, text)  # type: ignore[no-any-return]
        early = clip_level >= self.boundary
        if early.all() or not early.any():
            return self.experts[0 if early.any() else 1](patches, level, layout, text)  # type: ignore[no-any-return]
        # Clips of one pack on both sides of the boundary (a remix beside a new clip): both, and each clip takes its own.
        first, second = (expert(patches, level, layout, text) for expert in self.experts)
        return torch.where(early[:, None], first, second)

    def _at_one_level(self, patches: Tensor, level: Tensor, clip_level: Tensor, layout: Layout) -> Tensor:
        """Held patches, which are clean, at their clip's level: such a model has never seen two levels in a clip."""
        held = level < clip_level
        if not held.any():
            return patches
        latent = patches[:, : self.experts[0].config.out_dim]  # type: ignore[union-attr]
        noise = torch.cat([
            torch.randn(end - start, latent.shape[1], generator=torch.Generator().manual_seed(0))
            for start, end in pairwise(layout.bounds)
        ])  # fmt: skip
        noised = torch.lerp(latent, noise.to(latent), clip_level.to(latent)[:, None])
        entering = torch.where(held[:, None], noised, latent)
        return torch.cat([entering, patches[:, latent.shape[1] :]], 1)


def whole_level(sigma: Tensor) -> Tensor:
    """The level that the transformer is told, in float64: the timestep below 1000 * sigma, as Wan's schedulers round it."""
    return torch.floor(TIMESTEPS * sigma.double().clamp(max=SIGMA_MOST)) / TIMESTEPS


def transformers_of(model: Transformer | Experts) -> list[Transformer]:
    """The transformers that a model is made of: itself, or its experts."""
    return list(model.experts) if isinstance(model, Experts) else [model]  # type: ignore[arg-type]


def replace_linears(model: Transformer | Experts, kind: Callable[[nn.Linear], nn.Module]) -> None:
    """Put another kind of layer in the place of every linear one of the blocks; what is before and after them stays."""
    for transformer in transformers_of(model):
        for block in transformer.blocks:
            for path in [path for path, module in block.named_modules() if isinstance(module, nn.Linear)]:
                block.set_submodule(path, kind(block.get_submodule(path)))  # type: ignore[arg-type]
