"""Sketches and casts: what stands beside what, and a model that casts a clip before it makes its picture."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from langit.casts import CASTINGS, INSISTING, NAMING, Casting, _Begun, _Making, _Search, amiss, out_of_size
from langit.catalog import load_bundle
from langit.conditioning import CastCondition, FramesCondition, Held, SourceCondition, Span, SpansCondition
from langit.conditioning.cast import CAST, NUM_NAMES, ROWS
from langit.conditioning.drawing import num_fills, sketch_of
from langit.conditioning.drift import anchored, drift_of
from langit.conditioning.glance import LOOKED_UP
from langit.generate import generate_all, known_cast, sample, stream, with_casts
from langit.packing import pack
from langit.patches import Grid, to_patches
from langit.planning import Request, plan
from langit.text.expansion import other_words
from langit.tokenizer import encode
from langit.training import Distillation, Stage, train
from langit.training.batches import draw_batch, draw_step
from langit.training.casting import NAMES
from langit.training.corpus import Corpus
from langit.training.loop import Model
from langit.training.parallel import Team
from langit.training.pool import Pool
from langit.training.sketching import beside_cast, beside_picture
from langit.types import InputError
from tests.conftest import random_frames, tiny_training

CELLS = 4
SKETCH = num_fills(tiny_training().corpus.channels) * CELLS
WHOLE = (Stage(4, 60, {"whole": 1.0}),)


def rows_of(bundle, p):
    """The cast that is made for a plan."""
    return known_cast(with_casts(bundle, [p])[0]).rows


def casting(**changes):
    """A recipe that learns to cast."""
    base = tiny_training(stages=WHOLE, learns="cast", **changes)
    return replace(base, transformer=replace(base.transformer, patch_dim=CAST + LOOKED_UP, out_dim=CAST))


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
    """A picture's model, that model with a cast, and a picture's that sees the cast drawn."""
    folder = tmp_path_factory.mktemp("runs")
    train(tiny_training(stages=WHOLE), folder / "plain", corpus_folder=tiny_corpus, workers=0)
    train(casting(start=str(folder / "plain")), folder / "cast", corpus_folder=tiny_corpus, workers=0)
    train(sketched(start=str(folder / "cast")), folder / "both", corpus_folder=tiny_corpus, workers=0)
    return folder


def test_beside_a_picture_stands_its_sketch_or_nothing():
    fills = torch.rand(4000, SKETCH)
    channels = beside_picture(fills, torch.arange(4000), CELLS)
    seen, level = channels[:, :SKETCH], channels[:, SKETCH:]
    assert level.shape == (4000, CELLS)
    assert (level == level[:, :1]).all()
    unknown = level[:, 0] == 1
    assert not seen[unknown].any()
    assert torch.equal(seen[~unknown], sketch_of(fills, CELLS)[~unknown])
    assert not level[~unknown].any()
    assert float(unknown.float().mean()) == pytest.approx(0.1, abs=0.02)


def test_beside_a_cast_stands_what_is_known_of_the_picture():
    """Held patches are clean; of words alone mostly nothing is known, and sometimes a noisy picture; frames keep levels."""
    n = 4000
    patches, noise = torch.randn(n, 8), torch.randn(n, 8)
    levels = torch.tensor([0.0, 0.4, 0.4, 0.4]).repeat(n // 4)
    frames, words = (torch.tensor(kind).repeat(n // 4) for kind in ([0, 0, 1, 0], [0, 0, 0, 1]))
    channels = beside_cast(patches, noise, levels, frames.bool(), words.bool(), torch.arange(n), CELLS)
    seen, level = channels[:, :8], channels[:, 8]
    assert torch.equal(seen[0::4], patches[0::4])
    assert not level[0::4].any()
    assert not seen[1::4].any()
    assert (level[1::4] == 1).all()
    torch.testing.assert_close(seen[2::4], 0.6 * patches[2::4] + 0.4 * noise[2::4])
    begun = level[3::4] < 1
    assert float(begun.float().mean()) == pytest.approx(0.15, abs=0.04)
    assert len(level[3::4][begun].unique()) > 100


def test_a_batch_of_casts_is_that_of_its_clips_beside_what_is_known_of_them(pool):
    config = casting(tasks={"first": 1.0})
    salient = replace(config, stages=(replace(WHOLE[0], salience=2.0),))
    clips, batch = draw_step(config, pool, 0), draw_batch(config, pool, 0)
    assert batch.patches.shape == batch.noise.shape == (ROWS * clips.frames.sum(), CAST)
    order = np.argsort(clips.frames, kind="stable")
    samples = [pool.corpus.samples(index // 12)[index % 12] for index in clips.index[order].tolist()]
    expected = [one.cast[: frames * ROWS] for one, frames in zip(samples, clips.frames[order].tolist(), strict=True)]
    torch.testing.assert_close(batch.patches, torch.cat(expected).float())
    # In some clips the cast of the known frame is known too.
    levels = [batch.sigma[start:end] for start, end in pairwise(batch.layout.bounds)]
    known = [not level[:ROWS].any() for level in levels]
    assert 0 < sum(known) < len(known)
    for level, holds in zip(levels, known, strict=True):
        assert len(level[ROWS * holds :].unique()) == 1
    assert set(batch.sigma.tolist()) - {0.0} == set(clips.level.tolist())
    there = batch.patches[:, :NUM_NAMES].any(1)
    assert torch.equal(draw_batch(salient, pool, 0).weight > 1, there & (batch.sigma > 0))
    # Of each clip the first frame is known, and nothing else.
    assert batch.pictures.grids == tuple(Grid(*grid) for grid in pool.grids[clips.index[order]].tolist())
    for (start, end), grid in zip(pairwise(batch.pictures.bounds), batch.pictures.grids, strict=True):
        known = batch.known[start:end, -1] == 0
        assert known.tolist() == [True] * grid.y * grid.x + [False] * (grid.t - 1) * grid.y * grid.x


def test_patches_of_pictures_follow_the_camera_where_they_see_the_sketch(pool):
    plain, batch = draw_batch(tiny_training(stages=WHOLE), pool, 0).layout, draw_batch(sketched(), pool, 0)
    known = batch.beside[:, -1:] < 1
    drift = drift_of(sketch_of(batch.fills, CELLS), CELLS) * known
    assert drift.any()
    torch.testing.assert_close(batch.layout.positions, anchored(plain, drift, 2).positions)


@pytest.mark.parametrize("recipe", [casting, sketched])
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
    for number, (seed, (start, end)) in enumerate(zip(batch.seeds, pairwise(batch.layout.bounds), strict=True)):
        beside = () if batch.beside is None else (batch.beside[start:end],)
        rows = torch.cat([batch.patches[start:end], batch.noise[start:end], batch.sigma[start:end, None], *beside], 1)
        if batch.pictures is not None:
            begin, finish = batch.pictures.bounds[number : number + 2]
            rows = torch.cat([rows.flatten(), batch.known[begin:finish].flatten()])
        yield seed, rows


def test_a_cast_is_learned_beside_a_model_that_stays_as_it_is(runs):
    plain, cast = load_bundle(runs / "plain"), load_bundle(runs / "cast")
    assert plain.cast is None
    assert plain.casting is None
    assert cast.cast.config == casting().transformer
    assert cast.cast.patch_out.weight.any()
    assert cast.casting.paths.mean.any()
    assert cast.glance.names.weight.any()
    for mine, theirs in ((cast.transformer, plain.transformer), (cast.text, plain.text)):
        assert all(torch.equal(mine.state_dict()[name], tensor) for name, tensor in theirs.state_dict().items())
    assert cast.hash() != plain.hash()


def test_a_cast_is_learned_beside_quick_weights_that_stay(runs, tmp_path, tiny_corpus):
    """And samples of it can be shown."""
    levels = (1.0, 0.5, 0.0)
    taught = sketched(naming=0.0, prompt_dropout=0.0, tasks={"text": 1.0})
    taught = replace(taught, distillation=Distillation(str(runs / "both"), levels))
    train(taught, tmp_path / "quick", corpus_folder=tiny_corpus, workers=0)
    config = casting(start=str(tmp_path / "quick"), samples_every=4)
    train(config, tmp_path / "cast", corpus_folder=tiny_corpus, workers=0)
    before, after = load_bundle(tmp_path / "quick"), load_bundle(tmp_path / "cast")
    assert after.config.sampling.distilled == levels
    assert before.quick is not None
    assert after.quick is not None
    for name, weight in before.quick.state_dict().items():
        assert torch.equal(weight, after.quick.state_dict()[name])
    assert [*(tmp_path / "cast").glob("samples/*")]


def test_a_picture_that_sees_a_sketch_begins_as_one_that_does_not(runs):
    bundle, config = load_bundle(runs / "cast"), sketched()
    model = Model(config).eval()
    model.begin_as(bundle)
    patches, layout = pack([torch.randn(config.corpus.channels, 3, 4, 4)], config.patch)
    text, sigma = bundle.text.encode(["a red ball"]), torch.full((len(patches),), 0.5)
    seen = torch.cat([patches, torch.randn(len(patches), SKETCH + CELLS)], 1)
    with torch.no_grad():
        before, after = bundle.transformer(patches, sigma, layout, text), model.transformer(seen, sigma, layout, text)
    torch.testing.assert_close(after, before)


def test_with_detail_a_picture_begins_where_the_model_is(tmp_path, tiny_corpus):
    """As the embedded model's recipes go on: detail, a cast, and a picture with more detail and a draft."""
    detail = {"detail_width": 32, "detail_depth": 1}

    def with_detail(config, **more):
        return replace(config, transformer=replace(config.transformer, **detail, **more))

    train(with_detail(tiny_training(stages=WHOLE)), tmp_path / "plain", corpus_folder=tiny_corpus, workers=0)
    train(casting(start=str(tmp_path / "plain")), tmp_path / "cast", corpus_folder=tiny_corpus, workers=0)
    bundle = load_bundle(tmp_path / "cast")
    detail["detail_depth"] = 2
    config = with_detail(sketched(start=str(tmp_path / "cast")), detail_draft=True)
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
    assert both.transformer.detail.keep_out[1].weight[config.corpus.channels :].any()
    assert len(generate_all(both, [plan(both, Request("a red ball", seed=1))])) == 1


