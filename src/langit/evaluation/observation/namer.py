"""What is followed: its shape, material and size, by two small networks on squares cut around its patches (`fit_namer`).

A network looks at each cut, weighs them, and names the track by all of them together: a plank is known by the frames
that show its broad side. A patch's place and depth, the horizon and the camera's height go in beside the pixels. How
large it is, `sizes` reads from these alone, and better.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from importlib.resources import files
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load
from torch import Tensor, nn
from torch.nn import functional

from langit.evaluation.observation import sizes
from langit.evaluation.observation.patches import Patch
from langit.evaluation.observation.segmenter import FIRST_COLOUR, SEEN_SHAPES, Segmentation, block, folded
from langit.simulator.world import COLOURS, GROUNDS, LIGHTS, MATERIALS, SIZES, Array

CUT = 24  # pixels of a cut
MARGIN = 1.35  # side of a cut over the longer side of the patch's box
CHANNELS = 5  # red, green, blue, how much is of the patch's colour, how much is of other things
NUM_PLACE = 11
NUM_NUMBERS = NUM_PLACE + len(COLOURS) + len(LIGHTS) + len(GROUNDS)
"""Of a cut: where it is and how large, its colour, and the scene's light and ground: what metal mirrors."""
NAMES = {"shape": len(SEEN_SHAPES), "material": len(MATERIALS), "size": len(SIZES)}
MOST_CUTS = 14  # of a track, that are looked at
USUAL_HEIGHTS = (0.8, 2.0, 4.9)
"""Metres of a camera at a low angle, at eye level and at a high angle. A picture does not tell how high the camera is, so
size is what it looks to be from a camera of the usual height."""
WEIGHTS = "namer.safetensors"
SECOND_WEIGHTS = "namer2.safetensors"
METAL_WEIGHTS = "metal.safetensors"
METAL = MATERIALS.index("metal")

Named = dict[str, NDArray[np.float64]]
"""Probabilities of each of `NAMES`."""


