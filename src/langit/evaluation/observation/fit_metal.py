"""Fits a second namer for the material alone, metal or not, after `fit_namer` and `remade`.

    python -m langit.evaluation.observation.fit_metal remade/

takes about two and a half minutes of one CPU core and writes `metal.safetensors` beside this file. It begins with the namer's
weights. Those that are shipped were fitted so, on the 3,500 scenes of both commands of `remade`.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from langit.evaluation.observation.fit_namer import batches
from langit.evaluation.observation.fitting import Course, add_course, fit_network, load_weights, stops_on_interrupt
from langit.evaluation.observation.namer import METAL_WEIGHTS, WEIGHTS, Namer, metal_logits
from langit.evaluation.observation.remade import Track, read_remade
from langit.simulator.world import MATERIALS

HELD = 12  # one of so many parts, the last, is held out: a scene's tracks lie beside each other
ALONE = 0.4  # weight of what the cuts say by themselves
BRIGHTER, TINTED, NOISE = 0.08, 0.02, 0.03  # of cuts as wholes, of their colours, of numbers


def fit(
    tracks: list[Track], path: Path, *, epochs: int, goes_on: bool, size: int = 48, peak: float = 6e-4, seed: int = 0
) -> None:
    torch.manual_seed(seed)
    known, held = tracks[: -(len(tracks) // HELD)], tracks[-(len(tracks) // HELD) :]
    network = Namer()
    load_weights(network, Path(__file__).with_name(WEIGHTS))
    course = Course(epochs, max(1, len(known) // size), peak, decay=0.03, seed=seed, goes_on=goes_on)

    def losses(number: int) -> Iterator[Tensor]:
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()  # tracks of few cuts are mostly padding, which would spoil its means
        for cuts, numbers, there, labels in batches(known, size, np.random.default_rng([seed, number])):
            cuts = torch.where(torch.rand(len(cuts), 1, 1, 1, 1) < 0.5, cuts.flip(4), cuts)
            brighter = 1 + BRIGHTER * torch.randn(len(cuts), 1, 1, 1, 1)
            cuts[:, :, :3] = cuts[:, :, :3] * brighter + TINTED * torch.randn(len(cuts), 1, 3, 1, 1)
            together, alone = network(cuts, numbers + NOISE * torch.randn_like(numbers[:, :1]), there)
            is_metal = (labels[:, 1] == MATERIALS.index("metal")).float()
            each = functional.binary_cross_entropy_with_logits(
                metal_logits(alone)[there], is_metal[:, None].expand(there.shape)[there]
            )
            yield functional.binary_cross_entropy_with_logits(metal_logits(together), is_metal) + ALONE * each

    def told() -> str:
        right = [
            bool(
                metal_logits(network(cuts[None].float(), numbers[None], torch.ones(1, len(cuts), dtype=torch.bool))[0])
                > 0
            )
            == (material == MATERIALS.index("metal"))
            for cuts, numbers, (_, material) in held
        ]
        return f"held out: {np.mean(right):.1%} of {len(held)}"

    fit_network(network, path, course, losses, told)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("remade", type=Path)
    parser.add_argument("--epochs", type=int, default=6)
    add_course(parser, Path(__file__).with_name(METAL_WEIGHTS), peak=6e-4)
    a = parser.parse_args()
    torch.set_num_threads(1)
    with stops_on_interrupt():
        fit(read_remade(a.remade), a.output, epochs=a.epochs, goes_on=a.goes_on, peak=a.peak, seed=a.seed)


if __name__ == "__main__":
    main()
