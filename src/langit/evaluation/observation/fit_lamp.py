"""Fits what reads the side of the light, after `fit` and `relit`.

    python -m langit.evaluation.observation.fit_lamp relit/

takes about eleven minutes of one CPU core and writes `lamp.safetensors` beside this file. Those that are shipped were fitted so, on
the 2,700 scenes that `relit` makes unless told otherwise: of scenes held out, 97.3% of sides are read.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from langit.evaluation.observation.fitting import Course, add_course, fit_network, shuffled, stops_on_interrupt
from langit.evaluation.observation.lamp import IN_MIRROR, WEIGHTS, Lamp
from langit.evaluation.observation.relit import read_relit

HELD = 12  # one of so many scenes is held out
NOISE = 0.03  # of pictures


def fit(
    folder: Path, path: Path, *, epochs: int, goes_on: bool, size: int = 64, peak: float = 3e-3, seed: int = 0
) -> None:
    torch.manual_seed(seed)
    every = read_relit(folder)
    pictures = torch.stack([one.pictures for one in every])  # (N, 2, CHANNELS, h, w), half precision
    sides = torch.tensor([one.side for one in every])
    is_held = torch.tensor([one.seed % HELD == 0 for one in every])
    known, held = (~is_held).nonzero()[:, 0], is_held.nonzero()[:, 0]
    network, in_mirror = Lamp(), torch.tensor(IN_MIRROR)
    course = Course(epochs, len(known) // size, peak, decay=0.03, seed=seed, goes_on=goes_on)

    def losses(_: int) -> Iterator[Tensor]:
        for chosen in shuffled(known, size):
            shown = pictures[chosen, torch.randint(0, 2, (size,))].float()
            turned = torch.rand(size) < 0.5
            shown = torch.where(turned[:, None, None, None], shown.flip(-1), shown)
            wanted = torch.where(turned, in_mirror[sides[chosen]], sides[chosen])
            shown = shown + NOISE * torch.randn_like(shown)
            yield functional.cross_entropy(network(shown), wanted, label_smoothing=0.02)

    def told() -> str:
        chances = [network(pictures[some].flatten(0, 1).float()).softmax(-1) for some in held.split(64)]
        found = torch.cat(chances).unflatten(0, (-1, 2)).mean(1).argmax(-1)
        return f"held out: {float((found == sides[held]).float().mean()):.1%}"

    fit_network(network, path, course, losses, told)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("relit", type=Path)
    parser.add_argument("--epochs", type=int, default=16)
    add_course(parser, Path(__file__).with_name(WEIGHTS), peak=3e-3)
    a = parser.parse_args()
    torch.set_num_threads(1)
    with stops_on_interrupt():
        fit(a.relit, a.output, epochs=a.epochs, goes_on=a.goes_on, peak=a.peak, seed=a.seed)


if __name__ == "__main__":
    main()
