"""Blocks that answer from memory at some evaluations: what they added last time, added again.

From one step to the next a block's contribution changes little. The first block always runs; the change that all others
made to what it gave is kept, and taken again until every `every`-th evaluation of the same prompt, which is whole. Which
ones are whole depends on nothing but their number, so that a clip is the same alone and in a pack.
(The idea is DeepCache's, arXiv 2312.00858, and its successors'; they choose by thresholds.)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from langit.packing import Bounds, Layout, Text
from langit.transformer.model import Transformer
from langit.transformer.streaming import StreamedBlocks

MOST_PROMPTS = 8
WHOLE_AT_FIRST = 2
"""The first evaluations decide the composition: always whole."""


@dataclass
class _Course:
    """One prompt's evaluations so far."""

    level: float
    count: int = -1
    added: Tensor | None = None


class CachedBlocks(nn.ModuleList):
    """In place of a transformer's `blocks`: a loop over it gets the first block, and then all others as one."""

    def __init__(self, blocks: nn.ModuleList | StreamedBlocks, every: int):
        super().__init__([] if isinstance(blocks, StreamedBlocks) else blocks)
        self._inner = (blocks,)  # a tuple: not a module of this one a second time
        self._every = every
        self._courses: dict[tuple[object, ...], _Course] = {}
        self._now = _Course(1.0)

    def begin(self, transformer: nn.Module, arguments: tuple[Any, ...]) -> None:
        """Before every evaluation: whose it is. A level that rises begins a clip."""
        _, sigma, layout, text = arguments[:4]
        assert isinstance(layout, Layout)
        assert isinstance(text, Text)
        key = (layout.bounds, text.bounds, text.governs, float(text.states.double().sum()))
        course, level = self._courses.get(key), float(sigma.max())
        if course is None or level > course.level:
            if len(self._courses) >= MOST_PROMPTS:
                self._courses.pop(next(iter(self._courses)))
            course = self._courses[key] = _Course(level)
        course.level, course.count = level, course.count + 1
        self._now = course

    def __iter__(self) -> Iterator[nn.Module]:
        blocks = iter(self._inner[0])
        yield next(blocks)
        yield _Rest(self._now, blocks, self._every)


class _Rest(nn.Module):
    """All blocks after the first, or what they added last time."""

    def __init__(self, course: _Course, blocks: Iterator[nn.Module], every: int):
        super().__init__()
        self._course, self._blocks, self._every = course, blocks, every

    def forward(
        self, x: Tensor, modulation: Tensor, at: Tensor | None, rotation: Tensor, bounds: Bounds, words: Text
    ) -> Tensor:
        course = self._course
        if course.added is not None and course.count >= WHOLE_AT_FIRST and course.count % self._every:
            return x + course.added
        entered = x
        for block in self._blocks:
            x = block(x, modulation, at, rotation, bounds, words)
        course.added = x - entered
        return x


def cache_blocks(transformer: Transformer, every: int) -> None:
    """Let the transformer run whole at every `every`-th evaluation only, in place."""
    cached = CachedBlocks(transformer.blocks, every)
    transformer.blocks = cached
    transformer.register_forward_pre_hook(cached.begin)
