"""Fits the namer on tracks of simulated films, after `fit` and `extracts`.

    python -m langit.evaluation.observation.fit_namer extracts/ films/ --reshaped reshaped/
    python -m langit.evaluation.observation.fit_namer extracts/ films/ --reshaped reshaped/ --output namer2.safetensors

each take about four minutes of one CPU core; the first writes `namer.safetensors` beside this file, where the second one's output
belongs, too. `reshaped/` is what `remade --shapes` made. The weights that are shipped went on
with `--goes-on --epochs 10 --peak 1.5e-3 --seed 5`, on 4,800 films with `--goes-on --epochs 8 --peak 1.5e-3 --seed 6` (seven
rounds of it), and on 8,000 films that a better segmenter saw with `--goes-on --epochs 10 --peak 2e-3 --seed 7` and then
`--goes-on --epochs 7 --peak 2e-3 --seed 8`, and on 4,000 other films (of seeds from 500026000 on) with
`--goes-on --epochs 8 --peak 2e-3 --seed 9`. Then 2,600 films from 500060000 on and 3,000 reshaped scenes: `--goes-on --epochs 8
--peak 1.5e-3 --seed 13`, without props being as often as among the films alone, and with them `--goes-on --epochs 3 --peak 6e-4
--seed 14`. The second was fitted on 2,100 of these films with `--epochs 12 --seed 12`, and on 2,600 with `--goes-on --epochs 3
--peak 1e-3 --seed 15`.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from langit.evaluation.observation.extracts import read_with_heights
from langit.evaluation.observation.fitting import Course, add_course, fit_network, stops_on_interrupt
from langit.evaluation.observation.namer import CHANNELS, CUT, NAMES, NUM_NUMBERS, WEIGHTS, Namer, usual_height
from langit.evaluation.observation.remade import read_remade
from langit.evaluation.observation.segmenter import SEEN_SHAPES
from langit.simulator.world import MATERIALS, SIZES, Thing

CUTS_AT_ONCE = 5  # of a track, drawn anew every time
ALONE = 0.4  # weight of what the cuts say by themselves
NOTHING = -100  # cross entropy's label for "not asked"
HELD = 15  # one of so many tracks is held out

Track = tuple[Tensor, Tensor, Tensor]
"""Cuts (S, CHANNELS, CUT, CUT), numbers (S, NUM_NUMBERS) and label (3,)."""


def tracks_of(extracts: Path, films: Path) -> list[Track]:
    found: list[Track] = []
    for one, height in read_with_heights(extracts, films):
        for thing, cuts, numbers in zip(one.thing_of, one.cuts, one.numbers, strict=True):
            if thing >= 0:
                label = torch.tensor(_label(one.facts.things[thing], height))
                found.append((torch.from_numpy(cuts), torch.from_numpy(numbers), label))
    return found


def _label(thing: Thing, camera_height: float) -> list[int]:
    """The size is that which the thing looks to have from a camera of the usual height."""
    if thing.is_prop:
        return [SEEN_SHAPES.index(thing.shape), NOTHING, NOTHING]
    usual = float(usual_height(np.array(camera_height, np.float32)))
    looks = SIZES[thing.size] * usual / camera_height
    size = int(np.argmin([abs(math.log(looks / each)) for each in SIZES.values()]))
    return [SEEN_SHAPES.index(thing.shape), MATERIALS.index(thing.material), size]


def batches(
    tracks: Sequence[tuple[Tensor, Tensor, Any]], size: int, rng: np.random.Generator
) -> Iterator[tuple[Tensor, ...]]:
    """Cuts, numbers, which of them are there, and labels; some cuts of every track."""
    for chosen in np.array_split(rng.permutation(len(tracks)), max(1, len(tracks) // size)):
        cuts = torch.zeros(len(chosen), CUTS_AT_ONCE, CHANNELS, CUT, CUT)
        numbers = torch.zeros(len(chosen), CUTS_AT_ONCE, NUM_NUMBERS)
        there = torch.zeros(len(chosen), CUTS_AT_ONCE, dtype=torch.bool)
        for row, k in enumerate(chosen.tolist()):
            cut, number, _ = tracks[k]
            some = torch.from_numpy(np.sort(rng.permutation(len(cut))[:CUTS_AT_ONCE]))
            cuts[row, : len(some)], numbers[row, : len(some)] = cut[some].float(), number[some]
            there[row, : len(some)] = True
        yield cuts, numbers, there, torch.stack([torch.as_tensor(tracks[k][2]) for k in chosen.tolist()])


def loss_of(network: Namer, cuts: Tensor, numbers: Tensor, there: Tensor, labels: Tensor) -> Tensor:
    together, alone = network(cuts, numbers, there)
    repeated = torch.where(there[..., None], labels[:, None], NOTHING).flatten(0, 1)
    total = torch.zeros(())
    for part, of_cuts, label, of_cut in zip(
        together.split(list(NAMES.values()), -1),
        alone.flatten(0, 1).split(list(NAMES.values()), -1),
        labels.T,
        repeated.T,
        strict=True,
    ):
        total = total + functional.cross_entropy(part, label, ignore_index=NOTHING, label_smoothing=0.02)
        total = total + ALONE * functional.cross_entropy(of_cuts, of_cut, ignore_index=NOTHING)
    return total


def reshaped(folder: Path) -> list[Track]:
    """The tracks that `remade` made; their sizes are not asked."""
    return [(cuts, numbers, torch.tensor([*label, NOTHING])) for cuts, numbers, label in read_remade(folder)]


def fit(
    tracks: list[Track],
    others: list[Track],
    path: Path,
    *,
    epochs: int,
    goes_on: bool,
    size: int = 48,
    peak: float = 3e-3,
    seed: int = 0,
) -> None:
    """Fits on tracks, of which some are held out, and on others besides."""
    torch.manual_seed(seed)
    held, known = tracks[::HELD], [track for k, track in enumerate(tracks) if k % HELD]
    props = [track for track in known if int(track[2][1]) == NOTHING]
    known += others + props * round(len(others) / len(known))  # among the others are none, and they are to be as often
    network = Namer()
    course = Course(epochs, max(1, len(known) // size), peak, decay=0.03, seed=seed, goes_on=goes_on)

    def losses(number: int) -> Iterator[Tensor]:
        for cuts, numbers, there, labels in batches(known, size, np.random.default_rng([seed, number])):
            mirrored = torch.rand(len(cuts), 1, 1, 1, 1) < 0.5
            cuts = torch.where(mirrored, cuts.flip(4), cuts)
            brighter = 1 + 0.05 * torch.randn(len(cuts), 1, 1, 1, 1)
            cuts[:, :, :3] = cuts[:, :, :3] * brighter + 0.02 * torch.randn(len(cuts), 1, 3, 1, 1)
            yield loss_of(network, cuts, numbers + 0.03 * torch.randn_like(numbers[:, :1]), there, labels)

    def told() -> str:
        return "held out: " + ", ".join(f"{name} {share:.1%}" for name, share in right(network, held).items())

    fit_network(network, path, course, losses, told)


@torch.no_grad()
def right(network: Namer, tracks: list[Track]) -> dict[str, float]:
    """The share of tracks that are named rightly."""
    answers: dict[str, list[float]] = {name: [] for name in NAMES}
    for cuts, numbers, label in tracks:
        there = torch.ones(1, len(cuts), dtype=torch.bool)
        together, _ = network(cuts[None].float(), numbers[None], there)
        for (name, part), wanted in zip(
            zip(NAMES, together.split(list(NAMES.values()), -1), strict=True), label, strict=True
        ):
            if wanted >= 0:
                answers[name].append(float(part.argmax() == wanted))
    return {name: float(np.mean(values)) for name, values in answers.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("extracts", type=Path)
    parser.add_argument("films", type=Path, help="of which the extracts are")
    parser.add_argument("--reshaped", type=Path, help="a folder of `remade --shapes`, besides")
    parser.add_argument("--epochs", type=int, default=19)
    add_course(parser, Path(__file__).with_name(WEIGHTS), peak=3e-3)
    a = parser.parse_args()
    torch.set_num_threads(1)
    with stops_on_interrupt():
        tracks = tracks_of(a.extracts, a.films)
        others = reshaped(a.reshaped) if a.reshaped else []
        fit(tracks, others, a.output, epochs=a.epochs, goes_on=a.goes_on, peak=a.peak, seed=a.seed)


if __name__ == "__main__":
    main()
