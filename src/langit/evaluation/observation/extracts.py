"""What the segmenter and the tracks make of films, kept in a folder for the fits that follow.

    python -m langit.evaluation.observation.extracts films/ extracts/

takes about 60 ms of one CPU core a film. Half of the films are worn as a model's clips would be.
"""

from __future__ import annotations

import argparse
import pickle
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from langit.evaluation.observation.backdrop import gather, read_backdrop
from langit.evaluation.observation.films import Film
from langit.evaluation.observation.fit import worn
from langit.evaluation.observation.fitting import stops_on_interrupt
from langit.evaluation.observation.judge import are_things
from langit.evaluation.observation.moves import Evidence
from langit.evaluation.observation.namer import cuts_of, spread, tell_changes
from langit.evaluation.observation.patches import Patch
from langit.evaluation.observation.segmenter import segment
from langit.evaluation.observation.tracks import find_candidates, judged
from langit.simulator.world import COLOURS, Array, Facts

CUTS_KEPT = 20  # of a track
LEAST_SHARE = 0.5  # of a track's patches that must be of one thing for the track to be that thing


@dataclass(frozen=True, eq=False)
class Extract:
    """One film as it is read, not yet named, with what is true."""

    evidence: Evidence
    chains: list[list[Patch]]  # things or not, largest first
    judged: Array  # per chain, what tells whether it is a thing
    thing_of: list[int]  # per chain the thing that it follows, -1 for none
    cuts: list[NDArray[np.float16]]  # per chain, of some of its patches
    numbers: list[NDArray[np.float32]]
    facts: Facts
    opening: Array  # (K, 3) in the first frame: where its middle is on the screen, and metres along the camera's axis

    def kept(self) -> Extract:
        """Of the chains those that are judged to be things."""
        some = np.flatnonzero(are_things(self.judged)).tolist()
        return replace(
            self,
            chains=[self.chains[k] for k in some],
            judged=self.judged[some],
            thing_of=[self.thing_of[k] for k in some],
            cuts=[self.cuts[k] for k in some],
            numbers=[self.numbers[k] for k in some],
        )


def extract(film: Film, seed: int) -> Extract:
    generator = torch.Generator().manual_seed(seed)
    frames = film.frames
    if seed % 2:
        frames = worn_film(frames, generator)
    seen = segment(frames)
    found = gather(seen)
    backdrop = read_backdrop(found, film.scene.camera.move)
    chains = find_candidates(seen)
    cuts, numbers = [], []
    for chain in chains:
        cut, number = cuts_of(seen, backdrop.horizon, backdrop.camera_height, chain)
        tell_changes(chain, cut)
        some = spread(len(chain), CUTS_KEPT)
        cuts.append(cut[some].half().numpy())
        numbers.append(number[some].numpy())
    whose = [_thing_of(chain, film) for chain in chains]
    opening = np.concatenate([film.centroids[0], film.depths[0][:, None]], 1)
    return Extract(found, chains, judged(seen, chains), whose, cuts, numbers, film.facts, opening)


def worn_film(frames: NDArray[np.uint8], generator: torch.Generator) -> NDArray[np.uint8]:
    """All frames worn alike, but for the noise."""
    tall = torch.from_numpy(frames.reshape(-1, *frames.shape[2:])).permute(2, 0, 1)[None].float() / 127.5 - 1
    pixels: Tensor = (worn(tall, generator)[0].permute(1, 2, 0) + 1) * 127.5
    return pixels.round().to(torch.uint8).reshape(frames.shape).numpy()


def _thing_of(chain: list[Patch], film: Film) -> int:
    """The thing whose pixels lie in most of the patches' boxes, of those that have the patch's colour there."""
    names, size = list(COLOURS), film.frames.shape[1]
    votes = np.zeros(len(film.scene.things) + 2)
    for patch in chain:
        left, top, right, bottom = (round(side * size) for side in patch.box)
        kinds = np.bincount(film.segmentation[patch.frame, top:bottom, left:right].ravel(), minlength=len(votes))
        kinds = kinds[: len(votes)].astype(float)
        for k, thing in enumerate(film.scene.things):
            kinds[2 + k] *= 3 if names.index(thing.colour) == patch.colour else 1
        if kinds[2:].any() and kinds[2:].sum() > 0.2 * kinds.sum():
            votes[2 + int(kinds[2:].argmax())] += 1
    return int(votes.argmax()) - 2 if votes.max() >= LEAST_SHARE * len(chain) else -1


def read_extracts(folder: Path) -> Iterator[Extract]:
    """All extracts of a folder, in the order of their films, with the chains that are judged to be things."""
    for path in sorted(folder.glob("*.extracts")):
        for one in pickle.loads(path.read_bytes()):
            yield one.kept()


def read_with_heights(extracts: Path, films: Path) -> Iterator[tuple[Extract, float]]:
    """As `read_extracts`, each with how high its film's camera truly stands, metres."""
    for path in sorted(extracts.glob("*.extracts")):
        of_films = pickle.loads((films / f"{path.stem}.films").read_bytes())
        for one, film in zip(pickle.loads(path.read_bytes()), of_films, strict=True):
            yield one.kept(), float(np.median(film.scene.camera.positions[:, 2]))


def make_extracts(films: Path, folder: Path) -> None:
    """Make what is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    every = sorted(films.glob("*.films"))
    for number, source in enumerate(every, 1):
        path = folder / f"{source.stem}.extracts"
        if not path.is_file():
            first = int(source.stem)
            made = [extract(film, first + k) for k, film in enumerate(pickle.loads(source.read_bytes()))]
            aside = path.with_suffix(".part")
            aside.write_bytes(pickle.dumps(made))
            aside.rename(path)
            print(f"{path.name}, {number} of {len(every)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("films", type=Path)
    parser.add_argument("extracts", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    from langit.evaluation.observation import extracts  # pickles name the module, and this one is named __main__

    with stops_on_interrupt():
        extracts.make_extracts(arguments.films, arguments.extracts)


if __name__ == "__main__":
    main()
