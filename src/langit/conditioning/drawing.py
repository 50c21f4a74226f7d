"""A cast drawn: the sketch of a clip, cell by cell, that stands beside its picture.

Of every latent cell: which share of it each colour and kind of thing fills, the outlines of things in it, the two colours that
meet there, and how far the camera's motion carried it. Nothing here is learned: convex outlines, the nearer before the farther.
"""

from __future__ import annotations

import itertools
import math

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from langit.conditioning.cast import DIRECTIONS, NUM_COLOURS, NUM_NAMES, NUM_SHAPES, Cast
from langit.conditioning.drift import DRIFT, DRIFTS
from langit.patches import PatchSize, to_patches

WAVES = tuple((t, y, x) for t, y, x in itertools.product(range(4), repeat=3) if 0 < t + y + x <= 3)
"""How often in a cell (time, height, width) the waves go up and down that the outlines of things are told by."""
COLOURED = 6
"""Of each cell the colour that is not a thing's, and by how much that of things differs from it, as RGB."""
SEEN = 0.01
"""Share of a cell from which on it is told what colour it has."""
FILLS = NUM_NAMES + len(WAVES) + COLOURED + DRIFT
PARTS = {NUM_NAMES: 4.0, len(WAVES): 6.0, COLOURED: 3.0, DRIFT: DRIFTS}
"""Numbers of a cell, and what each is multiplied by in a sketch: large, so that they are told from noise early."""


def sketch(cast: Cast, rows: int, columns: int, stride: tuple[int, int, int], patch: PatchSize) -> Tensor:
    """(N, FILLS * cells): a cast as it stands beside the patches of a picture of so many cells."""
    return sketch_of(to_patches(drawn(cast, rows, columns, stride), patch))


def sketch_of(fills: Tensor) -> Tensor:
    """What fills the cells of patches (N, FILLS * cells) as a sketch."""
    cells = fills.shape[1] // FILLS
    each = fills.split([part * cells for part in PARTS], 1)
    return torch.cat([scale * part for scale, part in zip(PARTS.values(), each, strict=True)], 1)


def drawn(cast: Cast, rows: int, columns: int, stride: tuple[int, int, int]) -> Tensor:
    """(FILLS, f, rows, columns): what fills each cell of so many rows and columns, of `stride` pixels each."""
    shares = seen(cast, rows * stride[1], columns * stride[2])  # (f, things, frames, H, W)
    of_cells = shares.mean(2).unflatten(-1, (columns, -1)).unflatten(-3, (rows, -1)).mean((-3, -1))  # (f, k, y, x)
    names = torch.einsum("fkyx,fkn->nfyx", of_cells, cast.names)
    is_shape = cast.names[..., NUM_COLOURS:][..., :NUM_SHAPES].sum(-1)  # (f, k)
    covered = torch.einsum("fkthw,fk->fthw", shares, is_shape)
    waves = rearrange(covered, "f t (y h) (x w) -> f y x t h w", y=rows, x=columns)
    for length in stride:  # the axis that is transformed goes to the end, and the next comes to its place
        waves = torch.tensordot(waves, _cosines(length).to(waves), ([3], [1]))
    outlines = torch.stack([waves[..., i, j, k] for i, j, k in WAVES])
    return torch.cat([names, outlines, _colours(cast, of_cells, is_shape, rows), _drift(cast, rows, columns)])


def seen(cast: Cast, height: int, width: int) -> Tensor:
    """(f, things, t, height, width): the share of each pixel that each thing fills, where nothing nearer does."""
    half, device = min(height, width) / 2, cast.outlines.device
    y = (torch.arange(height, device=device) + 0.5 - height / 2) / half
    x = (torch.arange(width, device=device) + 0.5 - width / 2) / half
    angles = 2 * math.pi * torch.arange(DIRECTIONS, device=device) / DIRECTIONS
    across, down = angles.cos(), angles.sin()
    covers = cast.outlines.new_zeros(*cast.outlines.shape[:3], height, width)
    for thing in cast.names.sum((0, 2)).nonzero().flatten().tolist():
        # How far inside its outline a pixel lies: the least over the directions.
        inside = torch.full_like(covers[:, thing], math.inf)
        for direction, (right, below) in enumerate(zip(across, down, strict=True)):
            reach = cast.outlines[:, thing, :, direction] + cast.centres[:, thing] @ torch.stack([right, below])
            inside = torch.minimum(inside, reach[..., None, None] - ((right * x)[None, :] + (below * y)[:, None]))
        covers[:, thing] = (inside * half + 0.5).clamp(0, 1)
    order = cast.depths.argsort(-1)  # nearest first
    sorted_covers = covers.gather(1, order[..., None, None, None].expand_as(covers))
    free = torch.cat([torch.ones_like(covers[:, :1]), (1 - sorted_covers).cumprod(1)[:, :-1]], 1)
    found = torch.empty_like(covers)
    return found.scatter_(1, order[..., None, None, None].expand_as(covers), sorted_covers * free)


def _colours(cast: Cast, of_cells: Tensor, is_shape: Tensor, rows: int) -> Tensor:
    """(COLOURED, f, y, x): the colour of what no shape fills, or of all where shapes do, and what to add for shapes."""
    shape, prop = of_cells * is_shape[..., None, None], of_cells * (1 - is_shape)[..., None, None]
    bands = F.interpolate(cast.bands.mT, rows, mode="linear", align_corners=False)  # (f, 3, y)
    free = (1 - of_cells.sum(1)).clamp(min=0)  # (f, y, x)
    behind = torch.einsum("fkyx,fkc->cfyx", prop, cast.colours) + rearrange(bands, "f c y -> c f y 1") * free
    behind = behind / (free + prop.sum(1)).clamp(min=1e-3)
    share = shape.sum(1)
    before = torch.einsum("fkyx,fkc->cfyx", shape, cast.colours) / share.clamp(min=1e-3)
    rest = torch.where(share < 1 - SEEN, behind, before)
    both = (share > SEEN) & (share < 1 - SEEN)
    return torch.cat([rest, torch.where(both, before - behind, 0.0)])


def _drift(cast: Cast, rows: int, columns: int) -> Tensor:
    """(DRIFT, f, y, x): cells down and across."""
    bands = F.interpolate(rearrange(cast.drift, "f side band two -> f (side two) band"), rows, mode="linear")
    left, right = rearrange(bands, "f (side two) y -> side two f y", side=2)
    share = (torch.arange(columns, device=bands.device) + 0.5) / columns
    told: Tensor = left[..., None] * (1 - share) + right[..., None] * share
    return told * min(rows, columns) / 2


def _cosines(length: int) -> Tensor:
    """(4, length): the constant and three waves, each of mean square 1, as they are averaged over."""
    places = (torch.arange(length) + 0.5) / length
    waves = [torch.ones(length), *(math.sqrt(2) * torch.cos(math.pi * k * places) for k in (1, 2, 3))]
    return torch.stack(waves) / length
