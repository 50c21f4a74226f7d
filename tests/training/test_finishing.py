"""What finishes decoded frames learns from casts, and ends up in the model that it was trained for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from langit.catalog import load_bundle
from langit.conditioning import Passage
from langit.conditioning.finishing import Finish
from langit.generate import generate_all, make_passage, stream
from langit.planning import Request, plan
from langit.training import CorpusConfig, FinishTraining, OptimizerConfig, load_recipe, train, train_finish
from langit.training.finishing import FinishCorpus, draw_lesson, losses
from langit.types import ClipShape, InputError
from tests.conftest import tiny_training
from tests.training.conftest import assert_same_run, checkpoint
from tests.training.test_sketching import WHOLE, casting, sketched


@pytest.fixture(scope="module")
def model(tmp_path_factory, tiny_corpus):
    """A model that casts its clips."""
    folder = tmp_path_factory.mktemp("cast")
    train(tiny_training(stages=WHOLE), folder / "plain", corpus_folder=tiny_corpus, workers=0)
    train(casting(start=str(folder / "plain")), folder / "cast", corpus_folder=tiny_corpus, workers=0)
    train(sketched(start=str(folder / "cast")), folder / "both", corpus_folder=tiny_corpus, workers=0)
    return folder / "both"


def finishing(model, **changes):
    like = tiny_training().corpus
    corpus = CorpusConfig(
        clips=8, chunk=4, channels=like.channels, shapes=((1.0, ClipShape(9, 32, 32)),), tokenizer=str(model)
    )
    config = FinishTraining(
        name="tiny-finish",
        corpus=corpus,
        steps=6,
        batch=4,
        optimizer=OptimizerConfig(learning_rate=3e-3, ends_rate=1.0, warmup=2, ema=0.5),
        first_clips=4,
        checkpoint_every=2,
        samples_every=6,
    )
    return replace(config, **changes)


@pytest.fixture(scope="module")
def footage(model, tmp_path_factory):
    corpus = FinishCorpus(tmp_path_factory.mktemp("finish"), finishing(model).corpus)
    for chunk in range(corpus.num_chunks):
        corpus.make_chunk(chunk)
    return corpus.folder


@pytest.fixture(scope="module")
def trained(model, footage, tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    train_finish(finishing(model), folder, corpus_folder=footage, workers=0)
    return folder


def test_it_learns(model, footage):
    """One lesson over and over: the error falls to well under that of decoded frames."""
    config = finishing(model)
    lesson = draw_lesson(config, FinishCorpus(footage, config.corpus), 0)
    torch.manual_seed(0)
    network = Finish()
    optimizer = torch.optim.AdamW(network.parameters(), 3e-3)
    history = []
    for _ in range(40):
        objective, error = losses(config, network, lesson)
        optimizer.zero_grad()
        objective.backward()
        optimizer.step()
        history.append(float(error))
    torch.testing.assert_close(torch.tensor(history[0]), (lesson.decoded - lesson.frames).square().mean())
    assert history[-1] < 0.7 * history[0]


def test_lessons_are_frames_beside_their_own_casts(model, footage):
    """Some have none; each is a function of the step alone."""
    config = finishing(model, batch=64, bare=0.5)
    corpus = FinishCorpus(footage, config.corpus)
    lesson, again, other = (draw_lesson(config, corpus, step) for step in (0, 0, 1))
    assert torch.equal(lesson.frames, again.frames)
    assert torch.equal(lesson.beside, again.beside)
    assert not torch.equal(lesson.frames, other.frames)
    bare = lesson.beside[:, -1].flatten(1).amax(1) == 0
    assert 0.2 < float(bare.float().mean()) < 0.9
    # Where a cast has things the frame has something that its backdrop has not.
    flat, things = lesson.beside[~bare, :3], lesson.beside[~bare, -1] > 0.99
    apart = (flat - lesson.frames[~bare]).abs().mean(1)
    assert apart[things].mean() < 0.35


def test_the_model_is_as_it_was_but_finishes_its_frames(model, trained):
    before, after = load_bundle(model), load_bundle(trained)
    assert before.finish is None
    assert after.config.training["finish"]["steps"] == 6
    for name in ("transformer", "cast", "glance"):
        for mine, theirs in zip(getattr(before, name).parameters(), getattr(after, name).parameters(), strict=True):
            assert torch.equal(mine, theirs)
    request = Request("a red ball", frames=9, steps=2, seed=1)
    one, other = (generate_all(bundle, [plan(bundle, request)])[0].video.frames for bundle in (before, after))
    assert one.shape == other.shape
    assert not np.array_equal(one, other)
    assert before.hash() != after.hash()


def test_a_clip_is_finished_alike_whole_and_in_a_stream(trained):
    bundle = load_bundle(trained)
    p = plan(bundle, Request("a red ball", frames=9, steps=2, seed=1))
    whole = generate_all(bundle, [p])[0].video.frames
    streamed = np.stack(list(stream(bundle, p)))
    assert np.abs(whole.astype(int) - streamed).max() <= 1


def test_a_long_clip_is_finished_throughout(trained, monkeypatch):
    """Every frame that is shown, and each beside its own cast."""
    bundle, seen = load_bundle(trained), []

    def noted(network, frames, cast):
        seen.append(len(frames))
        assert len(cast.frames) == 1
        return frames

    monkeypatch.setattr("langit.generate.finished", noted)
    p = plan(bundle, Request("a red ball", frames=60, steps=1, seed=1))
    assert len(list(stream(bundle, p))) == 60
    assert sum(seen) >= 60


def test_frames_that_were_made_but_not_shown_are_finished_by_whoever_goes_on(trained, monkeypatch):
    bundle, seen = load_bundle(trained), []
    making = stream(bundle, plan(bundle, Request("a red ball", frames=8, steps=1, seed=1)))
    while True:
        try:
            next(making)
        except StopIteration as done:
            known = done.value
            break
    assert known.unshown == 1
    assert known.cast is not None

    def noted(network, frames, cast):
        seen.append(len(frames))
        return frames

    monkeypatch.setattr("langit.generate.finished", noted)
    p = plan(bundle, Request("a red ball", frames=9, steps=1, seed=1))
    assert len(list(make_passage(bundle, p, Passage(5, known)))) == 5
    assert seen == [1, 4, 4]  # the picture, what was made before, what is new


def test_the_recipe_is_whole():
    config = load_recipe(Path(__file__).parents[2] / "recipes" / "embedded_finish.py")
    assert isinstance(config, FinishTraining)
    assert config.first_clips <= config.corpus.clips
    assert config.optimizer.warmup < config.steps * (1 - config.optimizer.cooldown)


def test_stopped_it_goes_on(model, footage, trained, tmp_path):
    config = finishing(model)
    assert train_finish(config, tmp_path, corpus_folder=footage, workers=0, stop_after=3) == 3
    assert checkpoint(tmp_path)["step"] == 3
    assert train_finish(config, tmp_path, corpus_folder=footage, workers=0) == 6
    assert_same_run(tmp_path, trained)


def test_a_recipe_that_cannot_be_trained_says_why(model, tmp_path, tiny_corpus):
    shapes = ((0.5, ClipShape(9, 32, 32)), (0.5, ClipShape(9, 32, 48)))
    with pytest.raises(InputError, match="one shape"):
        finishing(model, corpus=replace(finishing(model).corpus, shapes=shapes))
    train(tiny_training(stages=WHOLE), tmp_path / "plain", corpus_folder=tiny_corpus, workers=0)
    with pytest.raises(InputError, match="casts nothing"):
        train_finish(finishing(tmp_path / "plain"), tmp_path / "run", workers=0)
    with pytest.raises(InputError, match="train_finish"):
        train(finishing(model), tmp_path / "run")
