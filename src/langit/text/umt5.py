"""Wan's prompt encoder: UMT5 through transformers, loaded when a prompt comes and let go when it has been read.

Wan pads every prompt to 512 tokens with zeros and attends to the padding. All those tokens are one and the same, so here
they are one state that counts as many (`Text.counts`): the same numbers for a tenth of the work.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from langit.packing import Text, bounds_of

MAX_TOKENS = 512

Load = Callable[[], tuple[Any, Any]]
"""-> the tokenizer and the encoder, of transformers."""


class UMT5Encoder:
    """A `TextEncoder`; `load` is called when the first prompt comes and again after `release`."""

    def __init__(self, width: int, load: Load):
        self._width = width
        self._load = load
        self._parts: tuple[Any, Any] | None = None
        self._known: dict[str, Tensor] = {}

    @property
    def width(self) -> int:
        return self._width

    @torch.inference_mode()
    def encode(self, prompts: Sequence[str]) -> Text:
        """States of the prompts, each with one more that stands for all its padding."""
        states = [self._states(clean(prompt)) for prompt in prompts]
        counts = []
        for position, state in enumerate(states):
            padding = MAX_TOKENS - len(state)
            counts.append(torch.ones(len(state) + (padding > 0)))
            if padding:
                counts[-1][-1] = padding
                states[position] = torch.cat([state, state.new_zeros(1, self.width)])
        return Text(
            torch.cat(states), bounds_of([len(state) for state in states]), torch.cat(counts).to(states[0].device)
        )

    def unread(self, prompt: str) -> str | None:
        """What of the prompt is not read, in a sentence; None where all of it is."""
        if len(prompt) < MAX_TOKENS:  # no prompt has more tokens than characters
            return None
        count = len(self._loaded()[0](clean(prompt)).input_ids)
        return (
            f"The prompt has {count} tokens; this model reads the first {MAX_TOKENS}." if count > MAX_TOKENS else None
        )

    def release(self) -> None:
        """Free the encoder's memory; the states of prompts that were read stay known."""
        self._parts = None

    def _loaded(self) -> tuple[Any, Any]:
        if self._parts is None:
            self._parts = self._load()
        return self._parts

    def _states(self, prompt: str) -> Tensor:
        if prompt not in self._known:
            tokenizer, encoder = self._loaded()
            tokens = tokenizer(prompt, truncation=True, max_length=MAX_TOKENS, return_tensors="pt").input_ids
            device = next(encoder.parameters()).device
            if len(self._known) >= 64:
                self._known.pop(next(iter(self._known)))
            self._known[prompt] = encoder(tokens.to(device)).last_hidden_state[0]
        return self._known[prompt]


def clean(prompt: str) -> str:
    """Broken characters mended, HTML escapes resolved (twice: some are escaped twice), runs of white space to one."""
    import ftfy

    return re.sub(r"\s+", " ", html.unescape(html.unescape(ftfy.fix_text(prompt)))).strip()
