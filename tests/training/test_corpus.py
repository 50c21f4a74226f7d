"""Footage: clip i is a function of (seed, i) alone, whoever makes it and when. `test_loop` has the worker process."""

from __future__ import annotations

import itertools
import os
from dataclasses import replace

import numpy as np
import pytest
import torch

from langit.text.encoder import tokens_of
from langit.tokenizer import decode, encode
from langit.training.corpus import Corpus
from langit.training.footage import DETAILS, LANGUAGES, WORDINGS, clip_shape, make_clip, prompt_number
from langit.types import ClipShape, InputError
from tests.conftest import tiny_training

CONFIG = tiny_training().corpus


@pytest.fixture(scope="module")
def corpus(tiny_corpus):
    return Corpus(tiny_corpus, CONFIG)


@pytest.fixture(scope="module")
def samples(corpus):
    return [sample for chunk in range(corpus.num_chunks) for sample in corpus.samples(chunk)]


def test_every_sample_is_whole(samples):
    assert len(samples) == CONFIG.clips
    for sample in samples:
        assert sample.latents.shape == (8, 3, 4, 4)
        assert sample.stills.shape[0] == 8
        assert sample.stills.shape[2:] == (4, 4)
        assert set(sample.captions) == set(LANGUAGES)
        for language in LANGUAGES:
            assert set(sample.captions[language]) == set(DETAILS)
            for wordings in sample.captions[language].values():
                assert len(wordings) == WORDINGS
                assert all(wordings)


def test_tokens_are_the_captions_read(samples):
    sample = samples[7]
    for picture, captions in ((-1, sample.captions), (1, sample.still_captions[1])):
        for language, detail, wording in itertools.product(range(2), range(2), range(WORDINGS)):
            said = captions[LANGUAGES[language]][DETAILS[detail]][wording]
            tokens = sample.tokens[prompt_number(picture, language, detail, wording)]
            assert tuple(tokens.tolist()) == tokens_of([said])[0]


def test_captions_are_read_again_where_the_concepts_have_changed(tiny_corpus, samples, monkeypatch):
    from langit.training import corpus as module

    monkeypatch.setattr(module, "CONCEPTS", "others")
    again = Corpus(tiny_corpus, CONFIG).samples(0)
    assert [list(map(list, sample.tokens)) for sample in again] == [
        list(map(list, sample.tokens)) for sample in samples[: CONFIG.chunk]
    ]


def test_a_sample_is_its_clip_through_the_tokenizer(corpus, samples):
    for index in (0, 13):
        _, frames, *_ = make_clip(CONFIG, index)
        clip = torch.from_numpy(frames).float() / 127.5 - 1
        latents = encode(corpus.tokenizer, clip)
        torch.testing.assert_close(samples[index].latents, latents.half(), atol=0, rtol=0)
        shown = decode(corpus.tokenizer, latents)
        assert float((shown - clip).square().mean()) < 0.5 * float(clip.var())


def test_looks_share_a_trajectory_and_differ_in_looks():
    clips = [make_clip(CONFIG, index)[1] for index in range(4)]
    differences = [np.abs(clips[0].astype(int) - other).mean() for other in clips[1:]]
    assert min(differences) > 1
    np.testing.assert_array_equal(make_clip(CONFIG, 2)[1], clips[2])


def test_chunks_do_not_depend_on_order_or_on_one_another(tmp_path, tiny_corpus):
    config = replace(CONFIG, chunk=12)
    later = Corpus(tmp_path, config)
    later.make_chunk(1)
    assert not later.chunk_path(0).exists()
    for name in ("00001.safetensors", "tokenizer.safetensors"):
        assert (tmp_path / name).read_bytes() == (tiny_corpus / name).read_bytes()


def test_chunks_that_are_filmed_beside_helpers_are_those_of_one_process(tmp_path, tiny_corpus):
    """As on a GPU, where one process films and others plan and tell; here its device is the CPU by another name."""
    config = replace(CONFIG, clips=12, chunk=4)
    alone, helped = Corpus(tmp_path / "alone", config), Corpus(tmp_path / "helped", config)
    for corpus in (alone, helped):
        (corpus.folder / "tokenizer.safetensors").write_bytes((tiny_corpus / "tokenizer.safetensors").read_bytes())
    helped.start_workers(2, "cpu:0")
    try:
        for chunk in range(3):
            alone.make_chunk(chunk)
        helped.wait_for(12)
    finally:
        helped.stop_workers()
    for chunk in range(3):
        assert alone.chunk_path(chunk).read_bytes() == helped.chunk_path(chunk).read_bytes()


def test_files_have_the_permissions_of_any_new_file(tmp_path, tiny_corpus):
    before = os.umask(0o027)
    try:
        (tmp_path / "any").touch()
        corpus = Corpus(tmp_path, replace(CONFIG, clips=2, chunk=2, fit_clips=1))
        corpus.make_chunk(0)
    finally:
        os.umask(before)
    for name in ("00000.safetensors", "tokenizer.safetensors"):
        assert (tmp_path / name).stat().st_mode == (tmp_path / "any").stat().st_mode


def test_a_chunk_that_is_there_is_not_made_again(corpus):
    path = corpus.chunk_path(0)
    before = path.stat().st_mtime_ns
    corpus.make_chunk(0)
    assert path.stat().st_mtime_ns == before
    claimed = corpus.folder / "corpus.json"
    marked = claimed.stat().st_mtime_ns
    Corpus(corpus.folder, CONFIG).start_workers(2)  # all is there: nothing to start
    assert not list(corpus.folder.glob(".*.part"))
    assert claimed.stat().st_mtime_ns == marked  # another worker may be reading it
    corpus.wait_for(CONFIG.clips)


def test_footage_of_another_recipe_is_refused(tiny_corpus):
    with pytest.raises(InputError, match="holds footage of another recipe"):
        Corpus(tiny_corpus, replace(CONFIG, seed=5))


def test_shapes_come_by_weight_and_all_looks_share_one():
    shapes = ((3.0, ClipShape(9, 32, 32)), (1.0, ClipShape(5, 32, 48)))
    config = replace(CONFIG, shapes=shapes)
    drawn = [clip_shape(config, trajectory) for trajectory in range(600)]
    assert drawn.count(shapes[0][1]) / 600 == pytest.approx(0.75, abs=0.06)
    assert drawn == [clip_shape(config, trajectory) for trajectory in range(600)]
