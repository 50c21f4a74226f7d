"""Where the light comes from: shadows on the ground about things, and the shading of the things themselves.

About the foot of every patch of a few early frames, the ground's brightness is taken in rings on the ground's plane, over
what that row of the ground usually has; a small network (`fit_scene`) reads the rings, the thing's shading, how bright it is
for its colour (what is lit from behind is dark) and the sky.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from importlib.resources import files

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load
from torch import Tensor, nn

from langit.evaluation.observation.council import Council
from langit.evaluation.observation.moves import MIRRORED, Evidence
from langit.evaluation.observation.patches import Patch
from langit.evaluation.observation.segmenter import Segmentation
from langit.simulator.world import COLOURS, LIGHT_SIDES, Array

FRAMES = (0, 2, 4, 6)
"""At which it is looked: a camera that moves on leaves the side that is told of its first frame."""
HALF_VIEW = np.tan(np.radians(40.5) / 2)
RADII = (1.0, 1.5, 2.1, 2.9, 4.0, 5.5)  # of the thing's half width, from its middle
NUM_ANGLES = 16
GRID = 4  # cells of the thing's shading, each way
SKY_COLUMNS = 4
SURE = 0.6  # of ground, of a pixel whose brightness is taken
FEWEST_PIXELS = 20.0
NUM_NUMBERS = 2 * len(RADII) * NUM_ANGLES + 2 * GRID * GRID + SKY_COLUMNS + 3 + 5 + 3 + 4 + len(COLOURS)
WEIGHTS = "lamp.safetensors"
MEMBERS = 3
IN_MIRROR = [LIGHT_SIDES.index(MIRRORED.get(side, side)) for side in LIGHT_SIDES]


class Lamp(nn.Module):
    """Numbers of patches (B, NUM_NUMBERS) to logits (B, sides)."""

    def __init__(self, width: int = 128) -> None:
        super().__init__()
        self.think = nn.Sequential(
            nn.Linear(NUM_NUMBERS, width), nn.ReLU(), nn.Dropout(0.35), nn.Linear(width, 48), nn.ReLU(),
            nn.Linear(48, len(LIGHT_SIDES)),
        )  # fmt: skip

    def forward(self, numbers: Tensor) -> Tensor:
        logits: Tensor = self.think(numbers)
        return logits


def light_side(seen: Segmentation, found: Evidence, chains: Sequence[list[Patch]]) -> str:
    """One of LIGHT_SIDES, seen from the camera at the first frame, by the clip and by its mirror image."""
    pictures = pictures_of(seen)
    numbers = [numbers_of(pictures, found, chains, mirrored=mirrored) for mirrored in (False, True)]
    if not len(numbers[0]):
        return LIGHT_SIDES[0]
    with torch.inference_mode():
        as_is, mirrored = (_network()(torch.from_numpy(one)).softmax(-1).mean((0, 1)) for one in numbers)
        return LIGHT_SIDES[int((as_is + mirrored[IN_MIRROR]).argmax())]


def pictures_of(seen: Segmentation) -> Array:
    """(frames, 5, h, w): red, green, blue in [-1, 1], how much is of things, how much is sky."""
    chosen = [frame for frame in FRAMES if frame < len(seen.frames)]
    what = seen.what[chosen]
    sky, ground = what[..., :1], what[..., 1:2]
    pictures = np.concatenate([seen.frames[chosen] * 2 - 1, 1 - sky - ground, sky], -1)
    return np.ascontiguousarray(pictures.transpose(0, 3, 1, 2), np.float32)


def numbers_of(pictures: Array, found: Evidence, chains: Sequence[list[Patch]], *, mirrored: bool = False) -> Array:
    """(N, NUM_NUMBERS): what the network sees of every patch of the frames at which is looked."""
    scene = np.concatenate([np.exp(found.light_time), np.exp(found.ground)])
    rows = []
    for place, frame in enumerate(FRAMES[: len(pictures)]):
        picture = pictures[place][:, :, ::-1] if mirrored else pictures[place]
        grey = np.log((picture[:3].mean(0) + 1) / 2 + 0.03)
        ground = 1 - picture[3] - picture[4] > SURE
        lit = _usual(grey, ground)
        sky = np.array([_mean(grey[:, part], picture[4][:, part] > SURE) for part in _parts(grey.shape[1])])
        sky = sky - np.nanmean(sky) if np.isfinite(sky).any() else sky
        for chain in chains:
            patch = next((one for one in chain if one.frame == frame), None)
            if patch is not None and patch.area >= FEWEST_PIXELS:
                left, top, right, bottom = patch.box
                box = (1 - right, top, 1 - left, bottom) if mirrored else patch.box
                camera = float(found.horizon[frame]), float(found.camera_height[frame])
                rings = _rings(lit, ground, box, camera[0])
                size = [np.log(patch.area / 100), 4 * (bottom - camera[0]), np.log(camera[1] / 2)]
                own = [*_brightness(grey, picture[3], ground, box), *(np.arange(len(COLOURS)) == patch.colour)]
                rows.append(
                    np.concatenate([rings, _shading(grey, picture[3], box), np.nan_to_num(sky), scene, size, own])
                )
    return np.asarray(np.stack(rows) if rows else np.zeros((0, NUM_NUMBERS)), np.float32)


def _usual(grey: Array, ground: NDArray[np.bool_]) -> Array:
    """Brightness over the median of the ground in the rows about, 0 where it is no ground."""
    known = np.where(ground, grey, np.nan)
    beyond = np.full_like(known[:1], np.nan)
    about = np.concatenate([np.concatenate([beyond, known[:-1]]), known, np.concatenate([known[1:], beyond])], 1)
    count = np.isfinite(about).sum(1)
    ordered = np.sort(about, 1)  # what is no ground comes last
    rows = np.arange(len(grey))
    usual = (ordered[rows, np.maximum(count - 1, 0) // 2] + ordered[rows, count // 2]) / 2
    return np.asarray(np.nan_to_num(known - usual[:, None]), np.float32)


def _rings(lit: Array, ground: NDArray[np.bool_], box: Sequence[float], horizon: float) -> NDArray[np.float64]:
    """Brightness of the ground about a thing's foot and where it is ground, ring by ring."""
    height, width = lit.shape
    short = min(height, width)
    scale = 2 * HALF_VIEW / short
    u = ((box[0] + box[2]) / 2 - 0.5) * width * scale
    below = max((box[3] - horizon) * height * scale, 0.02)
    away = 1 / below  # in heights of the camera
    radius = (box[2] - box[0]) / 2 * width * scale * away
    angle = np.arange(NUM_ANGLES) * 2 * np.pi / NUM_ANGLES
    reach = radius * np.array(RADII)[:, None]
    deep = np.maximum(away + radius + reach * np.sin(angle), 0.2)
    across = u * (away + radius) + reach * np.cos(angle)
    column = np.floor(across / deep / scale + width / 2).astype(int)
    row = np.floor(1 / deep / scale + horizon * height).astype(int)
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    column, row = np.clip(column, 0, width - 1), np.clip(row, 0, height - 1)
    known = inside & ground[row, column]
    return np.concatenate([np.where(known, 3 * lit[row, column], 0.0).ravel(), known.ravel().astype(np.float64)])


