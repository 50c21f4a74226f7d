"""Naming what fills each latent cell, beside the footage."""

from __future__ import annotations

from math import log

import pytest
import torch

from langit.conditioning.cast import NUM_NAMES
from langit.conditioning.drawing import num_fills
from langit.training.casting import NAMES
from langit.training.naming import Naming


def test_a_head_that_says_the_truth_loses_its_entropy_and_nothing_more():
    naming = Naming(width=4, cells=2)
    shares = torch.zeros(1, num_fills(8), 2)
    shares[0, NAMES.index("red"), 0] = shares[0, NAMES.index("ball"), 0] = 0.25  # the other cell is empty
    with torch.no_grad():
        naming.out.weight.zero_()
        naming.out.bias.fill_(-30.0)
        said = naming.out.bias.view(NUM_NAMES + 2, 2)
        nothing_of_colours, nothing_of_shapes = 10, NUM_NAMES + 1
        for name in (NAMES.index("red"), NAMES.index("ball") + 1):
            said[name, 0] = log(0.25)
        said[[nothing_of_colours, nothing_of_shapes], 0] = log(0.75)
        said[[nothing_of_colours, nothing_of_shapes], 1] = 0.0
    entropy = -(0.25 * log(0.25) + 0.75 * log(0.75))  # of one cell of two, for colours and for shapes
    loss = naming.loss(torch.randn(1, 4), shares.flatten(1))
    assert loss.item() == pytest.approx(2 * entropy / 2, abs=1e-4)
