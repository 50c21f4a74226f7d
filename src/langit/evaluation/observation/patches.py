"""Patches: connected pixels of one colour in one frame, with their place to a fraction of a pixel.

All patches of a clip are measured at once, by sums over the pixels of each.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from langit.evaluation.observation.segmenter import FIRST_COLOUR, Segmentation
from langit.simulator.world import COLOURS

Doubles = NDArray[np.float64]
Numbers = NDArray[np.integer[Any]]

FEWEST_PIXELS = 5  # of the working size, of a patch
GAP = 13  # pixels that something in front may leave between two pieces
FAINT = 0.02  # probability below which a pixel is none of a patch's
TINY = 1e-6
IN_FRAME = np.zeros((3, 3, 3), bool)
IN_FRAME[1] = True


@dataclass(eq=False)
class Patch:
    """One connected patch in one frame."""

    frame: int
    colour: int
    area: float
    x: float
    y: float
    box: tuple[float, float, float, float]
    depth: float
    colours: Doubles  # (10,) summed probability
    touches: dict[int, int]  # colour of what it touches, with the number of touching pairs of pixels
    at_edge: bool
    change: float = np.nan  # of its looks since the frame before
    shape: int = -1  # as it is seen in this frame alone
    crop: int = field(default=-1, repr=False)

    @property
    def is_whole(self) -> bool:
        return not self.at_edge and sum(self.touches.values()) <= 2


def patches_of(seen: Segmentation) -> list[list[Patch]]:
    """All patches, frame by frame."""
    colour = seen.likeliest - FIRST_COLOUR  # (F, h, w), below 0 where no thing is
    ids, colour_of = _pieces(colour)
    of_frames: list[list[Patch]] = [[] for _ in colour]
    if not len(colour_of) > 1:
        return of_frames
    for patch in _measured(seen, ids, colour, colour_of):
        of_frames[patch.frame].append(patch)
    return of_frames


def _pieces(colour: Numbers) -> tuple[Numbers, Numbers]:
    """(F, h, w) number of the patch of every pixel, 0 for none, and the colour of each number."""
    ids, colour_of = np.zeros(colour.shape, np.int32), [-1]
    count = np.bincount(colour.ravel() - colour.min(), minlength=1)
    for one in np.flatnonzero(count >= FEWEST_PIXELS) + colour.min():
        if one < 0:
            continue
        pieces, number = ndimage.label(colour == one, IN_FRAME)
        size = np.bincount(pieces.ravel(), minlength=number + 1)
        size[0] = 0
        kept = np.flatnonzero(size >= FEWEST_PIXELS)
        new = np.zeros(number + 1, np.int32)
        new[kept] = len(colour_of) + np.arange(len(kept))
        ids += new[pieces]
        colour_of += [int(one)] * len(kept)
    return _bridged(ids, np.array(colour_of), colour)


def _bridged(ids: Numbers, colour_of: Numbers, colour: Numbers) -> tuple[Numbers, Numbers]:
    """Pieces of one colour and frame with something else's pixels alone between them, joined."""
    frame_of = np.zeros(len(colour_of), np.int64)
    inside = np.nonzero(ids)
    frame_of[ids[inside]] = inside[0]
    key = frame_of * len(COLOURS) + colour_of
    into = np.arange(len(colour_of))
    values, counts = np.unique(key[1:], return_counts=True)
    for value in values[counts > 1]:
        group = np.flatnonzero(key == value)
        group = group[group > 0]
        frame = int(frame_of[group[0]])
        points = {int(one): np.argwhere(ids[frame] == one) for one in group}
        for i, a in enumerate(group.tolist()):
            for b in group[i + 1 :].tolist():
                if into[a] != into[b] and _bridge(points[a], points[b], colour[frame]):
                    into[into == into[b]] = into[a]
    if (into == np.arange(len(into))).all():
        return ids, colour_of
    kept = np.unique(into)
    new = np.searchsorted(kept, into)
    return new[ids], colour_of[kept]


def _bridge(a: Numbers, b: Numbers, colour: Numbers) -> bool:
    apart = ((a[:, None] - b[None]) ** 2).sum(-1)
    i, j = np.unravel_index(int(apart.argmin()), apart.shape)
    steps = int(np.sqrt(apart[i, j]))
    if steps > GAP:
        return False
    between = np.rint(np.linspace(a[i], b[j], steps + 2)[1:-1]).astype(int)
    return bool((colour[between[:, 0], between[:, 1]] >= 0).all())