def test_what_is_made_depends_on_the_cast(runs):
    """The whole path, and the cast's own numbers: those of another model's cast make another picture."""
    bundle = load_bundle(runs / "both")
    asked = [plan(bundle, Request("a red ball", seed=1)), plan(bundle, Request("a blue cube", seed=2))]
    torch.manual_seed(0)
    with torch.no_grad():
        bundle.transformer.patch_in.weight.normal_()
        bundle.cast.patch_out.weight.normal_(std=0.3)
    together = generate_all(bundle, asked)
    for clip, one in zip(together, asked, strict=True):
        alone = generate_all(bundle, [one])[0]
        assert np.abs(alone.video.frames.astype(int) - clip.video.frames).max() <= 1
    with torch.no_grad():
        bundle.cast.patch_out.bias[NUM_NAMES:] += 3
    assert not np.array_equal(generate_all(bundle, asked)[0].video.frames, together[0].video.frames)


def test_what_is_known_is_glanced_at_for_the_cast(runs, monkeypatch):
    """Held frames clean, a source as noisy as it enters, and else nothing; and each span has its own prompt."""
    bundle, seen, spans = load_bundle(runs / "both"), [], []
    glance, forward = type(bundle.glance).forward, type(bundle.cast).forward

    def noted(self, known, layout):
        seen.append(known)
        return glance(self, known, layout)

    def read(self, patches, sigma, layout, text):
        if self is bundle.cast:
            spans.append(text)
        return forward(self, patches, sigma, layout, text)

    monkeypatch.setattr(type(bundle.glance), "forward", noted)
    monkeypatch.setattr(type(bundle.cast), "forward", read)
    clip = random_frames(9, 32, 32)
    latents = to_patches(encode(bundle.tokenizer, torch.from_numpy(clip).float() / 127.5 - 1), bundle.config.patch)
    first = encode(bundle.tokenizer, torch.from_numpy(clip[:1]).float() / 127.5 - 1)
    size, course = latents.shape[1], {"frames": 9, "steps": 1, "seed": 1}

    def known(*conditions):
        seen.clear()
        spans.clear()
        generate_all(bundle, [plan(bundle, Request("a red ball", **course, conditions=conditions))])
        return seen[0][:, :size], seen[0][:, -1]

    channels, level = known()
    assert (level == 1).all()
    assert not channels.any()
    channels, level = known(FramesCondition({0: clip[0]}))
    a_frame = int((level == 0).sum())
    torch.testing.assert_close(channels[:a_frame], to_patches(first, bundle.config.patch))
    assert not channels[a_frame:].any()
    channels, level = known(SourceCondition(clip, 0.25))
    assert (level == 0.25).all()
    assert 0.1 < float((channels - 0.75 * latents).std()) < 0.4
    known(SpansCondition((Span(0, 4, "a blue cube"), Span(4, 9, "a red ball"))))
    assert spans[0].governs[-1] == 3 * ROWS
    assert len(spans[0].bounds) > 2


