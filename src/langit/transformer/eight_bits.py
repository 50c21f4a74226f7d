"""Linear layers in 8 bits: what stands in the place of one, and which kind works where.

int8     on the CPU by torch's dynamic products, on a GPU by torchao's (its tensor cores, compute capability 8.0 and newer)
float8   everywhere; multiplied as such from compute capability 8.9, widened elsewhere
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

from langit.transformer.linear import gelu

EightBits = Literal["int8", "float8"]


class EightBitLinear(nn.Module):
    """A linear layer whose weight is in 8 bits; `bias` is as it was, and tells type and device of what is added to it."""

    bias: Tensor

    def gelu(self, x: Tensor) -> Tensor:
        """What the layer gives, then gelu by tanh."""
        return gelu(self(x))


def linear_kind(bits: EightBits, device: torch.device) -> Callable[[nn.Linear], EightBitLinear]:
    """What makes a layer in so many bits of a linear one, on that device; `InputError` where a library lacks."""
    from langit.transformer.float8 import Float8Linear
    from langit.transformer.int8 import Int8Linear, TorchaoLinear, check_torchao

    if bits == "float8":
        return Float8Linear
    if device.type == "cpu":
        return Int8Linear
    check_torchao()
    return TorchaoLinear
