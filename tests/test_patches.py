"""Patches: no number is lost or moved, and positions say where each patch came from."""

from __future__ import annotations

import pytest
import torch

from langit.patches import Grid, from_patches, grid_of, nearest_multiple, places, positions, to_patches

SHAPES = [
    (1, (1, 1, 1), (1, 1, 1)),
    (3, (1, 4, 6), (1, 2, 2)),
    (5, (7, 3, 9), (1, 3, 3)),
    (2, (6, 10, 4), (3, 5, 2)),
    (4, (5, 7, 11), (5, 1, 1)),
]


@pytest.mark.parametrize(("channels", "latent", "patch"), SHAPES)
def test_patches_and_back_is_the_same_clip(channels, latent, patch):
    clip = torch.randn(channels, *latent)
    patches = to_patches(clip, patch)
    grid = grid_of(latent, patch)
    assert patches.shape == (grid.num_patches, clip.numel() // grid.num_patches)
    assert torch.equal(from_patches(patches, grid, patch), clip)


@pytest.mark.parametrize(("channels", "latent", "patch"), SHAPES)
def test_a_patch_holds_the_box_at_its_position(channels, latent, patch):
    clip = torch.randn(channels, *latent)
    grid = grid_of(latent, patch)
    for row, place in zip(to_patches(clip, patch), positions(grid).int().tolist(), strict=True):
        t, y, x = (slice(at * step, (at + 1) * step) for at, step in zip(place, patch, strict=True))
        assert torch.equal(row, clip[:, t, y, x].flatten())


def test_positions_are_in_raster_order_time_slowest():
    assert positions(Grid(2, 1, 3)).tolist() == [[0, 0, 0], [0, 0, 1], [0, 0, 2], [1, 0, 0], [1, 0, 1], [1, 0, 2]]


def test_a_value_per_frame_reaches_the_patches_of_that_frame():
    grid = Grid(3, 2, 5)
    spread = grid.box(torch.tensor([10.0, 11.0, 12.0]))
    assert torch.equal(spread, positions(grid)[:, 0] + 10)
    each = torch.arange(30).reshape(3, 2, 5)
    assert torch.equal(grid.box(each), torch.arange(30))


@pytest.mark.parametrize("latent", [(3, 5, 4), (3, 4, 5), (0, 4, 4), (3, 0, 4)])
def test_a_clip_that_patches_do_not_tile_is_refused_with_both_sizes(latent):
    with pytest.raises(ValueError, match=r"not tiled by patches of \(1, 2, 2\)"):
        grid_of(latent, (1, 2, 2))


def test_places_are_the_same_part_of_the_frame_at_any_resolution():
    small, large = places(Grid(1, 3, 3)), places(Grid(1, 9, 9))
    middle = torch.zeros(3)
    assert torch.equal(small[4], middle)
    assert torch.equal(large[40], middle)
    wide = places(Grid(9, 4, 8))
    assert wide[:, 1].abs().max() < 0.5  # the shorter side spans one unit
    assert 0.5 < wide[:, 2].abs().max() < 1.0
    assert wide[-1, 0] == 1.0  # the ninth patch frame
    assert torch.allclose(wide.reshape(9, 4, 8, 3)[:, :, :, 1:].sum((0, 1, 2)), torch.zeros(2), atol=1e-5)


@pytest.mark.parametrize(
    ("size", "step", "nearest"), [(1, 16, 16), (23, 16, 16), (24, 16, 32), (40, 16, 48), (64, 16, 64), (-5, 8, 8)]
)
def test_nearest_multiple(size, step, nearest):
    assert nearest_multiple(size, step) == nearest