def test_a_cast_that_is_known_stays_as_it_is(runs):
    """Its first rows, or all of them: then nothing is cast anew, and a clip is made of it."""
    bundle = load_bundle(runs / "both")
    p = plan(bundle, Request("a red ball", frames=9, steps=1, seed=1))
    torch.manual_seed(0)
    with torch.no_grad():
        bundle.cast.patch_out.weight.normal_(std=0.3)
    free = rows_of(bundle, p)
    begun = replace(p, conditions=(CastCondition(free[:ROWS] + 1),))
    rows = rows_of(bundle, begun)
    torch.testing.assert_close(rows[:ROWS], free[:ROWS] + 1)
    assert not torch.allclose(rows[ROWS:], free[ROWS:])
    whole = replace(p, conditions=(CastCondition(rows),))
    assert torch.equal(rows_of(bundle, whole), rows)
    assert torch.equal(sample(bundle, [begun])[0], sample(bundle, [whole])[0])


def test_a_cast_that_lacks_what_the_prompt_names_is_begun_again(runs, monkeypatch):
    """In other words, the prompt being insisted on, in the end with its names, and up to so many times; the one that lacks least is
    finished, and the first of equals."""
    bundle, begun, insisted, words, named = load_bundle(runs / "both"), [], [], [], []
    usual = bundle.config.sampling.cast_guidance

    def begin(self, searches):
        rows = torch.full((3 * ROWS, CAST), float(len(begun)))
        begun.append(searches[0].seed)
        insisted.append(searches[0].guidance(usual) / usual)
        words.append(searches[0].wordings[searches[0].words][0])
        named.append(not searches[0].names.isnan().any())
        searches[0].begin(_Begun(rows, rows), [(wanted[len(begun) - 1], 1.0)])

    def finish(self, searches):
        rows = searches[0].begun.foreseen
        searches[0].finish(rows, bundle.casting.decode(torch.zeros_like(rows)))

    monkeypatch.setattr(_Making, "begin", begin)
    monkeypatch.setattr(_Making, "finish", finish)
    p = plan(bundle, Request("a red ball", frames=9, steps=1, seed=1))
    red, blue, ball, cube = (NAMES.index(name) for name in ("red", "blue", "ball", "cube"))
    wanted = [frozenset({red, cube}), frozenset({red, ball}), frozenset({red, ball})]
    assert rows_of(bundle, p)[0, -1] == 1
    assert len(begun) == len(set(begun)) == 2
    assert insisted == [1, 1]
    assert words == ["a red ball", other_words("a red ball")[1]]
    begun.clear()
    named.clear()
    wanted = [frozenset({blue, cube}), *[frozenset({red, cube})] * (CASTINGS - 2), frozenset({blue, cube})]
    assert rows_of(bundle, p)[0, -1] == 1
    assert len(begun) == CASTINGS
    assert insisted[-1] == INSISTING
    assert named == [False] * NAMING + [True] * (CASTINGS - NAMING)


