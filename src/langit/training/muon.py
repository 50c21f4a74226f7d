"""Muon (torch.optim.Muon) whose work is shared out in a team.

Orthogonalising a matrix takes many times the work of all else that is done to it, so each process does it for some of the
matrices, and they send one another what came out. The momentum of all matrices is kept by all, so that any process's state is
the whole state.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from langit.training.parallel import Team, share_out


class SharedMuon(torch.optim.Muon):
    """The same steps as `torch.optim.Muon`'s with the gradients of the whole team, which every process must have."""

    def __init__(self, matrices: Sequence[nn.Parameter], rate: float, weight_decay: float, team: Team):
        super().__init__(matrices, rate, weight_decay, adjust_lr_fn="match_rms_adamw")
        self.team = team
        work = np.array([max(p.shape) * min(p.shape) ** 2 for p in matrices], np.int64)
        self.mine = set(share_out(work, team).tolist())

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Without a closure."""
        assert closure is None
        (group,) = self.param_groups
        matrices: list[nn.Parameter] = group["params"]
        others = [p for number, p in enumerate(matrices) if number not in self.mine and p.grad is not None]
        gradients = [p.grad for p in others]
        for p in others:
            p.grad = None  # so that the step passes it by
        super().step()  # type: ignore[no-untyped-call]
        for p, gradient in zip(others, gradients, strict=True):
            assert gradient is not None
            if "momentum_buffer" not in self.state[p]:
                self.state[p]["momentum_buffer"] = torch.zeros_like(gradient)
            self.state[p]["momentum_buffer"].lerp_(gradient, 1 - group["momentum"])
            p.grad = gradient
            p.zero_()  # what its process sends is added
        self.team.add(matrices)
