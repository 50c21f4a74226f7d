"""Every corruption leaves a clip alone at strength 0, damages it more the stronger it is, and refuses what makes no sense."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from langit.evaluation.corruptions import CORRUPTIONS, corrupt
from langit.evaluation.restaged import RESTAGED
from langit.evaluation.scenes import Length, make_scene
from langit.simulator.render import render
from langit.simulator.world import Scene
from langit.types import InputError

KINDS = tuple(CORRUPTIONS)
GRADED = [kind for kind in KINDS if kind not in ("mirror", "shuffle")]


def clip() -> tuple[np.ndarray, np.ndarray]:
    """A red square that falls before a ground with a pattern, and where it is."""
    frames = np.zeros((12, 32, 32, 3), np.uint8)
    frames[:, :, :, 2] = np.arange(32)[None, None] * 4 + 60
    frames[:, 16:, ::4, 1] = 120
    masks = np.zeros((12, 32, 32), bool)
    for t in range(12):
        masks[t, 2 + t : 10 + t, 6 + t // 2 : 14 + t // 2] = True
    frames[masks] = (200, 20, 10)
    return frames, masks


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_happens_at_strength_zero_and_something_at_one(kind):
    frames, masks = clip()
    assert np.array_equal(corrupt(frames, kind, 0, masks=masks), frames)
    damaged = corrupt(frames, kind, 1, masks=masks)
    assert damaged.shape == frames.shape
    assert damaged.dtype == np.uint8
    assert not np.array_equal(damaged, frames)


@pytest.mark.parametrize("kind", GRADED)
def test_damage_grows_with_strength(kind):
    frames, masks = clip()
    damage = [
        np.abs(corrupt(frames, kind, strength, masks=masks).astype(int) - frames).mean()
        for strength in (0.25, 0.6, 1.0)
    ]
    assert damage[0] <= damage[1] <= damage[2]
    assert damage[2] > 1.2 * damage[0]


def test_time_and_sides_are_turned():
    frames, _ = clip()
    assert np.array_equal(corrupt(frames, "reverse", 1), frames[::-1])
    assert np.array_equal(corrupt(frames, "mirror", 1), frames[:, :, ::-1])


def test_the_same_seed_damages_alike():
    frames, _ = clip()
    again = [corrupt(frames, "noise", 0.5, seed=seed) for seed in (3, 3, 4)]
    assert np.array_equal(again[0], again[1])
    assert not np.array_equal(again[0], again[2])


def test_what_makes_no_sense_is_refused():
    frames, _ = clip()
    with pytest.raises(InputError, match="it must be one of"):
        corrupt(frames, "melt", 0.5)
    with pytest.raises(InputError, match="from 0 to 1, not 2"):
        corrupt(frames, "blur", 2)
    with pytest.raises(InputError, match="needs the masks"):
        corrupt(frames, "teleport", 0.5)


@pytest.fixture(scope="module")
def scene() -> Scene:
    return make_scene("collision", 0, 0, Length(9, 8.0))


@pytest.mark.parametrize("kind", RESTAGED)
def test_damage_to_a_scene_grows_with_strength_and_begins_from_nothing(kind, scene):
    frames = render([scene], 32, 32, truth=False)[0][0].astype(int)
    damage = [np.abs(RESTAGED[kind](scene, strength, 32, 32) - frames).mean() for strength in (0.0, 0.5, 1.0)]
    assert damage[0] < 1 < 1 + damage[1] < 1 + damage[2]


def test_what_vanishes_leaves_no_shadow_and_nothing_else_is_touched(scene):
    frames, truth = render([scene], 32, 32)[0]
    gone = RESTAGED["vanish"](scene, 0.5, 32, 32)
    assert np.array_equal(gone[:4], frames[:4])
    alone = replace(scene, actors=(1,))
    empty = RESTAGED["vanish"](alone, 1.0, 32, 32)
    assert not np.array_equal(empty[0][truth.segmentation[0] == 3], frames[0][truth.segmentation[0] == 3])
    assert np.array_equal(empty[0][truth.segmentation[0] == 2], frames[0][truth.segmentation[0] == 2])
