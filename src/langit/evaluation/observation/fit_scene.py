"""Fits what reads the camera's move and the side of the light, after `fit` and `extracts`.

    python -m langit.evaluation.observation.fit_scene extracts/

takes about a minute of one CPU core and writes `moves.safetensors` and `lamp.safetensors` (three networks that answer together)
beside this file. Those that are shipped were fitted with `--goes-on --epochs 25`, the moves on 4,000 films and the lamp on
5,400; the moves and the first of the lamp's three from weights that 8,000 others had taught.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from langit.evaluation.observation import lamp, moves
from langit.evaluation.observation.council import Council
from langit.evaluation.observation.extracts import read_extracts
from langit.evaluation.observation.fitting import Course, fit_network, shuffled, stops_on_interrupt
from langit.evaluation.observation.lamp import Lamp
from langit.evaluation.observation.moves import Mover, drifts_of, mirrored_drifts, mirrored_move, numbers_of
from langit.simulator.world import CAMERA_MOVES, LIGHT_SIDES

HELD = 12  # one of so many films is held out

Spoil = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""Inputs and labels, as they might also have been."""


def fit_moves(extracts: Path, path: Path, *, epochs: int, goes_on: bool = False) -> None:
    inputs, labels = [], []
    for one in read_extracts(extracts):
        drifts = drifts_of(one.chains, len(one.evidence.horizon))
        inputs += [
            numbers_of(one.evidence, drifts),
            numbers_of(one.evidence.mirrored(), mirrored_drifts(drifts)),
        ]
        labels += [one.facts.camera_move, mirrored_move(one.facts.camera_move)]
    data = torch.from_numpy(np.stack(inputs))
    torch.manual_seed(0)
    network = Mover()
    network.mean.copy_(data.mean(0))
    network.spread.copy_(data.std(0) + 1e-3)

    def spoil(numbers: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
        return numbers + 0.08 * network.spread * torch.randn_like(numbers), wanted

    wanted = torch.tensor([CAMERA_MOVES.index(label) for label in labels])
    _fit(network, data, wanted, path, epochs, 128, 3e-3, spoil, torch.arange(len(data)) // 2, goes_on)


def fit_lamp(extracts: Path, path: Path, *, epochs: int, goes_on: bool = False) -> None:
    inputs: list[Tensor] = []
    labels: list[Tensor] = []
    film_of: list[Tensor] = []
    for film, one in enumerate(read_extracts(extracts)):
        for is_mirrored in (False, True):
            pictures = one.pictures.astype(np.float32)
            numbers = lamp.numbers_of(pictures, one.evidence, one.chains, mirrored=is_mirrored)
            side = one.facts.light_side
            side = moves.MIRRORED.get(side, side) if is_mirrored else side
            inputs.append(torch.from_numpy(numbers))
            labels.append(torch.full((len(numbers),), LIGHT_SIDES.index(side)))
            film_of.append(torch.full((len(numbers),), film))

    def spoil(numbers: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
        return numbers + 0.1 * torch.randn_like(numbers), wanted

    torch.manual_seed(0)
    network, data, sides = Council(Lamp, lamp.MEMBERS), torch.cat(inputs), torch.cat(labels)
    _fit(network, data, sides, path, epochs, 128, 3e-3, spoil, torch.cat(film_of), goes_on)


def _fit(
    network: nn.Module,
    inputs: Tensor,
    labels: Tensor,
    path: Path,
    epochs: int,
    size: int,
    peak: float,
    spoil: Spoil,
    film_of: Tensor,
    goes_on: bool = False,
) -> None:
    """Films (of inputs: `film_of`) are held out whole."""
    is_held = film_of % HELD == 0
    known, held = torch.nonzero(~is_held)[:, 0], torch.nonzero(is_held)[:, 0]
    course = Course(epochs, len(known) // size, peak, decay=0.02, goes_on=goes_on)

    def losses(_: int) -> Iterator[Tensor]:
        for chosen in shuffled(known, size):
            cut, wanted = spoil(inputs[chosen].float(), labels[chosen])
            yield _loss(network(cut), wanted)

    def told() -> str:
        found = torch.cat([_together(network(inputs[some].float())) for some in held.split(256)])
        return f"held out: {float((found.argmax(1) == labels[held]).float().mean()):.1%}"

    fit_network(network, path, course, losses, told, tell_every=max(1, epochs // 6))


def _loss(logits: Tensor, wanted: Tensor) -> Tensor:
    """Of one network (B, answers) or of a council's (M, B, answers)."""
    members = logits.flatten(0, -2)
    return functional.cross_entropy(members, wanted.repeat(len(members) // len(wanted)), label_smoothing=0.02)


def _together(logits: Tensor) -> Tensor:
    """The log probabilities (B, answers) of all members."""
    told = logits.log_softmax(-1)
    return told.mean(0) if told.dim() == 3 else told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("extracts", type=Path)
    parser.add_argument("--epochs", type=int, default=40, help="of the lamp")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent)
    parser.add_argument("--only", choices=("both", "moves", "lamp"), default="both")
    parser.add_argument("--goes-on", action="store_true", help="from the weights that are there")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with stops_on_interrupt():
        if arguments.only in ("both", "moves"):
            fit_moves(arguments.extracts, arguments.output / moves.WEIGHTS, epochs=60, goes_on=arguments.goes_on)
        if arguments.only in ("both", "lamp"):
            fit_lamp(
                arguments.extracts, arguments.output / lamp.WEIGHTS, epochs=arguments.epochs, goes_on=arguments.goes_on
            )


if __name__ == "__main__":
    main()
