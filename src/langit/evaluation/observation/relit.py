"""Simulated scenes under several lights, as the segmenter sees them, kept in a folder: what the lamp learns from.

    python -m langit.evaluation.observation.relit relit/ --count 2700

takes about 150 ms of one CPU core and 0.4 MB a scene. One scene under some lights tells more of shadows than as many scenes
would: all is alike but what the light does. Half of the clips are worn as a model's would be. Seeds begin at `FIRST_SEED`, after
all that films have; no exam and no test uses them.
"""

from __future__ import annotations

import argparse
import pickle
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from langit.evaluation.observation.extracts import worn_film
from langit.evaluation.observation.films import CHUNK, SIZE
from langit.evaluation.observation.fitting import stops_on_interrupt
from langit.evaluation.observation.lamp import pictures_of
from langit.evaluation.observation.segmenter import segment
from langit.simulator.plans import plan
from langit.simulator.render import render
from langit.simulator.views import draw_light
from langit.simulator.world import LIGHT_SIDES, Light, Scene

FIRST_SEED = 510_000_000
LIGHTS_OF_SCENE = 4
APART = 4  # frames between the two that are looked at
LEAST_ASIDE = 0.5  # of a thing's height, that its shadow reaches aside: a higher light is not asked for its side


@dataclass(frozen=True, eq=False)
class Relit:
    """Two early frames of a scene under a light."""

    seed: int
    pictures: Tensor  # (2, CHANNELS, SIZE, SIZE), half precision
    side: int  # index into LIGHT_SIDES


def relit(seed: int) -> list[Relit]:
    """The scene of a seed, of either split, under `LIGHTS_OF_SCENE` lights."""
    scene = plan(seed, split="test" if seed % 2 else "train")
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    found = []
    for _ in range(LIGHTS_OF_SCENE):
        light = low_light(rng, scene)
        start = 2 * int(rng.integers(2))
        chosen = slice(start, start + APART + 1, APART)
        frames = render([replace(scene, light=light)], SIZE, SIZE, frames=chosen, truth=False)[0][0]
        frames = worn_film(frames, generator) if rng.random() < 0.5 else frames
        found.append(Relit(seed, pictures_of(segment(frames), (0, 1)).half(), LIGHT_SIDES.index(light.side)))
    return found


def low_light(rng: np.random.Generator, scene: Scene) -> Light:
    """A light as the simulator draws it, of those that throw shadows aside."""
    while True:
        light = draw_light(rng, scene.camera)
        x, y, z = light.direction
        if x * x + y * y >= (LEAST_ASIDE * z) ** 2:
            return light


def read_relit(folder: Path) -> list[Relit]:
    """All of a folder, in the order of their seeds."""
    return [one for path in sorted(folder.glob("*.relit")) for one in pickle.loads(path.read_bytes())]


def make_relit(folder: Path, count: int, first: int = FIRST_SEED) -> None:
    """Make what is missing of `count` scenes."""
    folder.mkdir(parents=True, exist_ok=True)
    for start in range(first, first + count, CHUNK):
        path = folder / f"{start}.relit"
        if not path.is_file():
            made: list[Relit] = []
            for seed in range(start, start + CHUNK):
                try:
                    made += relit(seed)
                except RuntimeError:  # a seed of which no scene could be made
                    continue
            aside = path.with_suffix(".part")
            aside.write_bytes(pickle.dumps(made))
            aside.rename(path)
            print(f"{start + CHUNK - first} of {count} scenes", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=2700)
    parser.add_argument("--first", type=int, default=FIRST_SEED)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    from langit.evaluation.observation import relit as module  # pickles name the module, and this one is named __main__

    with stops_on_interrupt():
        module.make_relit(arguments.folder, arguments.count, arguments.first)


if __name__ == "__main__":
    main()
