"""Casts that go on from where things are known to be, without a leap.

What is made of a thing beside frames in which it is known begins up to some pixels from where it would be by the next frame.
Here that leap becomes part of its way: the path and the outline are moved by all of it at the join and by less from frame to
frame, over a second, as `editing.joins` does with the colours of pixels. And what is known to rest and hardly leaves its place
stays where it is: else it would creep, window after window.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import groupby

import torch
import torch.nn.functional as F
from torch import Tensor

from langit.conditioning.cast import CODED, CODES, DIRECTIONS, ROWS, THINGS, Code

SPREAD = 8
"""Frames over which a leap is spread, at most: as many as are made."""
SHOWN_BEFORE = 3
"""Known frames before a join that tell how fast something goes."""
STILL, STIRS = 0.02, 0.19
"""How far a thing may be from its middle place in the frames in which it is known, to rest there, and how far from that in those
that are made, to go on resting: what leaves its place by less than six pixels of 64 was meant to stay."""


def led_on(rows: Tensor, known: Tensor, paths: Code) -> Tensor:
    """The rows (f * ROWS, CAST) of one cast whose things in `known` (f * ROWS,) rows are where they are known to be."""
    told, is_known = rows.unflatten(0, (-1, ROWS)), known.unflatten(0, (-1, ROWS))
    numbers = paths.decode(told[:, :THINGS, -CODES:] / CODED)  # (f, THINGS, numbers)
    frames = numbers.shape[-1] // (2 + DIRECTIONS)
    centres, outlines, depths = numbers.split([2 * frames, DIRECTIONS * frames, 1], -1)
    # (f, THINGS, t, 2 + DIRECTIONS): where a thing is and how far it reaches from there.
    ways = torch.cat([centres.unflatten(-1, (frames, 2)), outlines.unflatten(-1, (frames, DIRECTIONS))], -1)
    change = torch.zeros_like(told)
    for thing in range(THINGS):
        there = is_known[:, thing]
        if not there.any() or there.all():
            continue
        way = ways[:, thing].flatten(0, 1)[frames - 1 :]  # the first latent frame has one frame
        rests = _rest_of(way, torch.cat([there[:1], there[1:].repeat_interleave(frames)]))
        if rests is not None:
            moved = rests.expand_as(way)
        else:
            moved = way + sum(_spread(way, *join) for join in _joins(there.tolist(), frames))
        moved = torch.cat([moved[:1].expand(frames - 1, -1), moved])
        both = moved.unflatten(0, (-1, frames))
        codes = torch.cat([both[..., :2].flatten(1), both[..., 2:].flatten(1), depths[:, thing]], -1)
        change[:, thing, -CODES:] = (paths.encode(codes) * CODED - told[:, thing, -CODES:]) * ~there[:, None]
    return rows + change.flatten(0, 1)


def _rest_of(way: Tensor, known: Tensor) -> Tensor | None:
    """Where a thing on its way (F, 2 + DIRECTIONS) rests, (2 + DIRECTIONS,), given the frames (F,) in which it is known; None
    where it goes."""
    if int(known.sum()) < SHOWN_BEFORE:
        return None
    place = way[known].median(0).values
    away = (way[:, :2] - place[:2]).norm(dim=-1)
    return place if bool((away[known] < STILL).all()) and bool((away[~known] < STIRS).all()) else None


def _joins(known: list[bool], frames: int) -> Iterator[tuple[int, int, bool]]:
    """(start, stop) of every stretch of frames that are made and lie beside what is known, and whether that comes after them."""
    at = 0
    for is_known, run in groupby(known):
        begin, at = at, at + len(list(run))
        start, stop = max(0, (begin - 1) * frames + 1), (at - 1) * frames + 1
        if not is_known and begin > 0:
            yield start, stop, False
        if not is_known and at < len(known):
            yield start, stop, True


def _spread(way: Tensor, start: int, stop: int, is_before: bool) -> Tensor:
    """What a way (F, numbers) is moved by, for its frames from `start` to `stop` to go on from the known one before `start`, or
    (`is_before`) to lead up to the one at `stop`."""
    if is_before:
        backward: Tensor = _spread(way.flip(0), len(way) - stop, len(way) - start, False).flip(0)
        return backward
    made, known = way[start:stop], way[max(0, start - SHOWN_BEFORE) : start]
    paces = [part.diff(dim=0).mean(0) for part in (known, made[:2]) if len(part) > 1]
    leap = made[0] - known[-1] - sum(paces) / max(1, len(paces))
    reach = min(SPREAD, len(made))
    shares = (1 + torch.cos(math.pi * torch.arange(reach, device=way.device) / reach)) / 2
    return F.pad(-shares[:, None] * leap, (0, 0, start, len(way) - start - reach))
