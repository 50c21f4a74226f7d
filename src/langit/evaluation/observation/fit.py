"""Fits the segmenter on simulated films; `extracts` and the other fits come after it.

    python -m langit.evaluation.observation.fit films/

takes about five minutes of one CPU core and writes `segmenter.safetensors` beside this file. A call that was stopped is
taken up by the next one; `--goes-on` begins with the weights that are there. Those that are shipped went on with
`--goes-on --steps 11000 --peak 3e-3 --seed 11`, eleven minutes, on 8,000 films, from those of a network two thirds as wide
(fitted for 11,500 steps on 4,600 films) whose channels were set among new ones that said nothing yet, and then with
`--goes-on --steps 5500 --peak 1.5e-3 --seed 12` on 12,000 other films (`films --count 12000 --first 500020000`), and with
`--goes-on --steps 3500 --peak 1e-3 --seed 22`, seven minutes, on 3,800 films from 500060000 on. Half of the frames are
blurred, noised and tinted at random, because a model's clips are softer than the simulator's; a mirrored frame shows as good a
scene as the frame.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from langit.evaluation.observation.films import Film, camera_numbers, log_depth, read_films
from langit.evaluation.observation.fitting import Course, add_course, fit_network, stops_on_interrupt
from langit.evaluation.observation.segmenter import FIRST_COLOUR, HEADS, SCENE_HEADS, WEIGHTS, Segmenter
from langit.simulator.world import COLOURS, GROUNDS, LIGHTS, Scene

FRAMES_OF_FILM = 2  # to a batch
WEIGHT = {"what": 1.0, "depth": 0.5, "light_time": 0.1, "ground": 0.1, "camera": 0.3}
OF_THING, OF_SMALL = 3.0, 150.0  # more weight of a thing's pixels; pixels of a thing below which they weigh more still
AS_MADE = 0.5  # share of frames that are not worn: by a few levels one tells white metal from the snow that it mirrors
OFTEN = {"snow": 2.0, "white": 2.0, "black": 1.5}
"""How much more often films with such a ground, or with a thing of such a colour, are drawn: white things on snow, what mirrors
it, and black ones at night are the hardest to tell."""
ROUND = 500  # steps
ROUNDS_OF_SEED = 1000  # no two rounds draw the same frames


def labels_of(scene: Scene) -> NDArray[np.int64]:
    """(2 + K,): the class of each value of a truth's segmentation."""
    return np.array([0, 1, *(FIRST_COLOUR + list(COLOURS).index(thing.colour) for thing in scene.things)])


def worn(frames: Tensor, generator: torch.Generator) -> Tensor:
    """Frames (B, 3, h, w) in [-1, 1] as a model might have made them."""
    batch = len(frames)

    def draw(low: float, high: float, *shape: int) -> Tensor:
        return torch.rand(batch, *(shape or (1, 1, 1)), generator=generator) * (high - low) + low

    blurred = functional.avg_pool2d(functional.pad(frames, (1, 1, 1, 1), mode="replicate"), 3, 1)
    share = draw(-2.0, 1.0).clamp(min=0)
    frames = frames + (blurred - frames) * share
    frames = frames * draw(0.94, 1.06) + draw(-0.03, 0.03, 3, 1, 1)
    noise = torch.randn(frames.shape, generator=generator) * draw(-0.06, 0.06).clamp(min=0.004)
    return (frames + noise).clamp(-1, 1)


