"""Footage: clip i is a function of (seed, i) alone, whoever makes it and when. `test_loop` has the worker process."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from langit.tokenizer import decode, encode
from langit.training.corpus import DETAILS, LANGUAGES, WORDINGS, Corpus, clip_shape, make_clip
from langit.types import ClipShape, InputError
from tests.conftest import tiny_training

CONFIG = tiny_training().corpus


@pytest.fixture(scope="module")
def corpus(tiny_corpus):
    return Corpus(tiny_corpus, CONFIG)


def test_every_sample_is_whole(corpus):
    for index in range(CONFIG.clips):
        sample = corpus[index]
        assert sample.latents.shape == (8, 3, 4, 4)
        assert sample.stills.shape[0] == 8
        assert sample.stills.shape[2:] == (4, 4)
        assert set(sample.captions) == set(LANGUAGES)
        for language in LANGUAGES:
            assert set(sample.captions[language]) == set(DETAILS)
            for wordings in sample.captions[language].values():
                assert len(wordings) == WORDINGS
                assert all(wordings)


def test_a_sample_is_its_clip_through_the_tokenizer(corpus):
    for index in (0, 13):
        _, frames, *_ = make_clip(CONFIG, index)
        clip = torch.from_numpy(frames).float() / 127.5 - 1
        latents = encode(corpus.tokenizer, clip)
        torch.testing.assert_close(corpus[index].latents, latents.half().float(), atol=0, rtol=0)
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
    assert corpus.wait_for(CONFIG.clips) < 1


def test_footage_of_another_recipe_is_refused(tiny_corpus):
    with pytest.raises(InputError, match="holds footage of another recipe"):
        Corpus(tiny_corpus, replace(CONFIG, seed=5))


def test_shapes_come_by_weight_and_all_looks_share_one():
    shapes = ((3.0, ClipShape(9, 32, 32)), (1.0, ClipShape(5, 32, 48)))
    config = replace(CONFIG, shapes=shapes)
    drawn = [clip_shape(config, trajectory) for trajectory in range(600)]
    assert drawn.count(shapes[0][1]) / 600 == pytest.approx(0.75, abs=0.06)
    assert drawn == [clip_shape(config, trajectory) for trajectory in range(600)]
