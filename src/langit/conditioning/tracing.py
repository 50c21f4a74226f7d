"""Traces of what is known of a picture: how far a thing reaches in every direction, to a fraction of a pixel.

A network paints the pixels of known frames by the colours that things are named by. How far what is painted in a colour
reaches is read off by arithmetic, and a thing of that colour alone is then cast with that outline there, and where it truly is:
what a clip goes on with does not jump. Where a thing is cut by the frame or by a nearer one nothing is read. A thing that left the
frame is cast beyond the side by which it left, for as long as it is known not to be in sight.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from langit.conditioning.cast import (
    CAST,
    CODED,
    CODES,
    DIRECTIONS,
    NAMED,
    NUM_COLOURS,
    NUM_NAMES,
    ROWS,
    THERE,
    THINGS,
    Cast,
    Code,
)
from langit.conditioning.drawing import seen
from langit.packing import Layout

WIDTHS = (24, 48, 64)
"""Of the network at whole, half and quarter size."""
LEAST_PIXELS = 6
"""Of a frame: what fewer are painted is not traced."""
CUT = 2
"""Pixels beyond what is painted in which the frame ends or another colour begins where a thing is cut."""
FEWEST = DIRECTIONS // 3
"""Directions that must be read of a thing before it is moved."""


class Tracing(nn.Module):
    """Frames (n, 3, H, W) -> logits (n, NUM_COLOURS + 1, H, W) of the colour that each pixel's thing is named by, or none."""

    def __init__(self) -> None:
        super().__init__()
        fine, middle, coarse = WIDTHS
        self.fine = nn.Conv2d(3, fine, 3, padding=1)
        self.middle = nn.Conv2d(fine, middle, 3, stride=2, padding=1)
        self.coarse = nn.Conv2d(middle, coarse, 3, stride=2, padding=1)
        self.coarser = nn.Conv2d(2 * coarse, coarse, 3, padding=2, dilation=2)
        self.to_middle = nn.Conv2d(coarse + middle, middle, 3, padding=1)
        self.to_fine = nn.Conv2d(middle + fine, fine, 3, padding=1)
        self.colours = nn.Conv2d(fine, NUM_COLOURS + 1, 1)

    def forward(self, frames: Tensor) -> Tensor:
        fine = F.silu(self.fine(frames))
        middle = F.silu(self.middle(fine))
        coarse = F.silu(self.coarse(middle))
        light = coarse.mean((2, 3), keepdim=True).expand_as(coarse)  # what colours look like is the light's doing, too
        coarse = F.silu(self.coarser(torch.cat([coarse, light], 1)))
        middle = F.silu(self.to_middle(torch.cat([F.interpolate(coarse, size=middle.shape[2:]), middle], 1)))
        fine = F.silu(self.to_fine(torch.cat([F.interpolate(middle, size=fine.shape[2:]), fine], 1)))
        told: Tensor = self.colours(fine)
        return told


@dataclass(frozen=True)
class Traces:
    """What is read of f latent frames, of t frames each."""

    reach: (
        Tensor  # (f, NUM_COLOURS, t, DIRECTIONS) of what is painted in a colour, from the middle, in half shorter sides
    )
    read: Tensor  # the same shape: 1 where that is known
    left: Tensor  # (f, NUM_COLOURS, t): where the side lies by which what is painted so left the frame; 0 where it did not

    def except_for(self, frames: Tensor) -> Traces:
        """The same without what is read of those of the latent frames (f,) bool."""
        read = self.read.masked_fill(frames[:, None, None, None], 0.0)
        return Traces(self.reach, read, self.left.masked_fill(frames[:, None, None], 0.0))


def no_traces(frames: int, of: int, device: torch.device | str = "cpu") -> Traces:
    """Of so many latent frames, `of` so many frames each, of which nothing is known."""
    nothing = torch.zeros(frames, NUM_COLOURS, of, DIRECTIONS, device=device)
    return Traces(nothing, nothing.clone(), nothing[..., 0].clone())


def all_traces(clips: Sequence[Traces]) -> Traces:
    """Of several clips, one after the other."""
    return Traces(*(torch.cat(parts) for parts in zip(*(vars(one).values() for one in clips), strict=True)))


