"""Naming what fills each latent cell: true to the segmentation, and learnable."""

from __future__ import annotations

from math import log

import numpy as np
import pytest
import torch

from langit.simulator.world import Thing
from langit.training.corpus import Corpus
from langit.training.footage import make_clip
from langit.training.naming import NAMES, Naming, shares_of
from tests.conftest import tiny_training

THINGS = (
    Thing("ball", "red", "matte", "small", (0.5, 0.5, 0.5)),
    Thing("cube", "blue", "matte", "small", (0.5, 0.5, 0.5)),
)


def test_shares_are_those_of_the_pixels():
    segmentation = np.zeros((5, 8, 16), np.uint8)
    segmentation[0, :4, :4] = 2  # the ball fills a quarter of the first cell of the picture
    segmentation[3, :, 8:] = 3  # the cube fills the second cell in one frame of the four after it
    shares = shares_of(segmentation, THINGS, (4, 8, 8)).float() / 255
    assert shares.shape == (len(NAMES), 2, 1, 2)
    expected = torch.zeros_like(shares)
    for names, cell, share in ((("red", "ball"), (0, 0, 0), 0.25), (("blue", "cube"), (1, 0, 1), 0.25)):
        for name in names:
            expected[(NAMES.index(name), *cell)] = share
    torch.testing.assert_close(shares, expected, atol=1 / 255, rtol=0)


def test_a_sample_has_the_shares_of_its_own_frames(tiny_corpus):
    config = tiny_training().corpus
    sample = Corpus(tiny_corpus, config).samples(1)[1]
    scene, _, truth = make_clip(config, 13)
    assert torch.equal(sample.shares, shares_of(truth.segmentation, scene.things, config.stride))
    assert sample.shares.shape[1:] == sample.latents.shape[1:]
    assert sample.still_shares.shape[1:] == sample.stills.shape[1:]
    assert torch.equal(sample.still_shares[:, 0], sample.shares[:, 0])
    assert sample.shares.any()


def test_a_head_that_says_the_truth_loses_its_entropy_and_nothing_more():
    naming = Naming(width=4, cells=2)
    shares = torch.zeros(1, len(NAMES), 2)
    shares[0, NAMES.index("red"), 0] = shares[0, NAMES.index("ball"), 0] = 0.25  # the other cell is empty
    with torch.no_grad():
        naming.out.weight.zero_()
        naming.out.bias.fill_(-30.0)
        said = naming.out.bias.view(len(NAMES) + 2, 2)
        nothing_of_colours, nothing_of_shapes = 10, len(NAMES) + 1
        for name in (NAMES.index("red"), NAMES.index("ball") + 1):
            said[name, 0] = log(0.25)
        said[[nothing_of_colours, nothing_of_shapes], 0] = log(0.75)
        said[[nothing_of_colours, nothing_of_shapes], 1] = 0.0
    entropy = -(0.25 * log(0.25) + 0.75 * log(0.75))  # of one cell of two, for colours and for shapes
    loss = naming.loss(torch.randn(1, 4), shares.flatten(1))
    assert loss.item() == pytest.approx(2 * entropy / 2, abs=1e-4)
