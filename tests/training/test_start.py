"""A recipe that begins as a model that is there, and gives it detail."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from langit.catalog import load_bundle
from langit.training import Stage, train
from langit.types import InputError
from tests.conftest import tiny_training


@pytest.fixture(scope="module")
def begun(tmp_path_factory, tiny_corpus):
    output = tmp_path_factory.mktemp("begun")
    train(tiny_training(stages=(Stage(4, 60, {"whole": 1.0}),)), output, corpus_folder=tiny_corpus, workers=0)
    return output


def going_on(begun, **changes):
    base = tiny_training(start=str(begun), stages=(Stage(3, 60, {"whole": 1.0}),))
    return replace(base, transformer=replace(base.transformer, **changes))


def test_it_goes_on_with_the_weights_and_learns_detail(begun, tmp_path, tiny_corpus):
    config = going_on(begun, detail_width=32, detail_depth=1)
    train(config, tmp_path, corpus_folder=tiny_corpus, workers=0)
    before, after = load_bundle(begun), load_bundle(tmp_path)
    assert after.config.transformer == config.transformer
    moved = {
        name: float((after.transformer.state_dict()[name] - tensor).abs().max())
        for name, tensor in before.transformer.state_dict().items()
    }
    assert 0 < max(moved.values()) < 0.1  # three steps away from where it began, not drawn anew
    assert after.transformer.detail.cell_out.weight.any()


def test_stopped_it_needs_its_beginning_no_more(begun, tmp_path, tiny_corpus):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    config = going_on(begun, detail_width=32, detail_depth=1)
    train(config, whole, corpus_folder=tiny_corpus, workers=0)
    train(config, parts, corpus_folder=tiny_corpus, workers=0, stop_after=2)
    train(config, parts, corpus_folder=tiny_corpus, workers=0)
    mine, theirs = (load_bundle(folder).transformer.state_dict() for folder in (whole, parts))
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)


def test_another_shape_and_a_missing_model_are_refused(begun, tmp_path, tiny_corpus):
    narrow = going_on(begun, ffn_width=40)
    with pytest.raises(InputError, match="another shape"):
        train(narrow, tmp_path / "a", corpus_folder=tiny_corpus, workers=0)
    with pytest.raises(InputError, match="runs/nothing"):
        train(replace(narrow, start="runs/nothing"), tmp_path / "b", corpus_folder=tiny_corpus, workers=0)
