"""Packing: clips of any mixture go into one sequence and come out again, each with its own boundaries."""

from __future__ import annotations

import pytest
import torch

from langit.packing import Text, bounds_of, concatenate_text, layout_of, pack, unpack
from langit.patches import Grid, positions

PATCH = (1, 2, 2)
SHAPES = [(3, 1, 2, 2), (3, 5, 6, 4), (3, 2, 4, 10), (3, 5, 6, 4)]


def test_what_is_packed_is_unpacked():
    clips = [torch.randn(shape) for shape in SHAPES]
    patches, layout = pack(clips, PATCH)
    assert patches.shape == (layout.num_patches, 12)
    assert layout.bounds == (0, 1, 31, 51, 81)
    assert layout.grids == (Grid(1, 1, 1), Grid(5, 3, 2), Grid(2, 2, 5), Grid(5, 3, 2))
    for clip, again in zip(clips, unpack(patches, layout, PATCH), strict=True):
        assert torch.equal(clip, again)


def test_every_clip_has_its_own_positions_and_places():
    clips = [torch.randn(shape) for shape in SHAPES]
    _, layout = pack(clips, PATCH)
    for clip, start, end in zip(clips, layout.bounds, layout.bounds[1:], strict=False):
        _, alone = pack([clip], PATCH)
        assert torch.equal(layout.positions[start:end], alone.positions)
        assert torch.equal(layout.places[start:end], alone.places)


def test_packing_nothing_or_what_is_not_tiled_is_refused():
    with pytest.raises(ValueError, match="give at least one"):
        pack([], PATCH)
    with pytest.raises(ValueError, match="not tiled"):
        pack([torch.randn(3, 1, 3, 4)], PATCH)


def test_a_value_per_clip_is_spread_over_its_patches():
    layout = layout_of([Grid(1, 1, 2), Grid(2, 1, 1), Grid(1, 1, 1)])
    assert layout.spread(torch.tensor([5.0, 6.0, 7.0])).tolist() == [5, 5, 6, 6, 7]
    assert layout.spread(torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])).shape == (5, 2)
    assert torch.equal(layout.positions[:2], positions(Grid(1, 1, 2)))


def test_prompts_one_after_the_other_keep_their_boundaries():
    one, two = Text(torch.ones(3, 4), bounds_of([1, 2])), Text(torch.zeros(5, 4), bounds_of([5]))
    both = concatenate_text([one, two])
    assert both.bounds == (0, 1, 3, 8)
    assert both.states[:3].eq(1).all()
    assert both.states[3:].eq(0).all()
