"""Sketches: what stands beside what, and a model that makes one before its picture."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from langit.catalog import load_bundle
from langit.conditioning import FramesCondition, SourceCondition, Span, SpansCondition
from langit.conditioning.drift import DRIFT, DRIFTS, anchored, drift_of
from langit.generate import Request, generate_all, plan
from langit.packing import pack
from langit.patches import to_patches
from langit.tokenizer import encode
from langit.training import Stage, train
from langit.training.batches import draw_batch, draw_step
from langit.training.corpus import Corpus
from langit.training.fills import FILLS, NAMES, WAVES
from langit.training.loop import Model
from langit.training.parallel import Team
from langit.training.pool import Pool
from langit.training.sketching import OUTLINES, SCALE, TINTS, beside_picture, beside_sketch, sketch_of
from langit.types import InputError
from tests.conftest import random_frames, tiny_training

CELLS = 4
SKETCH = FILLS * CELLS
WHOLE = (Stage(4, 60, {"whole": 1.0}),)


def sketching(**changes):
    """A recipe that learns to sketch."""
    base = tiny_training(stages=WHOLE, naming=0.0, learns="sketch", **changes)
    beside = base.transformer.patch_dim + CELLS
    return replace(base, transformer=replace(base.transformer, patch_dim=SKETCH + beside, out_dim=SKETCH))


def sketched(**changes):
    """A recipe that learns pictures with a sketch beside them."""
    base = tiny_training(stages=WHOLE, **changes)
    return replace(base, transformer=replace(base.transformer, patch_dim=base.transformer.out_dim + SKETCH + CELLS))


@pytest.fixture(scope="module")
def pool(tiny_corpus):
    config = tiny_training()
    return Pool(Corpus(tiny_corpus, config.corpus), config.patch)


@pytest.fixture(scope="module")
def runs(tmp_path_factory, tiny_corpus):
    """A picture's model, that model with a sketch, and a picture's that sees the sketch."""
    folder = tmp_path_factory.mktemp("runs")
    train(tiny_training(stages=WHOLE), folder / "plain", corpus_folder=tiny_corpus, workers=0)
    train(sketching(start=str(folder / "plain")), folder / "sketch", corpus_folder=tiny_corpus, workers=0)
    train(sketched(start=str(folder / "sketch")), folder / "both", corpus_folder=tiny_corpus, workers=0)
    return folder


def test_beside_a_picture_stands_its_sketch_noisy_clean_or_not_at_all():
    fills = torch.rand(4000, SKETCH)
    seeds, rows = torch.arange(4000), torch.arange(4000) % 7
    channels = beside_picture(fills, seeds, rows)
    seen, level = channels[:, :SKETCH], channels[:, SKETCH:]
    assert level.shape == (4000, CELLS)
    assert (level == level[:, :1]).all()
    level = level[:, 0]
    assert not seen[level == 1].any()
    torch.testing.assert_close(seen[level == 0], sketch_of(fills)[level == 0])
    noisy = (level > 0) & (level < 1)
    error = seen[noisy] - (1 - level[noisy, None]) * sketch_of(fills)[noisy]
    assert float((error / level[noisy, None]).std()) == pytest.approx(1, abs=0.02)
    assert float((level == 1).float().mean()) == pytest.approx(0.1, abs=0.02)
    assert float((level == 0).float().mean()) == pytest.approx(0.5, abs=0.03)


def test_a_sketch_is_names_outlines_colours_and_drift_each_in_its_scale():
    fills = torch.rand(3, SKETCH)
    names, outlines = len(NAMES) * CELLS, (len(NAMES) + len(WAVES)) * CELLS
    drift = SKETCH - DRIFT * CELLS
    sketch = sketch_of(fills)
    torch.testing.assert_close(sketch[:, :names], SCALE * fills[:, :names])
    torch.testing.assert_close(sketch[:, names:outlines], OUTLINES * fills[:, names:outlines])
    torch.testing.assert_close(sketch[:, outlines:drift], TINTS * fills[:, outlines:drift])
    torch.testing.assert_close(sketch[:, drift:], DRIFTS * fills[:, drift:])


def test_beside_a_sketch_stands_what_is_known_of_the_picture():
    """Held patches are clean; of words alone mostly nothing is known, and sometimes a noisy picture; frames keep levels."""
    n = 4000
    patches, noise = torch.randn(n, 8), torch.randn(n, 8)
    levels = torch.tensor([0.0, 0.4, 0.4, 0.4]).repeat(n // 4)
    frames, words = (torch.tensor(kind).repeat(n // 4) for kind in ([0, 0, 1, 0], [0, 0, 0, 1]))
    channels = beside_sketch(patches, noise, levels, frames.bool(), words.bool(), torch.arange(n), CELLS)
    seen, level = channels[:, :8], channels[:, 8]
    assert torch.equal(seen[0::4], patches[0::4])
    assert not level[0::4].any()
    assert not seen[1::4].any()
    assert (level[1::4] == 1).all()
    torch.testing.assert_close(seen[2::4], 0.6 * patches[2::4] + 0.4 * noise[2::4])
    begun = level[3::4] < 1
    assert float(begun.float().mean()) == pytest.approx(0.15, abs=0.04)
    assert len(level[3::4][begun].unique()) > 100


def test_a_batch_of_sketches_is_what_fills_the_cells_of_its_clips(pool):
    config = sketching(tasks={"first": 1.0})
    clips, batch = draw_step(config, pool, 0), draw_batch(config, pool, 0)
    torch.testing.assert_close(batch.patches, sketch_of(batch.fills))
    assert batch.noise.shape == batch.patches.shape
    bounds = batch.layout.bounds
    for start, end, grid in zip(bounds, bounds[1:], batch.layout.grids, strict=False):
        assert len(batch.sigma[start:end].unique()) == 1  # the sketch of what is held is made too
        held = batch.beside[start:end, -1] == 0
        assert held.tolist() == [True] * grid.y * grid.x + [False] * (grid.t - 1) * grid.y * grid.x
    assert set(batch.sigma.tolist()) == set(clips.level.tolist())


def test_patches_of_pictures_follow_the_camera_where_they_see_the_sketch(pool):
    """And those of a sketch, which is to find how the camera moves, do not."""
    plain, batch = draw_batch(tiny_training(stages=WHOLE), pool, 0).layout, draw_batch(sketched(), pool, 0)
    known = batch.beside[:, -1:] < 1
    drift = drift_of(sketch_of(batch.fills), CELLS) * known
    assert drift.any()
    torch.testing.assert_close(batch.layout.positions, anchored(plain, drift, 2).positions)
    assert torch.equal(draw_batch(sketching(), pool, 0).layout.positions, plain.positions)


@pytest.mark.parametrize("recipe", [sketching, sketched])
def test_shared_by_processes_a_step_is_the_same(pool, recipe):
    config = recipe()
    whole = draw_batch(config, pool, 2)
    parts = [draw_batch(config, pool, 2, Team(rank=rank, size=2)) for rank in range(2)]
    rows = dict(by_clip(whole))
    assert sum(part.num_clips for part in parts) == whole.num_clips
    for part in parts:
        for seed, channels in by_clip(part):
            assert torch.equal(channels, rows[seed])


def by_clip(batch):
    bounds = batch.layout.bounds
    for seed, start, end in zip(batch.seeds, bounds, bounds[1:], strict=False):
        yield seed, torch.cat([batch.patches, batch.noise, batch.sigma[:, None], batch.beside], 1)[start:end]


def test_a_sketch_is_learned_beside_a_model_that_stays_as_it_is(runs):
    plain, sketch = load_bundle(runs / "plain"), load_bundle(runs / "sketch")
    assert plain.sketch is None
    assert sketch.sketch.config == sketching().transformer
    assert sketch.sketch.patch_out.weight.any()
    for mine, theirs in ((sketch.transformer, plain.transformer), (sketch.text, plain.text)):
        assert all(torch.equal(mine.state_dict()[name], tensor) for name, tensor in theirs.state_dict().items())
    assert sketch.hash() != plain.hash()


def test_a_picture_that_sees_a_sketch_begins_as_one_that_does_not(runs):
    bundle, config = load_bundle(runs / "sketch"), sketched()
    model = Model(config).eval()
    model.begin_as(bundle)
    patches, layout = pack([torch.randn(config.corpus.channels, 3, 4, 4)], config.patch)
    text, sigma = bundle.text.encode(["a red ball"]), torch.full((len(patches),), 0.5)
    seen = torch.cat([patches, torch.randn(len(patches), SKETCH + CELLS)], 1)
    with torch.no_grad():
        before, after = bundle.transformer(patches, sigma, layout, text), model.transformer(seen, sigma, layout, text)
    torch.testing.assert_close(after, before)


def test_with_detail_both_begin_where_the_model_is(tmp_path, tiny_corpus):
    """As the embedded model's recipes go on: detail, a sketch with detail too, and a picture with more of it and stamps."""
    detail = {"detail_width": 32, "detail_depth": 1}

    def with_detail(config, **more):
        return replace(config, transformer=replace(config.transformer, **detail, **more))

    train(with_detail(tiny_training(stages=WHOLE)), tmp_path / "plain", corpus_folder=tiny_corpus, workers=0)
    plain = load_bundle(tmp_path / "plain")
    sketch = Model(with_detail(sketching()))
    sketch.begin_as(plain, "sketch")
    mine, theirs = sketch.transformer.detail, plain.transformer.detail
    torch.testing.assert_close(mine.state_in.weight, theirs.state_in.weight)
    torch.testing.assert_close(
        mine.cell_in.weight[:, FILLS : FILLS + theirs.cell_in.in_features], theirs.cell_in.weight
    )
    assert not mine.cell_out.weight.any()
    start = with_detail(sketching(start=str(tmp_path / "plain")))
    train(start, tmp_path / "sketch", corpus_folder=tiny_corpus, workers=0)
    bundle = load_bundle(tmp_path / "sketch")
    detail["detail_depth"] = 2
    config = with_detail(sketched(start=str(tmp_path / "sketch")), detail_stamps=2)
    model = Model(config).eval()
    model.begin_as(bundle)
    patches, layout = pack([torch.randn(config.corpus.channels, 3, 4, 4)], config.patch)
    text, sigma = bundle.text.encode(["a red ball"]), torch.full((len(patches),), 0.5)
    seen = torch.cat([patches, torch.randn(len(patches), SKETCH + CELLS)], 1)
    with torch.no_grad():
        before, after = bundle.transformer(patches, sigma, layout, text), model.transformer(seen, sigma, layout, text)
    torch.testing.assert_close(after, before)
    train(config, tmp_path / "both", corpus_folder=tiny_corpus, workers=0)
    both = load_bundle(tmp_path / "both")
    assert both.transformer.detail.stamps.press[1].weight.any()
    assert len(generate_all(both, [plan(both, Request("a red ball", seed=1))])) == 1


