"""Linear layers in 8-bit whole numbers: weights by rows, what enters by its own range at every call, sums in 32 bits.

On the CPU torch's own products do it; on a GPU torchao's, an extra (`langit[torchao]`).
"""

from __future__ import annotations

import logging
import warnings
from typing import Any

import torch
from torch import Tensor, nn

from langit.transformer.eight_bits import EightBitLinear
from langit.transformer.experts import Experts, replace_linears
from langit.transformer.model import Transformer
from langit.types import InputError


class Int8Linear(EightBitLinear):
    """A linear layer on the CPU that was float32; about 1% off in what it gives."""

    def __init__(self, linear: nn.Linear):
        super().__init__()
        weight = linear.weight.detach().float()
        scale = (weight.abs().amax(1) / 127).clamp(min=1e-12).double()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # torch announces another home for quantized tensors
            rows = torch.quantize_per_channel(weight, scale, torch.zeros(len(scale), dtype=torch.long), 0, torch.qint8)
        self.bias = nn.Buffer(linear.bias.detach().float())
        self.packed = torch.ops.quantized.linear_prepack(rows, self.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        # Without the 8-bit dot product of newer processors, pairs of products would overflow 16 bits: 7 bits then.
        return torch.ops.quantized.linear_dynamic(x, self.packed, not _has_dot_product())  # type: ignore[no-any-return]


class TorchaoLinear(EightBitLinear):
    """The same by torchao, on any device that it runs on; each row of what enters has a range of its own."""

    def __init__(self, linear: nn.Linear):
        super().__init__()
        quantization = _torchao()
        plain = nn.Linear(linear.in_features, linear.out_features, device="meta")  # its own forward, not ours
        plain.weight = nn.Parameter(linear.weight.detach(), requires_grad=False)
        plain.bias = nn.Parameter(linear.bias.detach(), requires_grad=False)
        quantization.quantize_(plain, quantization.Int8DynamicActivationInt8WeightConfig())
        self.inner, self.bias = plain, plain.bias

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        return self.inner(x)  # type: ignore[no-any-return]


def to_int8(transformer: Transformer | Experts) -> None:
    """Put the linear layers of the blocks into 8 bits on the CPU, in place; what is before and after the blocks stays."""
    replace_linears(transformer, Int8Linear)


def check_torchao() -> None:
    """`InputError` where torchao is not there."""
    _torchao()


def _torchao() -> Any:
    quiet_torchao()
    try:
        import torchao.quantization
    except ImportError as error:
        raise InputError(
            "int8 on a GPU needs torchao, which is not installed; run: pip install 'langit[torchao]', or take float8."
        ) from error
    return torchao.quantization


def quiet_torchao() -> None:
    """Before anything that imports torchao, which tells the terminal of each compiled part that this machine cannot use."""
    for name in ("torchao", "torch.utils._pytree"):
        logging.getLogger(name).setLevel(logging.ERROR)


def _has_dot_product() -> bool:
    return bool(torch.cpu._is_vnni_supported())
