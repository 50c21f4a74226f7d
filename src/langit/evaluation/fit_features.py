"""Train the network behind the distribution measure, on simulated clips, some of them damaged, and their states.

    python -m langit.evaluation.fit_features --clips 1600 --epochs 9

Writes features.safetensors beside this file (0.9 MB, half precision) and prints how well it answers on clips that it
has not seen. About three minutes on one core.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from langit.evaluation.corruptions import Kind, corrupt
from langit.evaluation.features import WEIGHTS, FeatureNetwork, prepared
from langit.simulator.camera import project
from langit.simulator.plans import plan
from langit.simulator.render import render
from langit.simulator.world import (
    CAMERA_ANGLES,
    CAMERA_MOVES,
    COLOURS,
    EVENTS,
    GROUNDS,
    LIGHT_SIDES,
    LIGHTS,
    SHAPES,
    Scene,
)
from langit.types import Frames

HELD_OUT, BATCH = 80, 16
FIRST_SEED = 10_000_000  # apart from every other use of seeds
CHOICES = (EVENTS, CAMERA_MOVES, CAMERA_ANGLES, LIGHTS, LIGHT_SIDES, GROUNDS)
PRESENT = (*COLOURS, *SHAPES, "wall", "ramp", "rod")
DAMAGES: tuple[Kind, ...] = ("blur", "noise", "shuffle")
NUM_NUMBERS = 6 + len(DAMAGES)  # where the acting thing is at three times, and how damaged the clip is
NUM_ANSWERS = sum(map(len, CHOICES)) + len(PRESENT) + NUM_NUMBERS


def target(scene: Scene, damage: list[float]) -> Tensor:
    """What the network shall tell: the number of each choice, what is present, where the actor goes, what damage there is."""
    values = (
        scene.event, scene.camera.move, scene.camera.angle, scene.light.time, scene.light.side, scene.ground
    )  # fmt: skip
    choices = [float(names.index(value)) for names, value in zip(CHOICES, values, strict=True)]
    there = {word for thing in scene.things for word in (thing.colour, thing.shape)}
    where = project(scene.camera, scene.trajectory.positions, 64, 64)[0][:, scene.actors[0]]
    where = np.clip(np.nan_to_num(where, nan=0.5), -0.5, 1.5) * 2 - 1
    thirds = where[[0, len(where) // 2, -1]].reshape(-1)
    return torch.tensor([*choices, *(float(name in there) for name in PRESENT), *thirds.tolist(), *damage])


def damaged(frames: Frames, rng: np.random.Generator) -> tuple[Frames, list[float]]:
    """Half of the clips as they are, the others damaged in one way, and how much in which: a network that must tell it does
    not overlook it."""
    strengths = [0.0] * len(DAMAGES)
    kind = int(rng.integers(2 * len(DAMAGES)))
    if kind < len(DAMAGES):
        strengths[kind] = float(rng.uniform(0, 1))
        frames = corrupt(frames, DAMAGES[kind], strengths[kind], seed=int(rng.integers(2**31)))
    return frames, strengths


def loss_of(answers: Tensor, targets: Tensor) -> tuple[Tensor, list[float]]:
    """The loss of answers (B, A), and the share of right answers to each choice."""
    loss, right, start = torch.zeros(()), [], 0
    for number, names in enumerate(CHOICES):
        said, true = answers[:, start : start + len(names)], targets[:, number].long()
        loss = loss + F.cross_entropy(said, true)
        right.append(float((said.argmax(1) == true).float().mean()))
        start += len(names)
    present = targets[:, len(CHOICES) : len(CHOICES) + len(PRESENT)]
    loss = loss + 5 * F.binary_cross_entropy_with_logits(answers[:, start : start + len(PRESENT)], present)
    return loss + 3 * F.mse_loss(answers[:, -NUM_NUMBERS:], targets[:, -NUM_NUMBERS:]), right


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=1600)
    parser.add_argument("--epochs", type=int, default=9)
    given = parser.parse_args()
    num_clips: int = given.clips
    torch.manual_seed(0)
    clips: list[Tensor] = []
    targets: list[Tensor] = []
    seed = FIRST_SEED
    while len(clips) < num_clips + HELD_OUT:
        seed += 1
        try:
            scene = plan(seed, split="train" if seed % 2 else "test", num_frames=17, fps=4.0)
        except RuntimeError:
            continue
        frames, damage = damaged(render([scene], 64, 64, truth=False)[0][0], np.random.default_rng(seed))
        clips.append(prepared(frames).half())
        targets.append(target(scene, damage))
    data, truth = torch.stack(clips), torch.stack(targets)
    network = FeatureNetwork(NUM_ANSWERS)
    steps = given.epochs * num_clips // BATCH
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
    generator = torch.Generator().manual_seed(0)
    for step in range(steps):
        if step * BATCH % num_clips == 0:
            order = torch.randperm(num_clips, generator=generator)
        batch = order[step * BATCH % num_clips :][:BATCH]
        loss, _ = loss_of(network(data[batch].float())[1], truth[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 20 == 0:
            print(f"step {step} of {steps}: loss {float(loss.detach()):.3f}", flush=True)
    with torch.inference_mode():
        made = [network(chunk.float()) for chunk in torch.split(data, 64)]
        features = torch.cat([one[0] for one in made])
        _, right = loss_of(torch.cat([one[1] for one in made])[num_clips:], truth[num_clips:])
    names = ("event", "camera move", "angle", "light", "side", "ground")
    print("right on held-out clips: " + ", ".join(f"{n} {r:.0%}" for n, r in zip(names, right, strict=True)))
    tensors = network.state_dict() | {
        "features.mean": features.mean(0),
        "features.deviation": features.std(0).clamp(min=1e-3),
    }
    path = Path(__file__).with_name(WEIGHTS)
    save_file({name: tensor.detach().half().contiguous() for name, tensor in tensors.items()}, path)
    print(f"{path}: {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