def test_what_is_made_depends_on_the_sketch(runs):
    """The whole path, and the sketch's own words: those of another model's sketch make another picture."""
    bundle = load_bundle(runs / "both")
    asked = [plan(bundle, Request("a red ball", seed=1)), plan(bundle, Request("a blue cube", seed=2))]
    together = generate_all(bundle, asked)
    for clip, one in zip(together, asked, strict=True):
        alone = generate_all(bundle, [one])[0]
        assert np.abs(alone.video.frames.astype(int) - clip.video.frames).max() <= 1
    torch.manual_seed(0)
    with torch.no_grad():
        for layer in (bundle.transformer.patch_in, bundle.sketch.patch_out):
            layer.weight.normal_()
    before = generate_all(bundle, asked)[0].video.frames
    with torch.no_grad():
        bundle.sketch.patch_out.bias += 3
    assert not np.array_equal(generate_all(bundle, asked)[0].video.frames, before)


def test_what_is_known_stands_beside_the_sketch(runs, monkeypatch):
    """Held frames clean, a source as noisy as it enters, and else nothing; and each span has its own prompt."""
    bundle, seen = load_bundle(runs / "both"), []
    forward = type(bundle.sketch).forward

    def noted(self, patches, sigma, layout, text):
        if self is bundle.sketch and not seen:
            seen.append((patches[:, SKETCH:-CELLS], patches[:, -1], text))
        return forward(self, patches, sigma, layout, text)

    monkeypatch.setattr(type(bundle.sketch), "forward", noted)
    clip = random_frames(9, 32, 32)
    latents = to_patches(encode(bundle.tokenizer, torch.from_numpy(clip).float() / 127.5 - 1), bundle.config.patch)
    first = encode(bundle.tokenizer, torch.from_numpy(clip[:1]).float() / 127.5 - 1)
    course = {"frames": 9, "steps": 1, "seed": 1}

    def beside(*conditions):
        seen.clear()
        generate_all(bundle, [plan(bundle, Request("a red ball", **course, conditions=conditions))])
        return seen[0]

    channels, level, _ = beside()
    assert (level == 1).all()
    assert not channels.any()
    channels, level, _ = beside(FramesCondition({0: clip[0]}))
    a_frame = int((level == 0).sum())
    torch.testing.assert_close(channels[:a_frame], to_patches(first, bundle.config.patch))
    assert not channels[a_frame:].any()
    channels, level, _ = beside(SourceCondition(clip, 0.25))
    assert (level == 0.25).all()
    assert 0.1 < float((channels - 0.75 * latents).std()) < 0.4
    _, _, text = beside(SpansCondition((Span(0, 4, "a blue cube"), Span(4, 9, "a red ball"))))
    assert len(text.bounds) > 2


def test_a_sketch_needs_a_model_to_begin_with(tmp_path, tiny_corpus):
    with pytest.raises(InputError, match="names no model to begin with"):
        train(sketching(), tmp_path, corpus_folder=tiny_corpus, workers=0)


def test_stopped_it_goes_on(runs, tmp_path, tiny_corpus):
    for recipe, start in ((sketching, "plain"), (sketched, "sketch")):
        config = recipe(start=str(runs / start))
        parts = tmp_path / start
        train(config, parts, corpus_folder=tiny_corpus, workers=0, stop_after=2)
        train(config, parts, corpus_folder=tiny_corpus, workers=0)
        whole = load_bundle(runs / ("sketch" if start == "plain" else "both"))
        mine = load_bundle(parts)
        assert mine.hash() == whole.hash()
