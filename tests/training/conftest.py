"""What the tests of training share: tiny recipes of both kinds, their footage, and a run of each that nothing stopped."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from langit.tokenizer.autoencoder import AutoencoderConfig
from langit.training import CorpusConfig, OptimizerConfig, PieceConfig, TokenizerTraining, train, train_tokenizer
from langit.training.pieces import PixelCorpus
from langit.training.tokenizer_loop import psnr
from langit.types import ClipShape
from tests.conftest import tiny_training


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """Bit for bit holds for equal numbers of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def tiny(**changes: object) -> TokenizerTraining:
    """Twelve steps on pieces of 5 frames of 16x16, of 12 clips of 9 frames of 32x32."""
    config = TokenizerTraining(
        name="tiny-tokenizer",
        autoencoder=AutoencoderConfig(channels=8, components=48, width=16, encoder_blocks=1, decoder_blocks=1),
        corpus=CorpusConfig(
            clips=12, chunk=6, channels=8, fit_clips=4, stills=1, shapes=((1.0, ClipShape(9, 32, 32)),)
        ),
        pieces=PieceConfig(frames=5, side=16, candidates=2),
        steps=12,
        batch=2,
        optimizer=OptimizerConfig(learning_rate=2e-3, warmup=2, weight_decay=0.0, ema=0.9),
        first_clips=6,
        growth=1.0,
        fitted=6,
        measured=2,
        checkpoint_every=5,
        samples_every=12,
    )
    return replace(config, **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All the footage of `tiny`."""
    corpus = PixelCorpus(tmp_path_factory.mktemp("pixels"), tiny().corpus)
    for chunk in range(corpus.num_chunks):
        corpus.make_chunk(chunk)
    _ = corpus.tokenizer
    return corpus.folder


def losses(output: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (output / "losses.jsonl").read_text().splitlines()]


def checkpoint(output: Path) -> dict[str, dict[str, torch.Tensor]]:
    loaded: dict[str, dict[str, torch.Tensor]] = torch.load(output / "checkpoint.pt", weights_only=True)
    return loaded


def assert_same_run(one: Path, two: Path) -> None:
    """The same losses, weights and files."""
    assert losses(one) == losses(two)
    first, second = checkpoint(one), checkpoint(two)
    assert first["step"] == second["step"]
    for part in ("model", "ema"):
        for name, tensor in first[part].items():
            assert torch.equal(tensor, second[part][name]), name
    files = [path.name for path in one.iterdir() if path.suffix == ".safetensors" or path.name == "config.json"]
    assert "tokenizer.safetensors" in files
    for name in files:
        assert (one / name).read_bytes() == (two / name).read_bytes()


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, tiny_corpus: Path) -> Path:
    """A generator's run."""
    output, told = tmp_path_factory.mktemp("trained"), []
    assert train(tiny_training(), output, corpus_folder=tiny_corpus, workers=0, on_step=told.append) == 10
    assert [progress.step for progress in told] == list(range(1, 11))
    assert [progress.loss for progress in told] == [line["loss"] for line in losses(output)]
    assert all(progress.steps == 10 and progress.clips_per_second > 0 for progress in told)
    assert all(0 <= progress.starved <= 1 and progress.share_of_peak > 0 for progress in told)
    return output


@pytest.fixture(scope="session")
def trained_tokenizer(tmp_path_factory: pytest.TempPathFactory, clips: Path) -> Path:
    """A tokenizer's."""
    output, told = tmp_path_factory.mktemp("trained-tokenizer"), []
    assert train_tokenizer(tiny(), output, corpus_folder=clips, workers=0, on_step=told.append) == 12
    assert [progress.loss for progress in told] == [line["loss"] for line in losses(output)]
    assert all(progress.psnr == psnr(progress.loss) and 0 <= progress.starved <= 1 for progress in told)
    assert [path.name for path in (output / "samples").iterdir()] == ["0000012.png"]
    return output
