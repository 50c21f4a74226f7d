"""Windows: the cells of a clip parted into squares that last through all of its time, as an order and its boundaries."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from langit.packing import Bounds, bounds_of
from langit.patches import Grid, positions


@lru_cache(maxsize=16)
def windows(grids: tuple[Grid, ...], side: int, window: int, shift: int) -> tuple[Tensor, Tensor, Bounds]:
    """Cells of a pack, `side` x `side` to a patch -> (order, back, bounds).

    `order` (N * side^2,) brings the cells, in the order of the patches, into windows of `window` x `window` cells that begin
    `shift` cells before the frame, those of equal lengths side by side; `back` undoes it; `bounds` parts the windows.
    """
    parts = [_windows_of(grid, side, window, shift) for grid in grids]
    starts = bounds_of([len(order) for order, _ in parts])
    pieces = [
        piece
        for (order, lengths), start in zip(parts, starts, strict=False)
        for piece in (order + start).split(lengths)
    ]
    order = torch.cat(sorted(pieces, key=len))
    back = torch.empty_like(order)
    back[order] = torch.arange(len(order))
    return order, back, bounds_of(sorted(len(piece) for piece in pieces))


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


class _Reordered(torch.autograd.Function):
    """Rows in the order that an index says, whose inverse is known: the gradient is picked out as well, and nothing added."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, order: Tensor, back: Tensor) -> Tensor:
        ctx.save_for_backward(back)
        return x.index_select(0, order)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (back,) = ctx.saved_tensors
        return gradients[0].index_select(0, back), None, None


def reordered(x: Tensor, order: Tensor, back: Tensor) -> Tensor:
    """The rows of x in this order; `back` undoes it."""
    result: Tensor = _Reordered.apply(x, order, back)  # type: ignore[no-untyped-call]
    return result
