"""What stands between attention in a transformer's blocks, compiled for the CPU: each run of operations element by element
becomes one pass through memory, forwards and backwards.

Attention and the products stay what they are. The plain path is the same methods as they are written, which tests compare with;
where nothing can be compiled it is taken.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from langit.transformer import Transformer
from langit.transformer.linear import product

LEAST_STEPS = 1000
"""Of a recipe, that are worth the 10 to 20 seconds that compiling takes."""
_operations = torch.library.Library("langit", "DEF")
_operations.define("product(Tensor x, Tensor weight, Tensor? bias) -> Tensor", tags=(torch.Tag.needs_exact_strides,))


def compile_blocks(transformer: Transformer) -> str | None:
    """Compile the blocks' methods in place; where that cannot be done, leave them and say why."""
    try:
        with warnings.catch_warnings(action="ignore"):  # of torch's own parts
            from torch._inductor import config  # here, where torch may say that its parts are old

            config.compile_threads = 1  # no processes beside this one, which Ctrl-C would reach
            _compiled(_trial)(torch.ones(4, 16, requires_grad=True)).sum().backward()
    except Exception as error:  # no compiler, no headers, no place to write: whatever it is, training goes on without
        return (str(error).strip() or type(error).__name__).splitlines()[0]
    blocks: list[nn.Module] = [*transformer.blocks]
    if transformer.detail is not None:
        blocks += transformer.detail.blocks
    for block in blocks:
        for name in ("begin", "turn", "end"):
            if hasattr(block, name):
                setattr(block, name, _compiled(getattr(block, name)))
    return None


def _compiled(method: Callable[..., Any]) -> Callable[..., Any]:
    return torch.compile(method, dynamic=True)  # packs are of any length


def _trial(x: Tensor) -> Tensor:
    return torch.sigmoid(x) * x.sum(1, keepdim=True)


def _product(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return product(x, weight, bias)


def _shape_of_product(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return x.new_empty(*x.shape[:-1], weight.shape[0])


_operations.impl("product", _product, "CPU")
torch.library.register_fake("langit::product", _shape_of_product, lib=_operations)