@pytest.fixture
def casting_bundle(runs):
    """A model whose casts are of red balls here and there."""
    bundle = load_bundle(runs / "both")
    torch.manual_seed(0)
    with torch.no_grad():
        bundle.cast.patch_out.weight.normal_(std=0.3)
        bundle.cast.patch_out.bias[[NAMES.index("red"), NAMES.index("ball")]] = 3.0
    return bundle


def test_a_cast_whose_things_are_in_one_another_is_left_for_another(casting_bundle, monkeypatch):
    """Each clip for itself: what is found for one does not depend on what it is packed with."""
    monkeypatch.setattr("langit.casts.amiss", lambda *given: 0)
    monkeypatch.setattr(
        "langit.casts.depth_of_contact", lambda cast, known: 0.1 if float(cast.depths.mean()) > limit else 0.5
    )
    finished, finish = [], _Making.finish

    def noted(self, searches):
        finish(self, searches)
        finished.append([one.clip.seed for one in searches])

    monkeypatch.setattr(_Making, "finish", noted)
    plans = [plan(casting_bundle, Request("a red ball", frames=9, steps=1, seed=seed)) for seed in (1, 2, 3, 4)]
    limit = -math.inf
    depths = [float(casting_bundle.casting.decode(rows_of(casting_bundle, p)).depths.mean()) for p in plans]
    limit = sorted(depths)[1] + 1e-6  # two are left for others at first
    finished.clear()
    packed = [known_cast(one).rows for one in with_casts(casting_bundle, plans)]
    assert finished[0] == [1, 2, 3, 4]
    assert sorted(finished[1]) == sorted(
        seed for seed, depth in zip((1, 2, 3, 4), depths, strict=True) if depth < limit
    )
    for one, p in zip(packed, plans, strict=True):
        torch.testing.assert_close(one, rows_of(casting_bundle, p), atol=3e-5, rtol=0)  # of prompts of other lengths


