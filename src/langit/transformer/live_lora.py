"""LoRAs (arXiv 2106.09685) beside the weights that they change: y = W x + scale * up (down x). The weights stay as they are."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from langit.transformer.eight_bits import EightBitLinear
from langit.transformer.linear import Linear, gelu


@dataclass(frozen=True)
class Change:
    """What one file does to one layer, at its strength."""

    down: Tensor | None = None  # (rank, in)
    up: Tensor | None = None  # (out, rank), scaled
    weight: Tensor | None = None  # (out, in), where a file gives the whole difference
    bias: Tensor | None = None  # (out,)

    def dense(self) -> Tensor | None:
        """What it adds to the weight."""
        if self.up is None or self.down is None:
            return self.weight
        product = self.up @ self.down
        return product if self.weight is None else product + self.weight

    def times(self, strength: float) -> Change:
        return Change(
            self.down, *(None if part is None else strength * part for part in (self.up, self.weight, self.bias))
        )

    def to(self, like: Tensor) -> Change:
        parts = (self.down, self.up, self.weight, self.bias)
        return Change(*(None if part is None else part.to(like) for part in parts))

    def add(self, x: Tensor, y: Tensor) -> Tensor:
        """`y`, which the layer made of `x`, changed."""
        if self.down is not None and self.up is not None:
            y = y + F.linear(F.linear(x, self.down), self.up)
        if self.weight is not None:
            y = y + F.linear(x, self.weight)
        return y if self.bias is None else y + self.bias


class ChangedLinear(nn.Module):
    """A linear layer and the changes to what it gives, in the order of `changes`."""

    def __init__(self, base: Linear | EightBitLinear):
        super().__init__()
        self.base = base
        self.changes: dict[str, Change] = {}

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        y: Tensor = self.base(x)
        for change in self.changes.values():
            y = change.add(x, y)
        return y

    def gelu(self, x: Tensor) -> Tensor:
        """The same, then gelu by tanh."""
        return gelu(self(x)) if self.changes else self.base.gelu(x)
