"""What is where: the network says, beside the footage, which colours and shapes fill each latent cell.

The simulated world knows what every pixel belongs to. A head on a middle block names the cells of the noisy patches, and its
error is added to the loss of the flow, so that the states learn early where each thing is and which of the prompt's words
it is: the squared error of pixels hardly tells a ball from a cube that is ten pixels wide. The same idea with features of a
pretrained network as targets is REPA (arXiv 2410.06940). The head is not part of the model that is shipped.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange, reduce
from numpy.typing import NDArray
from torch import Tensor, nn

from langit.simulator.world import COLOURS, SHAPES, Thing

KINDS = (*SHAPES, "wall", "ramp", "rod")
NAMES = (*COLOURS, *KINDS)
"""What a cell is named by: the colours, then the shapes and props."""


def shares_of(segmentation: NDArray[np.uint8], things: Sequence[Thing], stride: tuple[int, int, int]) -> Tensor:
    """(names, f, h, w) uint8: which share of each latent cell, in 255ths, every name fills.

    Segmentation (F, H, W) is the simulator's: 2 + k is thing k. The first frame is a latent frame of its own.
    """
    t, h, w = stride
    shares = np.zeros((len(NAMES), 1 + (len(segmentation) - 1) // t, *_cells(segmentation, h, w)), np.float32)
    for index, thing in enumerate(things):
        share = reduce((segmentation == 2 + index).astype(np.float32), "f (y h) (x w) -> f y x", "mean", h=h, w=w)
        share = np.concatenate([share[:1], reduce(share[1:], "(f t) y x -> f y x", "mean", t=t)])
        shares[NAMES.index(thing.colour)] += share
        shares[NAMES.index(thing.shape)] += share
    return torch.from_numpy(np.round(shares * 255).clip(0, 255).astype(np.uint8))


class Naming(nn.Module):
    """Head on states (N, D) of noisy patches that names the `cells` latent cells of each."""

    def __init__(self, width: int, cells: int):
        super().__init__()
        self.cells = cells
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, cells * (len(NAMES) + 2))  # and one for nothing, of colours and of shapes

    def loss(self, states: Tensor, shares: Tensor) -> Tensor:
        """States (N, D) and the true shares (N, names * cells) in [0, 1] -> cross-entropy of each patch, (N,)."""
        said = rearrange(self.out(self.norm(states)).float(), "n (name cell) -> n cell name", cell=self.cells)
        true = rearrange(shares, "n (name cell) -> n cell name", cell=self.cells)
        said_parts = said.split((len(COLOURS) + 1, len(KINDS) + 1), -1)
        true_parts = true.split((len(COLOURS), len(KINDS)), -1)
        return sum(map(_cross_entropy, said_parts, true_parts), torch.zeros(()))


def _cross_entropy(said: Tensor, true: Tensor) -> Tensor:
    """Logits (N, cells, names + 1), the last for nothing, and shares (N, cells, names) -> (N,)."""
    nothing = (1 - true.sum(-1, keepdim=True)).clamp(min=0)
    return -(torch.cat([true, nothing], -1) * F.log_softmax(said, -1)).sum(-1).mean(-1)


def _cells(segmentation: NDArray[np.uint8], h: int, w: int) -> tuple[int, int]:
    return segmentation.shape[1] // h, segmentation.shape[2] // w
