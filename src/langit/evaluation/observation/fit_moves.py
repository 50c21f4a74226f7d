"""Fits what reads the camera's move, after `fit` and `extracts`.

    python -m langit.evaluation.observation.fit_moves extracts/

takes less than a minute of one CPU core and writes `moves.safetensors` beside this file. Those that are shipped were fitted on
8,000 films and went on with `--goes-on` on 4,000 others.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from langit.evaluation.observation.extracts import read_extracts
from langit.evaluation.observation.fitting import Course, add_course, fit_network, shuffled, stops_on_interrupt
from langit.evaluation.observation.moves import WEIGHTS, Mover, drifts_of, mirrored_drifts, mirrored_move, numbers_of
from langit.simulator.world import CAMERA_MOVES

HELD = 12  # one of so many films is held out
NOISE = 0.08  # of the spread of every number


def fit(
    extracts: Path, path: Path, *, epochs: int, goes_on: bool, size: int = 128, peak: float = 3e-3, seed: int = 0
) -> None:
    inputs, labels = [], []
    for one in read_extracts(extracts):
        drifts = drifts_of(one.chains, len(one.evidence.horizon))
        inputs += [
            numbers_of(one.evidence, drifts),
            numbers_of(one.evidence.mirrored(), mirrored_drifts(drifts)),
        ]
        labels += [one.facts.camera_move, mirrored_move(one.facts.camera_move)]
    data, wanted = torch.from_numpy(np.stack(inputs)), torch.tensor([CAMERA_MOVES.index(label) for label in labels])
    torch.manual_seed(seed)
    network = Mover()
    network.mean.copy_(data.mean(0))
    network.spread.copy_(data.std(0) + 1e-3)
    is_held = torch.arange(len(data)) // 2 % HELD == 0  # films, whole
    known, held = (~is_held).nonzero()[:, 0], is_held.nonzero()[:, 0]
    course = Course(epochs, len(known) // size, peak, decay=0.02, seed=seed, goes_on=goes_on)

    def losses(_: int) -> Iterator[Tensor]:
        for chosen in shuffled(known, size):
            spoiled = data[chosen] + NOISE * network.spread * torch.randn(size, data.shape[1])
            yield functional.cross_entropy(network(spoiled), wanted[chosen], label_smoothing=0.02)

    def told() -> str:
        return f"held out: {float((network(data[held]).argmax(1) == wanted[held]).float().mean()):.1%}"

    fit_network(network, path, course, losses, told, tell_every=max(1, epochs // 6))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("extracts", type=Path)
    parser.add_argument("--epochs", type=int, default=60)
    add_course(parser, Path(__file__).with_name(WEIGHTS), peak=3e-3)
    a = parser.parse_args()
    torch.set_num_threads(1)
    with stops_on_interrupt():
        fit(a.extracts, a.output, epochs=a.epochs, goes_on=a.goes_on, peak=a.peak, seed=a.seed)


if __name__ == "__main__":
    main()
