"""Batches are a function of the recipe and the step, and hold what the stage says."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from langit.patches import Grid
from langit.text.encoder import tokens_of
from langit.training import Stage
from langit.training.batches import batches, draw_batch
from langit.training.corpus import Corpus
from tests.conftest import tiny_training


@pytest.fixture(scope="module")
def corpus(tiny_corpus):
    return Corpus(tiny_corpus, tiny_training().corpus)


def assert_equal(one, two):
    for name in ("patches", "noise", "sigma"):
        assert torch.equal(getattr(one, name), getattr(two, name))
    assert one.tokens == two.tokens
    assert one.layout.grids == two.layout.grids


def test_a_batch_depends_on_its_step_alone(tiny_corpus):
    config = tiny_training()
    streamed = list(batches(config, Corpus(tiny_corpus, config.corpus), 0))
    assert [batch.step for batch in streamed] == list(range(10))
    for batch in batches(config, Corpus(tiny_corpus, config.corpus), 7):
        assert_equal(batch, streamed[batch.step])
    assert not torch.equal(streamed[0].noise[:5], streamed[1].noise[:5])


def test_another_seed_draws_other_batches(corpus):
    one, two = draw_batch(tiny_training(), corpus, 3), draw_batch(tiny_training(seed=1), corpus, 3)
    assert not torch.equal(one.noise[:4], two.noise[:4])


@pytest.mark.parametrize(("kind", "lengths"), [("picture", {1}), ("short", {2}), ("whole", {3})])
def test_each_kind_is_cut_to_its_length(corpus, kind, lengths):
    config = tiny_training(stages=(Stage(9, 60, {kind: 1.0}),))
    grids = {grid for step in range(9) for grid in draw_batch(config, corpus, step).layout.grids}
    assert grids == {Grid(length, 2, 2) for length in lengths}


def test_patches_to_a_step_are_as_many_as_the_stage_says_on_average(corpus):
    config = tiny_training(stages=(Stage(300, 50, {"picture": 0.2, "short": 0.3, "whole": 0.5}),))
    drawn = [draw_batch(config, corpus, step) for step in range(300)]
    assert np.mean([batch.layout.num_patches for batch in drawn]) == pytest.approx(50, rel=0.05)
    by_length = {
        length: sum(grid.num_patches for batch in drawn for grid in batch.layout.grids if grid.t == length)
        for length in (1, 2, 3)
    }
    total = sum(by_length.values())
    assert [by_length[length] / total for length in (1, 2, 3)] == pytest.approx([0.2, 0.3, 0.5], abs=0.04)


def test_a_budget_below_one_clip_still_gives_a_batch(corpus):
    config = tiny_training(stages=(Stage(20, 1, {"whole": 1.0}),))
    assert all(draw_batch(config, corpus, step).num_clips == 1 for step in range(20))


def test_held_patches_are_clean_in_the_levels_and_every_clip_has_free_ones(corpus):
    config, holds = tiny_training(), 0
    for step in range(4, 60):
        batch = draw_batch(config, corpus, step % 10)
        assert batch.sigma.shape == (len(batch.patches),)
        assert batch.noise.shape == batch.patches.shape
        assert batch.num_clips == len(batch.layout.grids)
        for start, end in zip(batch.layout.bounds, batch.layout.bounds[1:], strict=False):
            assert (batch.sigma[start:end] > 0).any()
        holds += int((batch.sigma == 0).sum())
    assert holds > 0


def test_prompts_are_dropped_at_their_rate(corpus):
    empty = tokens_of([""])[0]
    for rate in (0.0, 0.3, 1.0):
        config = tiny_training(prompt_dropout=rate, stages=(Stage(40, 60, {"picture": 1.0}),))
        prompts = [prompt for step in range(40) for prompt in draw_batch(config, corpus, step).tokens]
        assert prompts.count(empty) / len(prompts) == pytest.approx(rate, abs=0.07)


def test_only_clips_that_the_step_may_draw_are_waited_for(tmp_path, tiny_corpus):
    """Step 0 draws from the first 12 clips: the second chunk need not exist."""
    config = tiny_training(growth=0.0)
    for name in ("corpus.json", "tokenizer.safetensors", "00000.safetensors"):
        (tmp_path / name).write_bytes((tiny_corpus / name).read_bytes())
    batch = draw_batch(config, Corpus(tmp_path, config.corpus), 0)
    assert_equal(batch, draw_batch(config, Corpus(tiny_corpus, config.corpus), 0))


def test_an_error_while_drawing_reaches_the_trainer(corpus):
    config = tiny_training(stages=(Stage(2, 60, {"film": 1.0}),))
    with pytest.raises(ValueError, match="not of 'film'"):
        next(batches(config, corpus, 0))
