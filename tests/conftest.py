"""What tests share: a complete model with random weights, made in a moment, and footage for a tiny training run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from langit.catalog import Bundle, BundleConfig
from langit.catalog.bundle import Native, SamplingDefaults
from langit.packing import Text, bounds_of
from langit.text.encoder import PromptEncoder, PromptEncoderConfig
from langit.tokenizer import LinearTokenizer
from langit.training import CorpusConfig, OptimizerConfig, Stage, TrainingConfig
from langit.training.corpus import Corpus
from langit.transformer import Transformer, TransformerConfig
from langit.types import ClipShape, Frames

CHANNELS = 6
STRIDE = (2, 4, 4)
PATCH = (1, 2, 2)


@pytest.fixture(scope="session", autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Tests sign as an instance of their own, and leave the user's alone."""
    from langit.provenance import Identity

    home = tmp_path_factory.mktemp("home")
    Identity.load_or_create(home / "identity")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LANGIT_HOME", str(home))
        yield home


def random_text(lengths: Sequence[int], width: int, seed: int = 0) -> Text:
    """Random states in place of encoded prompts."""
    return Text(torch.randn(sum(lengths), width, generator=torch.Generator().manual_seed(seed)), bounds_of(lengths))


def random_frames(frames: int, height: int, width: int, seed: int = 0) -> Frames:
    return np.random.default_rng(seed).integers(0, 256, (frames, height, width, 3), np.uint8)


def tiny_transformer(**changes: object) -> Transformer:
    """Random weights, and none of them zero: a fresh `Transformer` answers nothing that depends on its input."""
    torch.manual_seed(0)
    config = TransformerConfig(12, 12, width=24, depth=2, num_heads=2, ffn_width=32, text_width=10, place_frequencies=2)
    return Transformer(replace(config, **changes)).eval().requires_grad_(False)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def tiny_bundle() -> Bundle:
    """A whole model of some ten thousand random weights: clips of 9 frames of 32x32."""
    generator = torch.Generator().manual_seed(0)
    boxes = torch.rand(400, 3 * 2 * 4 * 4, generator=generator) * 2 - 1
    tokenizer = LinearTokenizer.fit(boxes.cumsum(1).tanh(), STRIDE, CHANNELS)
    patch_dim = CHANNELS * 4
    config = BundleConfig(
        name="random",
        transformer=TransformerConfig(
            patch_dim,
            patch_dim,
            width=24,
            depth=2,
            num_heads=2,
            ffn_width=48,
            text_width=16,
            prediction="x",
            place_frequencies=2,
        ),
        text=PromptEncoderConfig(width=16, depth=1, num_heads=2),
        tokenizer="linear",
        stride=STRIDE,
        patch=PATCH,
        native=Native(height=32, width=32, frames=9, fps=8.0, max_frames=17, max_pixels=48 * 48, max_aspect=2.0),
        sampling=SamplingDefaults(steps=4),
    )
    torch.manual_seed(0)
    transformer, text = Transformer(config.transformer), PromptEncoder(config.text)
    for module in (transformer, text):
        module.requires_grad_(False).eval()
    return Bundle(config, transformer, text, tokenizer)


def tiny_training(**changes: object) -> TrainingConfig:
    """A recipe of ten steps over 24 clips of 9 frames of 32x32."""
    config = TrainingConfig(
        name="ten-steps",
        transformer=TransformerConfig(
            32, 32, width=24, depth=1, num_heads=2, ffn_width=32, text_width=16, prediction="x", place_frequencies=2
        ),
        text=PromptEncoderConfig(width=16, depth=1, num_heads=2),
        patch=PATCH,
        corpus=CorpusConfig(
            clips=24, chunk=12, channels=8, fit_clips=4, stills=1, shapes=((1.0, ClipShape(9, 32, 32)),)
        ),
        stages=(Stage(4, 40, {"picture": 1.0}), Stage(6, 60, {"picture": 0.2, "short": 0.3, "whole": 0.5})),
        optimizer=OptimizerConfig(learning_rate=3e-3, warmup=3, ema=0.9),
        first_clips=12,
        growth=2.0,
        native=Native(32, 32, 9, 8.0, 17, 64 * 64, 2.0),
        sampling=SamplingDefaults(steps=2),
        checkpoint_every=4,
        samples_every=1000,
    )
    return replace(config, **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def tiny_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All the footage of `tiny_training`, made in this process."""
    folder = tmp_path_factory.mktemp("footage")
    corpus = Corpus(folder, tiny_training().corpus)
    for chunk in range(corpus.num_chunks):
        corpus.make_chunk(chunk)
    return folder