def traces_of(painted: Tensor) -> Traces:
    """Logits (f, NUM_COLOURS + 1, t, H, W) of known latent frames in order -> how far each colour reaches, and which left."""
    height, width = painted.shape[-2:]
    half, device = min(height, width) / 2, painted.device
    y = torch.arange(height, device=device) + 0.5 - height / 2
    x = torch.arange(width, device=device) + 0.5 - width / 2
    angles = 2 * math.pi * torch.arange(DIRECTIONS, device=device) / DIRECTIONS
    share = painted.softmax(1)[:, :-1]
    reach, read = painted.new_zeros(2, *share.shape[:3], DIRECTIONS)
    mine = share > 0.5
    enough = mine.sum((-2, -1)) >= LEAST_PIXELS
    ends = painted.new_full((*share.shape[:3], 2), math.nan)  # how far to the left and to the right it is seen
    for frame, colour, time in enough.nonzero().tolist():
        rows, columns = mine[frame, colour, time].nonzero(as_tuple=True)
        ends[frame, colour, time] = torch.stack([x[columns].min(), x[columns].max()])
        # A pixel that is painted by half ends at its middle.
        beyond = share[frame, colour, time, rows, columns] - 0.5
        along = torch.outer(angles.cos(), x[columns]) + torch.outer(angles.sin(), y[rows]) + beyond
        farthest, which = along.max(1)
        reach[frame, colour, time] = farthest / half
        # Beyond the farthest pixel lies nothing of the frame's border and nothing of another colour.
        out_y = rows[which] + (CUT * angles.sin()).round().long()
        out_x = columns[which] + (CUT * angles.cos()).round().long()
        inside = (out_y >= 0) & (out_y < height) & (out_x >= 0) & (out_x < width)
        others = share[frame, :, time].sum(0)
        free = others[out_y.clamp(0, height - 1), out_x.clamp(0, width - 1)] < 0.5
        read[frame, colour, time] = (inside & free).to(read)
    return Traces(reach, read, _left(ends, width / 2) / half)


def _left(ends: Tensor, side: float) -> Tensor:
    """(f, colours, t, 2) how far to the left and to the right what is painted in a colour is seen, NaN where it is not -> (f,
    colours, t): the side, left (-) or right, by which it left; 0 where it did not.

    It did where it was within its own width of that side in the nearest frame in which it is seen.
    """
    by_frame = ends.movedim(1, 2).flatten(0, 1)  # (F, colours, 2)
    times = torch.arange(len(by_frame), device=ends.device)
    seen_in = ~by_frame.isnan().any(-1)  # (F, colours)
    far = (times[:, None, None] - times[None, :, None]).abs() + len(times) * ~seen_in[None]  # (F, F, colours)
    nearest = far.argmin(1)  # (F, colours)
    begin, end = by_frame.gather(0, nearest[..., None].expand_as(by_frame)).unbind(-1)
    near_right, near_left = side - end <= end - begin + 1, begin + side <= end - begin + 1
    by = side * (near_right & (end + begin > 0)).to(ends) - side * (near_left & (end + begin < 0)).to(ends)
    left: Tensor = torch.where(seen_in, torch.zeros_like(by), by).unflatten(0, (len(ends), -1)).movedim(2, 1)
    return left


def traced(rows: Tensor, traces: Traces, layout: Layout, paths: Code) -> Tensor:
    """Predicted rows of casts (N, CAST), things where they are traced and as far-reaching, and out of sight where they left; things
    that share their colour are left as they are."""
    if not traces.read.any():
        return rows
    things = rows.unflatten(0, (-1, ROWS))[:, :THINGS]
    colour = _colours(things, layout)
    wanted, read = _told(colour, traces)
    told = paths.decode(things[..., -CODES:] / CODED)
    count = wanted.shape[2]
    centres, outlines, depths = told.split([2 * count, DIRECTIONS * count, 1], -1)
    centres, outlines = centres.unflatten(-1, (count, 2)), outlines.unflatten(-1, (count, DIRECTIONS))
    away = (wanted - outlines - centres @ _directions(rows)) * read
    shift = _shift(away, read)
    centres = centres + shift
    outlines = outlines + (away - shift @ _directions(rows)) * read
    away = _out_of_sight(centres, outlines, depths, torch.einsum("fkc,fct->fkt", colour, traces.left))
    centres = centres + F.pad(away[..., None], (0, 1))
    codes = paths.encode(torch.cat([centres.flatten(2), outlines.flatten(2), depths], -1)) * CODED
    moved = (read.amax((-2, -1)) > 0) | (away != 0).any(-1)
    change = (codes - things[..., -CODES:]) * moved[..., None]
    return rows + F.pad(change, (CAST - CODES, 0, 0, ROWS - THINGS)).flatten(0, 1)


