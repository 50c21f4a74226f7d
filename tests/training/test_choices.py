"""The benchmark of choices: what is varied fits its tokenizer, trains every weight, and is compared in true units."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np
import pytest
import torch
from benchmarks.choices import Question, adamw_alone, base_of, likeness, variants_of

from langit.conditioning.drawing import num_fills
from langit.training.loop import Model, make_optimizers
from langit.training.muon import SharedMuon
from langit.training.parallel import ALONE


@pytest.fixture(scope="module")
def variants(tmp_path_factory):
    output = tmp_path_factory.mktemp("runs")
    return variants_of(base_of(output, 8, 64), 3.0, output)


def test_every_variant_is_one_change_that_fits_its_tokenizer(variants):
    base = variants[0].config
    assert len({variant.name for variant in variants}) == len(variants)
    for variant in variants:
        shape, cells, channels = variant.config.transformer, prod(variant.config.patch), variant.config.corpus.channels
        sketch = (num_fills(channels) + 1) * cells if variant.beside_casts else 0
        assert (shape.patch_dim, shape.out_dim) == (channels * cells + sketch, channels * cells)
        assert shape.text_width == variant.config.text.width
        footage = replace(variant.config.corpus, tokenizer=base.corpus.tokenizer, channels=base.corpus.channels)
        assert footage == base.corpus
        assert variant is variants[0] or variant.config != base or variant.optimizers is not make_optimizers


def test_adamw_alone_moves_every_weight_that_muon_does(variants):
    config = variants[0].config
    model = Model(config)
    both, alone = make_optimizers(config, model), adamw_alone(config, model, ALONE)
    assert isinstance(both[0], SharedMuon)
    assert all(isinstance(one, torch.optim.AdamW) for one in alone)
    moved = [[id(p) for one in optimizers for p in one.param_groups[0]["params"]] for optimizers in (both, alone)]
    assert moved[0] == moved[1]
    assert set(moved[1]) == {id(p) for p in model.parameters()}


def test_likeness_is_of_all_pixels_and_of_those_that_move():
    still = np.full((3, 16, 16, 3), 51, np.uint8)
    true = still.copy()
    true[1, 4:8, 4:8] = 255  # flashes: it and what is about it moves, in all frames
    clip = true.copy()
    clip[:, 12:] += 51  # a fifth of the range in a quarter of the rows: a hundredth of its square in the mean
    whole, where = likeness([clip], [Question(None, true, torch.zeros(0))])
    assert whole == pytest.approx(20, abs=1e-3)
    assert where > 60  # what moves is as it should be
