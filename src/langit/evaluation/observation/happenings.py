"""What the tracks do and where they stand, by a small network on their paths (`fit_reader`).

Per track it says what happens to it, when it begins and which way it goes; per pair of tracks, whether the first hits
the second or goes behind it, and how they stand in the first frame. It sees places, speeds and sizes over time (`paths`)
and no pixels, so it cannot know more than how things move.
"""

from __future__ import annotations

import functools
from importlib.resources import files
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load
from torch import Tensor, nn
from torch.nn import functional

from langit.evaluation.observation.backdrop import Backdrop
from langit.evaluation.observation.paths import (
    NUM_OWN,
    NUM_PAIR,
    PAIR_SIGNS,
    SIGNS,
    Path,
    numbers_of,
    pair_numbers,
    path_of,
)
from langit.evaluation.observation.seen import Array, Track
from langit.evaluation.observation.segmenter import SEEN_SHAPES
from langit.simulator.world import Happening, Relation

KINDS = (
    "still", "falls", "bounces", "rolls", "slides", "slides_down", "flies", "topples", "rolls_down", "swings", "spins",
    "stops", "leaves",
)  # fmt: skip
"""Of one track. slides_down is told as slides, with the ramp as its object."""
PAIR_KINDS = ("hits", "goes_behind", "comes_out")
RELATIONS = ("left_of", "right_of", "in_front_of", "behind", "on")
WAYS = ("left", "right", "away", "towards")
DIRECTED = ("rolls", "slides", "slides_down", "flies", "topples", "rolls_down", "swings", "leaves", *PAIR_KINDS)
OPENING = 3  # frames, over which a direction is read, and a place in the first frame
SURE = 0.5  # probability from which on something is told
SURE_PAIR = 0.35
SURE_RELATION = 0.35
LEAST_LIKELY = 0.05  # of a ramp that something goes down
ASIDES = ("topples", "stops", "leaves")
"""What happens beside something else: a thing that stops has moved somehow."""
WEIGHTS = ("reader.safetensors", "reader2.safetensors")


