"""Fits the segmenter on simulated frames; run `fit_namer` after it.

    python -m langit.evaluation.observation.fit

takes about six minutes of one CPU core and writes `segmenter.safetensors` beside this file.

Scenes of both splits, with seeds that no exam uses (`FIRST_SEED` on). Frames are blurred, noised and tinted at random,
because a model's clips are softer than the simulator's.
"""

from __future__ import annotations

import argparse
import math
import os
import pickle
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional

from langit.evaluation.observation.segmenter import (
    CLASSES,
    FIRST_COLOUR,
    HEADS,
    SCENE_HEADS,
    SEEN_SHAPES,
    WEIGHTS,
    WORKING_SIZE,
    Segmenter,
)
from langit.simulator.camera import axes
from langit.simulator.plans import plan, relook
from langit.simulator.render import render
from langit.simulator.world import COLOURS, LIGHT_SIDES, LIGHTS, MATERIALS, SIZES, Scene

FIRST_SEED = 500_000_000
LOOKS, FRAMES_PER_LOOK = 3, 3
POOL = 8000  # frames, growing by three a step
WEIGHT = {"light_time": 0.1, "light_side": 0.3}
NOTHING = -100  # cross entropy's label for "not asked"


@dataclass(frozen=True)
class Labelled:
    """One frame and what its pixels show."""

    frame: NDArray[np.uint8]  # (h, w, 3)
    maps: NDArray[np.int8]  # (4, h, w): what, shape, material, size
    depth: NDArray[np.float16]  # (h, w) log of metres / 8
    scene: NDArray[np.int64]  # light time, light side
    camera: NDArray[np.float32]  # as in SCENE_HEADS


def labelled_frames(seed: int) -> list[Labelled]:
    """Some frames of one trajectory in some looks."""
    rng = np.random.default_rng(seed)
    split = "test" if seed % 3 == 0 else "train"
    scene = plan(seed, split=split)
    found: list[Labelled] = []
    for look in range(LOOKS):
        film = relook(scene, seed + look, split=split) if look else scene
        first = int(rng.integers(0, 11))
        chosen = slice(first, None, 11)
        frames, truth = render([film], WORKING_SIZE, WORKING_SIZE, frames=chosen)[0]
        assert truth is not None
        tables = _tables(film)
        kinds = np.minimum(truth.segmentation, tables.shape[1] - 1)
        times = np.array([LIGHTS.index(film.light.time), LIGHT_SIDES.index(film.light.side)])
        camera = _camera_numbers(film)[chosen]
        logs = np.log(np.minimum(truth.depth, 80.0) / 8).astype(np.float16)
        found += [
            Labelled(frame, tables[:, kind], log, times, numbers)
            for frame, kind, log, numbers in zip(frames, kinds, logs, camera, strict=True)
        ]
    return found


def _tables(scene: Scene) -> NDArray[np.int8]:
    """(4, 2 + K): the labels of each value of a truth's segmentation."""
    what = [0, CLASSES.index(scene.ground)]
    shape, material, size = ([-1, -1] for _ in range(3))
    for thing in scene.things:
        what.append(FIRST_COLOUR + list(COLOURS).index(thing.colour))
        shape.append(SEEN_SHAPES.index(thing.shape))
        material.append(-1 if thing.is_prop else MATERIALS.index(thing.material))
        size.append(-1 if thing.is_prop else list(SIZES).index(thing.size))
    return np.array([what, shape, material, size], np.int8)


def _camera_numbers(scene: Scene) -> NDArray[np.float32]:
    """(F, 2): the horizon's row and the log of the camera's height."""
    _, up, forward = axes(scene.camera)
    horizon = forward[:, 2] / up[:, 2] / np.tan(scene.camera.vertical_fov / 2)
    return np.stack([horizon.clip(-3, 3), np.log(scene.camera.positions[:, 2] / 2)], -1).astype(np.float32)


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


