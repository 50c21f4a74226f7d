"""Maps to tracks: connected patches of one colour, linked from frame to frame.

Patches are found colour by colour, linked by place, and what belongs to one thing is joined: pieces on both sides of a
bar that passes before it, the stretches before and after it was hidden, and the same patch under a changed colour.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.optimize import linear_sum_assignment

from langit.evaluation.observation.namer import Spot, name
from langit.evaluation.observation.seen import Track
from langit.evaluation.observation.segmenter import FIRST_COLOUR, SEEN_SHAPES, Segmentation
from langit.simulator.world import COLOURS, MATERIALS, SIZES

Doubles = NDArray[np.float64]

FEWEST_PIXELS = 5  # of the working size, of a patch
FEWEST_FRAMES = 3
FEWEST_LARGEST = 24.0  # pixels in the frame that shows most of it
FEWEST_TOTAL = 60.0  # pixels over all frames, of a track
GAP = 8  # pixels that something in front may leave between two pieces
FARTHEST = 0.30  # of the frame, between a predicted and a found place, for the same thing one frame later
SAME_PLACE = 0.08  # of the frame, for a patch that changed its colour
SPECK = 0.22  # of what it touches: a smaller patch that never leaves it is a part of it
GRID = 4
UNLIKE = 2.5  # of log probability, by which a shape is ruled out
TINY = 1e-6


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
    touches: dict[int, int]  # colour of what it touches, with the number of touching pixels
    at_edge: bool
    looks: NDArray[np.float32]  # (GRID, GRID, 3) colours over its box
    pixels: NDArray[np.bool_] = field(repr=False)  # (h, w)
    shapes: Doubles = field(default_factory=lambda: np.zeros(len(SEEN_SHAPES)))  # log probabilities
    materials: Doubles = field(default_factory=lambda: np.zeros(len(MATERIALS)))
    sizes: Doubles = field(default_factory=lambda: np.zeros(len(SIZES)))

    @property
    def is_whole(self) -> bool:
        return not self.at_edge and sum(self.touches.values()) <= 2


Chain = list[Patch]
"""Patches of one thing, in the order of frames, one a frame."""


def find_tracks(seen: Segmentation) -> tuple[Track, ...]:
    """All things that are seen, largest first, without the camera's motion taken out (see `backdrop`)."""
    patches = patches_of(seen)
    _name_all(seen, [patch for of_frame in patches for patch in of_frame])
    chains: list[Chain] = []
    for colour in range(len(COLOURS)):
        mine = [[patch for patch in of_frame if patch.colour == colour] for of_frame in patches]
        chains += _join_in_time(_link(mine))
    chains = _join_recoloured(_without_specks(chains, patches))
    total = [sum(patch.area for patch in chain) for chain in chains]
    height, width = seen.what.shape[1:3]
    largest = [max(patch.area for patch in chain) for chain in chains]
    kept = [
        chain
        for chain, area, most in zip(chains, total, largest, strict=True)
        if (len(chain) >= FEWEST_FRAMES or len(chain) == len(seen.what))
        and area >= FEWEST_TOTAL * min(1, len(seen.what) / 9)
        and most >= FEWEST_LARGEST
    ]
    kept.sort(key=lambda chain: -sum(patch.area for patch in chain))
    return tuple(_track(chain, len(seen.what), height * width) for chain in kept)


def _name_all(seen: Segmentation, patches: list[Patch]) -> None:
    names = name(seen, [Spot(patch.frame, patch.colour, patch.box, patch.depth) for patch in patches])
    for k, patch in enumerate(patches):
        patch.shapes, patch.materials, patch.sizes = names["shape"][k], names["material"][k], names["size"][k]


def patches_of(seen: Segmentation) -> list[list[Patch]]:
    """All patches, frame by frame, not yet named."""
    label = seen.what.argmax(-1)  # (F, h, w)
    structure = np.ones((3, 3), bool)
    found: list[list[Patch]] = []
    for frame, labels in enumerate(label):
        of_frame: list[Patch] = []
        for colour in np.unique(labels[labels >= FIRST_COLOUR]) - FIRST_COLOUR:
            pieces, count = ndimage.label(labels == colour + FIRST_COLOUR, structure)
            masks = [pieces == number for number in range(1, count + 1)]
            masks = [mask for mask in masks if mask.sum() >= FEWEST_PIXELS]
            of_frame += [_patch(seen, frame, int(colour), mask, labels) for mask in _bridged(masks, labels)]
        found.append(of_frame)
    return found


def _bridged(masks: list[NDArray[np.bool_]], labels: NDArray[np.int64]) -> list[NDArray[np.bool_]]:
    """Pieces of one colour with something else's pixels alone between them, joined."""
    joined = sorted(masks, key=lambda mask: -mask.sum())
    k = 0
    while k < len(joined):
        for j in range(k + 1, len(joined)):
            a, b = (np.argwhere(mask) for mask in (joined[k], joined[j]))
            apart = ((a[:, None] - b[None]) ** 2).sum(-1)
            i, m = np.unravel_index(int(apart.argmin()), apart.shape)
            steps = int(np.sqrt(apart[i, m]))
            if steps > GAP:
                continue
            between = np.rint(np.linspace(a[i], b[m], steps + 2)[1:-1]).astype(int)
            over = labels[between[:, 0], between[:, 1]] >= FIRST_COLOUR
            if over.all():
                joined[k] = joined[k] | joined[j]
                del joined[j]
                k -= 1
                break
        k += 1
    return joined


