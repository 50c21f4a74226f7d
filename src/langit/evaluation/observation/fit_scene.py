"""Fits what reads the camera's move and the side of the light, after `fit` and `extracts`.

    python -m langit.evaluation.observation.fit_scene extracts/

takes about a minute of one CPU core and writes `moves.safetensors` and `lamp.safetensors` beside this file.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from langit.evaluation.observation import lamp, moves
from langit.evaluation.observation.extracts import read_extracts
from langit.evaluation.observation.fit import save_weights
from langit.evaluation.observation.lamp import Lamp
from langit.evaluation.observation.moves import Mover, drifts_of, mirrored_drifts, mirrored_move, numbers_of
from langit.simulator.world import CAMERA_MOVES, LIGHT_SIDES

HELD = 12  # one of so many films is held out

Spoil = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""Inputs and labels, as they might also have been."""


def fit_moves(extracts: Path, path: Path, *, epochs: int) -> None:
    inputs, labels = [], []
    for one in read_extracts(extracts):
        drifts = drifts_of(one.chains, len(one.evidence.horizon))
        inputs += [
            numbers_of(one.evidence, drifts),
            numbers_of(one.evidence.mirrored(), mirrored_drifts(drifts)),
        ]
        labels += [one.facts.camera_move, mirrored_move(one.facts.camera_move)]
    data = torch.from_numpy(np.stack(inputs))
    network = Mover()
    network.mean.copy_(data.mean(0))
    network.spread.copy_(data.std(0) + 1e-3)

    def spoil(numbers: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
        return numbers + 0.08 * network.spread * torch.randn_like(numbers), wanted

    wanted = torch.tensor([CAMERA_MOVES.index(label) for label in labels])
    _fit(network, data, wanted, path, epochs, 128, 3e-3, spoil, torch.arange(len(data)) // 2)


def fit_lamp(extracts: Path, path: Path, *, epochs: int) -> None:
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

    _fit(Lamp(), torch.cat(inputs), torch.cat(labels), path, epochs, 128, 3e-3, spoil, torch.cat(film_of))


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
) -> None:
    """Films (of inputs: `film_of`) are held out whole."""
    torch.manual_seed(0)
    began = time.process_time()
    is_held = film_of % HELD == 0
    known, held = torch.nonzero(~is_held)[:, 0], torch.nonzero(is_held)[:, 0]
    optimizer = torch.optim.AdamW(network.parameters(), lr=peak, weight_decay=0.02)
    steps = epochs * (len(known) // size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, peak, total_steps=steps, pct_start=0.08)
    for epoch in range(epochs):
        network.train()
        for chosen in known[torch.randperm(len(known))].split(size):
            if len(chosen) == size:
                cut, wanted = spoil(inputs[chosen].float(), labels[chosen])
                loss = functional.cross_entropy(network(cut), wanted, label_smoothing=0.02)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
        if epoch % max(1, epochs // 6) == 0 or epoch + 1 == epochs:
            network.eval()
            with torch.no_grad():
                told = torch.cat([network(inputs[some].float()) for some in held.split(256)])
            right = float((told.argmax(1) == labels[held]).float().mean())
            told_time = f"{time.process_time() - began:.0f} s"
            print(f"{path.stem}, epoch {epoch + 1} of {epochs}, {told_time}, held out: {right:.1%}", flush=True)
            save_weights(network, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("extracts", type=Path)
    parser.add_argument("--epochs", type=int, default=40, help="of the lamp")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent)
    parser.add_argument("--only", choices=("both", "moves", "lamp"), default="both")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.only in ("both", "moves"):
        fit_moves(arguments.extracts, arguments.output / moves.WEIGHTS, epochs=60)
    if arguments.only in ("both", "lamp"):
        fit_lamp(arguments.extracts, arguments.output / lamp.WEIGHTS, epochs=arguments.epochs)


if __name__ == "__main__":
    main()