class Batches:
    """Random frames of films with what their pixels show."""

    def __init__(self, films: Sequence[Film], seed: int) -> None:
        self.films = films
        self.rng, self.generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
        self.labels = [labels_of(film.scene) for film in films]
        self.cameras = [camera_numbers(film.scene) for film in films]
        self.scenes = [(LIGHTS.index(f.scene.light.time), GROUNDS.index(f.scene.ground)) for f in films]
        often = np.array([_often(film.scene) for film in films])
        self.chances = often / often.sum()

    def draw(self, size: int) -> tuple[Tensor, dict[str, Tensor], Tensor]:
        """Frames (B, 3, h, w), the labels of each head, and the weight of every pixel (B, h, w)."""
        frames, what, depth, camera, scene, weight = [], [], [], [], [], []
        for number in self.rng.choice(len(self.films), size // FRAMES_OF_FILM, p=self.chances).tolist():
            film = self.films[number]
            for t in self.rng.integers(0, len(film.frames), FRAMES_OF_FILM).tolist():
                turned = slice(None, None, -1 if self.rng.random() < 0.5 else 1)
                kinds = film.segmentation[t][:, turned]
                count = np.bincount(kinds.ravel(), minlength=len(self.labels[number]))
                of_kind = 1 + OF_THING * np.sqrt(np.maximum(OF_SMALL / np.maximum(count, 12), 1))
                of_kind[:2] = 1
                frames.append(film.frames[t][:, turned])
                what.append(self.labels[number][kinds])
                depth.append(log_depth(film.depth[t][:, turned]))
                weight.append(of_kind[kinds])
                camera.append(self.cameras[number][t])
                scene.append(self.scenes[number])
        pixels = torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2).float() / 127.5 - 1
        hours, grounds = torch.tensor(scene).unbind(1)
        labels = {
            "what": torch.from_numpy(np.stack(what)),
            "depth": torch.from_numpy(np.stack(depth)),
            "light_time": hours,
            "ground": grounds,
            "camera": torch.from_numpy(np.stack(camera)),
        }
        as_made = torch.rand(len(pixels), 1, 1, 1, generator=self.generator) < AS_MADE
        pixels = torch.where(as_made, pixels, worn(pixels, self.generator))
        return pixels, labels, torch.from_numpy(np.stack(weight).astype(np.float32))


def _often(scene: Scene) -> float:
    shown = {scene.ground, *(thing.colour for thing in scene.things)}
    return math.prod(times for name, times in OFTEN.items() if name in shown)


def loss_of(network: Segmenter, frames: Tensor, labels: dict[str, Tensor], weight: Tensor) -> dict[str, Tensor]:
    """The loss of each head, weighted."""
    maps, scene = network(frames)
    seen = dict(zip(HEADS, maps.split(list(HEADS.values()), 1), strict=True))
    seen |= dict(zip(SCENE_HEADS, scene.split(list(SCENE_HEADS.values()), 1), strict=True))
    is_thing = labels["what"] >= FIRST_COLOUR
    losses = {
        "what": (functional.cross_entropy(seen["what"], labels["what"], reduction="none") * weight).mean(),
        "depth": (seen["depth"][:, 0] - labels["depth"]).abs()[is_thing].mean(),
        "light_time": functional.cross_entropy(seen["light_time"], labels["light_time"]),
        "ground": functional.cross_entropy(seen["ground"], labels["ground"]),
        "camera": (seen["camera"] - labels["camera"]).abs().mean(),
    }
    return {name: WEIGHT[name] * loss for name, loss in losses.items()}


def fit(
    films: Path, path: Path, *, steps: int, goes_on: bool = False, batch: int = 16, peak: float = 4e-3, seed: int = 0
) -> None:
    """Fit for `steps` steps, up to a whole round, from where an earlier call was stopped."""
    torch.manual_seed(seed)
    network = Segmenter().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    course = Course(max(1, math.ceil(steps / ROUND)), ROUND, peak, decay=0.01, seed=seed, goes_on=goes_on)
    every = read_films(films)
    recent = dict.fromkeys(WEIGHT, 0.0)

    def losses(number: int) -> Iterator[Tensor]:
        batches = Batches(every, ROUNDS_OF_SEED * seed + number)
        for _ in range(ROUND):
            parts = loss_of(network, *batches.draw(batch))
            for name, value in parts.items():
                recent[name] += 0.02 * (float(value.detach()) - recent[name])
            yield torch.stack(list(parts.values())).sum()

    fit_network(
        network, path, course, losses, lambda: "  ".join(f"{name} {value:.4f}" for name, value in recent.items())
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("films", type=Path, help="a folder that `observation.films` made")
    parser.add_argument("--steps", type=int, default=4500)
    add_course(parser, Path(__file__).with_name(WEIGHTS), peak=4e-3)
    a = parser.parse_args()
    torch.set_num_threads(1)
    with stops_on_interrupt():
        fit(a.films, a.output, steps=a.steps, goes_on=a.goes_on, peak=a.peak, seed=a.seed)


if __name__ == "__main__":
    main()