def _shading(grey: Array, thing: Array, box: Sequence[float]) -> NDArray[np.float64]:
    """The thing's brightness by cells of its box over its mean, and where it is seen."""
    height, width = grey.shape
    columns = np.clip((box[0] + (np.arange(GRID) + 0.5) / GRID * (box[2] - box[0])) * width, 0, width - 1).astype(int)
    rows = np.clip((box[1] + (np.arange(GRID) + 0.5) / GRID * (box[3] - box[1])) * height, 0, height - 1).astype(int)
    cells, known = grey[np.ix_(rows, columns)], thing[np.ix_(rows, columns)] > SURE
    if not known.any():
        return np.zeros(2 * GRID * GRID)
    cells = np.where(known, 2 * (cells - cells[known].mean()), 0.0)
    return np.concatenate([cells.ravel(), known.ravel().astype(np.float64)])


def _brightness(
    grey: Array, thing: Array, ground: NDArray[np.bool_], box: Sequence[float]
) -> tuple[float, float, float, float]:
    """Of a thing as a whole, of its upper and lower half over that, and over the ground."""
    height, width = grey.shape
    left, right = int(box[0] * width), max(int(np.ceil(box[2] * width)), int(box[0] * width) + 1)
    top, bottom = int(box[1] * height), max(int(np.ceil(box[3] * height)), int(box[1] * height) + 1)
    inside, known = grey[top:bottom, left:right], thing[top:bottom, left:right] > SURE
    if not known.any():
        return 0.0, 0.0, 0.0, 0.0
    mean, half = float(inside[known].mean()), len(inside) // 2
    parts = (_mean(inside[some], known[some]) for some in (slice(None, half), slice(half, None)))
    upper, lower = (2 * float(np.nan_to_num(part - mean)) for part in parts)
    return mean + 1, upper, lower, mean - float(grey[ground].mean()) if ground.any() else 0.0


def _parts(width: int) -> list[slice]:
    return [slice(width * k // SKY_COLUMNS, width * (k + 1) // SKY_COLUMNS) for k in range(SKY_COLUMNS)]


def _mean(values: Array, where: NDArray[np.bool_]) -> float:
    return float(values[where].mean()) if where.any() else float("nan")


@functools.cache
def _network() -> Council:
    network = Council(Lamp, MEMBERS)
    stored = load((files(__package__) / WEIGHTS).read_bytes())
    network.load_state_dict({key: value.float() for key, value in stored.items()})
    return network.requires_grad_(False).eval()
