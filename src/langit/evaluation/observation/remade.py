"""Simulated scenes with things of other materials or shapes, as the namer sees them, kept in a folder: what it learns these from.

    python -m langit.evaluation.observation.remade remade/ --count 2000
    python -m langit.evaluation.observation.remade remade/ --first 520002000 --count 1500 --sunset
    python -m langit.evaluation.observation.remade reshaped/ --first 520010000 --count 3000 --shapes

take 75 to 120 ms of one CPU core a scene. The same things once of metal and once not tell more of metal than as many others
would, and at sunset, when all things shine, it is hardest to tell; so do the same things once as eggs and once as balls. Half of
the clips are worn as a model's would be. Seeds begin at `FIRST_SEED`; no exam and no test uses them.
"""

from __future__ import annotations

import argparse
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from langit.evaluation.observation.extracts import worn_film
from langit.evaluation.observation.films import CHUNK, SIZE
from langit.evaluation.observation.fitting import stops_on_interrupt
from langit.evaluation.observation.namer import cuts_of
from langit.evaluation.observation.patches import Patch, patches_of
from langit.evaluation.observation.segmenter import SEEN_SHAPES, segment
from langit.simulator.physics import depths_below_centre
from langit.simulator.plans import make_thing, plan
from langit.simulator.render import render
from langit.simulator.views import draw_light
from langit.simulator.world import COLOURS, MATERIALS, Scene
from langit.types import Frames

FIRST_SEED = 520_000_000
TIMES = 2  # that a scene is made anew
SPREAD, SPREAD_OF_SHAPES = slice(2, 33, 12), slice(2, 33, 7)  # frames that are looked at
SHAPE_WEIGHTS = {"ball": 3, "cube": 2, "cylinder": 2, "cone": 3, "pyramid": 3, "egg": 4, "plank": 2}
PALE, PALE_SHARE = ("white", "black"), 0.3
"""Colours that things of other shapes have in such a share: shapes are hardest to tell of them."""
FEWEST_PIXELS = 100.0  # of a patch of which a material is told
LEAST_SHARE = 0.7  # of a patch's box and colour, that is of one thing

Track = tuple[torch.Tensor, torch.Tensor, tuple[int, int]]
"""Cuts (S, CHANNELS, CUT, CUT) in half precision, numbers (S, NUM_NUMBERS), and the numbers of the shape and the material."""


def remade(seed: int, *, at_sunset: bool, shapes: bool) -> list[Track]:
    """The tracks of a scene, of either split, whose things have other materials, or other shapes, every time."""
    scene = plan(seed, split="test" if seed % 2 else "train")
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    while at_sunset and scene.light.time != "sunset":
        scene = replace(scene, light=draw_light(rng, scene.camera))
    found: list[Track] = []
    for _ in range(TIMES):
        other = _reshaped(scene, rng) if shapes else _of_other_materials(scene, rng)
        frames, truth = render([other], SIZE, SIZE, frames=SPREAD_OF_SHAPES if shapes else SPREAD)[0]
        assert truth is not None
        frames = worn_film(frames, generator) if rng.random() < 0.5 else frames
        found += _tracks(other, frames, truth.segmentation)
    return found


def _of_other_materials(scene: Scene, rng: np.random.Generator) -> Scene:
    """Metal as often as not."""
    others = [name for name in MATERIALS if name != "metal"]
    things = tuple(
        thing if thing.is_prop else replace(thing, material="metal" if rng.random() < 0.5 else str(rng.choice(others)))
        for thing in scene.things
    )
    return replace(scene, things=things)


def _reshaped(scene: Scene, rng: np.random.Generator) -> Scene:
    """Shapes and colours anew, no two things of one colour; each turns as it did, its lower end as high as it was."""
    things, positions = list(scene.things), scene.trajectory.positions.copy()
    weights = np.array(list(SHAPE_WEIGHTS.values())) / sum(SHAPE_WEIGHTS.values())
    colours = [str(name) for name in rng.permutation([name for name in COLOURS if name not in PALE])]
    pale = [str(name) for name in rng.permutation(PALE)]
    for k, thing in enumerate(things):
        if not thing.is_prop:
            colour = (pale if pale and rng.random() < PALE_SHARE else colours).pop()
            things[k] = make_thing(str(rng.choice(list(SHAPE_WEIGHTS), p=weights)), thing.size, thing.material, colour)
            turns = scene.trajectory.quaternions[:, k]
            positions[:, k, 2] += depths_below_centre(things[k], turns) - depths_below_centre(thing, turns)
    return replace(scene, things=tuple(things), trajectory=replace(scene.trajectory, positions=positions))


def _tracks(scene: Scene, frames: Frames, kinds: np.ndarray) -> list[Track]:
    seen = segment(frames)
    of_thing: dict[int, list[Patch]] = {}
    for patches in patches_of(seen):
        for patch in patches:
            thing = _thing_of(scene, patch, kinds[patch.frame])
            if thing is not None and patch.area >= FEWEST_PIXELS:
                of_thing.setdefault(thing, []).append(patch)
    tracks = []
    for thing, chain in of_thing.items():
        one_a_frame = list({patch.frame: patch for patch in sorted(chain, key=lambda patch: patch.area)}.values())
        cuts, numbers = cuts_of(seen, seen.horizon, seen.camera_height, one_a_frame)
        told = scene.things[thing]
        tracks.append((cuts.half(), numbers, (SEEN_SHAPES.index(told.shape), MATERIALS.index(told.material))))
    return tracks


def _thing_of(scene: Scene, patch: Patch, kinds: np.ndarray) -> int | None:
    """The thing of the patch's colour of which most of what is seen in its box is, and no prop."""
    left, top, right, bottom = (round(side * SIZE) for side in patch.box)
    count = np.bincount(kinds[top:bottom, left:right].ravel(), minlength=len(scene.things) + 2)[2:]
    if not count.sum():
        return None
    thing = int(count.argmax())
    is_it = list(COLOURS)[patch.colour] == scene.things[thing].colour and count[thing] >= LEAST_SHARE * count.sum()
    return thing if is_it and not scene.things[thing].is_prop else None


def read_remade(folder: Path) -> list[Track]:
    """All of a folder, in the order of their seeds."""
    return [one for path in sorted(folder.glob("*.remade")) for one in pickle.loads(path.read_bytes())]


def make_remade(folder: Path, count: int, first: int, *, at_sunset: bool, shapes: bool) -> None:
    """Make what is missing of `count` scenes."""
    folder.mkdir(parents=True, exist_ok=True)
    for start in range(first, first + count, CHUNK):
        path = folder / f"{start}.remade"
        if not path.is_file():
            made: list[Track] = []
            for seed in range(start, start + CHUNK):
                try:
                    made += remade(seed, at_sunset=at_sunset, shapes=shapes)
                except RuntimeError:  # a seed of which no scene could be made
                    continue
            aside = path.with_suffix(".part")
            aside.write_bytes(pickle.dumps(made))
            aside.rename(path)
            print(f"{start + CHUNK - first} of {count} scenes, {len(made)} tracks", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--first", type=int, default=FIRST_SEED)
    parser.add_argument("--sunset", action="store_true", help="all of them at sunset")
    parser.add_argument(
        "--shapes", action="store_true", help="things of other shapes and colours, not of other materials"
    )
    a = parser.parse_args()
    torch.set_num_threads(1)
    with stops_on_interrupt():
        make_remade(a.folder, a.count, a.first, at_sunset=a.sunset, shapes=a.shapes)


if __name__ == "__main__":
    main()
