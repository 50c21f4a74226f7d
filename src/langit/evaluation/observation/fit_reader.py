"""Fits the reader of happenings on tracks of simulated films, after `fit`, `extracts`, `fit_moves` and `fit_namer`.

    python -m langit.evaluation.observation.fit_reader extracts/
    python -m langit.evaluation.observation.fit_reader extracts/ --member 1

each take about two minutes of one CPU core and write `reader.safetensors` and `reader2.safetensors` beside this file. Those
that are shipped were fitted on 8,000 films and went on with `--goes-on --epochs 9 --peak 1.5e-3` on 4,000 others, the first also
with `--goes-on --epochs 4 --peak 6e-4` on 2,600 films from 500060000 on.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import accumulate
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from langit.evaluation.observation.backdrop import read_backdrop, steadied
from langit.evaluation.observation.extracts import Extract, read_extracts
from langit.evaluation.observation.films import SIZE
from langit.evaluation.observation.fitting import Course, fit_network, shuffled, stops_on_interrupt
from langit.evaluation.observation.happenings import (
    DIRECTED,
    KINDS,
    OPENING,
    PAIR_KINDS,
    RELATIONS,
    WAYS,
    WEIGHTS,
    Reader,
)
from langit.evaluation.observation.moves import camera_move
from langit.evaluation.observation.namer import NAMES, Named, name_cuts, spread
from langit.evaluation.observation.paths import PAIR_SIGNS, SIGNS, numbers_of, pair_numbers, path_of
from langit.evaluation.observation.segmenter import SEEN_SHAPES
from langit.evaluation.observation.tracks import track_of
from langit.simulator.facts import DEEPER, LAP
from langit.simulator.world import Facts

FPS = 8.0
HELD = 12  # one of so many films is held out
WEIGHT = {"kinds": 1.0, "times": 0.25, "ways": 0.5, "pair_kinds": 1.0, "pair_times": 0.15, "relations": 0.5}
NEVER = -100
AS_READ, FEW_CUTS = 0.5, 8  # share of tracks that have the names that the namer reads; of so many cuts
MISNAMED = 0.06  # of the others, the share whose shape is taken for another


@dataclass(frozen=True, eq=False)
class Story:
    """The numbers of one film's tracks and what they should be read as. T tracks, P pairs, F frames."""

    numbers: Tensor  # (T, NUM_OWN, F)
    asked: Tensor  # (T,) 0 for tracks that follow nothing, or what another follows better
    kinds: Tensor  # (T, kinds)
    times: Tensor  # (T, kinds) frames, NEVER where it does not happen
    ways: Tensor  # (T, F)
    pairs: Tensor  # (P, NUM_PAIR, F)
    first: Tensor  # (P,)
    second: Tensor
    pair_kinds: Tensor  # (P, pair kinds)
    pair_times: Tensor
    relations: Tensor  # (P, relations), NEVER where one of them is not in the first frame


