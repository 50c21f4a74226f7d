"""Training stops anywhere and goes on as if it never had: same losses, same weights, bit for bit."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from langit.catalog import load_bundle
from langit.generate import Request, generate_all, plan
from langit.training import Stage, train
from langit.training.batches import draw_batch
from langit.training.corpus import Corpus
from langit.training.loop import Model
from langit.types import InputError
from tests.conftest import tiny_training

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Bit for bit holds for equal numbers of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def run(output, corpus, config=None, **options):
    return train(config or tiny_training(), output, corpus_folder=corpus, workers=0, **options)


def losses(output):
    return [json.loads(line) for line in (output / "losses.jsonl").read_text().splitlines()]


def checkpoint(output):
    return torch.load(output / "checkpoint.pt", weights_only=True)


def assert_same_run(one, two):
    assert losses(one) == losses(two)
    first, second = checkpoint(one), checkpoint(two)
    assert first["step"] == second["step"]
    for part in ("model", "ema"):
        for name, tensor in first[part].items():
            assert torch.equal(tensor, second[part][name]), name
    for name in ("transformer.safetensors", "text.safetensors", "tokenizer.safetensors", "config.json"):
        assert (one / name).read_bytes() == (two / name).read_bytes()


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory, tiny_corpus):
    output = tmp_path_factory.mktemp("uninterrupted")
    told = []
    assert run(output, tiny_corpus, on_step=told.append) == 10
    assert [progress.step for progress in told] == list(range(1, 11))
    assert [progress.loss for progress in told] == [line["loss"] for line in losses(output)]
    assert all(progress.steps == 10 and progress.clips_per_second > 0 for progress in told)
    assert all(0 <= progress.starved <= 1 and progress.share_of_peak > 0 for progress in told)
    return output


def test_a_run_that_stops_and_goes_on_is_the_run_that_never_stopped(uninterrupted, tiny_corpus, tmp_path):
    for stop in (1, 6):
        assert run(tmp_path, tiny_corpus, stop_after=stop) == stop
        assert losses(tmp_path) == losses(uninterrupted)[:stop]
    assert run(tmp_path, tiny_corpus) == 10
    assert_same_run(tmp_path, uninterrupted)
    assert run(tmp_path, tiny_corpus) == 10  # nothing is left to do
    assert_same_run(tmp_path, uninterrupted)


def test_a_run_that_was_killed_goes_on_from_its_last_checkpoint(uninterrupted, tiny_corpus, tmp_path):
    def die(progress):
        if progress.step == 7:
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        run(tmp_path, tiny_corpus, on_step=die)
    assert checkpoint(tmp_path)["step"] == 4
    assert len(losses(tmp_path)) == 7
    (tmp_path / ".checkpoint.pt.part").write_bytes(b"half")  # what a cut within a write leaves
    assert run(tmp_path, tiny_corpus) == 10
    assert_same_run(tmp_path, uninterrupted)


SCRIPT = """
import sys, time
from pathlib import Path
import torch
from langit.training import train
from tests.conftest import tiny_training

def on_step(progress):
    print(progress.step, flush=True)
    time.sleep(0.2)

if __name__ == "__main__":
    torch.set_num_threads(1)
    print("done", train(tiny_training(), Path(sys.argv[1]), workers=1, on_step=on_step))
