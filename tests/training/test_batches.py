"""Batches are a function of the recipe and the step, and hold what the stage says."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from langit.conditioning.cast import NUM_NAMES
from langit.conditioning.drawing import num_fills
from langit.packing import pack
from langit.patches import Grid
from langit.text.encoder import tokens_of
from langit.training import Stage
from langit.training.batches import batches, draw_batch, draw_step
from langit.training.corpus import Corpus
from langit.training.parallel import Team, share_out
from langit.training.pool import Pool
from langit.types import InputError
from tests.conftest import tiny_training


def pool_of(folder):
    config = tiny_training()
    return Pool(Corpus(folder, config.corpus), config.patch)


@pytest.fixture(scope="module")
def pool(tiny_corpus):
    return pool_of(tiny_corpus)


def assert_equal(one, two):
    for name in ("patches", "noise", "sigma"):
        assert torch.equal(getattr(one, name), getattr(two, name))
    assert one.tokens == two.tokens
    assert one.layout.grids == two.layout.grids


def test_a_batch_depends_on_its_step_alone(tiny_corpus):
    config = tiny_training()
    streamed = list(batches(config, pool_of(tiny_corpus), range(10)))
    assert [batch.step for batch in streamed] == list(range(10))
    for batch in batches(config, pool_of(tiny_corpus), range(7, 10)):
        assert_equal(batch, streamed[batch.step])
    assert not torch.equal(streamed[0].noise[:5], streamed[1].noise[:5])


def test_another_seed_draws_other_batches(pool):
    one, two = draw_batch(tiny_training(), pool, 3), draw_batch(tiny_training(seed=1), pool, 3)
    assert not torch.equal(one.noise[:4], two.noise[:4])


@pytest.mark.parametrize(("kind", "lengths"), [("picture", {1}), ("short", {2}), ("whole", {3})])
def test_each_kind_is_cut_to_its_length(pool, kind, lengths):
    config = tiny_training(stages=(Stage(9, 60, {kind: 1.0}),))
    grids = {grid for step in range(9) for grid in draw_batch(config, pool, step).layout.grids}
    assert grids == {Grid(length, 2, 2) for length in lengths}


def test_patches_to_a_step_are_as_many_as_the_stage_says_on_average(pool):
    config = tiny_training(stages=(Stage(300, 50, {"picture": 0.2, "short": 0.3, "whole": 0.5}),))
    drawn = [draw_batch(config, pool, step) for step in range(300)]
    assert np.mean([batch.layout.num_patches for batch in drawn]) == pytest.approx(50, rel=0.05)
    by_length = {
        length: sum(grid.num_patches for batch in drawn for grid in batch.layout.grids if grid.t == length)
        for length in (1, 2, 3)
    }
    total = sum(by_length.values())
    assert [by_length[length] / total for length in (1, 2, 3)] == pytest.approx([0.2, 0.3, 0.5], abs=0.04)


def test_a_budget_below_one_clip_still_gives_a_batch(pool):
    config = tiny_training(stages=(Stage(20, 1, {"whole": 1.0}),))
    assert all(draw_batch(config, pool, step).num_clips == 1 for step in range(20))


def test_held_patches_are_clean_in_the_levels_and_every_clip_has_free_ones(pool):
    config, holds = tiny_training(), 0
    for step in range(4, 60):
        batch = draw_batch(config, pool, step % 10)
        assert batch.sigma.shape == (len(batch.patches),)
        assert batch.noise.shape == batch.patches.shape
        assert batch.num_clips == len(batch.layout.grids)
        for start, end in zip(batch.layout.bounds, batch.layout.bounds[1:], strict=False):
            assert (batch.sigma[start:end] > 0).any()
        holds += int((batch.sigma == 0).sum())
    assert holds > 0


def test_prompts_are_dropped_at_their_rate(pool):
    empty = tokens_of([""])[0]
    for rate in (0.0, 0.3, 1.0):
        config = tiny_training(prompt_dropout=rate, stages=(Stage(40, 60, {"picture": 1.0}),))
        prompts = [prompt for step in range(40) for prompt in draw_batch(config, pool, step).tokens]
        assert prompts.count(empty) / len(prompts) == pytest.approx(rate, abs=0.07)


def test_only_clips_that_the_step_may_draw_are_waited_for(tmp_path, tiny_corpus):
    """Step 0 draws from the first 12 clips: the second chunk need not exist."""
    config = tiny_training(growth=0.0)
    for name in ("corpus.json", "tokenizer.safetensors", "00000.safetensors"):
        (tmp_path / name).write_bytes((tiny_corpus / name).read_bytes())
    batch = draw_batch(config, pool_of(tmp_path), 0)
    assert_equal(batch, draw_batch(config, pool_of(tiny_corpus), 0))


def test_an_error_while_drawing_reaches_the_trainer(pool):
    config = tiny_training(stages=(Stage(2, 60, {"film": 1.0}),))
    with pytest.raises(ValueError, match="not of 'film'"):
        next(batches(config, pool, range(2)))


@pytest.mark.parametrize("size", [2, 3])
def test_the_shares_of_a_team_are_the_whole_batch(pool, size):
    """The same clips with the same noise and levels, each with one process, and about as many patches to each."""
    config = tiny_training(stages=(Stage(4, 240, {"picture": 0.2, "short": 0.3, "whole": 0.5}, salience=2.0),))
    for step in range(4):
        whole = draw_batch(config, pool, step)
        parts = [draw_batch(config, pool, step, Team(rank, size)) for rank in range(size)]
        assert sorted(rows_of(whole)) == sorted(row for part in parts for row in rows_of(part))
        assert sum(part.part for part in parts) == pytest.approx(1)
        assert max(part.layout.num_patches for part in parts) - min(part.layout.num_patches for part in parts) <= 12
        assert sum(float(part.weight.sum()) for part in parts) == pytest.approx(float(whole.weight.sum()), rel=1e-5)


def rows_of(batch):
    """Clips as values that can be compared: prompt, patches, noise and levels."""
    bounds = zip(batch.layout.bounds, batch.layout.bounds[1:], strict=False)
    return [
        (
            tokens,
            *(part[start:end].numpy().tobytes() for part in (batch.patches, batch.noise, batch.sigma, batch.weight)),
        )
        for tokens, (start, end) in zip(batch.tokens, bounds, strict=True)
    ]


def test_more_processes_than_clips_leave_some_with_nothing(pool):
    config = tiny_training(stages=(Stage(1, 1, {"whole": 1.0}),))
    assert [draw_batch(config, pool, 0, Team(rank, 3)).num_clips for rank in range(3)] == [1, 0, 0]


def test_a_share_goes_to_everyone_once():
    rows = np.array([9, 1, 5, 5, 2, 8, 8])
    shares = [share_out(rows, Team(rank, 3)) for rank in range(3)]
    assert sorted(np.concatenate(shares)) == list(range(7))
    assert [int(rows[share].sum()) for share in shares] == [9 + 2 + 1, 8 + 5, 8 + 5]


def test_a_batch_is_cut_from_its_clips(pool, tiny_corpus):
    """Every row is that of the corpus, through `packing.pack`, and the prompt is true of it."""
    config = tiny_training(
        prompt_dropout=0.0, stages=(Stage(1, 90, {"picture": 0.3, "short": 0.3, "whole": 0.4}, salience=1.0),)
    )
    drawn, batch = draw_step(config, pool, 0), draw_batch(config, pool, 0)
    corpus = Corpus(tiny_corpus, config.corpus)
    samples = corpus.samples(0)
    found = {}
    for index, picture, frames, prompt, seed in zip(
        drawn.index, drawn.picture, drawn.frames, drawn.prompt, drawn.seed, strict=True
    ):
        sample = samples[index]
        cut = np.s_[:, :frames] if picture < 0 else np.s_[:, picture : picture + 1]
        latents, fills = (sample.latents, sample.fills) if picture < 0 else (sample.stills, sample.still_fills)
        patches, layout = pack([latents[cut]], config.patch)
        named = pack([fills[cut]], config.patch)[0]
        found[int(seed)] = patches.float(), named, layout, tuple(sample.tokens[prompt].tolist())
    bounds = zip(batch.layout.bounds, batch.layout.bounds[1:], strict=False)
    for seed, tokens, grid, (start, end) in zip(batch.seeds, batch.tokens, batch.layout.grids, bounds, strict=True):
        patches, named, layout, said = found.pop(seed)
        assert layout.grids == (grid,)
        assert tokens == said
        torch.testing.assert_close(batch.patches[start:end], patches, atol=0, rtol=0)
        torch.testing.assert_close(batch.fills[start:end], named.float())
        torch.testing.assert_close(batch.layout.positions[start:end], layout.positions)
        torch.testing.assert_close(batch.layout.places[start:end], layout.places)
    assert not found


def test_patches_of_several_latent_frames_are_told(tiny_corpus):
    with pytest.raises(InputError, match=r"such as \(1, 2, 2\)"):
        Pool(Corpus(tiny_corpus, tiny_training().corpus), (2, 2, 2))


def test_no_more_is_held_of_what_fills_cells_than_training_looks_at(tiny_corpus):
    config = tiny_training()
    assert config.fills == NUM_NAMES  # what naming is told
    assert replace(config, naming=0.0).fills == 0
    assert replace(config, learns="cast").fills == NUM_NAMES
    fills = num_fills(config.corpus.channels)
    sees = replace(config.transformer, patch_dim=config.transformer.out_dim + (fills + 1) * math.prod(config.patch))
    assert replace(config, naming=0.0, transformer=sees).fills == fills
    whole = Pool(Corpus(tiny_corpus, config.corpus), config.patch)
    named = Pool(Corpus(tiny_corpus, config.corpus), config.patch, fills=config.fills)
    batch, bare = draw_batch(config, whole, 0), draw_batch(config, named, 0)
    assert bare.fills.shape[1] == NUM_NAMES * math.prod(config.patch)
    assert torch.equal(bare.fills, batch.fills[:, : bare.fills.shape[1]])
    assert torch.equal(bare.patches, batch.patches)
