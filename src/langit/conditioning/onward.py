"""Casts that go on from where things are known to be, without a leap, and in which what rests does so.

What is made of a thing beside frames in which it is known begins up to some pixels from where it would be by the next frame.
Here that leap becomes part of its way: the path and the outline are moved by all of it at the join and by less from frame to
frame, over a second, as `editing.joins` does with the colours of pixels. And what is known to rest and hardly leaves its place
stays where it is: else it would creep, window after window. So does what is not known to rest, where the camera is still and
nothing that moves comes near, and all things of which the prompt says that they stand still. And what goes on from known frames
keeps their colours, the backdrop as long as it stays at its height: else a minute would end in another light than it began in.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import groupby

import torch
import torch.nn.functional as F
from torch import Tensor

from langit.conditioning.cast import (
    BANDS,
    CODED,
    CODES,
    DIRECTIONS,
    NAMED,
    NUM_COLOURS,
    NUM_NAMES,
    ROWS,
    THERE,
    THINGS,
    TINTED,
    CastCode,
    Code,
)

SPREAD = 8
"""Frames over which a leap is spread, at most: as many as are made."""
SHOWN_BEFORE = 3
"""Known frames before a join that tell how fast something goes."""
STILL, STIRS = 0.02, 0.19
"""How far a thing may be from its middle place in the frames in which it is known, to rest there, and how far from that in those
that are made, to go on resting: what leaves its place by less than six pixels of 64 was meant to stay."""
CREEPS, CHANGES = 0.25, 0.12
"""How far a thing that is not known to rest may be from its middle place, and by what part its outline may change, to rest there.

