"""Positions that follow the camera, by the drift that a sketch tells."""

from __future__ import annotations

import torch

from langit.conditioning.drift import DRIFT, DRIFTS, anchored, drift_of
from langit.packing import layout_of
from langit.patches import Grid

GRIDS = [Grid(3, 4, 6), Grid(3, 4, 6), Grid(1, 2, 2)]


def test_a_resting_camera_leaves_every_patch_in_its_place():
    layout = layout_of(GRIDS)
    assert torch.equal(anchored(layout, torch.zeros(layout.num_patches, 2), 2).positions, layout.positions)


def test_what_is_carried_evenly_stays_where_it_was():
    """Half a patch a frame to the left in the second clip alone: time, the rows and the other clips stay."""
    layout = layout_of(GRIDS)
    drift = torch.zeros(layout.num_patches, 2)
    drift[72 + 24 : 144, 1] = -1.0  # cells, of which a patch is 2 wide
    found = anchored(layout, drift, 2).positions - layout.positions
    expected = torch.zeros_like(found)
    expected[96:120, 2], expected[120:144, 2] = 0.5, 1.0
    torch.testing.assert_close(found, expected)


def test_a_point_is_followed_through_places_that_move_unlike():
    """Columns move faster to the right: a point keeps its place while it passes through them."""
    grid = Grid(6, 1, 40)
    layout = layout_of([grid])
    x = torch.arange(40.0)
    drift = torch.zeros(grid.num_patches, 2)
    drift[40:, 1] = (0.1 * x / 1.1).repeat(5)  # a point at x goes on to 1.1 x
    first = anchored(layout, drift, 1).positions[:, 2].view(6, 40)
    for frame in range(6):
        inside = x < 30
        torch.testing.assert_close(first[frame][inside], (x / 1.1**frame)[inside], atol=0.02, rtol=0)


def test_a_sketch_tells_drift_last_and_a_patch_has_the_mean_of_its_cells():
    sketch = torch.randn(5, 7 * 4)
    cells = sketch.view(5, 7, 4)[:, -DRIFT:]
    torch.testing.assert_close(drift_of(sketch, 4), cells.mean(-1) / DRIFTS)