def loss_of(network: Segmenter, batch: list[Labelled], generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
    frames = torch.from_numpy(np.stack([one.frame for one in batch])).permute(0, 3, 1, 2).float() / 127.5 - 1
    labels = torch.from_numpy(np.stack([one.maps for one in batch])).long()
    depth = torch.from_numpy(np.stack([one.depth for one in batch]).astype(np.float32))
    scene = torch.from_numpy(np.stack([one.scene for one in batch]))
    maps, scene_logits = network(worn(frames, generator))
    predicted = dict(zip(HEADS, maps.split(list(HEADS.values()), 1), strict=True))
    is_thing = labels[:, 0] >= FIRST_COLOUR
    weight = 1 + 3 * is_thing.float()
    losses = {"what": (functional.cross_entropy(predicted["what"], labels[:, 0], reduction="none") * weight).mean()}
    losses["depth"] = 0.5 * (predicted["depth"][:, 0] - depth).abs()[is_thing].mean()
    of_scene = dict(zip(SCENE_HEADS, scene_logits.split(list(SCENE_HEADS.values()), 1), strict=True))
    for index, name in enumerate(("light_time", "light_side")):
        losses[name] = WEIGHT[name] * functional.cross_entropy(of_scene[name], scene[:, index])
    losses["camera"] = (
        0.3 * (of_scene["camera"] - torch.from_numpy(np.stack([one.camera for one in batch]))).abs().mean()
    )
    return torch.stack(list(losses.values())).sum(), {name: float(value.detach()) for name, value in losses.items()}


def fit(path: Path, *, steps: int, start: int, total: int, batch: int = 16, peak: float = 4e-3, seed: int = 0) -> None:
    """Steps `start` to `start + steps` of `total`, going on from the weights at `path`; the rate falls to zero."""
    torch.manual_seed(seed)
    network = Segmenter()
    if start:
        network.load_state_dict(
            {name: value.float() if value.is_floating_point() else value for name, value in load_file(path).items()},
            strict=False,
        )
    network.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(network.parameters(), lr=peak, weight_decay=0.01, betas=(0.9, 0.99))
    moments = path.with_suffix(".optimizer")
    if start and moments.exists():
        optimizer.load_state_dict(torch.load(moments))
    generator = torch.Generator().manual_seed(seed + start)
    rng = np.random.default_rng(seed + start)
    kept = path.with_suffix(".pool")
    pool: list[Labelled] = pickle.loads(kept.read_bytes()) if start and kept.exists() else []
    next_seed = FIRST_SEED + 1000 * start
    began = time.process_time()
    recent: dict[str, float] = {}
    for step in range(start, start + steps):
        while len(pool) < min(POOL, 300 + 3 * step):
            pool += labelled_frames(next_seed)
            next_seed += 1
        done = step / total
        for group in optimizer.param_groups:
            group["lr"] = peak * min(1.0, (step + 1) / 50) * 0.5 * (1 + math.cos(math.pi * done))
        chosen = [pool[int(index)] for index in rng.integers(0, len(pool), batch)]
        loss, parts = loss_of(network, chosen, generator)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        recent = {name: 0.95 * recent.get(name, value) + 0.05 * value for name, value in parts.items()}
        if step % 50 == 49:
            told = "  ".join(f"{name} {value:.3f}" for name, value in recent.items())
            print(f"step {step + 1} of {total}, {time.process_time() - began:.0f} s: {told}", flush=True)
    stored = {
        name: value.half() if value.is_floating_point() else value for name, value in network.state_dict().items()
    }
    stored = {name: value.contiguous() for name, value in stored.items() if "num_batches" not in name}
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    save_file(stored, aside)
    aside.rename(path)
    if start + steps >= total:
        moments.unlink(missing_ok=True)
        kept.unlink(missing_ok=True)
    else:
        torch.save(optimizer.state_dict(), moments)
        kept.write_bytes(pickle.dumps(pool))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=3000, help="steps to take now")
    parser.add_argument("--start", type=int, default=0, help="steps taken before, with the same output")
    parser.add_argument("--total", type=int, default=3000, help="steps at which the learning rate reaches zero")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name(WEIGHTS))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    fit(arguments.output, steps=arguments.steps, start=arguments.start, total=arguments.total)


if __name__ == "__main__":
    main()
