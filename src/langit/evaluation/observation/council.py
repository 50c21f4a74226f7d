"""Several small networks that answer the same question, each fitted from its own beginning: together they err less."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


class Council(nn.Module):
    """Networks of one kind; numbers (B, N) to the answers (M, B, ...) of all M of them."""

    def __init__(self, make: Callable[[], nn.Module], count: int) -> None:
        super().__init__()
        self.members = nn.ModuleList([make() for _ in range(count)])

    def forward(self, numbers: Tensor) -> Tensor:
        return torch.stack([member(numbers) for member in self.members])
