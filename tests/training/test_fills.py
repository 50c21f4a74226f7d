"""What fills each latent cell: true to the segmentation and the frames."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from langit.conditioning.drift import DRIFT
from langit.simulator.camera import drift
from langit.simulator.world import Camera, Thing
from langit.training.corpus import Corpus
from langit.training.fills import COLOURED, NAMES, WAVES, fills_of
from langit.training.footage import make_clip
from tests.conftest import tiny_training

THINGS = (
    Thing("ball", "red", "matte", "small", (0.5, 0.5, 0.5)),
    Thing("cube", "blue", "matte", "small", (0.5, 0.5, 0.5)),
)

RESTING = Camera("static", "", np.array([[0, -6, 2]] * 5, np.float32), np.zeros((5, 3), np.float32), 0.7)
GREY = np.full((5, 8, 16, 3), 128, np.uint8)


def test_shares_are_those_of_the_pixels():
    segmentation = np.zeros((5, 8, 16), np.uint8)
    segmentation[0, :4, :4] = 2  # the ball fills a quarter of the first cell of the picture
    segmentation[3, :, 8:] = 3  # the cube fills the second cell in one frame of the four after it
    shares = fills_of(GREY, segmentation, THINGS, RESTING, (4, 8, 8)).float()[: len(NAMES)]
    assert shares.shape == (len(NAMES), 2, 1, 2)
    expected = torch.zeros_like(shares)
    for names, cell, share in ((("red", "ball"), (0, 0, 0), 0.25), (("blue", "cube"), (1, 0, 1), 0.25)):
        for name in names:
            expected[(NAMES.index(name), *cell)] = share
    torch.testing.assert_close(shares, expected, atol=1 / 255, rtol=0)


def test_outlines_are_the_first_waves_of_what_shapes_cover():
    """Against the sum of the transform's definition; a prop has none."""
    wall = Thing("wall", "green", "matte", "large", (0.5, 0.5, 0.5))
    segmentation = np.random.default_rng(0).integers(0, 5, (5, 8, 16)).astype(np.uint8)
    outlines = fills_of(GREY, segmentation, (*THINGS, wall), RESTING, (4, 8, 8)).float()[len(NAMES) :][: len(WAVES)]
    assert outlines.shape == (len(WAVES), 2, 1, 2)
    covered = np.isin(segmentation, (2, 3))[1:, :, 8:]  # by ball and cube, in the last cell
    for number, wave in enumerate(WAVES):
        cosines = [
            np.cos(np.pi * k * (np.arange(n) + 0.5) / n) * (2**0.5 if k else 1)
            for k, n in zip(wave, (4, 8, 8), strict=True)
        ]
        expected = (covered * np.einsum("t,y,x->tyx", *cosines)).mean()
        assert float(outlines[number, 1, 0, 1]) == pytest.approx(expected, abs=1e-3)
        if wave[0]:  # a picture does not move
            assert not outlines[number, 0].any()


def test_colours_are_the_means_of_what_is_covered_and_of_the_rest():
    """A cell partly, wholly and not covered: the rest's colour, or the cell's; and what to add for things where both are seen."""
    segmentation = np.zeros((1, 8, 24), np.uint8)
    segmentation[0, :4, :8] = 2
    segmentation[0, :, 8:16] = 3
    frames = np.zeros((1, 8, 24, 3), np.uint8)
    frames[segmentation == 2] = (255, 0, 0)
    frames[segmentation == 3] = (0, 0, 255)
    colours = fills_of(frames, segmentation, THINGS, RESTING, (4, 8, 8)).float()[-COLOURED - DRIFT : -DRIFT, 0, 0]
    rest, more = colours[:3].T, colours[3:].T
    assert rest.tolist() == [[-1, -1, -1], [-1, -1, 1], [-1, -1, -1]]
    assert more.tolist() == [[2, 0, 0], [0, 0, 0], [0, 0, 0]]


def test_drift_is_the_cameras_at_the_last_frame_of_each_latent_frame():
    start, end = np.array([0, -6, 2]), np.array([1, -6, 2])
    path = np.stack([start + (end - start) * step / 4 for step in range(5)]).astype(np.float32)
    camera = Camera("", "", path, np.zeros((5, 3), np.float32), 0.7)
    carried = fills_of(GREY, np.zeros((5, 8, 16), np.uint8), (), camera, (4, 8, 8)).float()[-DRIFT:]
    expected = torch.from_numpy(drift(camera, (0, 4), 1, 2)).permute(3, 0, 1, 2)
    torch.testing.assert_close(carried, expected, atol=1e-3, rtol=1e-3)
    assert carried[:, 1].any()
    assert not carried[:, 0].any()


def test_a_sample_has_what_fills_its_own_frames(tiny_corpus):
    config = tiny_training().corpus
    sample = Corpus(tiny_corpus, config).samples(1)[1]
    scene, frames, truth = make_clip(config, 13)
    assert torch.equal(sample.fills, fills_of(frames, truth.segmentation, scene.things, scene.camera, config.stride))
    assert sample.fills.shape[1:] == sample.latents.shape[1:]
    assert sample.still_fills.shape[1:] == sample.stills.shape[1:]
    assert torch.equal(sample.still_fills[:, 0], sample.fills[:, 0])
    assert sample.fills.any()
