"""Fits what measures sizes on tracks of simulated films, after `fit` and `extracts`.

    python -m langit.evaluation.observation.fit_sizes extracts/ films/

takes less than a minute of one CPU core and writes `sizes.safetensors` beside this file: four
networks that answer together. Those that are shipped began with two that were fitted before, and went on with
`--goes-on --peak 2e-3 --seed 3` on 5,400 films, and with `--goes-on --epochs 25 --peak 7e-4 --seed 5` on 2,600 films from 500060000
on.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from langit.evaluation.observation.council import Council
from langit.evaluation.observation.extracts import read_with_heights
from langit.evaluation.observation.fitting import Course, add_course, fit_network, shuffled, stops_on_interrupt
from langit.evaluation.observation.namer import usual_height
from langit.evaluation.observation.segmenter import SEEN_SHAPES
from langit.evaluation.observation.sizes import MEMBERS, WEIGHTS, Measurer, numbers_of
from langit.simulator.world import SIZES

HELD = 12  # one of so many films is held out
FEWEST_PIXELS = 40.0

Tracks = tuple[Tensor, Tensor, Tensor]
"""Numbers, logs of sizes as they look, and the film of every track."""


def tracks_of(extracts: Path, films: Path) -> Tracks:
    rng = np.random.default_rng(0)
    numbers, logs, film_of = [], [], []
    for film, (one, height) in enumerate(read_with_heights(extracts, films)):
        usual = float(usual_height(np.array(height, np.float32)))
        for thing, of_patches, chain in zip(one.thing_of, one.numbers, one.chains, strict=True):
            told = None if thing < 0 else one.facts.things[thing]
            if told is None or told.is_prop or max(patch.area for patch in chain) < FEWEST_PIXELS:
                continue
            shapes = np.eye(len(SEEN_SHAPES))[SEEN_SHAPES.index(told.shape)]
            sure = rng.uniform(0.7, 1.0)
            shapes = sure * shapes + (1 - sure) * rng.dirichlet(np.ones(len(SEEN_SHAPES)))
            numbers.append(numbers_of(of_patches, shapes))
            logs.append(math.log(SIZES[told.size] * usual / height / 0.8))
            film_of.append(film)
    return torch.from_numpy(np.stack(numbers)), torch.tensor(logs), torch.tensor(film_of)


def fit(
    tracks: Tracks, path: Path, *, epochs: int, goes_on: bool, size: int = 64, peak: float = 3e-3, seed: int = 0
) -> None:
    torch.manual_seed(seed)
    numbers, logs, film_of = tracks
    known, held = (film_of % HELD != 0).nonzero()[:, 0], (film_of % HELD == 0).nonzero()[:, 0]
    network = Council(Measurer, MEMBERS)
    course = Course(epochs, len(known) // size, peak, decay=0.02, seed=seed, goes_on=goes_on)

    def losses(_: int) -> Iterator[Tensor]:
        for chosen in shuffled(known, size):
            spoiled = numbers[chosen] + 0.01 * torch.randn(size, numbers.shape[1])
            yield (network(spoiled) - logs[chosen]).abs().mean()

    def told() -> str:
        apart = (network(numbers[held]).mean(0) - logs[held]).abs()
        return f"held out, log of size: mean {float(apart.mean()):.3f}, median {float(apart.median()):.3f}"

    fit_network(network, path, course, losses, told, tell_every=5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("extracts", type=Path)
    parser.add_argument("films", type=Path, help="of which the extracts are")
    parser.add_argument("--epochs", type=int, default=50)
    add_course(parser, Path(__file__).with_name(WEIGHTS), peak=3e-3)
    a = parser.parse_args()
    torch.set_num_threads(1)
    with stops_on_interrupt():
        tracks = tracks_of(a.extracts, a.films)
        fit(tracks, a.output, epochs=a.epochs, goes_on=a.goes_on, peak=a.peak, seed=a.seed)


if __name__ == "__main__":
    main()
