"""The training of a generator: it can be stopped by the keyboard, it learns, and what it writes is a model.

That it goes on bit for bit is in `test_run`.
"""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from langit.catalog import load_bundle
from langit.generate import generate_all
from langit.planning import Request, plan
from langit.training import Stage, TrainingConfig, load_recipe, train
from langit.training.batches import draw_batch
from langit.training.corpus import Corpus
from langit.training.loop import Model
from langit.training.pool import Pool
from langit.types import ClipShape
from tests.conftest import tiny_training
from tests.training.conftest import assert_same_run, checkpoint, losses

REPOSITORY = Path(__file__).parents[2]


def run(output, corpus, config=None, **options):
    return train(config or tiny_training(), output, corpus_folder=corpus, workers=0, **options)


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


def test_ctrl_c_stops_after_the_step_and_a_workers_footage_is_ours(trained, tiny_corpus, tmp_path):
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
    assert losses(output) == losses(trained)[:step]

    for name in ("tokenizer.safetensors", "00000.safetensors"):
        assert (output / "corpus" / name).read_bytes() == (tiny_corpus / name).read_bytes()
    assert run(output, tiny_corpus) == 10
    assert_same_run(output, trained)


def test_the_output_is_a_model_of_the_moving_average(trained):
    bundle = load_bundle(trained)
    assert bundle.config.name == "ten-steps"
    assert bundle.config.training["steps"] == 10
    saved = checkpoint(trained)
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


def test_a_fresh_model_predicts_zero_so_its_first_loss_is_known(tiny_corpus, trained):
    config = tiny_training()
    torch.manual_seed(config.seed)
    model = Model(config)
    batch = draw_batch(config, Pool(Corpus(tiny_corpus, config.corpus), config.patch), 0)
    free = batch.sigma > 0
    expected = (batch.patches[free] / batch.sigma[free].clamp(min=0.05)[:, None]).square().mean()
    loss = model.losses(batch)[0].detach()
    assert float(loss) == pytest.approx(float(expected), rel=1e-5)
    assert float(loss) == pytest.approx(losses(trained)[0]["loss"], rel=1e-6)


def test_held_patches_count_for_nothing_in_the_loss(tiny_corpus):
    config = tiny_training(stages=(Stage(1, 60, {"whole": 1.0}),), tasks={"first": 1.0})
    batch = draw_batch(config, Pool(Corpus(tiny_corpus, config.corpus), config.patch), 0)
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
    batch = draw_batch(config, Pool(Corpus(tiny_corpus, config.corpus), config.patch), 5)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    history = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = model.losses(batch)[0]
        loss.backward()
        optimizer.step()
        history.append(loss.item())
    assert history[-1] < 0.6 * history[0]


def test_samples_are_written_and_change_nothing(trained, tiny_corpus, tmp_path):
    """Drawing samples in between must not disturb the run."""
    run(tmp_path, tiny_corpus, tiny_training(samples_every=5))
    assert sorted(path.name for path in (tmp_path / "samples").iterdir()) == ["0000005.png", "0000010.png"]
    assert losses(tmp_path) == losses(trained)


def test_the_recipes_for_a_gpu_train_here_scaled_down(tmp_path):
    """All of them but their size, their pictures' size and their many steps."""

    def small(name: str) -> TrainingConfig:
        full = load_recipe(REPOSITORY / "recipes" / f"{name}.py")
        narrow = {"width": 24, "depth": 2, "num_heads": 2, "ffn_width": 32, "text_width": 16}
        if full.transformer.detail_width:
            narrow |= {"detail_width": 32, "detail_depth": 1}
        return dataclasses.replace(
            full,
            transformer=dataclasses.replace(full.transformer, **narrow),
            text=dataclasses.replace(full.text, width=16),
            corpus=dataclasses.replace(
                full.corpus, clips=4, chunk=4, fit_clips=1, shapes=((1.0, ClipShape(9, 32, 32)),)
            ),
            stages=tuple(dataclasses.replace(stage, steps=1, patches=60) for stage in full.stages),
            first_clips=4,
            native=dataclasses.replace(full.native, height=32, width=32, frames=9),
            start=str(tmp_path / "picture") if full.start else "",
        )

    picture, cast = small("embedded_gpu"), small("embedded_gpu_cast")
    corpus = Corpus(tmp_path / "corpus", picture.corpus)
    corpus.make_chunk(0)
    assert train(picture, tmp_path / "picture", corpus_folder=corpus.folder, workers=0) == 3
    assert train(cast, tmp_path / "cast", corpus_folder=corpus.folder, workers=0) == 1
    assert all(line["loss"] > 0 for folder in ("picture", "cast") for line in losses(tmp_path / folder))
    bundle = load_bundle(tmp_path / "cast")
    assert bundle.cast is not None
    assert len(generate_all(bundle, [plan(bundle, Request("a red ball", seed=1, steps=2))])[0].video.frames) == 8
