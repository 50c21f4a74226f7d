"""Fits what tells things from what only looks like some, after `fit` and `extracts` and before the other fits.

    python -m langit.evaluation.observation.fit_judge extracts/

takes about half a minute of one CPU core and writes `judge.safetensors` beside this file.
"""

from __future__ import annotations

import argparse
import pickle
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from langit.evaluation.observation.extracts import Extract
from langit.evaluation.observation.fit import save_weights
from langit.evaluation.observation.judge import WEIGHTS, Judge

HELD = 12  # one of so many films is held out


def labels_of(one: Extract) -> list[bool]:
    """Per chain whether it is the largest of those that follow a thing."""
    total = [sum(patch.area for patch in chain) for chain in one.chains]
    largest: dict[int, int] = {}
    for k, thing in enumerate(one.thing_of):
        if thing >= 0 and (thing not in largest or total[k] > total[largest[thing]]):
            largest[thing] = k
    return [largest.get(thing) == k for k, thing in enumerate(one.thing_of)]


def fit(extracts: Path, path: Path, *, epochs: int, size: int = 128, peak: float = 3e-3) -> None:
    torch.manual_seed(0)
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
    network = Judge()
    optimizer = torch.optim.AdamW(network.parameters(), lr=peak, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, peak, total_steps=epochs * (len(known) // size))
    for epoch in range(epochs):
        network.train()
        for chosen in known[torch.randperm(len(known))].split(size):
            if len(chosen) == size:
                found = network(data[chosen] + 0.02 * torch.randn(size, data.shape[1]))
                loss = functional.binary_cross_entropy_with_logits(found, wanted[chosen])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
        if epoch % 5 == 4 or epoch + 1 == epochs:
            network.eval()
            with torch.no_grad():
                told = network(data[held]) > 0
            right = told == (wanted[held] > 0.5)
            films_right = np.ones(count, bool)
            films_right[films[held][~right].numpy()] = False
            share = films_right[::HELD].mean()
            print(
                f"epoch {epoch + 1} of {epochs}, held out: {float(right.float().mean()):.2%} of chains "
                f"({float(wanted[held].mean()):.1%} are things), all of a film's {share:.1%}",
                flush=True,
            )
            save_weights(network, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("extracts", type=Path)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name(WEIGHTS))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    fit(arguments.extracts, arguments.output, epochs=arguments.epochs)


if __name__ == "__main__":
    main()
