"""What is where: the network says, beside the footage, which colours and shapes fill each latent cell.

The simulated world knows what every pixel belongs to. A head on a middle block names the cells of the noisy patches, and its
error is added to the loss of the flow, so that the states learn early where each thing is and which of the prompt's words
it is: the squared error of pixels hardly tells a ball from a cube that is ten pixels wide. The same idea with features of a
pretrained network as targets is REPA (arXiv 2410.06940). The head is not part of the model that is shipped.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from langit.simulator.world import COLOURS
from langit.training.casting import KINDS, NAMES


class Naming(nn.Module):
    """Head on states (N, D) of noisy patches that names the `cells` latent cells of each."""

    def __init__(self, width: int, cells: int):
        super().__init__()
        self.cells = cells
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, cells * (len(NAMES) + 2))  # and one for nothing, of colours and of shapes

    def loss(self, states: Tensor, fills: Tensor) -> Tensor:
        """States (N, D) and what truly fills the cells (N, fills * cells) -> cross-entropy of each patch, (N,)."""
        said = rearrange(self.out(self.norm(states)).float(), "n (name cell) -> n cell name", cell=self.cells)
        true = rearrange(fills[:, : len(NAMES) * self.cells], "n (name cell) -> n cell name", cell=self.cells)
        said_parts = said.split((len(COLOURS) + 1, len(KINDS) + 1), -1)
        true_parts = true.split((len(COLOURS), len(KINDS)), -1)
        return sum(map(_cross_entropy, said_parts, true_parts), torch.zeros(()))


def _cross_entropy(said: Tensor, true: Tensor) -> Tensor:
    """Logits (N, cells, names + 1), the last for nothing, and shares (N, cells, names) -> (N,)."""
    nothing = (1 - true.sum(-1, keepdim=True)).clamp(min=0)
    return -(torch.cat([true, nothing], -1) * F.log_softmax(said, -1)).sum(-1).mean(-1)