def _patch(seen: Segmentation, frame: int, colour: int, mask: NDArray[np.bool_], labels: NDArray[np.int64]) -> Patch:
    height, width = mask.shape
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    top, bottom = max(rows[0] - 1, 0), min(rows[-1] + 2, height)
    left, right = max(columns[0] - 1, 0), min(columns[-1] + 2, width)
    window = np.s_[top:bottom, left:right]
    near = ndimage.binary_dilation(mask[window], np.ones((3, 3), bool))
    around = near & ~mask[window]
    weight = seen.what[frame][window][..., FIRST_COLOUR + colour] * near
    weight = np.where(around & (labels[window] == colour + FIRST_COLOUR), 0.0, weight).astype(np.float64)
    weight[weight < 0.02] = 0.0
    area = max(float(weight.sum()), TINY)
    across, down = weight.sum(0), weight.sum(1)
    others = labels[window][around]
    others = others[(others >= FIRST_COLOUR) & (others != colour + FIRST_COLOUR)] - FIRST_COLOUR
    touches = {int(other): int((others == other).sum()) for other in np.unique(others)}
    x_low, x_high = _ends(weight.max(0))
    y_low, y_high = _ends(weight.max(1))
    return Patch(
        frame=frame,
        colour=colour,
        area=area,
        x=float((across * (np.arange(left, right) + 0.5)).sum() / area / width),
        y=float((down * (np.arange(top, bottom) + 0.5)).sum() / area / height),
        box=((left + x_low) / width, (top + y_low) / height, (left + x_high) / width, (top + y_high) / height),
        depth=float(np.median(seen.depth[frame][mask])),
        colours=seen.what[frame][mask][:, FIRST_COLOUR:].sum(0).astype(np.float64),
        touches=touches,
        at_edge=bool(rows[0] == 0 or rows[-1] == height - 1 or columns[0] == 0 or columns[-1] == width - 1),
        looks=_looks(seen.frames[frame], mask, (rows[0], rows[-1] + 1, columns[0], columns[-1] + 1)),
        pixels=mask,
    )


def _looks(
    picture: NDArray[np.float32], mask: NDArray[np.bool_], box: tuple[int, int, int, int]
) -> NDArray[np.float32]:
    """Mean colours of the patch over the cells of a grid on its box; NaN in cells without it."""
    top, bottom, left, right = (int(side) for side in box)
    inside, colours = mask[top:bottom, left:right], picture[top:bottom, left:right]
    rows = np.minimum((np.arange(bottom - top) + 0.5) * GRID / (bottom - top), GRID - 1).astype(int)
    columns = np.minimum((np.arange(right - left) + 0.5) * GRID / (right - left), GRID - 1).astype(int)
    cell = (rows[:, None] * GRID + columns[None])[inside]
    count = np.bincount(cell, minlength=GRID * GRID)
    sums = np.stack([np.bincount(cell, colours[inside][:, k], GRID * GRID) for k in range(3)], -1)
    means = np.where(count[:, None] > 0, sums / np.maximum(count, 1)[:, None], np.nan)
    return means.reshape(GRID, GRID, 3).astype(np.float32)


def _ends(cover: Doubles) -> tuple[float, float]:
    """Where a profile of coverage begins and ends, to a fraction of a pixel."""
    full = np.flatnonzero(cover >= 0.5)
    first, last = (int(full[0]), int(full[-1])) if len(full) else (0, len(cover) - 1)
    before = cover[first - 1] if first > 0 else 0.0
    after = cover[last + 1] if last + 1 < len(cover) else 0.0
    return first - float(before) * 0.5, last + 1 + float(after) * 0.5


def _link(frames: list[list[Patch]]) -> list[Chain]:
    """Chains of patches of one colour, frame to frame."""
    chains: list[Chain] = []
    for patches in frames:
        if not patches:
            continue
        frame = patches[0].frame
        live = [chain for chain in chains if frame - chain[-1].frame <= 3]
        taken: set[int] = set()
        if live:
            costs = np.array([[_distance(chain, patch) for patch in patches] for chain in live])
            for row, column in zip(*linear_sum_assignment(costs), strict=True):
                if costs[row, column] < FARTHEST:
                    live[row].append(patches[column])
                    taken.add(int(column))
        chains += [[patch] for k, patch in enumerate(patches) if k not in taken]
    return chains


