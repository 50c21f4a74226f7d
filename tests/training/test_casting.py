"""Casts of simulated clips: drawn, they are what the simulator's segmentation and frames say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from langit.conditioning.cast import NUM_NAMES, ROWS, Cast
from langit.conditioning.drawing import drawn
from langit.conditioning.drift import DRIFT
from langit.simulator.camera import drift, project
from langit.simulator.plans import plan
from langit.simulator.render import render
from langit.text.encoder import tokens_of
from langit.tokenizer import PixelTokenizer
from langit.training.casting import NAMES, at_moment, cast_of
from langit.training.corpus import Corpus
from langit.training.footage import make_clip, tells_all
from tests.conftest import tiny_training

STRIDE = (4, 8, 8)
PIXELS = PixelTokenizer(STRIDE)


@pytest.fixture(scope="module")
def clips():
    """Scenes of several events, filmed."""
    scenes = [plan(seed, event=event) for seed, event in enumerate(("collide", "throw", "occlude", "topple", "ramp"))]
    return [(scene, *render([scene], 64, 64)[0]) for scene in scenes]


def shares(segmentation: np.ndarray, scene) -> torch.Tensor:
    """(names, f, 8, 8) by counting pixels."""
    found = torch.zeros(NUM_NAMES, 9, 8, 8)
    groups = np.concatenate([segmentation[:1].repeat(4, 0), segmentation[1:]]).reshape(9, 4, 8, 8, 8, 8)
    for k, thing in enumerate(scene.things):
        share = torch.from_numpy((groups == 2 + k).mean((1, 3, 5))).float()
        for name in (thing.colour, thing.shape):
            found[NAMES.index(name)] += share
    return found


def test_drawn_a_cast_fills_the_cells_that_its_things_fill(clips):
    for scene, frames, truth in clips:
        fills = drawn(cast_of(scene, frames, truth.segmentation, STRIDE), 8, 8, PIXELS)
        true = shares(truth.segmentation, scene)
        wrong = float((fills[:NUM_NAMES] - true).abs().sum() / true.sum())
        assert wrong < 0.12, (scene.event, wrong)


def test_paths_go_on_where_nothing_is_seen(clips):
    """Behind the wall the centre is where the thing is, and its depth is the wall's or more."""
    scene, frames, truth = clips[2]
    cast = cast_of(scene, frames, truth.segmentation, STRIDE)
    hidden = int(np.argmin(truth.visible_share[1:, 0])) + 1
    assert truth.visible_share[hidden, 0] < 0.1
    group, within = 1 + (hidden - 1) // 4, (hidden - 1) % 4
    centre = (cast.centres[group, 0, within].numpy() + 1) / 2
    expected = project(scene.camera, scene.trajectory.positions, 64, 64)[0][hidden, 0]
    np.testing.assert_allclose(centre, expected, atol=1e-4)
    wall = [thing.shape for thing in scene.things].index("wall")
    assert cast.depths[group, 0] > cast.depths[group, wall]


def test_colours_are_those_that_are_seen_and_of_what_is_hidden_the_nearest_in_time(clips):
    scene, frames, truth = clips[2]
    cast = cast_of(scene, frames, truth.segmentation, STRIDE)
    first = frames[0][truth.segmentation[0] == 2].astype(np.float32) / 127.5 - 1
    np.testing.assert_allclose(cast.colours[0, 0], first.mean(0), atol=1e-4)
    assert cast.colours[:, 0].abs().sum(1).all()


def test_drift_is_the_cameras_at_the_last_frame_of_each_latent_frame():
    scene = plan(11)
    turned = scene.camera.targets.copy()
    turned[:, 0] += np.linspace(0, 2, len(turned))
    scene = replace(scene, camera=replace(scene.camera, targets=turned))
    frames, truth = render([scene], 64, 64)[0]
    fills = drawn(cast_of(scene, frames, truth.segmentation, STRIDE), 8, 8, PIXELS)
    expected = torch.from_numpy(drift(scene.camera, range(0, 33, 4), 8, 8)).permute(3, 0, 1, 2)
    assert float((fills[-DRIFT:] - expected).abs().mean()) < 0.05 * float(expected.abs().mean())
    assert not fills[-DRIFT:, 0].any()


def test_a_picture_is_cast_as_its_moment(clips):
    scene, frames, truth = clips[0]
    still = cast_of(at_moment(scene, 12), frames[12:13], truth.segmentation[12:13], STRIDE)
    whole = cast_of(scene, frames, truth.segmentation, STRIDE)
    torch.testing.assert_close(still.centres[0, :, 0], whole.centres[3, :, 3])
    assert (still.centres[0] == still.centres[0, :, :1]).all()


def test_more_things_than_rows_are_refused(clips):
    scene, frames, truth = clips[0]
    crowd = replace(scene, things=scene.things * 3)
    with pytest.raises(ValueError, match="rows for things"):
        cast_of(crowd, frames, truth.segmentation, STRIDE)


def test_a_sample_has_the_casts_of_its_own_frames(tiny_corpus):
    config = tiny_training().corpus
    corpus = Corpus(tiny_corpus, config)
    sample = corpus.samples(1)[1]
    scene, frames, truth = make_clip(config, 13)
    rows = corpus.casting.encode(cast_of(scene, frames, truth.segmentation, config.stride))
    torch.testing.assert_close(sample.cast[: len(rows)].float(), rows, atol=2e-3, rtol=2e-3)
    assert len(sample.cast) == ROWS * (sample.latents.shape[1] + sample.stills.shape[1])
    cast: Cast = corpus.casting.decode(rows)
    assert torch.equal(sample.fills, drawn(cast, *sample.latents.shape[2:], corpus.tokenizer).half())
    assert torch.equal(sample.still_fills[:NUM_NAMES, 0], sample.fills[:NUM_NAMES, 0])


def test_a_short_caption_that_leaves_a_thing_out_is_known():
    dense, whole, partial, rod = tokens_of(
        [
            "A red ball, a blue cube. The ball rolls.",
            "a red ball and a cube",
            "a red ball rolls",
            "a ball swings on a rod",
        ]
    )
    assert tells_all(whole, dense)
    assert not tells_all(partial, dense)
    assert tells_all(partial, rod)
