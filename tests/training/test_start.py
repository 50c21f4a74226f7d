"""A recipe that begins as a model that is there, and gives it detail."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from langit.catalog import load_bundle
from langit.packing import pack
from langit.training import Stage, train
from langit.training.loop import Model
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


def test_blocks_of_detail_that_are_added_later_begin_as_nothing(begun, tmp_path, tiny_corpus):
    """With twice the blocks it says what it said, and the new ones learn; fewer than there are is another shape."""
    shallow, deep = (going_on(begun, detail_width=32, detail_depth=depth) for depth in (1, 2))
    assert train(shallow, tmp_path / "shallow", corpus_folder=tiny_corpus, workers=0) == 3
    bundle = load_bundle(tmp_path / "shallow")
    torch.manual_seed(0)
    model = Model(deep).eval()
    model.begin_as(bundle)
    patches, layout = pack([torch.randn(deep.corpus.channels, 3, 4, 4)], deep.patch)
    text, sigma = bundle.text.encode(["a red ball"]), torch.full((len(patches),), 0.5)
    with torch.no_grad():
        before, after = (one(patches, sigma, layout, text) for one in (bundle.transformer, model.transformer))
    torch.testing.assert_close(after, before)
    on = replace(deep, start=str(tmp_path / "shallow"))
    assert train(on, tmp_path / "deep", corpus_folder=tiny_corpus, workers=0) == 3
    added = load_bundle(tmp_path / "deep").transformer.detail.blocks[1]
    assert added.ffn_out.weight.any()
    assert added.attention.out.weight.any()
    with pytest.raises(InputError, match="has another shape than the recipe"):
        Model(shallow).begin_as(load_bundle(tmp_path / "deep"))