def test_who_is_in_a_cast_is_who_was_foreseen(casting_bundle, monkeypatch):
    """After its first steps a cast has the names that it ends with; where its things go is still open."""
    seen, finish = [], _Making.finish

    def noted(self, searches):
        seen.append(self.settled(searches[0].begun.foreseen))
        finish(self, searches)

    monkeypatch.setattr(_Making, "finish", noted)
    rows = rows_of(casting_bundle, plan(casting_bundle, Request("a red ball", frames=9, steps=1, seed=1)))
    things = [row for row in range(len(rows)) if row % ROWS != ROWS - 1]
    assert seen[0][things, :NUM_NAMES].any()
    torch.testing.assert_close(rows[things, :NUM_NAMES], seen[0][things, :NUM_NAMES])
    assert not torch.allclose(rows[things, NUM_NAMES:], seen[0][things, NUM_NAMES:], atol=1e-3)


def test_what_is_seen_is_insisted_on_less():
    """Where frames are known: not before the third time."""
    grid, usual = Grid(3, 2, 2), 3.0
    held = Held.nothing(grid, 4)
    known = replace(held, mask=torch.arange(12) < 4)

    def told(one):
        clip = Casting("a red ball", 1, torch.zeros(0, CAST))
        return [_Search(clip, one, grid, torch.zeros(12, 4), failed=failed).guidance(usual) for failed in range(4)]

    assert told(known) == [1, 1, 2, 3]
    assert told(held) == [usual, usual, usual, 2 * usual]  # once it failed in all its three wordings
    searched = _Search(Casting("a red ball", 1, torch.zeros(0, CAST)), known, grid, torch.zeros(12, 4), tried=NAMING)
    assert searched.words == 0
    assert searched.names.isnan().all()


def test_things_are_named_where_the_prompt_tells_all_of_each():
    grid = Grid(3, 2, 2)

    def named(prompt):
        clip = Casting(prompt, 1, torch.zeros(0, CAST))
        return _Search(clip, Held.nothing(grid, 4), grid, torch.zeros(12, 4), tried=NAMING).names

    names = named("a small red ball rolls past a blue cube").unflatten(0, (-1, ROWS))
    red, blue, ball, cube = (NAMES.index(name) for name in ("red", "blue", "ball", "cube"))
    assert {frozenset(row.nonzero().flatten().tolist()) for row in names[0]} == {
        frozenset({red, ball}),
        frozenset({blue, cube}),
        frozenset(),
    }
    assert torch.equal(names[0].expand_as(names), names)
    for open_one in ("two red balls", "a ball rolls past a blue cube", "a red ball rolls down a ramp", "it is night"):
        assert named(open_one).isnan().all()


