"""Simulated films with their truth, kept in a folder: what all fits of the observation learn from.

    python -m langit.evaluation.observation.films films/ --count 3000

takes about four minutes of one CPU core and 0.7 MB a film. Seeds begin at `FIRST_SEED`; no exam and no test uses them.
"""

from __future__ import annotations

import argparse
import pickle
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from langit.evaluation.observation.fitting import stops_on_interrupt
from langit.simulator.camera import axes
from langit.simulator.facts import read_facts
from langit.simulator.plans import plan
from langit.simulator.render import render
from langit.simulator.world import Array, Facts, Scene

FIRST_SEED = 500_000_000
SIZE = 64
CHUNK = 100  # films to a file
FARTHEST = 80.0  # metres
NEAREST_DEPTH, DEPTH_STEP = 1.0, 0.018  # metres, and of its log, to a level of the kept depth


@dataclass(frozen=True, eq=False)
class Film:
    """A scene's frames, what their pixels show, and what truly happens."""

    frames: NDArray[np.uint8]  # (F, SIZE, SIZE, 3)
    segmentation: NDArray[np.uint8]  # (F, SIZE, SIZE): 0 sky, 1 ground, 2 + k thing k
    depth: NDArray[np.uint8]  # (F, SIZE, SIZE), as `levels_of`
    visible_share: Array  # (F, K)
    centroids: Array  # (F, K, 2)
    depths: Array  # (F, K) metres along the camera's axis
    scene: Scene
    facts: Facts


def levels_of(depth: Array) -> NDArray[np.uint8]:
    """Metres as levels of their logarithm."""
    logs = np.log(np.clip(depth, NEAREST_DEPTH, FARTHEST) / NEAREST_DEPTH)
    return np.asarray(np.rint(logs / DEPTH_STEP).clip(0, 255), np.uint8)


def log_depth(levels: NDArray[np.uint8]) -> Array:
    """Levels as the log of metres / 8."""
    return np.asarray(levels * np.float32(DEPTH_STEP) + np.float32(np.log(NEAREST_DEPTH / 8)), np.float32)


def camera_numbers(scene: Scene) -> Array:
    """(F, 2): the horizon's row from -1 (top) to 1, and the log of the camera's height / 2 m."""
    _, up, forward = axes(scene.camera)
    horizon = forward[:, 2] / up[:, 2] / np.tan(scene.camera.vertical_fov / 2)
    return np.stack([horizon.clip(-3, 3), np.log(scene.camera.positions[:, 2] / 2)], -1).astype(np.float32)


def make_film(seed: int) -> Film:
    """The film of a seed, of either split."""
    scene = plan(seed, split="test" if seed % 2 else "train")
    frames, truth = render([scene], SIZE, SIZE)[0]
    assert truth is not None
    _, _, forward = axes(scene.camera)
    offset = scene.trajectory.positions - scene.camera.positions[:, None]
    return Film(
        frames,
        truth.segmentation,
        levels_of(truth.depth),
        truth.visible_share,
        truth.centroids,
        np.einsum("fkc,fc->fk", offset, forward).astype(np.float32),
        scene,
        read_facts(scene, truth),
    )


def make_films(folder: Path, count: int, first: int = FIRST_SEED) -> None:
    """Make what is missing of `count` films."""
    folder.mkdir(parents=True, exist_ok=True)
    for start in range(first, first + count, CHUNK):
        path = folder / f"{start}.films"
        if not path.is_file():
            made = []
            for seed in range(start, start + CHUNK):
                try:
                    made.append(make_film(seed))
                except RuntimeError:  # a seed of which no scene could be made
                    continue
            aside = path.with_suffix(".part")
            aside.write_bytes(pickle.dumps(made))
            aside.rename(path)
            print(f"{start + CHUNK - first} of {count} films", flush=True)


def read_films(folder: Path) -> list[Film]:
    """All films of a folder, in the order of their seeds."""
    return [film for path in sorted(folder.glob("*.films")) for film in pickle.loads(path.read_bytes())]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--first", type=int, default=FIRST_SEED)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    from langit.evaluation.observation import films  # pickles name the module, and this one is named __main__

    with stops_on_interrupt():
        films.make_films(arguments.folder, arguments.count, arguments.first)


if __name__ == "__main__":
    main()
