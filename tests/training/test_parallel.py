"""Several processes train as one does: the same losses to rounding, and bit for bit with as many of them again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from langit.training import Stage, train, train_tokenizer
from langit.training.parallel import processes_and_threads
from tests.conftest import tiny_training
from tests.training import conftest
from tests.training.conftest import tiny

REPOSITORY = Path(__file__).parents[2]


def config():
    """With more clips to a step than processes, and a step that is a single clip."""
    shares = {"picture": 0.2, "short": 0.3, "whole": 0.5}
    return tiny_training(
        stages=(Stage(5, 120, shares, salience=1.0), Stage(1, 1, {"whole": 1.0}), Stage(2, 120, shares))
    )


def losses(output):
    return [line["loss"] for line in conftest.losses(output)]


@pytest.fixture(scope="module")
def together(tmp_path_factory, tiny_corpus):
    output = tmp_path_factory.mktemp("together")
    told = []
    assert train(config(), output, corpus_folder=tiny_corpus, workers=0, processes=2, on_step=told.append) == 8
    assert [progress.loss for progress in told] == losses(output)
    return output


def test_two_processes_have_the_losses_of_one(together, tiny_corpus, tmp_path):
    assert train(config(), tmp_path, corpus_folder=tiny_corpus, workers=0) == 8
    assert losses(together) == pytest.approx(losses(tmp_path), rel=1e-5)


def test_two_processes_stop_and_go_on_as_if_they_never_had(together, tiny_corpus, tmp_path):
    def interrupt(progress):
        if progress.step == 3:
            os.kill(os.getpid(), signal.SIGINT)

    arguments = {"corpus_folder": tiny_corpus, "workers": 0, "processes": 2}
    assert train(config(), tmp_path, on_step=interrupt, **arguments) == 3
    assert train(config(), tmp_path, **arguments) == 8
    assert losses(tmp_path) == losses(together)
    for name in ("transformer.safetensors", "text.safetensors"):
        assert (tmp_path / name).read_bytes() == (together / name).read_bytes()


TORCHRUN = """
import sys
from pathlib import Path
import torch
from langit.training import train
from tests.training.test_parallel import config

if __name__ == "__main__":
    torch.set_num_threads(1)
    train(config(), Path(sys.argv[1]), corpus_folder=Path(sys.argv[2]), workers=0)
"""


def test_torchrun_starts_the_same(together, tiny_corpus, tmp_path):
    script, output = tmp_path / "run.py", tmp_path / "run"
    script.write_text(TORCHRUN)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script)]
    done = subprocess.run(
        [*command, str(output), str(tiny_corpus)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert losses(output) == losses(together)


def test_an_error_ends_all_of_them(tiny_corpus, tmp_path):
    def die(progress):
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        train(config(), tmp_path, corpus_folder=tiny_corpus, workers=0, processes=2, on_step=die)


def test_a_tokenizer_trains_in_two_processes_too(clips, tmp_path):
    arguments = {"corpus_folder": clips, "workers": 0, "stop_after": 4}
    recipe = tiny(batch=3)
    for name, processes in (("one", 1), ("two", 2)):
        assert train_tokenizer(recipe, tmp_path / name, processes=processes, **arguments) == 4
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), rel=1e-5)


@pytest.mark.parametrize(("threads", "expected"), [(1, (1, 1)), (2, (2, 1)), (3, (3, 1)), (8, (4, 2)), (9, (4, 2))])
def test_cores_are_given_to_processes_before_threads(threads, expected):
    assert processes_and_threads(threads) == expected


def test_all_usable_cores_are_taken_where_none_are_named(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 3}, raising=False)
    assert processes_and_threads(0) == (2, 1)
