"""Muon (arXiv 2502.16982) whose work is shared out in a team.

Orthogonalising a matrix takes many times the work of all else that is done to it, so each process does it for some of the
matrices, and they send one another what came out. The momentum of all matrices is kept by all, so that any process's state is
the whole state. torch.optim.Muon does its products in bfloat16, which most CPUs emulate: there they are float32 here, one matrix
after the other; on a GPU those of one shape all at once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from langit.training.parallel import Team, share_out
from langit.transformer.linear import has_product, product

MOMENTUM = 0.95
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic that brings singular values near 1 (torch.optim.Muon's own)."""
ITERATIONS = 5
LONG = 1.5
"""As many times longer than wide must a matrix be for steps by its gram matrix to take fewer operations: 4 l + 34 / 20 l + 10."""


class SharedMuon(torch.optim.Optimizer):
    """The steps of `torch.optim.Muon(..., adjust_lr_fn="match_rms_adamw")` with the gradients of the whole team, which every
    process must have."""

    def __init__(self, matrices: Sequence[nn.Parameter], rate: float, weight_decay: float, team: Team):
        super().__init__(matrices, {"lr": rate, "weight_decay": weight_decay})
        self.team = team
        work = np.array([max(p.shape) * min(p.shape) ** 2 for p in matrices], np.int64)
        self.mine = set(share_out(work, team).tolist())

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Without a closure."""
        assert closure is None
        (group,) = self.param_groups
        rate, matrices = group["lr"], group["params"]
        own: list[tuple[nn.Parameter, Tensor]] = []
        for number, p in enumerate(matrices):
            if p.grad is None:
                continue
            momentum = self.state[p].setdefault("momentum_buffer", torch.zeros_like(p))
            momentum.lerp_(p.grad, 1 - MOMENTUM)
            if number in self.mine:
                own.append((p, p.grad.lerp(momentum, MOMENTUM)))
            else:
                p.zero_()  # what its process sends is added
        for shape, alike in groupby(sorted(own, key=lambda one: one[0].shape), key=lambda one: one[0].shape):
            chosen, directions = zip(*alike, strict=True)
            reach = rate * 0.2 * math.sqrt(max(shape))
            for p, step in zip(chosen, orthogonalised(torch.stack(directions)), strict=True):
                p.mul_(1 - rate * group["weight_decay"]).sub_(step, alpha=reach)
        self.team.add(matrices)


def orthogonalised(matrices: Tensor) -> Tensor:
    """Matrices (n, rows, columns) with singular values near 1, by Newton and Schulz's iteration."""
    if has_product(matrices):
        return torch.stack([_in_cache(matrix) for matrix in matrices])
    x = matrices.bfloat16() if matrices.is_cuda else matrices
    tall = x.shape[1] > x.shape[2]
    if tall:
        x = x.mT
    x = x / x.flatten(1).norm(dim=1).clamp(min=1e-7)[:, None, None]  # then no singular value is above 1
    a, b, c = COEFFICIENTS
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x.mT if tall else x).to(matrices.dtype)


def _in_cache(matrix: Tensor) -> Tensor:
    """The same of one matrix (rows, columns), whose steps a processor's cache holds.

    Every step multiplies by a polynomial of the gram matrix, and these commute; so where the matrix is long, the steps are
    taken by the square gram matrix, and their product is multiplied with the matrix once.
    """
    rows, columns = matrix.shape
    x = matrix.t() if rows > columns else matrix
    x = x / x.norm().clamp(min=1e-7)
    gram = product(x, x)
    if x.shape[1] < LONG * x.shape[0]:
        for step in range(ITERATIONS):
            x = product(_polynomial(gram if step == 0 else product(x, x)), x.t())
    else:
        whole = polynomial = _polynomial(gram)
        for _ in range(ITERATIONS - 1):
            gram = product(polynomial, product(gram, polynomial))
            polynomial = _polynomial(gram)
            whole = product(polynomial, whole)
        x = product(whole, x.t())
    return x.t() if rows > columns else x


def _polynomial(gram: Tensor) -> Tensor:
    """a + b G + c G^2 of a symmetric matrix."""
    a, b, c = COEFFICIENTS
    factor = gram * c
    factor.diagonal().add_(b)
    result = product(gram, factor)
    result.diagonal().add_(a)
    return result
