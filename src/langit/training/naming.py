"""What is where: the network says, beside the footage, which colours and shapes fill each latent cell.

The simulated world knows what every pixel belongs to. A head on a middle block names the cells of the noisy patches, and its
error is added to the loss of the flow, so that the states learn early where each thing is and which of the prompt's words
it is: the squared error of pixels hardly tells a ball from a cube that is ten pixels wide. The same idea with features of a
pretrained network as targets is REPA (arXiv 2410.06940). The head is not part of the model that is shipped.
"""

from __future__ import annotations

from torch import Tensor, nn

from langit.conditioning.cast import NUM_NAMES
from langit.conditioning.glance import naming_loss


class Naming(nn.Module):
    """Head on states (N, D) of noisy patches that names the `cells` latent cells of each."""

    def __init__(self, width: int, cells: int):
        super().__init__()
        self.cells = cells
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, cells * (NUM_NAMES + 2))  # and one for nothing, of colours and of kinds

    def loss(self, states: Tensor, fills: Tensor) -> Tensor:
        """States (N, D) and what truly fills the cells (N, fills * cells) -> cross-entropy of each patch, (N,)."""
        said = self.out(self.norm(states)).unflatten(1, (NUM_NAMES + 2, self.cells))
        return naming_loss(said, fills[:, : NUM_NAMES * self.cells])