class Namer(nn.Module):
    """Cuts (B, S, CHANNELS, CUT, CUT) and numbers (B, S, NUM_NUMBERS) of B tracks to logits (B, sum of NAMES) of the
    tracks and (B, S, sum of NAMES) of the cuts by themselves; `there` (B, S) tells cuts from padding."""

    def __init__(self, width: int = 16, features: int = 64) -> None:
        super().__init__()
        self.look = nn.Sequential(
            block(CHANNELS, width, 3),
            block(4 * width, 2 * width, 1),
            block(2 * width, 2 * width, 3),
            block(8 * width, 40, 1),
            block(40, 40, 3),
        )
        self.think = nn.Sequential(nn.Linear(40 * (CUT // 4) ** 2 + NUM_NUMBERS, features), nn.ReLU())
        self.alone = nn.Linear(features, sum(NAMES.values()))
        self.trust = nn.Linear(features, len(NAMES))
        self.together = nn.Sequential(
            nn.Linear((len(NAMES) + 1) * features, 96), nn.ReLU(), nn.Dropout(0.1), nn.Linear(96, sum(NAMES.values()))
        )

    def forward(self, cuts: Tensor, numbers: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
        shape = cuts.shape[:2]
        enter, to_middle, middle, to_coarse, coarse = self.look
        seen = middle(to_middle(folded(enter(cuts.flatten(0, 1)))))
        seen = coarse(to_coarse(folded(seen))).flatten(1)
        found = self.think(torch.cat([seen, numbers.flatten(0, 1)], 1)).unflatten(0, shape)
        trust = self.trust(found).masked_fill(~there[..., None], -torch.inf).softmax(1)  # (B, S, heads)
        weighed = torch.einsum("bsh,bsd->bhd", trust, found).flatten(1)
        most = found.masked_fill(~there[..., None], 0.0).amax(1)
        together: Tensor = self.together(torch.cat([weighed, most], 1))
        return together, self.alone(found)


def name_chains(seen: Segmentation, horizon: Array, camera_height: Array, chains: Sequence[list[Patch]]) -> list[Named]:
    """What each chain of patches is, by its cuts and their mirror images; tells its patches their shapes and how much their
    looks change."""
    if not chains:
        return []
    parts = [cuts_of(seen, horizon, camera_height, chain) for chain in chains]
    chosen = [spread(len(chain), MOST_CUTS) for chain in chains]
    numbers = [number[some] for (_, number), some in zip(parts, chosen, strict=True)]
    cuts = [cut[some] for (cut, _), some in zip(parts, chosen, strict=True)]
    mirrored = name_cuts([cut.flip(-1) for cut in cuts], numbers)
    found = [
        ({each: (one[each] + turned[each]) / 2 for each in one}, shapes)
        for (one, shapes), (turned, _) in zip(name_cuts(cuts, numbers), mirrored, strict=True)
    ]
    for chain, (cut, _), some, (_, shapes) in zip(chains, parts, chosen, found, strict=True):
        tell_changes(chain, cut)
        nearest = np.abs(np.arange(len(chain))[:, None] - some).argmin(1)
        for patch, k in zip(chain, nearest.tolist(), strict=True):
            patch.shape = int(shapes[k])
    return [
        {**one, "size": sizes.chances(sizes.numbers_of(number.numpy(), one["shape"]))}
        for (one, _), (_, number) in zip(found, parts, strict=True)
    ]


def name_cuts(cuts: Sequence[Tensor], numbers: Sequence[Tensor]) -> list[tuple[Named, NDArray[np.int64]]]:
    """What each track is by its cuts (S, CHANNELS, CUT, CUT) and their numbers, and the shape that each cut shows."""
    longest = max(map(len, cuts))
    padded = torch.zeros(len(cuts), longest, CHANNELS, CUT, CUT)
    beside = torch.zeros(len(cuts), longest, NUM_NUMBERS)
    there = torch.zeros(len(cuts), longest, dtype=torch.bool)
    for row, (cut, number) in enumerate(zip(cuts, numbers, strict=True)):
        padded[row, : len(cut)], beside[row, : len(cut)], there[row, : len(cut)] = cut, number, True
    with torch.inference_mode():
        both = [_network(weights)(padded, beside, there) for weights in (WEIGHTS, SECOND_WEIGHTS)]
        metal = metal_logits(_network(METAL_WEIGHTS)(padded, beside, there)[0]).sigmoid().double()
    together = torch.stack([logits for logits, _ in both], 1)  # (B, 2, sum of NAMES)
    alone = torch.stack([logits[..., : NAMES["shape"]].softmax(-1) for _, logits in both]).mean(0)
    shapes = alone.argmax(-1).numpy()
    return [
        (with_metal(named(rows), one), of_cuts)
        for rows, one, of_cuts in zip(together, metal.tolist(), shapes, strict=True)
    ]


def named(logits: Tensor) -> Named:
    """Logits (M, sum of NAMES) of several networks as the means of their probabilities."""
    parts = logits.split(list(NAMES.values()), -1)
    return {each: part.softmax(-1).mean(0).double().numpy() for each, part in zip(NAMES, parts, strict=True)}


def metal_logits(logits: Tensor) -> Tensor:
    """Logits (..., sum of NAMES) as the log odds (...) of metal against all that is not."""
    materials = logits.split(list(NAMES.values()), -1)[list(NAMES).index("material")]
    others = [k for k in range(len(MATERIALS)) if k != METAL]
    odds: Tensor = materials[..., METAL] - materials[..., others].logsumexp(-1)
    return odds


def with_metal(told: Named, chance: float) -> Named:
    """With the mean of both chances of metal."""
    material = told["material"].copy()
    both = (material[METAL] + chance) / 2
    material *= (1 - both) / max(1 - material[METAL], 1e-9)
    material[METAL] = both
    return {**told, "material": material}


def spread(count: int, most: int) -> NDArray[np.int64]:
    """At most `most` of `count`, evenly."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64))


def cuts_of(seen: Segmentation, horizon: Array, camera_height: Array, chain: list[Patch]) -> tuple[Tensor, Tensor]:
    """What the network sees of a chain of patches: cuts and numbers."""
    frame = np.array([patch.frame for patch in chain])
    colour = np.array([patch.colour for patch in chain])
    box = np.array([patch.box for patch in chain])
    height, width = seen.depth.shape[1:]
    pictures = np.empty((len(chain), CHANNELS, height, width), np.float32)
    pictures[:, :3] = (seen.frames[frame] * 2 - 1).transpose(0, 3, 1, 2)
    own = seen.what[frame, :, :, FIRST_COLOUR + colour]  # (N, h, w)
    pictures[:, 3] = own
    pictures[:, 4] = 1 - seen.what[frame, :, :, 0] - seen.what[frame, :, :, 1] - own
    size = np.stack([(box[:, 2] - box[:, 0]) * width, (box[:, 3] - box[:, 1]) * height], 1)  # pixels
    side = MARGIN * size.max(1) + 2
    middle = np.stack([box[:, 0] + box[:, 2], box[:, 1] + box[:, 3]], 1) - 1  # in [-1, 1]
    reach = side[:, None] / np.array([width, height])
    steps = np.linspace(-1, 1, CUT + 1)[:-1] + 1 / CUT
    x = middle[:, :1] + reach[:, :1] * steps  # (N, CUT)
    y = middle[:, 1:] + reach[:, 1:] * steps
    grid = np.stack(np.broadcast_arrays(x[:, None, :], y[:, :, None]), -1).astype(np.float32)
    cuts = functional.grid_sample(
        torch.from_numpy(pictures), torch.from_numpy(grid), align_corners=False, padding_mode="border"
    )
    depth = np.array([patch.depth for patch in chain])
    short = min(height, width)
    below = np.maximum(box[:, 3] - horizon[frame], 0.01)  # of the frame, of its lower end under the horizon
    numbers = np.stack(
        [
            np.log(size[:, 0] / short * depth),
            np.log(size[:, 1] / short * depth),
            np.log(size.max(1) / 16),
            np.log(depth / 8),
            middle[:, 1],
            box[:, 3] * 2 - 1,
            horizon[frame] * 2 - 1,
            np.log(camera_height[frame] / 2),
            np.log(size.max(1) / height / below * usual_height(camera_height[frame])),  # metres, if it is on the ground
            np.log([patch.area / 200 for patch in chain]),
            [float(patch.is_whole) for patch in chain],
        ],
        1,
    )
    setting = np.exp(np.concatenate([seen.light_time.mean(0), seen.ground.mean(0)]))
    numbers = np.concatenate([numbers, np.eye(len(COLOURS))[colour], np.tile(setting, (len(chain), 1))], 1)
    return cuts, torch.from_numpy(numbers.astype(np.float32))


def usual_height(camera_height: Array) -> Array:
    """The nearest of the heights at which cameras usually stand, metres."""
    usual = np.array(USUAL_HEIGHTS, np.float32)
    return np.asarray(usual[np.abs(np.log(usual) - np.log(camera_height)[..., None]).argmin(-1)])


def tell_changes(chain: list[Patch], cuts: Tensor) -> None:
    """Tells each patch how much its colours differ from those that the thing had in the frame before."""
    if len(chain) < 2:
        return
    both = ((cuts[1:, 3] > 0.5) & (cuts[:-1, 3] > 0.5)).float()
    apart = ((cuts[1:, :3] - cuts[:-1, :3]).abs().mean(1) * both).sum((1, 2)) / both.sum((1, 2)).clamp(min=1) / 2
    for (before, after), value in zip(pairwise(chain), apart.tolist(), strict=True):
        if after.frame == before.frame + 1:
            after.change = value


@functools.cache
def _network(weights: str = WEIGHTS) -> Namer:
    network = Namer()
    stored = load((files(__package__) / weights).read_bytes())
    network.load_state_dict({key: value.float() for key, value in stored.items()}, strict=False)
    return network.requires_grad_(False).eval()
