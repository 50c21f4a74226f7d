"""A cast drawn: the sketch of a clip, cell by cell, that stands beside its picture.

Of every latent cell: which share of it each colour and kind of thing fills, how far the camera's motion carried it, and the
latents of a draft, which is the clip in flat colours, through the same tokenizer as the clip itself. Nothing here is learned:
convex outlines, the nearer before the farther.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from langit.conditioning.cast import DIRECTIONS, NUM_NAMES, Cast
from langit.conditioning.drift import DRIFT, DRIFTS
from langit.conditioning.turning import Turning
from langit.patches import PatchSize, to_patches
from langit.tokenizer import Tokenizer, encode

NAMES = 4.0
"""What shares of names are multiplied by in a sketch: they are small."""


def num_fills(channels: int) -> int:
    """Numbers of a cell that tell what fills it: shares of names, a draft of so many channels, drift."""
    return NUM_NAMES + channels + DRIFT


def sketch(cast: Cast | Turning, rows: int, columns: int, tokenizer: Tokenizer, patch: PatchSize) -> Tensor:
    """(N, fills * cells): a cast as it stands beside the patches of a picture of so many cells."""
    return sketch_of(to_patches(drawn(cast, rows, columns, tokenizer), patch), math.prod(patch))


def sketch_of(fills: Tensor, cells: int) -> Tensor:
    """What fills the cells of patches (N, fills * cells) as a sketch: the draft first, drift last."""
    names, draft, drift = fills.tensor_split([NUM_NAMES * cells, -DRIFT * cells], 1)
    return torch.cat([draft, NAMES * names, DRIFTS * drift], 1)


def drawn(cast: Cast | Turning, rows: int, columns: int, tokenizer: Tokenizer) -> Tensor:
    """(fills, f, rows, columns): what fills each cell of so many rows and columns."""
    turning = cast if isinstance(cast, Turning) else None
    cast = cast if isinstance(cast, Cast) else cast.cast
    _, high, wide = tokenizer.stride
    shares = seen(cast, rows * high, columns * wide)  # (f, things, frames, H, W)
    of_cells = shares.mean(2).unflatten(-1, (columns, -1)).unflatten(-3, (rows, -1)).mean((-3, -1))  # (f, k, y, x)
    names, frames = cast.names, draft(cast, shares)
    if turning is not None:
        names = names.lerp(turning.into.names, turning.share.mean(1)[:, None, None])
        share = turning.share.flatten()[turning.share.shape[1] - 1 :]
        frames = frames.lerp(draft(turning.into, shares), share[:, None, None, None])
    latents = encode(tokenizer, frames).to(names)
    return torch.cat([torch.einsum("fkyx,fkn->nfyx", of_cells, names), latents, drift_at(cast, rows, columns)])


def draft(cast: Cast, shares: Tensor) -> Tensor:
    """(F, H, W, 3): the clip in flat colours, things filling `shares` (f, things, t, H, W) of the pixels."""
    frames = flat_colours(cast, shares).movedim(2, -1)
    return torch.cat([frames[:1, -1], frames[1:].flatten(0, 1)])  # the first latent frame has one frame


def flat_colours(cast: Cast, shares: Tensor) -> Tensor:
    """(f, t, 3, H, W): every frame of the latent frames, things filling `shares` (f, things, t, H, W) of the pixels."""
    bands = F.interpolate(cast.bands.mT, shares.shape[3], mode="linear", align_corners=False)  # (f, 3, H)
    free = (1 - shares.sum(1)).clamp(min=0)
    things = torch.einsum("fkthw,fkc->ftchw", shares, cast.colours)
    return things + rearrange(bands, "f c h -> f 1 c h 1") * free[:, :, None]


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
        there = cast.names[:, thing].sum(-1) > 0  # in these frames
        covers[:, thing] = (inside * half + 0.5).clamp(0, 1) * there[:, None, None, None]
    order = cast.depths.argsort(-1)  # nearest first
    sorted_covers = covers.gather(1, order[..., None, None, None].expand_as(covers))
    free = torch.cat([torch.ones_like(covers[:, :1]), (1 - sorted_covers).cumprod(1)[:, :-1]], 1)
    found = torch.empty_like(covers)
    return found.scatter_(1, order[..., None, None, None].expand_as(covers), sorted_covers * free)


def drift_at(cast: Cast, rows: int, columns: int) -> Tensor:
    """(DRIFT, f, y, x): how far down and across each of so many cells was carried since the latent frame before, in cells."""
    bands = F.interpolate(rearrange(cast.drift, "f side band two -> f (side two) band"), rows, mode="linear")
    left, right = rearrange(bands, "f (side two) y -> side two f y", side=2)
    share = (torch.arange(columns, device=bands.device) + 0.5) / columns
    told: Tensor = left[..., None] * (1 - share) + right[..., None] * share
    return told * min(rows, columns) / 2
