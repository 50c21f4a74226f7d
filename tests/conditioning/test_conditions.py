"""Conditions: which patches each kind holds, with what content, and how two become one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from langit.conditioning import FramesCondition, Held, RegionCondition, SourceCondition
from langit.patches import Grid, from_patches, to_patches
from langit.tokenizer import PixelTokenizer, decode, encode
from langit.types import ClipShape, InputError
from tests.conftest import random_frames

TOKENIZER = PixelTokenizer((2, 4, 4))
PATCH = (1, 2, 2)
SHAPE = ClipShape(9, 16, 24)  # 5 patch frames of 2x3 patches
GRID = Grid(5, 2, 3)
CLIP = random_frames(9, 16, 24)


def held_frames(held):
    """Which patch frames are held; a frame is held whole or not at all."""
    mask = held.mask.reshape(GRID.t, -1)
    assert torch.equal(mask.any(1), mask.all(1))
    return mask.all(1).nonzero().flatten().tolist()


def pixels(held):
    """The frames that the content decodes to, as bytes."""
    clip = decode(TOKENIZER, from_patches(held.content, GRID, PATCH))
    return ((clip + 1) * 127.5).round().to(torch.uint8).numpy()


@pytest.mark.parametrize(
    ("indices", "frames"),
    [
        ([0], [0]),
        ([-9], [0]),
        ([8], [4]),
        ([-1], [4]),
        ([7], [4]),
        ([4], [2]),
        ([3, 4], [2]),
        ([0, 8], [0, 4]),
        ([0, 1, 2, 3], [0, 1, 2]),
        (list(range(9)), [0, 1, 2, 3, 4]),
    ],
)
def test_known_frames_hold_their_patch_frames(indices, frames):
    held = FramesCondition({index: CLIP[index] for index in indices}).hold(TOKENIZER, SHAPE, PATCH)
    assert held_frames(held) == frames
    assert held.start == 1.0
    assert held.content[~held.mask].eq(0).all()
    shown = pixels(held)
    for index in indices:
        np.testing.assert_array_equal(shown[index], CLIP[index])


def test_the_unknown_frame_of_a_held_group_repeats_the_nearest_known_one():
    held = FramesCondition({4: CLIP[4]}).hold(TOKENIZER, SHAPE, PATCH)
    np.testing.assert_array_equal(pixels(held)[3], CLIP[4])


def test_a_frames_condition_that_does_not_fit_is_refused():
    for frames, message in (
        ({9: CLIP[0]}, "choose an index from -9 to 8"),
        ({-10: CLIP[0]}, "choose an index from -9 to 8"),
        ({0: CLIP[0, :8]}, "24x8 was given for a clip of 24x16"),
        ({}, "give at least one"),
    ):
        with pytest.raises(InputError, match=message):
            FramesCondition(frames).hold(TOKENIZER, SHAPE, PATCH)


@pytest.mark.parametrize("seed", range(8))
def test_outside_the_region_all_stays_and_no_free_pixel_is_held(seed):
    rng = np.random.default_rng(seed)
    free = np.zeros((9, 16, 24), bool)
    (t0, t1), (y0, y1), (x0, x1) = (sorted(rng.integers(0, size + 1, 2)) for size in free.shape)
    free[t0:t1, y0:y1, x0:x1] = True
    held = RegionCondition(CLIP, free).hold(TOKENIZER, SHAPE, PATCH)
    mask = held.mask[:, None].float().expand(-1, TOKENIZER.channels * 4)
    kept = decode(TOKENIZER, from_patches(mask, GRID, PATCH)).numpy().min(-1) == 1  # pixels of held patches
    assert not (kept & free).any()
    np.testing.assert_array_equal(pixels(held)[kept], CLIP[kept])
    # Held is all that it can be: every patch that is not held has a free pixel.
    boxes = to_patches(encode(TOKENIZER, torch.from_numpy(free).float()[..., None].expand(-1, -1, -1, 3)), PATCH)
    assert torch.equal(held.mask, boxes.amax(1) == 0)


def test_a_region_that_does_not_fit_is_refused():
    for frames, free in ((CLIP[:5], np.zeros((5, 16, 24), bool)), (CLIP, np.zeros((9, 16, 20), bool))):
        with pytest.raises(InputError, match="scale both to the clip"):
            RegionCondition(frames, free).hold(TOKENIZER, SHAPE, PATCH)


def test_a_source_is_held_nowhere_and_enters_at_its_strength():
    held = SourceCondition(CLIP, 0.4).hold(TOKENIZER, SHAPE, PATCH)
    assert not held.mask.any()
    assert held.start == 0.4
    np.testing.assert_array_equal(pixels(held), CLIP)


@pytest.mark.parametrize("strength", [0.0, -0.1, 1.01, float("nan")])
def test_a_strength_is_above_zero_and_at_most_one(strength):
    with pytest.raises(InputError, match=r"above 0 \(keep\)"):
        SourceCondition(CLIP, strength).hold(TOKENIZER, SHAPE, PATCH)


def test_a_source_of_another_shape_is_refused():
    with pytest.raises(InputError, match="scale and trim"):
        SourceCondition(CLIP[:7], 0.5).hold(TOKENIZER, SHAPE, PATCH)


@pytest.mark.parametrize("change", [lambda clip: clip[::-1], lambda clip: clip[:, :, ::-1], lambda clip: clip.copy()])
def test_frames_may_be_any_view_of_an_array(change):
    """Played backwards, mirrored, or read-only as some readers give them."""
    clip = change(CLIP)
    clip.flags.writeable = False
    conditions = [
        SourceCondition(clip, 0.5),
        RegionCondition(clip, np.zeros((9, 16, 24), bool)[::-1]),
        FramesCondition(dict(enumerate(clip))),
    ]
    for condition in conditions:
        np.testing.assert_array_equal(pixels(condition.hold(TOKENIZER, SHAPE, PATCH)), clip)


def test_two_conditions_hold_what_either_holds_and_the_later_one_wins():
    other = random_frames(9, 16, 24, seed=1)
    first = FramesCondition({0: CLIP[0], 8: CLIP[8]}).hold(TOKENIZER, SHAPE, PATCH)
    second = FramesCondition({8: other[8], 4: other[4]}).hold(TOKENIZER, SHAPE, PATCH)
    both = first | second
    assert held_frames(both) == [0, 2, 4]
    shown = pixels(both)
    np.testing.assert_array_equal(shown[0], CLIP[0])
    np.testing.assert_array_equal(shown[8], other[8])
    np.testing.assert_array_equal(pixels(second | first)[8], CLIP[8])


@pytest.mark.parametrize("source_first", [True, False])
def test_a_held_patch_keeps_its_content_over_a_source(source_first):
    other = random_frames(9, 16, 24, seed=1)
    frames = FramesCondition({0: CLIP[0]}).hold(TOKENIZER, SHAPE, PATCH)
    source = SourceCondition(other, 0.3).hold(TOKENIZER, SHAPE, PATCH)
    both = source | frames if source_first else frames | source
    assert both.start == 0.3
    assert held_frames(both) == [0]
    shown = pixels(both)
    np.testing.assert_array_equal(shown[0], CLIP[0])
    np.testing.assert_array_equal(shown[1:], other[1:])


def test_nothing_is_neutral():
    source = SourceCondition(CLIP, 0.5).hold(TOKENIZER, SHAPE, PATCH)
    nothing = Held.nothing(GRID, source.content.shape[1])
    for both in (source | nothing, nothing | source):
        assert torch.equal(both.mask, source.mask)
        assert torch.equal(both.content, source.content)
        assert both.start == 0.5
