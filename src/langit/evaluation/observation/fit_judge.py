"""Fits what tells things from what only looks like some, after `fit` and `extracts` and before the other fits.

    python -m langit.evaluation.observation.fit_judge extracts/

takes about half a minute of one CPU core and writes `judge.safetensors` beside this file: four
networks that answer together. Those that are shipped began with two that 8,000 films had taught, and went on with
`--goes-on --peak 2e-3 --seed 3` on 4,000 other films, and with `--goes-on --peak 1e-3 --seed 5` on 2,600 films from 500060000 on.
"""

from __future__ import annotations

import argparse
import pickle
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from langit.evaluation.observation.council import Council
from langit.evaluation.observation.extracts import Extract
from langit.evaluation.observation.fitting import Course, add_course, fit_network, shuffled, stops_on_interrupt
from langit.evaluation.observation.judge import MEMBERS, WEIGHTS, Judge

HELD = 12  # one of so many films is held out


def labels_of(one: Extract) -> list[bool]:
    """Per chain whether it is the largest of those that follow a thing."""
    total = [sum(patch.area for patch in chain) for chain in one.chains]
    largest: dict[int, int] = {}
    for k, thing in enumerate(one.thing_of):
        if thing >= 0 and (thing not in largest or total[k] > total[largest[thing]]):
            largest[thing] = k
    return [largest.get(thing) == k for k, thing in enumerate(one.thing_of)]


def fit(
    extracts: Path, path: Path, *, epochs: int, goes_on: bool, size: int = 128, peak: float = 3e-3, seed: int = 0
) -> None:
    torch.manual_seed(seed)
    numbers: list[Tensor] = []
    labels: list[Tensor] = []
    film_of: list[Tensor] = []
    count = 0
    for source in sorted(extracts.glob("*.extracts")):
        for one in pickle.loads(source.read_bytes()):
            numbers.append(torch.from_numpy(one.judged))
            labels.append(torch.tensor(labels_of(one), dtype=torch.float32))
            film_of.append(torch.full((len(one.judged),), count))
            count += 1
    data, wanted, films = torch.cat(numbers), torch.cat(labels), torch.cat(film_of)
    known, held = (films % HELD != 0).nonzero()[:, 0], (films % HELD == 0).nonzero()[:, 0]
    network = Council(Judge, MEMBERS)
    course = Course(epochs, len(known) // size, peak, decay=0.02, seed=seed, goes_on=goes_on)

    def losses(_: int) -> Iterator[Tensor]:
        for chosen in shuffled(known, size):
            found = network(data[chosen] + 0.02 * torch.randn(size, data.shape[1]))
            yield functional.binary_cross_entropy_with_logits(found, wanted[chosen].expand_as(found))

    def told() -> str:
        right = (network(data[held]).mean(0) > 0) == (wanted[held] > 0.5)
        films_right = np.ones(count, bool)
        films_right[films[held][~right].numpy()] = False
        return (
            f"held out: {float(right.float().mean()):.2%} of chains ({float(wanted[held].mean()):.1%} are things), all of a "
            f"film's {films_right[::HELD].mean():.1%}"
        )

    fit_network(network, path, course, losses, told, tell_every=5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("extracts", type=Path)
    parser.add_argument("--epochs", type=int, default=8)
    add_course(parser, Path(__file__).with_name(WEIGHTS), peak=3e-3)
    a = parser.parse_args()
    torch.set_num_threads(1)
    with stops_on_interrupt():
        fit(a.extracts, a.output, epochs=a.epochs, goes_on=a.goes_on, peak=a.peak, seed=a.seed)


if __name__ == "__main__":
    main()
