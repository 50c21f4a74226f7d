"""What fills each latent cell of a simulated clip: the shares of colours and shapes, the outlines of things in it, and how
the camera's motion carries it over the screen.

The simulated world knows what every pixel belongs to, so this comes free with its footage. The network learns it beside the
footage (`naming`), or before it (`sketching`).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import torch
from einops import rearrange, reduce
from numpy.typing import NDArray
from torch import Tensor

from langit.conditioning.drift import DRIFT
from langit.simulator.camera import drift
from langit.simulator.world import COLOURS, SHAPES, Camera, Thing
from langit.types import Frames

KINDS = (*SHAPES, "wall", "ramp", "rod")
NAMES = (*COLOURS, *KINDS)
"""What a cell is named by: the colours, then the shapes and props."""
WAVES = tuple((t, y, x) for t, y, x in itertools.product(range(4), repeat=3) if 0 < t + y + x <= 3)
"""How often in a cell (time, height, width) the waves go up and down that the outlines of things are told by."""
SEEN = 0.01
"""Share of a cell from which on it is told what colour it has."""
COLOURED = 6
"""Of each cell the colour that is not a thing's, and by how much that of things differs from it, as RGB."""
FILLS = len(NAMES) + len(WAVES) + COLOURED + DRIFT


def fills_of(
    frames: Frames,
    segmentation: NDArray[np.uint8],
    things: Sequence[Thing],
    camera: Camera,
    stride: tuple[int, int, int],
) -> Tensor:
    """(fills, f, h, w) half: which share of each latent cell every name fills, the outlines of things in it, two colours, and
    how far the camera's motion carried it.

    Frames are (F, H, W, 3); segmentation (F, H, W) is the simulator's: 2 + k is thing k; the camera's path begins with
    them. The first frame is a latent frame of its own. Outlines are the first coefficients of the cosine transform of what shapes
    cover; props, which are large, only have names, and are of the cell's other colour. An edge is an outline times the
    difference of colours. What is carried is the ground or the sky that the last frame of each latent frame shows
    (`camera.drift`).
    """
    fills = np.zeros((FILLS, 1 + (len(segmentation) - 1) // stride[0], *_cells(segmentation, *stride[1:])), np.float32)
    shapes = np.zeros(segmentation.shape, np.float32)
    for index, thing in enumerate(things):
        mine = (segmentation == 2 + index).astype(np.float32)
        share = _means(mine[..., None], stride)[0]
        fills[NAMES.index(thing.colour)] += share
        fills[NAMES.index(thing.shape)] += share
        if thing.shape in SHAPES:
            shapes += mine
    fills[len(NAMES) :][: len(WAVES)] = _waves(shapes, stride)
    fills[-COLOURED - DRIFT : -DRIFT] = _colours(frames, shapes, stride)
    carried = drift(camera, range(0, len(segmentation), stride[0]), *fills.shape[2:])
    fills[-DRIFT:] = rearrange(carried, "f h w two -> two f h w")
    return torch.from_numpy(fills).half()


def named(fills: Tensor, cells: int) -> Tensor:
    """The shares of names alone, (N, names * cells), of (N, fills * cells)."""
    return fills[:, : len(NAMES) * cells]


def _waves(covered: NDArray[np.float32], stride: tuple[int, int, int]) -> NDArray[np.float32]:
    """(F, H, W) -> (waves, f, h, w): of every cell its mean product with each wave."""
    t, h, w = stride
    cells = rearrange(_whole_groups(covered, t), "(f t) (y h) (x w) -> f y x t h w", t=t, h=h, w=w)
    for length in (t, h, w):  # the axis that is transformed goes to the end, and the next one comes to its place
        cells = np.tensordot(cells, _cosines(length), (3, 1))
    return np.stack([cells[..., i, j, k] for i, j, k in WAVES]).astype(np.float32)


def _colours(frames: Frames, covered: NDArray[np.float32], stride: tuple[int, int, int]) -> NDArray[np.float32]:
    """(COLOURED, f, h, w): the mean colour of what is not covered, or of all where all is, and what to add for the rest."""
    pixels = frames.astype(np.float32) / 127.5 - 1
    share, whole, inside = (_means(each, stride) for each in (covered[..., None], pixels, pixels * covered[..., None]))
    outside = (whole - inside) / np.maximum(1 - share, 1e-6)
    both = (share > SEEN) & (share < 1 - SEEN)
    rest = np.where(share < 1 - SEEN, outside, whole)
    return np.concatenate([rest, np.where(both, inside / np.maximum(share, 1e-6) - outside, 0)])


def _means(values: NDArray[np.float32], stride: tuple[int, int, int]) -> NDArray[np.float32]:
    """(F, H, W, c) -> (c, f, h, w): of every cell."""
    t, h, w = stride
    found: NDArray[np.float32] = reduce(
        _whole_groups(values, t), "(f t) (y h) (x w) c -> c f y x", "mean", t=t, h=h, w=w
    )
    return found


def _whole_groups(values: NDArray[np.float32], t: int) -> NDArray[np.float32]:
    """The first frame as often as other latent frames have frames."""
    return np.concatenate([values[:1].repeat(t, 0), values[1:]])


def _cosines(length: int) -> NDArray[np.float32]:
    """(4, length): the constant and three waves, each of mean square 1, as they are averaged over."""
    places = (np.arange(length) + 0.5) / length
    waves = np.stack([np.ones(length), *(math.sqrt(2) * np.cos(math.pi * k * places) for k in (1, 2, 3))])
    return (waves / length).astype(np.float32)


def _cells(segmentation: NDArray[np.uint8], h: int, w: int) -> tuple[int, int]:
    return segmentation.shape[1] // h, segmentation.shape[2] // w
