"""The embedded prompt encoder: concepts of the lexicon, what stands near each, and a small bidirectional transformer.

A word and its translation are the same concept and stand in the same order, so what is learned in one language is known in
the other. It is trained with the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from langit.packing import Bounds, Text, bounds_of
from langit.text.lexicon import NUM_CONCEPTS, describe_unknown, read
from langit.transformer.attention import attend
from langit.types import InputError

MAX_TOKENS = 256


class TextEncoder(Protocol):
    """Prompts -> packed states. The empty prompt is allowed: it is what guidance steers away from."""

    @property
    def width(self) -> int:
        """Width of a state."""

    def encode(self, prompts: Sequence[str]) -> Text:
        """States of the prompts, one after the other, without padding; `InputError` for a prompt that is too long."""

    def unread(self, prompt: str) -> str | None:
        """What of the prompt is not understood, in a sentence for the user; None where all of it is."""

    def release(self) -> None:
        """No prompt is expected for a while: memory that can be had again may be freed."""


@dataclass(frozen=True)
class PromptEncoderConfig:
    width: int = 256
    depth: int = 2  # 0: concepts and their places alone
    num_heads: int = 4
    num_concepts: int = NUM_CONCEPTS
    reach: int = 0  # how many words on each side a word is told of before the blocks; 0 for none


class PromptEncoder(nn.Module):
    """A `TextEncoder` over the lexicon's concepts."""

    def __init__(self, config: PromptEncoderConfig):
        super().__init__()
        self.config = config
        self.concepts = _embedding(config.num_concepts, config.width, 0.5)
        self.positions = _embedding(MAX_TOKENS, config.width, 0.1)
        self.near = Near(config) if config.reach else None
        self.blocks = nn.ModuleList(PromptBlock(config) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.width)

    @property
    def width(self) -> int:
        return self.config.width

    def encode(self, prompts: Sequence[str]) -> Text:
        states: Text = self(tokens_of(prompts))
        return states

    def unread(self, prompt: str) -> str | None:
        return describe_unknown(read(prompt))

    def release(self) -> None:
        """It is small; nothing is freed."""

    def forward(self, prompts: Sequence[Sequence[int]]) -> Text:
        """Concept ids of each prompt -> their states (L, width)."""
        bounds = bounds_of([len(prompt) for prompt in prompts])
        device = self.concepts.weight.device
        concepts = torch.tensor(list(chain.from_iterable(prompts)), device=device)
        order = torch.tensor(list(chain.from_iterable(range(len(prompt)) for prompt in prompts)), device=device)
        x = self.concepts(concepts) + self.positions(order)  # (L, width)
        if self.near is not None:
            x = x + self.near(concepts, order, bounds)
        for block in self.blocks:
            x = block(x, bounds)
        return Text(self.norm(x), bounds)


class Near(nn.Module):
    """What a word is told of its neighbours, so that the red of a red ball is the ball's.

    A convolution over words as one-hot vectors, which is a sum of embeddings, one table to a distance; then one layer that
    starts as nothing. It cannot mix words that stand far apart, as attention does before it has learned not to (dev/LOG.md).
    """

    def __init__(self, config: PromptEncoderConfig):
        super().__init__()
        self.reach, self.num_concepts = config.reach, config.num_concepts
        slots = 2 * config.reach + 1  # the word itself and those around it
        self.words = _embedding(slots * config.num_concepts + 1, config.width, 0.3)  # the last row: no word there
        self.out = nn.Linear(config.width, config.width)
        if not self.out.weight.is_meta:
            nn.init.zeros_(self.out.weight)
            nn.init.zeros_(self.out.bias)

    def forward(self, concepts: Tensor, order: Tensor, bounds: Bounds) -> Tensor:
        """Concept ids (L,) of prompts between `bounds`, each word's place in its prompt (L,) -> (L, width)."""
        lengths = torch.tensor([end - start for start, end in pairwise(bounds)], device=concepts.device)
        length = lengths.repeat_interleave(lengths)[:, None]
        away = torch.arange(-self.reach, self.reach + 1, device=concepts.device)
        there = order[:, None] + away  # (L, 2 reach + 1)
        first = torch.arange(len(concepts), device=concepts.device) - order
        neighbours = concepts[(first[:, None] + there).clamp(0, len(concepts) - 1)]
        rows = (away + self.reach) * self.num_concepts + neighbours
        rows = rows.where((there >= 0) & (there < length), self.words.num_embeddings - 1)
        seen = F.embedding_bag(rows, self.words.weight, mode="sum")
        return self.out(F.gelu(seen, approximate="tanh"))  # type: ignore[no-any-return]


class PromptBlock(nn.Module):
    """Pre-norm self-attention and feed-forward."""

    def __init__(self, config: PromptEncoderConfig):
        super().__init__()
        self.num_heads = config.num_heads
        self.attention_norm, self.ffn_norm = nn.LayerNorm(config.width), nn.LayerNorm(config.width)
        self.mix_in = nn.Linear(config.width, 3 * config.width)
        self.mix_out = nn.Linear(config.width, config.width)
        self.ffn_in = nn.Linear(config.width, 4 * config.width)
        self.ffn_out = nn.Linear(4 * config.width, config.width)

    def forward(self, x: Tensor, bounds: Bounds) -> Tensor:
        """x (L, width), prompts between `bounds` -> (L, width)."""
        query, key, value = self.mix_in(self.attention_norm(x)).unflatten(-1, (3, self.num_heads, -1)).unbind(1)
        x = x + self.mix_out(attend(query, key, value, bounds, bounds).flatten(1))
        return x + self.ffn_out(F.gelu(self.ffn_in(self.ffn_norm(x)), approximate="tanh"))  # type: ignore[no-any-return]


def _embedding(rows: int, width: int, deviation: float) -> nn.Embedding:
    """Normal weights; on the meta device none, where drawing them would import 800 modules for a second and a half."""
    weight = torch.empty(rows, width)
    if not weight.is_meta:
        nn.init.normal_(weight, std=deviation)
    embedding: nn.Embedding = nn.Embedding.from_pretrained(weight, freeze=False)
    return embedding


def tokens_of(prompts: Sequence[str]) -> list[tuple[int, ...]]:
    """Concept ids of each prompt; `InputError` for one that has more than the encoder has positions for."""
    readings = [read(prompt).tokens for prompt in prompts]
    for prompt, tokens in zip(prompts, readings, strict=True):
        if len(tokens) > MAX_TOKENS:
            raise InputError(
                f"The prompt has {len(tokens)} words that count ({prompt[:40]!r}...); "
                f"this model reads at most {MAX_TOKENS}. Shorten it."
            )
    return readings