def story_of(one: Extract, rng: np.random.Generator) -> Story | None:
    """None of a film in which fewer than one thing is followed."""
    backdrop = read_backdrop(one.evidence, camera_move(one.evidence, one.chains))
    num_frames = len(one.evidence.horizon)
    tracks = []
    for chain, thing, name in zip(one.chains, one.thing_of, _read_names(one), strict=True):
        known = name if rng.random() < AS_READ else _named(one.facts, thing, rng)
        tracks.append(steadied(track_of(chain, known, num_frames, SIZE * SIZE), backdrop, SIZE, SIZE))
    asked = [thing >= 0 and thing not in one.thing_of[:k] for k, thing in enumerate(one.thing_of)]
    if not any(asked):
        return None
    paths = [path_of(track, backdrop, FPS, SIZE, SIZE) for track in tracks]
    pairs = [(a, b) for a in range(len(tracks)) for b in range(len(tracks)) if a != b and asked[a] and asked[b]]
    kinds, times = torch.zeros(len(tracks), len(KINDS)), torch.full((len(tracks), len(KINDS)), NEVER)
    ways = torch.full((len(tracks), num_frames), NEVER)
    number = {thing: k for k, thing in enumerate(one.thing_of) if asked[k]}
    pair_number = {pair: row for row, pair in enumerate(pairs)}
    pair_kinds, pair_times = torch.zeros(len(pairs), len(PAIR_KINDS)), torch.full((len(pairs), len(PAIR_KINDS)), NEVER)
    for happening in one.facts.happenings:
        k = number.get(happening.subject, -1)
        if k < 0:
            continue
        frame = min(round(happening.time * FPS), num_frames - 1)
        kind = "slides_down" if happening.kind == "slides" and happening.object is not None else happening.kind
        if kind in KINDS:
            kinds[k, KINDS.index(kind)], times[k, KINDS.index(kind)] = 1, frame
        else:
            row = pair_number.get((k, number.get(-1 if happening.object is None else happening.object, -1)))
            if row is not None:
                pair_kinds[row, PAIR_KINDS.index(kind)], pair_times[row, PAIR_KINDS.index(kind)] = 1, frame
        if happening.direction is not None and kind in DIRECTED:
            ways[k, frame : frame + OPENING] = WAYS.index(happening.direction)
    return Story(
        torch.from_numpy(numbers_of(paths, backdrop)),
        torch.tensor(asked).float(),
        kinds,
        times,
        ways,
        torch.from_numpy(
            np.stack([pair_numbers(paths[a], paths[b]) for a, b in pairs])
            if pairs
            else np.zeros((0, len(PAIR_SIGNS), num_frames), np.float32)
        ),
        torch.tensor([a for a, _ in pairs], dtype=torch.long),
        torch.tensor([b for _, b in pairs], dtype=torch.long),
        pair_kinds,
        pair_times,
        _relations(one, pairs, one.thing_of),
    )


def _read_names(one: Extract) -> list[Named]:
    """What the namer says of every track, by some of its cuts."""
    if not one.chains:
        return []
    some = [spread(len(cut), FEW_CUTS) for cut in one.cuts]
    cuts = [torch.from_numpy(cut[chosen]).float() for cut, chosen in zip(one.cuts, some, strict=True)]
    numbers = [torch.from_numpy(number[chosen]) for number, chosen in zip(one.numbers, some, strict=True)]
    return [named for named, _ in name_cuts(cuts, numbers)]


def _named(facts: Facts, thing: int, rng: np.random.Generator) -> Named:
    """What the namer might say of a thing: mostly what it is."""
    chances = {name: rng.dirichlet(np.full(count, 0.5)) for name, count in NAMES.items()}
    if thing >= 0 and rng.random() > MISNAMED:
        sure = rng.uniform(0.6, 1.0)
        truth = np.eye(NAMES["shape"])[SEEN_SHAPES.index(facts.things[thing].shape)]
        chances["shape"] = sure * truth + (1 - sure) * chances["shape"]
    return chances


def _relations(one: Extract, pairs: Sequence[tuple[int, int]], thing_of: Sequence[int]) -> Tensor:
    """Where things truly are from each other, also where captions leave it out because they stand too far apart."""
    stacked = {(told.subject, told.object) for told in one.facts.relations if told.kind == "on"}
    rows = torch.zeros(len(pairs), len(RELATIONS))
    for row, (a, b) in enumerate(pairs):
        first, second = thing_of[a], thing_of[b]
        if one.facts.places[first] is None or one.facts.places[second] is None:
            rows[row] = NEVER
            continue
        across, _, deeper = (one.opening[first] - one.opening[second]).tolist()
        holds = (across < -LAP, across > LAP, deeper < -DEEPER, deeper > DEEPER, (first, second) in stacked)
        rows[row] = torch.tensor(holds)
    return rows


def mirrored(story: Story) -> Story:
    ways = story.ways.clone()
    for one, other in ((0, 1), (1, 0)):
        ways[story.ways == one] = other
    changes = {
        "numbers": story.numbers * torch.from_numpy(SIGNS)[:, None],
        "pairs": story.pairs * torch.from_numpy(PAIR_SIGNS)[:, None],
        "ways": ways,
        "relations": story.relations[:, [1, 0, 2, 3, 4]],
    }
    return Story(**{each.name: changes.get(each.name, getattr(story, each.name)) for each in fields(Story)})