def _measured(seen: Segmentation, ids: Numbers, colour: Numbers, colour_of: Numbers) -> list[Patch]:
    num, (height, width) = len(colour_of), ids.shape[1:]
    # About every patch a rim of one pixel, of which it has the share that its probability tells.
    grown = np.where(ids > 0, ids, np.where(colour < 0, _dilated(ids), 0))
    frame, row, column = np.nonzero(grown)
    number = grown[frame, row, column]
    own = ids[frame, row, column] > 0
    things = seen.what[frame, row, column][:, FIRST_COLOUR:]  # (P, 10)
    weight = things[np.arange(len(number)), colour_of[number]].astype(np.float64)
    weight[weight < FAINT] = 0.0

    def summed(values: Doubles, where: NDArray[np.bool_] | slice = slice(None)) -> Doubles:
        return np.asarray(np.bincount(number[where], values[where], minlength=num), np.float64)

    area = np.maximum(summed(weight), TINY)
    x, y = summed(weight * (column + 0.5)) / area / width, summed(weight * (row + 0.5)) / area / height
    count = np.maximum(summed(own.astype(np.float64)), 1)
    depth = np.exp(summed(np.log(seen.depth[frame, row, column].astype(np.float64)), own) / count)
    colours = np.stack([summed(things[:, k].astype(np.float64), own) for k in range(things.shape[1])], -1)
    frame_of = np.zeros(num, np.int64)
    frame_of[number] = frame
    touches = _touches(ids, colour_of)
    found = []
    for one, window in enumerate(ndimage.find_objects(grown), 1):
        if window is None:
            continue
        mine = grown[window][0] == one
        share = np.where(mine, seen.what[window][0, :, :, FIRST_COLOUR + colour_of[one]], 0.0)
        top, left = window[1].start, window[2].start
        hard = ids[window][0] == one
        rows, columns = np.flatnonzero(hard.any(1)), np.flatnonzero(hard.any(0))
        x_low, x_high = _ends(share.max(0), int(columns[0]), int(columns[-1]))
        y_low, y_high = _ends(share.max(1), int(rows[0]), int(rows[-1]))
        box = ((left + x_low) / width, (top + y_low) / height, (left + x_high) / width, (top + y_high) / height)
        edge = top + rows[0] == 0 or top + rows[-1] == height - 1
        edge = edge or left + columns[0] == 0 or left + columns[-1] == width - 1
        found.append(
            Patch(
                frame=int(frame_of[one]),
                colour=int(colour_of[one]),
                area=float(area[one]),
                x=float(x[one]),
                y=float(y[one]),
                box=box,
                depth=float(depth[one]),
                colours=colours[one],
                touches=touches.get(one, {}),
                at_edge=bool(edge),
            )
        )
    return found


def _dilated(ids: Numbers) -> Numbers:
    """The largest number of each pixel and its eight neighbours."""
    wide = ids.copy()
    np.maximum(wide[:, :, 1:], ids[:, :, :-1], out=wide[:, :, 1:])
    np.maximum(wide[:, :, :-1], ids[:, :, 1:], out=wide[:, :, :-1])
    tall = wide.copy()
    np.maximum(tall[:, 1:], wide[:, :-1], out=tall[:, 1:])
    np.maximum(tall[:, :-1], wide[:, 1:], out=tall[:, :-1])
    return tall


def _touches(ids: Numbers, colour_of: Numbers) -> dict[int, dict[int, int]]:
    """Per patch, the colours of what lies beside or below its pixels, and how often."""
    codes = []
    for a, b in ((ids[:, :, :-1], ids[:, :, 1:]), (ids[:, :-1], ids[:, 1:])):
        meet = (a > 0) & (b > 0) & (a != b)
        one, other = a[meet], b[meet]
        codes += [one * len(COLOURS) + colour_of[other], other * len(COLOURS) + colour_of[one]]
    values, counts = np.unique(np.concatenate(codes), return_counts=True)
    found: dict[int, dict[int, int]] = {}
    for value, count in zip(values.tolist(), counts.tolist(), strict=True):
        found.setdefault(value // len(COLOURS), {})[value % len(COLOURS)] = count
    return found


def _ends(cover: NDArray[np.floating], first: int, last: int) -> tuple[float, float]:
    """Where a profile of coverage begins and ends, to a fraction of a pixel, beside its full pixels."""
    before = float(cover[first - 1]) if first > 0 else 0.0
    after = float(cover[last + 1]) if last + 1 < len(cover) else 0.0
    return first - before * 0.5, last + 1 + after * 0.5
