"""Patches that are known before generation starts: which they are, and what they hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from langit.patches import Grid, PatchSize
from langit.tokenizer import Tokenizer
from langit.types import ClipShape


@dataclass(frozen=True)
class Held:
    """What is known of one clip."""

    mask: Tensor  # (N,) bool: the patches that stay as they are, at sigma = 0
    content: Tensor  # (N, P): their clean content; below `start` = 1 also the content that the free patches start from
    start: float = 1.0
    """The noise level at which free patches enter: 1 is pure noise, less keeps that much less of `content` (remix)."""
    prompts: tuple[str, ...] = ()
    """The prompt that governs each patch frame, (t,) of them; none where the clip's own prompt governs all."""

    @classmethod
    def nothing(cls, grid: Grid, patch_dim: int) -> Held:
        """Every patch is free and starts as pure noise."""
        return cls(torch.zeros(grid.num_patches, dtype=torch.bool), torch.zeros(grid.num_patches, patch_dim))

    def __or__(self, other: Held) -> Held:
        """Both; where both hold a patch the later one does, and a held patch keeps its content over a mere start."""
        rest = torch.where(self.mask[:, None], self.content, other.content) if other.start < 1 else self.content
        content = torch.where(other.mask[:, None], other.content, rest)
        return Held(self.mask | other.mask, content, min(self.start, other.start), other.prompts or self.prompts)


class Condition(Protocol):
    """One kind of thing that a request may know about its clip."""

    def hold(self, tokenizer: Tokenizer, shape: ClipShape, patch: PatchSize) -> Held:
        """What is known of a clip of `shape` (pixels, legal for the tokenizer); ValueError when it does not fit there."""
