"""Linear layers through oneDNN where that is faster: float32 on x86.

torch hands float32 products to MKL, which on some processors (AMD's with 512-bit registers) leaves half of the arithmetic
units idle; oneDNN, which every build of torch for x86 carries for its convolutions, does not. Same sums, other order.
"""

from __future__ import annotations

import math
import platform
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_GELU = 2 * (2 / math.pi) ** 0.5
_PRODUCT: Any = (
    torch.ops.mkldnn._linear_pointwise.default
    if torch.backends.mkldnn.is_available() and platform.machine() in ("x86_64", "AMD64")
    else None
)


class Linear(nn.Linear):
    """`nn.Linear`, and its tanh-GELU in the same pass."""

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        if not _fits(x, self.weight):
            return F.linear(x, self.weight, self.bias)
        if torch.is_grad_enabled():
            result: Tensor = _Product.apply(x, self.weight, self.bias)  # type: ignore[no-untyped-call]
            return result
        return product(x, self.weight, self.bias)

    def gelu(self, x: Tensor) -> Tensor:
        """The same, then gelu by tanh."""
        if _fits(x, self.weight) and not torch.is_grad_enabled():
            return product(x, self.weight, self.bias, "gelu", "tanh")
        return gelu(self(x))


def gelu(x: Tensor) -> Tensor:
    """gelu by tanh; where no gradients are kept, in place.

    It is x * sigmoid(2 sqrt(2 / pi) (x + 0.044715 x^3)), which vectorises better on the CPU.
    """
    if torch.compiler.is_compiling():  # one pass in any case, and an exponential is half a tanh's time
        return x * torch.sigmoid(_GELU * (x + 0.044715 * x * x * x))
    if x.device.type != "cpu" or torch.is_grad_enabled():
        return F.gelu(x, approximate="tanh")
    inner = (x * x).mul_(_GELU * 0.044715).add_(_GELU).mul_(x)
    return x.mul_(inner.sigmoid_())


def product(x: Tensor, weight: Tensor, bias: Tensor | None = None, then: str = "none", how: str = "") -> Tensor:
    """x (..., in) @ weight (out, in).T + bias by oneDNN; only where `has_product`."""
    if torch.compiler.is_compiling():  # the same, as an operation that compilers leave alone (`training.compiling`)
        assert then == "none"
        compiled: Tensor = torch.ops.langit.product.default(x, weight, bias)
        return compiled
    result: Tensor = _PRODUCT(x, weight, bias, then, [], how)
    return result


def has_product(x: Tensor) -> bool:
    """Whether `product` takes it."""
    return _PRODUCT is not None and x.dtype == torch.float32 and x.device.type == "cpu"


def _fits(x: Tensor, weight: Tensor) -> bool:
    return has_product(x) and weight.dtype == torch.float32 and x.numel() > 0


class _Product(torch.autograd.Function):
    """The product with its gradients, all three by oneDNN."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return product(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        out = gradients[0]
        rows = out.flatten(0, -2)
        to_x = product(out, weight.t()) if ctx.needs_input_grad[0] else None
        to_weight = _product_of_columns(rows, x.flatten(0, -2)) if ctx.needs_input_grad[1] else None
        return to_x, to_weight, rows.sum(0) if ctx.needs_input_grad[2] else None


def _product_of_columns(out: Tensor, x: Tensor) -> Tensor:
    """out (N, o).T @ x (N, i), the gradient of a weight.

    oneDNN wants its first factor copied across, so that is the narrower one; of equals x, which layers that read the same may
    share.
    """
    if out.shape[1] < x.shape[1]:
        return product(out.t().contiguous(), x.t())
    return product(x.t().contiguous(), out.t()).t()