def _distance(chain: Chain, patch: Patch) -> float:
    """How far a patch lies from where the chain would be, with a little for a change of area."""
    last = chain[-1]
    x, y = last.x, last.y
    if len(chain) > 1:
        steps = last.frame - chain[-2].frame
        ahead = patch.frame - last.frame
        x, y = x + (x - chain[-2].x) / steps * ahead, y + (y - chain[-2].y) / steps * ahead
    apart = min(np.hypot(patch.x - x, patch.y - y), np.hypot(patch.x - last.x, patch.y - last.y) + 0.03)
    return float(apart + 0.05 * abs(np.log(patch.area / last.area)))


def _join_in_time(chains: list[Chain]) -> list[Chain]:
    """Chains of one colour that never share a frame and look alike are one thing, seen again."""
    chains = sorted(chains, key=lambda chain: chain[0].frame)
    joined: list[Chain] = []
    for chain in chains:
        before = [other for other in joined if other[-1].frame < chain[0].frame and _alike(other, chain)]
        if before:
            nearest = min(before, key=lambda other: _distance(other, chain[0]))
            nearest += chain
        else:
            joined.append(chain)
    return joined


def _alike(a: Chain, b: Chain) -> bool:
    """Whether neither rules the other's shape out."""
    if min(len(a), len(b)) <= 3:
        return True
    one, other = (_pooled(chain, "shapes") for chain in (a, b))
    return bool(one[other.argmax()] > one.max() - UNLIKE or other[one.argmax()] > other.max() - UNLIKE)


def _without_specks(chains: list[Chain], patches: list[list[Patch]]) -> list[Chain]:
    """Without small patches that are always part of a larger one, such as a highlight."""
    kept = []
    for chain in chains:
        attached = 0
        for patch in chain:
            larger = [other for other in patches[patch.frame] if other.colour in patch.touches]
            attached += any(
                patch.area < SPECK * other.area and patch.touches[other.colour] >= 0.3 * _perimeter(patch)
                for other in larger
            )
        if attached < 0.7 * len(chain):
            kept.append(chain)
    return kept


def _perimeter(patch: Patch) -> float:
    return 2 * float(np.sqrt(np.pi * patch.area)) + 4


def _join_recoloured(chains: list[Chain]) -> list[Chain]:
    """A chain that ends where another of a different colour begins in the next frame, as large, goes on in it."""
    chains = sorted(chains, key=lambda chain: chain[0].frame)
    joined: list[Chain] = []
    for chain in chains:
        start = chain[0]
        for other in joined:
            last = other[-1]
            near = np.hypot(start.x - last.x, start.y - last.y) < SAME_PLACE
            if 0 < start.frame - last.frame <= 2 and near and 0.6 < start.area / last.area < 1.6:
                other += chain
                break
        else:
            joined.append(chain)
    return joined


def _pooled(chain: Chain, field_name: str) -> Doubles:
    """Mean log probabilities over frames, weighted by how well the thing is seen."""
    weight = np.array([np.sqrt(patch.area) * (1.0 if patch.is_whole else 0.15) for patch in chain])
    values = np.stack([getattr(patch, field_name) for patch in chain])
    return np.asarray((values * weight[:, None]).sum(0) / weight.sum())


def _track(chain: Chain, num_frames: int, num_pixels: int) -> Track:
    numbers = {each: np.full(num_frames, np.nan, np.float32) for each in ("x", "y", "depth")}
    boxes = np.full((num_frames, 4), np.nan, np.float32)
    area = np.zeros(num_frames, np.float32)
    visible, whole = np.zeros(num_frames, bool), np.zeros(num_frames, bool)
    colours, shapes = (np.full(num_frames, -1, np.int8) for _ in range(2))
    for patch in chain:
        t = patch.frame
        numbers["x"][t], numbers["y"][t], numbers["depth"][t] = patch.x, patch.y, patch.depth
        boxes[t], area[t] = patch.box, patch.area / num_pixels
        visible[t], whole[t] = True, patch.is_whole
        colours[t], shapes[t] = patch.colours.argmax(), patch.shapes.argmax()
    change = np.full(num_frames, np.nan, np.float32)
    for before, after in pairwise(chain):
        if after.frame == before.frame + 1:
            different = np.abs(after.looks - before.looks)
            different = different[np.isfinite(different)]
            change[after.frame] = different.mean() if len(different) else np.nan
    colour = sum((patch.colours for patch in chain), np.zeros(len(COLOURS)))
    colour = colour / colour.sum()
    shape, material, size = (np.exp(_pooled(chain, which)) for which in ("shapes", "materials", "sizes"))
    return Track(
        colour=list(COLOURS)[int(colour.argmax())],
        shape=SEEN_SHAPES[int(shape.argmax())],
        material=MATERIALS[int(material.argmax())],
        size=list(SIZES)[int(size.argmax())],
        certainty={
            "colour": float(colour.max()),
            "shape": float(shape.max() / shape.sum()),
            "material": float(material.max() / material.sum()),
            "size": float(size.max() / size.sum()),
        },
        x=numbers["x"],
        y=numbers["y"],
        area=area,
        boxes=boxes,
        visible=visible,
        whole=whole,
        depth=numbers["depth"],
        steady_x=numbers["x"].copy(),
        steady_y=numbers["y"].copy(),
        change=change,
        colours_seen=colours,
        shapes_seen=shapes,
    )
