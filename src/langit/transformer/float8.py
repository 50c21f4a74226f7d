"""Linear layers whose weights are kept in 8-bit floating point (e4m3), a scale to each row.

The weights take half the memory of bfloat16. Where the GPU multiplies such numbers itself (compute capability 8.9 and
newer) what enters is scaled and rounded row by row too, and both products are its own; elsewhere the weights are widened
when they are used, which saves memory and no time.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from langit.transformer.eight_bits import EightBitLinear
from langit.transformer.experts import Experts, replace_linears
from langit.transformer.model import Transformer

_KIND = torch.float8_e4m3fn
_MOST = torch.finfo(_KIND).max


class Float8Linear(EightBitLinear):
    """A linear layer; about 3% off in what it gives."""

    def __init__(self, linear: nn.Linear):
        super().__init__()
        rows, scale = _rounded(linear.weight.detach())
        self.rows, self.scale = nn.Buffer(rows), nn.Buffer(scale)  # (out, in), (out, 1)
        self.bias = nn.Buffer(linear.bias.detach())

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        if not _multiplies(x.device):
            return F.linear(x, self.rows.to(x.dtype) * self.scale.to(x.dtype), self.bias)
        entering, scale = _rounded(x.flatten(0, -2))
        made = torch._scaled_mm(entering, self.rows.t(), scale, self.scale.t(), out_dtype=torch.bfloat16)
        told: Tensor = (made.to(x.dtype) + self.bias).unflatten(0, x.shape[:-1])
        return told


def to_float8(transformer: Transformer | Experts) -> None:
    """Put the linear layers of the blocks into 8-bit floating point, in place."""
    replace_linears(transformer, Float8Linear)


def _rounded(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Rows (N, D) in e4m3 and their scales (N, 1)."""
    scale = (rows.float().abs().amax(1, keepdim=True) / _MOST).clamp(min=1e-12)
    return (rows.float() / scale).to(_KIND), scale


def _multiplies(device: torch.device) -> bool:
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 9)
