"""The autoencoder's training learns, and gives what a generator trains on. That it goes on bit for bit is in `test_run`."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from langit.catalog import load_bundle, save_bundle
from langit.catalog.exchange import exchange_tokenizer
from langit.catalog.tokenizers import load_tokenizer, save_tokenizer
from langit.cli import app
from langit.generate import generate_all
from langit.media import write
from langit.planning import Request, plan
from langit.tokenizer import CausalTokenizer, decode, encode
from langit.tokenizer.autoencoder import Autoencoder, AutoencoderConfig
from langit.training import PieceConfig, TokenizerTraining, load_recipe, train
from langit.training.corpus import Corpus
from langit.training.pieces import PixelCorpus, RealFootage, cut, draw_pieces
from langit.training.tokenizer_loop import losses, make_optimizers, train_tokenizer
from langit.types import InputError, Video
from tests.conftest import random_frames, tiny_training
from tests.training.conftest import assert_same_run, tiny

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*tokenizer.py"))


def run(output, clips, config=None, **options):
    return train_tokenizer(config or tiny(), output, corpus_folder=clips, workers=0, **options)


def test_training_learns_what_the_linear_part_cannot(clips):
    """One batch over and over, from what the fit gives: the error must fall to well under it."""
    config, corpus = tiny(), PixelCorpus(clips, tiny().corpus)
    torch.manual_seed(0)
    model = Autoencoder(config.autoencoder)
    model.fit_linear(corpus.tokenizer, [torch.from_numpy(corpus.frames(k)).float() / 127.5 - 1 for k in range(6)])
    pieces = draw_pieces(config, corpus, None, 0)
    optimizers = make_optimizers(config, model)
    history = []
    for _ in range(60):
        noise = iter(torch.Generator().manual_seed(seed) for seed in range(len(pieces)))
        objective, loss = losses(model, pieces, noise, 0.0)
        model.zero_grad()
        objective.backward()
        for optimizer in optimizers:
            optimizer.step()
        history.append(loss.item())
    assert history[-1] < 0.8 * history[0]


def test_latents_have_a_mean_of_zero_and_unit_variance_over_all_channels(trained_tokenizer, clips):
    """On the clips that they are measured on."""
    tokenizer, corpus = load_tokenizer(trained_tokenizer), PixelCorpus(clips, tiny().corpus)
    measured = [torch.from_numpy(corpus.frames(index)).float() / 127.5 - 1 for index in range(tiny().measured)]
    latents = torch.cat([encode(tokenizer, clip).flatten(1) for clip in measured], 1).double()
    assert latents.mean(1).abs().max() < 1e-5
    assert latents.var(1, correction=0).mean() == pytest.approx(1.0, abs=1e-5)


def test_the_latents_of_a_model_stay_and_only_the_way_back_is_trained(tiny_bundle, clips, tmp_path):
    """So a generator that was trained on linear patches gets a better decoder without a step of training of its own."""
    save_bundle(
        tmp_path / "model",
        tiny_bundle.config,
        tiny_bundle.transformer.state_dict(),
        tiny_bundle.text.state_dict(),
        tiny_bundle.tokenizer,
    )
    network = AutoencoderConfig(6, (2, 4, 4), components=12, width=8, decoder_blocks=1)
    corpus = replace(tiny().corpus, stride=(2, 4, 4), channels=6)
    config = tiny(autoencoder=network, corpus=corpus, begin_as=str(tmp_path / "model"), keep_latents=True, steps=60)
    config = replace(config, optimizer=replace(config.optimizer, learning_rate=5e-3))
    output = tmp_path / "run"
    assert train_tokenizer(config, output, corpus_folder=_with(clips, corpus, tmp_path), workers=0) == 60
    tokenizer = load_tokenizer(output)
    clip = torch.from_numpy(PixelCorpus(clips, tiny().corpus).frames(0)).float() / 127.5 - 1
    latents = encode(tiny_bundle.tokenizer, clip)
    torch.testing.assert_close(encode(tokenizer, clip), latents, atol=1e-5, rtol=0)
    before = F.mse_loss(decode(tiny_bundle.tokenizer, latents), clip)
    assert F.mse_loss(decode(tokenizer, latents), clip) < 0.98 * before

    exchange_tokenizer(tmp_path / "model", output, tmp_path / "better")
    better = load_bundle(tmp_path / "better")
    torch.testing.assert_close(decode(better.tokenizer, latents), decode(tokenizer, latents))
    made = [
        generate_all(bundle, [plan(bundle, Request("a red ball", frames=9, seed=1))])[0]
        for bundle in (tiny_bundle, better)
    ]
    assert (made[0].video.frames != made[1].video.frames).any()
    with pytest.raises(InputError, match="is there already"):
        exchange_tokenizer(tmp_path / "model", output, tmp_path / "better")
    with pytest.raises(InputError, match="the recipe's autoencoder begins as a linear one of"):
        run(tmp_path / "other", clips, tiny(begin_as=str(tmp_path / "model")))


def test_a_tokenizer_of_other_latents_is_not_put_into_a_model(tiny_bundle, trained_tokenizer, tmp_path):
    model = tmp_path / "model"
    states = tiny_bundle.transformer.state_dict(), tiny_bundle.text.state_dict()
    save_bundle(model, tiny_bundle.config, *states, tiny_bundle.tokenizer)
    with pytest.raises(InputError, match=r"has a stride of \(4, 8, 8\) and 8 channels; the model in"):
        exchange_tokenizer(model, trained_tokenizer, tmp_path / "output")
    brighter = replace(tiny_bundle.tokenizer, mean=tiny_bundle.tokenizer.mean + 1)
    save_tokenizer(tmp_path / "brighter", brighter)
    with pytest.raises(InputError, match="makes other latents than those"):
        exchange_tokenizer(model, tmp_path / "brighter", tmp_path / "output")
    assert not (tmp_path / "output").exists()


def _with(clips, corpus, folder):
    """The same footage under another configuration of latents."""
    other = PixelCorpus(folder / "clips", corpus)
    for path in clips.glob("pixels-*"):
        shutil.copy(path, other.folder)
    return other.folder


# What is shown


def test_pieces_are_where_most_happens():
    """One moving spot: nearly every piece has it, and pieces of one place at random would not."""
    clip = np.full((9, 64, 64, 3), 90, np.uint8)
    for frame in range(9):
        clip[frame, 40:46, 40 + frame : 46 + frame] = 255
    rng = np.random.default_rng(0)
    config = PieceConfig(frames=5, side=16)
    found = {
        candidates: np.mean([cut(clip, replace(config, candidates=candidates), rng).max() == 255 for _ in range(200)])
        for candidates in (1, 6)
    }
    assert found[6] > 2 * found[1]
    assert cut(clip, config, rng).shape == (5, 16, 16, 3)


def test_the_pieces_of_a_step_depend_on_the_recipe_and_the_step_alone(clips):
    corpora = [PixelCorpus(clips, tiny().corpus) for _ in range(2)]
    first, again = (draw_pieces(tiny(), corpus, None, 4) for corpus in corpora)
    assert torch.equal(first, again)
    assert first.shape == (2, 5, 16, 16, 3)
    assert -1 <= float(first.min()) < float(first.max()) <= 1
    assert not torch.equal(first, draw_pieces(tiny(), corpora[0], None, 5))
    assert not torch.equal(first, draw_pieces(tiny(seed=1), corpora[0], None, 4))


@pytest.fixture
def videos(tmp_path):
    """A folder of two videos, one too short to give a piece."""
    folder = tmp_path / "videos"
    folder.mkdir()
    write(Video(random_frames(23, 24, 48), 10.0), folder / "long.mp4")
    write(Video(random_frames(3, 24, 48), 10.0), folder / "short.mp4")
    (folder / "notes.txt").write_text("no video")
    return folder


def test_real_footage_is_scaled_cut_and_shown(videos, clips, tmp_path):
    pieces = PieceConfig(frames=5, side=16, candidates=2, footage=str(videos), share=1.0, scale=16, runs=2)
    real = RealFootage(pieces, tmp_path / "kept")
    assert [real.frames(index).shape for index in range(len(real.paths))] == [
        (5, 16, 32, 3)
    ] * 2  # of four, every other
    config = tiny(pieces=pieces, steps=2)
    corpus = PixelCorpus(clips, config.corpus)
    shown = draw_pieces(config, corpus, real, 0)
    assert not torch.equal(shown, draw_pieces(tiny(pieces=replace(pieces, share=0.0), steps=2), corpus, real, 0))
    assert run(tmp_path / "run", clips, config) == 2
    kept = sorted((tmp_path / "run" / "footage").iterdir())
    assert [path.name for path in kept] == ["0000-000000.npy", "0000-000002.npy", "whole"]


def test_folders_without_footage_are_told(tmp_path, clips):
    for folder, message in ((tmp_path / "none", "There is no folder"), (tmp_path, "holds no video of 5 frames")):
        pieces = replace(tiny().pieces, footage=str(folder))
        with pytest.raises(InputError, match=message):
            run(tmp_path / "run", clips, tiny(pieces=pieces))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"autoencoder": AutoencoderConfig(channels=8, stride=(4, 4, 4), components=16)},
            "begins as linear patches of the same",
        ),
        ({"pieces": PieceConfig(frames=6, side=16)}, "takes 1 . a multiple of 4 frames"),
        ({"pieces": PieceConfig(frames=5, side=20)}, "sides that are multiples of 8"),
        ({"pieces": PieceConfig(frames=13, side=16)}, "do not fit into clips"),
        ({"pieces": PieceConfig(frames=5, side=40)}, "do not fit into clips"),
        ({"pieces": PieceConfig(frames=5, side=16, footage="x", scale=8)}, "do not fit into footage of 8"),
        ({"steps": 0}, "at least 1"),
        ({"measured": 13}, "but makes 12"),
    ],
)
def test_a_recipe_whose_parts_do_not_fit_is_told(changes, message):
    with pytest.raises(InputError, match=message):
        tiny(**changes)


# From a command to a generator


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_the_shipped_recipes_are_whole(path):
    config = load_recipe(path)
    assert isinstance(config, TokenizerTraining)
    assert config.optimizer.warmup < config.steps * (1 - config.optimizer.cooldown)
    assert config.first_clips <= config.corpus.clips
    assert config.autoencoder.stride == (4, 8, 8)
    assert config.autoencoder.channels == 32


SCRIPT = """
from tests.training.conftest import tiny