def traced_rows(rows: Tensor, traces: Traces, layout: Layout) -> Tensor:
    """(N,) bool: which rows of casts are of things that are traced, or have left, in all frames of their latent frame."""
    colour = _colours(rows.unflatten(0, (-1, ROWS))[:, :THINGS], layout)
    _, read = _told(colour, traces)
    left = torch.einsum("fkc,fct->fkt", colour, traces.left)
    known = (read.amax(-1) > 0) | (left != 0)
    return F.pad(known.all(-1), (0, ROWS - THINGS)).flatten()


def _out_of_sight(centres: Tensor, outlines: Tensor, depths: Tensor, side: Tensor) -> Tensor:
    """(f, THINGS, t): how far to the right each thing has to go to be beyond the `side` by which it left (0 for none), if it is not
    hidden by a nearer one."""
    directions = _directions(centres)
    apart = centres[:, :, None] - centres[:, None]  # (f, hidden, hiding, t, 2)
    covers = (outlines[:, None] - apart @ directions).amin(-1) > 0
    hidden = (covers & (depths[:, :, None] > depths[:, None])).any(2)
    leftmost, rightmost = outlines[..., DIRECTIONS // 2], outlines[..., 0]
    to_right = (side + leftmost - centres[..., 0]).clamp(min=0) * (side > 0)
    to_left = (side - rightmost - centres[..., 0]).clamp(max=0) * (side < 0)
    return (to_right + to_left) * ~hidden


def _told(colour: Tensor, traces: Traces) -> tuple[Tensor, Tensor]:
    """What each thing is painted in (f, THINGS, NUM_COLOURS) -> how far it reaches, and where that is read, (f, THINGS, t,
    DIRECTIONS)."""
    wanted, read = (torch.einsum("fkc,fctd->fktd", colour, told) for told in (traces.reach, traces.read))
    return wanted, read * (read.sum(-1, keepdim=True) >= FEWEST)


def _colours(things: Tensor, layout: Layout) -> Tensor:
    """Rows of things (f, THINGS, CAST) -> the colour that each has to itself, (f, THINGS, NUM_COLOURS)."""
    frames = torch.tensor([grid.t for grid in layout.grids], device=things.device)
    clip = torch.arange(len(frames), device=things.device).repeat_interleave(frames)
    named = things[..., :NUM_NAMES]
    mean = named.new_zeros(len(frames), *named.shape[1:]).index_add(0, clip, named) / frames[:, None, None]
    return _alone(mean)[clip]


def tracing_loss(painted: Tensor, casts: Sequence[Cast]) -> Tensor:
    """Logits (n, NUM_COLOURS + 1, H, W) of frames, each the last one of a latent frame of which the true cast is given -> their
    mean cross-entropy."""
    cast = Cast(*(torch.cat(parts) for parts in zip(*(vars(one).values() for one in casts), strict=True)))
    last = replace(cast, centres=cast.centres[:, :, -1:], outlines=cast.outlines[:, :, -1:])
    shares = seen(last, *painted.shape[-2:])[:, :, 0]  # (n, things, H, W)
    colours = torch.einsum("nkhw,nkc->nchw", shares, cast.names[..., :NUM_COLOURS])
    whole = torch.cat([colours, (1 - colours.sum(1, keepdim=True)).clamp(min=0)], 1)
    return -(whole * painted.float().log_softmax(1)).sum(1).mean()


def _shift(away: Tensor, read: Tensor) -> Tensor:
    """(..., DIRECTIONS) by how much farther a thing reaches, where that is `read` -> (..., 2) by how much it is moved, by least
    squares."""
    directions = _directions(away)  # (2, DIRECTIONS)
    products = torch.einsum("...d,id,jd->...ij", read, directions, directions)
    products = products + 1e-3 * torch.eye(2, device=away.device)
    shift: Tensor = torch.linalg.solve(products, (away @ directions.T)[..., None])[..., 0]
    return shift


def _directions(like: Tensor) -> Tensor:
    angles = 2 * math.pi * torch.arange(DIRECTIONS, device=like.device) / DIRECTIONS
    return torch.stack([angles.cos(), angles.sin()]).to(like)


def _alone(named: Tensor) -> Tensor:
    """(..., THINGS, NUM_NAMES), scaled -> (..., THINGS, NUM_COLOURS): 1 for the colour of a thing that is there and shares it with
    no other."""
    there = named[..., NUM_COLOURS:].sum(-1, keepdim=True) > THERE * NAMED
    colour = F.one_hot(named[..., :NUM_COLOURS].argmax(-1), NUM_COLOURS) * there
    return (colour * (colour.sum(-2, keepdim=True) == 1)).to(named.dtype)