Of casts of things that stand still nine of ten leave it by at most 8 pixels of 64, those of things that move by 18 to 48; an
outline changes by up to 0.11, of what topples by 0.29 and more."""
FIXED = 0.015
"""How far the backdrop may drift, on average, under a camera that is still: 0.001 to 0.01; under a slow one 0.028."""
HARDLY_FIXED = 0.05
"""How far under one that is said to be still: as far as what that carries off looks the same in its place."""
LEVEL = 0.01
"""How far the backdrop may drift up or down, on average, for its colours to stay at their height: 0.02 and more when the camera
rises."""
LIT, COLOURED = 0.2, 0.2
"""How far the backdrop, and a thing, may be from its middle colours, of -1 to 1, to have them throughout: in 97 of 100 casts by at
most 0.07 and 0.16, and by 0.5 and more where it becomes night, or something else."""


def led_on(
    rows: Tensor, known: Tensor, casting: CastCode, standing: bool = False, camera_moves: bool | None = None
) -> Tensor:
    """The rows (f * ROWS, CAST) of one cast whose things in `known` (f * ROWS,) rows are where they are known to be; `standing`
    where all of them are said to stand still; whether the camera is said to move, None where nothing is said."""
    told, is_known = rows.unflatten(0, (-1, ROWS)), known.unflatten(0, (-1, ROWS))
    numbers = casting.paths.decode(told[:, :THINGS, -CODES:] / CODED)  # (f, THINGS, numbers)
    frames = numbers.shape[-1] // (2 + DIRECTIONS)
    centres, outlines, depths = numbers.split([2 * frames, DIRECTIONS * frames, 1], -1)
    # (f, THINGS, t, 2 + DIRECTIONS): where a thing is and how far it reaches from there.
    by_latent = torch.cat([centres.unflatten(-1, (frames, 2)), outlines.unflatten(-1, (frames, DIRECTIONS))], -1)
    ways = by_latent.movedim(1, 2).flatten(0, 1)[frames - 1 :]  # (F, THINGS, ...): the first latent frame has one frame
    shown = torch.cat([is_known[:1], is_known[1:].repeat_interleave(frames, 0)])[:, :THINGS]
    named = told[:, :THINGS, NUM_COLOURS:NUM_NAMES].sum(-1).mean(0) > THERE * NAMED
    change = torch.zeros_like(told)
    behind = is_known[:, THINGS]
    backdrop, fixed = _goes_on(told[:, THINGS, -CODES:] / CODED, behind, casting.backdrops, camera_moves)
    change[:, THINGS, -CODES:] = (backdrop * CODED - told[:, THINGS, -CODES:]) * ~behind[:, None]
    resting = _resting(ways, shown, named, standing) & fixed
    for thing in range(THINGS):
        there, way = is_known[:, thing], ways[:, thing]
        if there.all():
            continue
        if there.any() or resting[thing]:
            colours = told[:, thing, NUM_NAMES:-CODES]
            change[:, thing, NUM_NAMES:-CODES] = _one(colours, there, TINTED * COLOURED) - colours
        known_to_rest = _is_known_to_rest(way, shown[:, thing])
        if known_to_rest or resting[thing]:
            place = _place(way, shown[:, thing]).expand_as(way)
            moved = place if standing or known_to_rest else torch.cat([place[:, :2], way[:, 2:]], 1)
        elif there.any():
            moved = way + sum(_spread(way, *join) for join in _joins(there.tolist(), frames))
        else:
            continue
        moved = torch.cat([moved[:1].expand(frames - 1, -1), moved])
        both = moved.unflatten(0, (-1, frames))
        codes = torch.cat([both[..., :2].flatten(1), both[..., 2:].flatten(1), depths[:, thing]], -1)
        change[:, thing, -CODES:] = (casting.paths.encode(codes) * CODED - told[:, thing, -CODES:]) * ~there[:, None]
    return rows + change.flatten(0, 1)


def _goes_on(codes: Tensor, known: Tensor, code: Code, camera_moves: bool | None) -> tuple[Tensor, bool]:
    """The codes (f, CODES) of a backdrop that keeps its `known` (f,) colours as far as it stays at its height, and does not drift
    under a camera that is still; and whether that is so."""
    bands, drift = code.decode(codes).split([3 * BANDS, 4 * BANDS], -1)
    limit = FIXED if camera_moves is None else 0.0 if camera_moves else HARDLY_FIXED
    fixed = bool(drift.abs().mean() < limit)
    level = bool(drift.unflatten(1, (2, BANDS, 2))[..., 0].mean().abs() < LEVEL)
    if fixed or (level and known.any()):
        return code.encode(torch.cat([_one(bands, known, LIT), drift * (not fixed)], -1)), fixed
    return codes, False


def _one(colours: Tensor, known: Tensor, limit: float) -> Tensor:
    """Colours (f, numbers), the same in all latent frames that are not `known` (f,) unless they differ by more than the limit."""
    one = _place(colours, known)
    if bool(((colours - one).abs().mean(1) > limit).any()):
        return colours
    return torch.where(known[:, None], colours, one)


def _place(way: Tensor, known: Tensor) -> Tensor:
    """The middle place of a way (F, numbers), in the frames (F,) in which it is known, if there are any."""
    place: Tensor = (way[known] if known.any() else way).median(0).values
    return place


def _resting(ways: Tensor, known: Tensor, there: Tensor, standing: bool) -> Tensor:
    """(THINGS,) bool: which of the things on their ways (F, THINGS, 2 + DIRECTIONS) hardly leave their place, or are said to be
    `standing`, stand still where they are `known` (F, THINGS), and are touched by none that moves; those that are not `there`
    (THINGS,) touch nothing."""
    places = torch.stack([_place(ways[:, thing], known[:, thing]) for thing in range(THINGS)])  # (THINGS, ...)
    away = (ways[..., :2] - places[:, :2]).norm(dim=-1)
    radius = ways[..., 2:].mean(-1)  # (F, THINGS)
    reach = places[:, 2:].mean(-1).abs().clamp(min=1e-3)
    changed = ((ways[..., 2:] - places[:, 2:]).abs().mean(-1) / reach).amax(0)
    calm = ((away.amax(0) < CREEPS) & (changed < CHANGES) | standing) & ((away * known).amax(0) < STILL)
    apart = (ways[:, :, None, :2] - ways[:, None, :, :2]).norm(dim=-1)
    near = (apart < radius[:, :, None] + radius[:, None]).any(0)  # (THINGS, THINGS)
    resting: Tensor = there & calm & ~(near & (there & ~calm)).any(1)
    return resting


def _is_known_to_rest(way: Tensor, known: Tensor) -> bool:
    """Whether a thing on its way (F, 2 + DIRECTIONS) rests, given the frames (F,) in which it is known."""
    if int(known.sum()) < SHOWN_BEFORE:
        return False
    away = (way[:, :2] - _place(way, known)[:2]).norm(dim=-1)
    return bool((away[known] < STILL).all()) and bool((away[~known] < STIRS).all())


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