def recipe():
    return tiny()
"""


def test_the_command_trains_it_and_a_generator_takes_it(trained_tokenizer, clips, tmp_path, monkeypatch):
    from typer.testing import CliRunner

    recipe, output = tmp_path / "recipe.py", tmp_path / "run"
    recipe.write_text(SCRIPT)
    arguments = [
        "train",
        str(recipe),
        "--output",
        str(output),
        "--corpus",
        str(clips),
        "--workers",
        "0",
        "--threads",
        "1",
    ]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "CorpusConfig(tokenizer=" in result.output
    assert_same_run(output, trained_tokenizer)

    training = tiny_training()
    training = replace(training, corpus=replace(training.corpus, tokenizer=str(output)))
    corpus = Corpus(tmp_path / "generator" / "corpus", training.corpus)
    for chunk in range(corpus.num_chunks):
        corpus.make_chunk(chunk)
    assert isinstance(corpus.tokenizer, CausalTokenizer)
    assert train(training, tmp_path / "generator", workers=0, stop_after=2) == 2
    bundle = load_bundle(tmp_path / "generator")
    assert isinstance(bundle.tokenizer, CausalTokenizer)
    assert bundle.config.tokenizer == "causal"
    clip = generate_all(bundle, [plan(bundle, Request("a red ball", seed=1))])[0]
    assert clip.video.frames.shape == (8, 32, 32, 3)


def test_a_tokenizer_is_told_from_a_model(trained_tokenizer, tmp_path):
    with pytest.raises(InputError, match="is a tokenizer, not a model"):
        load_bundle(trained_tokenizer)
    with pytest.raises(InputError, match=r"no recipe of a generator; train a tokenizer with langit\.train_tokenizer"):
        train(tiny(), tmp_path)


def test_a_tokenizer_of_another_shape_is_told_to_the_generator(trained_tokenizer, tmp_path):
    config = replace(tiny_training().corpus, tokenizer=str(trained_tokenizer), channels=16)
    with pytest.raises(InputError, match=r"has a stride of \(4, 8, 8\) and 8 channels; the recipe asks for"):
        _ = Corpus(tmp_path, config).tokenizer