"""


def test_ctrl_c_stops_after_the_step_and_a_workers_footage_is_ours(uninterrupted, tiny_corpus, tmp_path):
    """As a user runs it: a process of its own, whose worker process makes the footage, stopped by the keyboard."""
    script, output = tmp_path / "run.py", tmp_path / "run"
    script.write_text(SCRIPT)
    process = subprocess.Popen(
        [sys.executable, str(script), str(output)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "1\n", process.stderr.read()
        process.send_signal(signal.SIGINT)
        rest, complaints = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0, complaints
    step = int(rest.split()[-1])
    assert 1 <= step < 10
    assert checkpoint(output)["step"] == step
    assert losses(output) == losses(uninterrupted)[:step]

    for name in ("tokenizer.safetensors", "00000.safetensors"):
        assert (output / "corpus" / name).read_bytes() == (tiny_corpus / name).read_bytes()
    assert run(output, tiny_corpus) == 10
    assert_same_run(output, uninterrupted)


def test_another_recipe_does_not_go_on_from_this_checkpoint(uninterrupted, tiny_corpus):
    before = (uninterrupted / "checkpoint.pt").read_bytes()
    with pytest.raises(InputError, match="trained by another recipe"):
        run(uninterrupted, tiny_corpus, tiny_training(seed=1))
    assert (uninterrupted / "checkpoint.pt").read_bytes() == before


@pytest.mark.parametrize("kept", [0, 100, 5000])
def test_a_damaged_checkpoint_is_told(uninterrupted, tiny_corpus, tmp_path, kept):
    (tmp_path / "checkpoint.pt").write_bytes((uninterrupted / "checkpoint.pt").read_bytes()[:kept])
    with pytest.raises(InputError, match="is damaged"):
        run(tmp_path, tiny_corpus)


def test_the_output_is_a_model_of_the_moving_average(uninterrupted):
    bundle = load_bundle(uninterrupted)
    assert bundle.config.name == "ten-steps"
    assert bundle.config.training["steps"] == 10
    saved = checkpoint(uninterrupted)
    for name, tensor in bundle.transformer.state_dict().items():
        assert torch.equal(tensor, saved["ema"][f"transformer.{name}"].half().float())  # stored in half the bytes
    clip = generate_all(bundle, [plan(bundle, Request("a red ball", seed=1))])[0]
    assert clip.video.frames.shape == (8, 32, 32, 3)


def test_the_moving_average_moves_by_its_rule(tiny_corpus, tmp_path):
    """ema <- decay * ema + (1 - decay) * weights, decay = min(0.9, (step + 1) / (step + 10)), from step 0."""
    states = []
    for stop in (1, 2, 3):
        run(tmp_path, tiny_corpus, stop_after=stop)
        states.append(checkpoint(tmp_path))
    for step, (before, after) in enumerate(pairwise(states), start=1):
        decay = min(0.9, (step + 1) / (step + 10))
        for name, average in after["ema"].items():
            expected = decay * before["ema"][name] + (1 - decay) * after["model"][name]
            torch.testing.assert_close(average, expected, atol=1e-6, rtol=1e-5)
        assert any(not torch.equal(after["ema"][name], after["model"][name]) for name in after["ema"])


def test_a_fresh_model_predicts_zero_so_its_first_loss_is_known(tiny_corpus, uninterrupted):
    config = tiny_training()
    torch.manual_seed(config.seed)
    model = Model(config)
    batch = draw_batch(config, Corpus(tiny_corpus, config.corpus), 0)
    free = batch.sigma > 0
    expected = (batch.patches[free] / batch.sigma[free].clamp(min=0.05)[:, None]).square().mean()
    loss = model.losses(batch)[0].detach()
    assert float(loss) == pytest.approx(float(expected), rel=1e-5)
    assert float(loss) == pytest.approx(losses(uninterrupted)[0]["loss"], rel=1e-6)


def test_held_patches_count_for_nothing_in_the_loss(tiny_corpus):
    config = tiny_training(stages=(Stage(1, 60, {"whole": 1.0}),), tasks={"first": 1.0})
    batch = draw_batch(config, Corpus(tiny_corpus, config.corpus), 0)
    assert (batch.sigma == 0).any()
    torch.manual_seed(0)
    model = Model(config)
    before = model.losses(batch)[0]
    batch.patches[batch.sigma == 0] += 5.0
    assert torch.equal(model.losses(batch)[0], before)  # a fresh model does not look at them yet


@pytest.mark.parametrize("seed", [0, 1])
def test_training_learns(tiny_corpus, seed):
    """One batch over and over: the loss must fall to well under what predicting nothing gives."""
    config = tiny_training(seed=seed)
    torch.manual_seed(seed)
    model = Model(config)
    batch = draw_batch(config, Corpus(tiny_corpus, config.corpus), 5)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    history = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = model.losses(batch)[0]
        loss.backward()
        optimizer.step()
        history.append(loss.item())
    assert history[-1] < 0.6 * history[0]


def test_samples_are_written_and_change_nothing(uninterrupted, tiny_corpus, tmp_path):
    """Drawing samples in between must not disturb the run."""
    run(tmp_path, tiny_corpus, tiny_training(samples_every=5))
    assert sorted(path.name for path in (tmp_path / "samples").iterdir()) == ["0000005.png", "0000010.png"]
    assert losses(tmp_path) == losses(uninterrupted)
