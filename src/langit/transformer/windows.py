"""Windows: the cells of a clip parted into squares that last through all of its time, as an order and its boundaries."""

from __future__ import annotations

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from langit.packing import Bounds, bounds_of
from langit.patches import Grid, positions


def windows(grids: tuple[Grid, ...], side: int, window: int, shift: int) -> tuple[Tensor, Tensor, Bounds]:
    """Cells of a pack, `side` x `side` to a patch -> (order, back, bounds).

    `order` (N * side^2,) brings the cells, in the order of the patches, into windows of `window` x `window` cells that begin
    `shift` cells before the frame; `back` undoes it; `bounds` parts the windows.
    """
    parts = [_windows_of(grid, side, window, shift) for grid in grids]
    starts = bounds_of([len(order) for order, _ in parts])
    order = torch.cat([order + start for (order, _), start in zip(parts, starts, strict=False)])
    back = torch.empty_like(order)
    back[order] = torch.arange(len(order))
    return order, back, bounds_of([length for _, lengths in parts for length in lengths])


def cell_positions(patches: Tensor, side: int) -> Tensor:
    """(t, y, x) of `patches`, (N, 3) -> of their cells, (N * side^2, 3), in the order of the patches."""
    inside = torch.cartesian_prod(*[torch.arange(side, dtype=patches.dtype, device=patches.device)] * 2)
    corner = patches * patches.new_tensor([1, side, side])
    return (corner[:, None] + F.pad(inside, (1, 0))).flatten(0, 1)


@lru_cache(maxsize=1024)
def _windows_of(grid: Grid, side: int, window: int, shift: int) -> tuple[Tensor, list[int]]:
    place = (cell_positions(positions(grid), side)[:, 1:].long() + shift) // window
    number = place[:, 0] * (grid.x * side) + place[:, 1]
    return number.argsort(stable=True), number.unique(return_counts=True)[1].tolist()
