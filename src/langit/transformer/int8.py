"""Linear layers in 8 bits on the CPU: weights per row, what enters by its own range at every call, sums in 32 bits."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor, nn

from langit.transformer.experts import Experts, replace_linears
from langit.transformer.linear import gelu
from langit.transformer.model import Transformer


class Int8Linear(nn.Module):
    """A linear layer that was float32; about 1% off in what it gives."""

    def __init__(self, linear: nn.Linear):
        super().__init__()
        weight = linear.weight.detach().float()
        scale = (weight.abs().amax(1) / 127).clamp(min=1e-12).double()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # torch announces another home for quantized tensors
            rows = torch.quantize_per_channel(weight, scale, torch.zeros(len(scale), dtype=torch.long), 0, torch.qint8)
        self.packed = torch.ops.quantized.linear_prepack(rows, linear.bias.detach().float())

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        # Without the 8-bit dot product of newer processors, pairs of products would overflow 16 bits: 7 bits then.
        return torch.ops.quantized.linear_dynamic(x, self.packed, not _has_dot_product())  # type: ignore[no-any-return]

    def gelu(self, x: Tensor) -> Tensor:
        """The same, then gelu by tanh."""
        return gelu(self(x))


def to_int8(transformer: Transformer | Experts) -> None:
    """Put the linear layers of the blocks into 8 bits, in place; what is before and after the blocks stays."""
    replace_linears(transformer, Int8Linear)


def _has_dot_product() -> bool:
    return bool(torch.cpu._is_vnni_supported())
