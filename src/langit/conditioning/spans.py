"""Spans of a clip with prompts of their own: the cards of a storyboard. Each patch frame reads the prompt of its span alone."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from langit.conditioning.held import Held
from langit.patches import PatchSize, grid_of
from langit.tokenizer import Tokenizer
from langit.tokenizer.base import latent_shape
from langit.types import ClipShape, InputError


@dataclass(frozen=True)
class Span:
    """Frames from `start` on, up to `stop` (not included), and what they show."""

    start: int
    stop: int
    prompt: str


@dataclass(frozen=True)
class SpansCondition:
    """`spans` in order and without overlap, in frames of the clip; they may reach beyond it.

    A patch frame follows the span that its middle lies in; between spans and outside them, the nearest one.
    """

    spans: tuple[Span, ...]

    def hold(self, tokenizer: Tokenizer, shape: ClipShape, patch: PatchSize) -> Held:
        if not self.spans:
            raise InputError("A list of spans was given that holds none; give at least one span with its prompt.")
        grid = grid_of(latent_shape(tokenizer, shape), patch)
        middles = [_middle(index, tokenizer.stride[0], patch[0]) for index in range(grid.t)]
        prompts = tuple(min(self.spans, key=lambda span: _distance(span, middle)).prompt for middle in middles)
        channels = tokenizer.channels * patch[0] * patch[1] * patch[2]
        nothing = Held.nothing(grid, channels)
        return Held(nothing.mask, torch.zeros_like(nothing.content), prompts=prompts)

    def moved(self, frames: int) -> SpansCondition:
        """The same spans, so many frames later."""
        return SpansCondition(tuple(Span(one.start + frames, one.stop + frames, one.prompt) for one in self.spans))


def _middle(patch_frame: int, stride: int, patch: int) -> float:
    """Where the middle of a patch frame lies, in frames; latent frame 0 is frame 0, latent frame k ends with frame k * stride."""
    first, last = patch_frame * patch, (patch_frame + 1) * patch - 1
    start = 0 if first == 0 else (first - 1) * stride + 1
    return (start + last * stride) / 2


def _distance(span: Span, frame: float) -> float:
    return max(span.start - frame, frame - (span.stop - 1), 0.0)