def together(stories: Sequence[Story]) -> Story:
    """Some films as one."""
    offsets = [0, *accumulate(len(story.numbers) for story in stories)]
    parts = {each.name: [getattr(story, each.name) for story in stories] for each in fields(Story)}
    for name in ("first", "second"):
        parts[name] = [part + offset for part, offset in zip(parts[name], offsets, strict=False)]
    return Story(**{name: torch.cat(part) for name, part in parts.items()})


def losses(network: Reader, story: Story, *, spoiled: bool) -> dict[str, Tensor]:
    numbers, pairs = story.numbers, story.pairs
    if spoiled:
        numbers = numbers + 0.04 * torch.randn(numbers.shape)
        pairs = pairs + 0.04 * torch.randn(pairs.shape)
    found = network.follow(numbers)
    kinds, times, ways = network.alone(found)
    asked = story.asked > 0
    of_kinds = functional.binary_cross_entropy_with_logits(kinds[asked], story.kinds[asked])
    parts = {"kinds": of_kinds * len(KINDS) / 4, "times": _timed(times, story.times)}
    parts["ways"] = functional.cross_entropy(ways, story.ways, ignore_index=NEVER)
    if len(pairs):
        pair_kinds, pair_times, relations = network.together(found, numbers, pairs, story.first, story.second)
        parts["pair_kinds"] = functional.binary_cross_entropy_with_logits(pair_kinds, story.pair_kinds)
        parts["pair_times"] = _timed(pair_times, story.pair_times)
        known = story.relations[:, 0] != NEVER
        parts["relations"] = functional.binary_cross_entropy_with_logits(relations[known], story.relations[known])
    return {name: WEIGHT[name] * torch.nan_to_num(part) for name, part in parts.items()}


def _timed(logits: Tensor, frames: Tensor) -> Tensor:
    """(N, kinds, F) against (N, kinds); a frame too early or late costs little."""
    here = frames != NEVER
    wanted = torch.exp(-0.5 * ((torch.arange(logits.shape[-1]) - frames[here][:, None]) / 0.8) ** 2)
    return -(wanted / wanted.sum(1, keepdim=True) * logits[here].log_softmax(-1)).sum(1).mean()


def fit(
    extracts: Path, path: Path, *, epochs: int, goes_on: bool, size: int = 24, peak: float = 2e-3, seed: int = 0
) -> None:
    torch.manual_seed(seed)
    began = time.process_time()
    rng = np.random.default_rng(seed)
    every = [story for one in read_extracts(extracts) if (story := story_of(one, rng)) is not None]
    held, known = together(every[::HELD]), [story for k, story in enumerate(every) if k % HELD]
    known += [mirrored(story) for story in known]
    print(f"{len(known)} films with those in the mirror, {time.process_time() - began:.0f} s", flush=True)
    network = Reader()
    course = Course(epochs, len(known) // size, peak, decay=0.05, seed=seed, goes_on=goes_on)

    def rounds_losses(_: int) -> Iterator[Tensor]:
        for chosen in shuffled(torch.arange(len(known)), size):
            story = together([known[k] for k in chosen.tolist()])
            yield torch.stack(list(losses(network, story, spoiled=True).values())).sum()

    def told() -> str:
        parts = losses(network, held, spoiled=False)
        return "held out: " + ", ".join(f"{name} {float(part):.4f}" for name, part in parts.items())

    fit_network(network, path, course, rounds_losses, told)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("extracts", type=Path)
    parser.add_argument("--epochs", type=int, default=13)
    parser.add_argument(
        "--member", type=int, choices=range(len(WEIGHTS)), default=0, help="which of the readers; its seed"
    )
    parser.add_argument("--goes-on", action="store_true", help="from the weights that are there")
    parser.add_argument("--peak", type=float, default=2e-3, help="greatest rate of learning")
    parser.add_argument("--output", type=Path, default=None)
    a = parser.parse_args()
    torch.set_num_threads(1)
    with stops_on_interrupt():
        path = a.output or Path(__file__).with_name(WEIGHTS[a.member])
        fit(a.extracts, path, epochs=a.epochs, goes_on=a.goes_on, peak=a.peak, seed=a.member)


if __name__ == "__main__":
    main()
