"""Whatever is trained stops anywhere and goes on as if it never had: same losses, same weights, bit for bit."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from langit.training import train, train_tokenizer
from langit.types import InputError
from tests.conftest import tiny_training
from tests.training.conftest import assert_same_run, checkpoint, losses, tiny


@dataclass(frozen=True)
class Kind:
    """A training of one of the kinds."""

    run: Callable[..., int]  # the recipe, in a folder
    run_other: Callable[..., int]  # with another seed
    steps: int
    kept: int  # step of the last checkpoint before step 8
    uninterrupted: Path


@pytest.fixture(params=["generator", "tokenizer"])
def kind(request, tiny_corpus, clips, trained, trained_tokenizer):
    if request.param == "generator":
        options = {"corpus_folder": tiny_corpus, "workers": 0}
        run, other = (partial(train, tiny_training(**changes), **options) for changes in ({}, {"seed": 1}))
        return Kind(run, other, 10, 4, trained)
    options = {"corpus_folder": clips, "workers": 0}
    run, other = (partial(train_tokenizer, tiny(**changes), **options) for changes in ({}, {"seed": 1}))
    return Kind(run, other, 12, 5, trained_tokenizer)


def test_a_run_that_stops_and_goes_on_is_the_run_that_never_stopped(kind, tmp_path):
    for stop in (1, 6):
        assert kind.run(tmp_path, stop_after=stop) == stop
        assert losses(tmp_path) == losses(kind.uninterrupted)[:stop]
    assert kind.run(tmp_path) == kind.steps
    assert_same_run(tmp_path, kind.uninterrupted)
    assert kind.run(tmp_path) == kind.steps  # nothing is left to do
    assert_same_run(tmp_path, kind.uninterrupted)


def test_ctrl_c_stops_after_the_step(kind, tmp_path):
    def interrupt(progress):
        if progress.step == 3:
            os.kill(os.getpid(), signal.SIGINT)

    assert kind.run(tmp_path, on_step=interrupt) == 3
    assert kind.run(tmp_path) == kind.steps
    assert_same_run(tmp_path, kind.uninterrupted)


def test_a_run_that_was_killed_goes_on_from_its_last_checkpoint(kind, tmp_path):
    def die(progress):
        if progress.step == 7:
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        kind.run(tmp_path, on_step=die)
    assert checkpoint(tmp_path)["step"] == kind.kept
    assert len(losses(tmp_path)) == 7
    (tmp_path / ".checkpoint.pt.part").write_bytes(b"half")  # what a cut within a write leaves
    assert kind.run(tmp_path) == kind.steps
    assert_same_run(tmp_path, kind.uninterrupted)


def test_another_recipe_does_not_go_on_from_this_checkpoint(kind):
    before = (kind.uninterrupted / "checkpoint.pt").read_bytes()
    with pytest.raises(InputError, match="trained by another recipe"):
        kind.run_other(kind.uninterrupted)
    assert (kind.uninterrupted / "checkpoint.pt").read_bytes() == before


@pytest.mark.parametrize("kept", [0, 100, 5000])
def test_a_damaged_checkpoint_is_told(kind, tmp_path, kept):
    (tmp_path / "checkpoint.pt").write_bytes((kind.uninterrupted / "checkpoint.pt").read_bytes()[:kept])
    with pytest.raises(InputError, match="is damaged"):
        kind.run(tmp_path)