def test_a_large_thing_is_larger_than_a_small_one():
    red, blue, ball, cube = (NAMES.index(name) for name in ("red", "blue", "ball", "cube"))
    prompt, one, other = "a small red ball and a large blue cube", frozenset({red, ball}), frozenset({blue, cube})
    assert out_of_size(prompt, {one: 1.0, other: 2.0}) == 0
    assert out_of_size(prompt, {one: 2.0, other: 1.0}) == 1
    assert out_of_size(prompt, {one: 1.0, other: 1.1}) == 1
    assert out_of_size(prompt.replace("large", "medium"), {one: 1.0, other: 1.1}) == 0
    assert out_of_size(prompt, {one: 2.0}) == 0
    assert out_of_size("a red ball and a blue cube", {one: 2.0, other: 1.0}) == 0


def test_what_is_amiss_with_a_cast():
    red, blue, ball, cube = (NAMES.index(name) for name in ("red", "blue", "ball", "cube"))
    one, other = frozenset({red, ball}), frozenset({blue, cube})
    assert amiss("a red ball", [one], True) == 0
    assert amiss("a red ball", [one, other], True) == 1  # nobody asked for it
    assert amiss("a red ball", [one, one], True) == 1  # one was asked for
    assert amiss("two red balls", [one, one], True) == 0
    assert amiss("a red ball", [one, other, one], False) == 0  # a known picture has what it has
    assert amiss("a red ball and a blue cube", [one], False) == 2
    assert amiss("a red ball and a blue cube", [one], True) > amiss("a red ball", [one, other, other], True)
    assert amiss("it is night", [one], True) == 0
    yellow = frozenset({NAMES.index("yellow"), ball})
    assert amiss("a red ball and a blue cube", [one, other, yellow], True) == 1
    assert amiss("a red ball and a cube", [one, frozenset({blue, cube})], True) == 0  # a cube of any colour
    assert amiss("a red ball hits a stack of balls", [one, yellow], True) == 0
    swapped = [frozenset({red, cube}), frozenset({blue, ball})]
    assert (
        amiss("a red ball and a blue cube", swapped, True)
        > amiss("a red ball and a blue cube", [one, other], True)
        == 0
    )


def test_windows_hand_on_who_is_in_them(runs, monkeypatch):
    """The next window begins with the cast that this one ends with: of its last group, and before it of one frame alone."""
    bundle, seen = load_bundle(runs / "both"), []

    def noted(bundle, plans):
        made = with_casts(bundle, plans)
        if made[0] is not plans[0]:
            seen.append((plans[0], known_cast(made[0]).rows))
        return made

    monkeypatch.setattr("langit.generate.with_casts", noted)
    p = plan(bundle, Request("a red ball", frames=60, steps=1, seed=1))
    assert len(list(stream(bundle, p))) == 60
    assert len(seen) > 1
    for (_, rows), (later, after) in pairwise(seen):
        known = next(c.rows for c in later.conditions if isinstance(c, CastCondition))
        torch.testing.assert_close(known, bundle.casting.last_frames(rows, 1))
        torch.testing.assert_close(known[ROWS:], rows[-ROWS:])
        torch.testing.assert_close(after[: len(known)], known)


def test_a_cast_needs_a_model_to_begin_with(tmp_path, tiny_corpus):
    with pytest.raises(InputError, match="names no model to begin with"):
        train(casting(), tmp_path, corpus_folder=tiny_corpus, workers=0)


def test_stopped_it_goes_on(runs, tmp_path, tiny_corpus):
    for recipe, start in ((casting, "plain"), (sketched, "cast")):
        config = recipe(start=str(runs / start))
        parts = tmp_path / start
        train(config, parts, corpus_folder=tiny_corpus, workers=0, stop_after=2)
        train(config, parts, corpus_folder=tiny_corpus, workers=0)
        whole = load_bundle(runs / ("cast" if start == "plain" else "both"))
        mine = load_bundle(parts)
        assert mine.hash() == whole.hash()