class Reader(nn.Module):
    """Logits of happenings from the numbers of `paths`. T tracks, P pairs, F frames."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.enter = nn.Conv1d(NUM_OWN, width, 5, padding=2)
        self.deeper = nn.ModuleList([nn.Conv1d(width, width, 5, padding=2 * d, dilation=d) for d in (1, 2, 4)])
        self.drop = nn.Dropout(0.1)
        self.kinds = nn.Sequential(nn.Linear(2 * width, width), nn.ReLU(), nn.Linear(width, len(KINDS)))
        self.times = nn.Conv1d(width, len(KINDS), 3, padding=1)
        self.ways = nn.Conv1d(width, len(WAYS), 3, padding=1)
        self.meet = nn.Conv1d(2 * width + NUM_PAIR, width, 5, padding=2)
        self.deeper_pair = nn.Conv1d(width, width, 5, padding=4, dilation=2)
        self.pair_kinds = nn.Sequential(nn.Linear(2 * width, width), nn.ReLU(), nn.Linear(width, len(PAIR_KINDS)))
        self.pair_times = nn.Conv1d(width, len(PAIR_KINDS), 3, padding=1)
        self.relate = nn.Sequential(
            nn.Linear(2 * (2 * NUM_OWN + NUM_PAIR), width), nn.ReLU(), nn.Dropout(0.1), nn.Linear(width, 48), nn.ReLU(),
            nn.Linear(48, len(RELATIONS)),
        )  # fmt: skip

    def follow(self, numbers: Tensor) -> Tensor:
        """(T, NUM_OWN, F) to what is known of every track and frame, (T, width, F)."""
        found = functional.relu(self.enter(numbers))
        for layer in self.deeper:
            found = found + functional.relu(layer(found))
        dropped: Tensor = self.drop(found)
        return dropped

    def alone(self, found: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits of kinds (T, kinds), of when each begins (T, kinds, F) and of ways (T, ways, F)."""
        return self.kinds(torch.cat([found.amax(-1), found.mean(-1)], 1)), self.times(found), self.ways(found)

    def together(
        self, found: Tensor, numbers: Tensor, pairs: Tensor, first: Tensor, second: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Of pairs (P, NUM_PAIR, F) of tracks `first` (P,) and `second`: logits of kinds, times and relations."""
        met = functional.relu(self.meet(torch.cat([found[first], found[second], pairs], 1)))
        met = met + functional.relu(self.deeper_pair(met))
        kinds = self.pair_kinds(torch.cat([met.amax(-1), met.mean(-1)], 1))
        opening = torch.cat([numbers[first], numbers[second], pairs], 1)[..., :OPENING]
        return kinds, self.pair_times(met), self.relate(torch.cat([opening[..., 0], opening.mean(-1)], 1))


def read_happenings(
    tracks: tuple[Track, ...], backdrop: Backdrop, fps: float, height: int, width: int
) -> tuple[tuple[Happening, ...], tuple[Relation, ...]]:
    """What happens, in the order of time, and the relations of every pair that the first frame shows."""
    if not tracks:
        return (), ()
    paths = [path_of(track, backdrop, fps, height, width) for track in tracks]
    pairs = [(a, b) for a in range(len(tracks)) for b in range(len(tracks)) if a != b]
    numbers = numbers_of(paths, backdrop)
    between = [pair_numbers(paths[a], paths[b]) for a, b in pairs]
    views = [
        _view(network, numbers, between, pairs, is_mirrored) for network in _networks() for is_mirrored in (False, True)
    ]
    seen = _View(*(sum(parts[1:], parts[0]) / len(parts) for parts in zip(*views, strict=True)))
    when = seen.times.argmax(-1)
    happenings = [one for k in range(len(tracks)) for one in _of_track(paths, k, seen.kinds[k], when[k], seen.ways[k])]
    if not pairs:
        return tuple(happenings), ()
    happenings += _of_pairs(tracks, pairs, seen.pair_kinds, seen.pair_times.argmax(-1), seen.ways, fps)
    told = _relations(tracks, dict(zip(pairs, seen.relations, strict=True)))
    return tuple(sorted(happenings, key=lambda one: one.time)), told


class _View(NamedTuple):
    """Probabilities, as one network sees a clip or the clip in a mirror. T tracks, P pairs, F frames."""

    kinds: Array  # (T, kinds)
    times: Array  # (T, kinds, F)
    ways: Array  # (T, ways, F)
    pair_kinds: Array  # (P, pair kinds)
    pair_times: Array  # (P, pair kinds, F)
    relations: Array  # (P, relations)


def _view(
    network: Reader, numbers: Array, between: list[Array], pairs: list[tuple[int, int]], is_mirrored: bool
) -> _View:
    own = torch.from_numpy(numbers * SIGNS[:, None] if is_mirrored else numbers)
    with torch.inference_mode():
        found = network.follow(own)
        kinds, times, ways = network.alone(found)
        alone = kinds.sigmoid().numpy(), times.softmax(-1).numpy(), ways.softmax(1).numpy()
        met = [np.zeros((0, 0), np.float32)] * 3
        if pairs:
            first, second = torch.tensor(pairs).T
            of_pairs = np.stack(between) * PAIR_SIGNS[:, None] if is_mirrored else np.stack(between)
            kinds, times, relations = network.together(found, own, torch.from_numpy(of_pairs), first, second)
            met = [kinds.sigmoid().numpy(), times.softmax(-1).numpy(), relations.sigmoid().numpy()]
    own_ways, relations_told = alone[2], met[2]
    if is_mirrored:
        own_ways = own_ways[:, [1, 0, 2, 3]]
        relations_told = relations_told[:, [1, 0, 2, 3, 4]] if pairs else relations_told
    return _View(alone[0], alone[1], own_ways, met[0], met[1], relations_told)


def _of_track(
    paths: list[Path], k: int, chance: NDArray[np.float32], when: NDArray[np.int64], towards: NDArray[np.float32]
) -> list[Happening]:
    """What one track does; nothing of props."""
    if paths[k].track.is_prop:
        return []
    told = [kind for kind in range(len(KINDS)) if chance[kind] > SURE]
    moved = any(KINDS[kind] in ASIDES for kind in told)
    told = [kind for kind in told if not (moved and KINDS[kind] == "still")]
    if all(KINDS[kind] in ASIDES for kind in told):  # something happens, if only that it lies still
        beside = [name in ASIDES or (moved and name == "still") for name in KINDS]
        told.append(int(np.where(beside, 0.0, chance).argmax()))
    found = []
    for kind in told:
        name = KINDS[kind]
        ramp = _most(paths, "ramp", k) if name in ("slides_down", "rolls_down") else None
        count = max(len(bounces(paths[k].rise)), 1) if name == "bounces" else None
        way = way_at(towards, int(when[kind])) if name in DIRECTED else None
        name = "slides" if name == "slides_down" else name
        found.append(Happening(float(when[kind]) / paths[k].fps, name, k, ramp, way, count))
    return found


def _of_pairs(
    tracks: tuple[Track, ...],
    pairs: list[tuple[int, int]],
    chance: NDArray[np.float32],
    when: NDArray[np.int64],
    towards: NDArray[np.float32],
    fps: float,
) -> list[Happening]:
    found = []
    for row, (a, b) in enumerate(pairs):
        for kind, name in enumerate(PAIR_KINDS):
            if chance[row, kind] > SURE_PAIR and not tracks[a].is_prop:
                way = way_at(towards[a], int(when[row, kind]))
                found.append(Happening(float(when[row, kind]) / fps, name, a, b, way))
    return found


def _relations(tracks: tuple[Track, ...], chance: dict[tuple[int, int], NDArray[np.float32]]) -> tuple[Relation, ...]:
    """Each pair told once, from the one that comes first, but for "on", which has its own order."""
    shown = [k for k, track in enumerate(tracks) if track.visible[:OPENING].any() and track.shape != "rod"]
    found = []
    for a in shown:
        for b in shown:
            if a >= b:
                continue
            here, there = chance[a, b], chance[b, a]
            if max(here[4], there[4]) > SURE_RELATION:
                found.append(Relation("on", *((a, b) if here[4] >= there[4] else (b, a))))
                continue
            likely = (here[:4] + there[[1, 0, 3, 2]]) / 2
            for one, other in ((0, 1), (2, 3)):
                best = one if likely[one] >= likely[other] else other
                if likely[best] > SURE_RELATION:
                    found.append(Relation(RELATIONS[best], a, b))
    return tuple(found)


def way_at(towards: NDArray[np.float32], frame: int) -> str:
    """The likeliest direction of those (ways, F) about the frame at which something begins."""
    return WAYS[int(towards[:, frame : frame + OPENING].sum(1).argmax())]


def bounces(rise: NDArray[np.float64], least: float = 0.15) -> list[int]:
    """Frames at which a thing that fell is lowest and after which it rises again by `least` metres."""
    finite = np.flatnonzero(np.isfinite(rise))
    if len(finite) < 5:
        return []
    values = rise[finite]
    found, peak, low, at = [], values[0], values[0], 0
    for index, value in enumerate(values):
        if value < low:
            low, at = value, index
        if value - low > least:
            if peak - low > least:
                found.append(int(finite[at]))
            peak = low = value
        if value > peak:
            peak, low, at = value, value, index
    return found


def _most(paths: list[Path], shape: str, besides: int) -> int | None:
    """The prop of that shape, or what looks most like one."""
    others = [(float(path.track.shapes[SEEN_SHAPES.index(shape)]), j) for j, path in enumerate(paths) if j != besides]
    likeliest, number = max(others, default=(0.0, 0))
    return number if likeliest >= LEAST_LIKELY else None


@functools.cache
def _networks() -> tuple[Reader, ...]:
    """Those that are asked, fitted from different beginnings."""
    return tuple(_network(name) for name in WEIGHTS)


def _network(name: str) -> Reader:
    network = Reader()
    stored = load((files(__package__) / name).read_bytes())
    network.load_state_dict({key: value.float() for key, value in stored.items()})
    return network.requires_grad_(False).eval()
