"""Every corruption leaves a clip alone at strength 0, damages it more the stronger it is, and refuses what makes no sense."""

from __future__ import annotations

import numpy as np
import pytest

from langit.evaluation.corruptions import CORRUPTIONS, corrupt
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


def test_damage_to_a_thing_stays_where_the_thing_is_or_goes():
    frames, masks = clip()
    changed = (corrupt(frames, "recolour", 1, masks=masks) != frames).any(-1)
    grown = np.pad(masks, ((0, 0), (1, 1), (1, 1)))
    near = np.zeros_like(masks)
    for dy in (0, 1, 2):
        for dx in (0, 1, 2):
            near |= grown[:, dy : dy + 32, dx : dx + 32]
    assert not (changed & ~near).any()


def test_what_vanishes_leaves_the_background():
    frames, masks = clip()
    gone = corrupt(frames, "vanish", 0.5, masks=masks)
    assert np.array_equal(gone[:6], frames[:6])
    assert (gone[6:, :, :, 0] < 100).all()


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
        corrupt(frames, "vanish", 0.5)
