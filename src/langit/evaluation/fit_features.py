"""Train the network behind the distribution measure, on simulated clips and their states.

    python -m langit.evaluation.fit_features

Writes features.safetensors beside this file (0.9 MB, half precision) and prints how well it answers on clips that it has
not seen. About three minutes on one core.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

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

CLIPS, HELD_OUT, EPOCHS, BATCH = 800, 100, 10, 16
FIRST_SEED = 10_000_000  # apart from every other use of seeds
CHOICES = (EVENTS, CAMERA_MOVES, CAMERA_ANGLES, LIGHTS, LIGHT_SIDES, GROUNDS)
PRESENT = (*COLOURS, *SHAPES, "wall", "ramp", "rod")
NUM_PLACES = 6  # numbers that tell where the acting thing is and how it moves on the screen
NUM_ANSWERS = sum(map(len, CHOICES)) + len(PRESENT) + NUM_PLACES


def target(scene: Scene) -> Tensor:
    """What the network shall tell of a scene: the number of each choice, what is present, where the actor goes."""
    values = (
        scene.event, scene.camera.move, scene.camera.angle, scene.light.time, scene.light.side, scene.ground
    )  # fmt: skip
    choices = [float(names.index(value)) for names, value in zip(CHOICES, values, strict=True)]
    there = {word for thing in scene.things for word in (thing.colour, thing.shape)}
    where = project(scene.camera, scene.trajectory.positions, 64, 64)[0][:, scene.actors[0]]
    where = np.clip(np.nan_to_num(where, nan=0.5), -0.5, 1.5) * 2 - 1
    thirds = where[[0, len(where) // 2, -1]].reshape(-1)
    return torch.tensor([*choices, *(float(name in there) for name in PRESENT), *thirds.tolist()])


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
    places = targets[:, -NUM_PLACES:]
    return loss + 2 * F.mse_loss(answers[:, -NUM_PLACES:], places), right


def main() -> None:
    torch.manual_seed(0)
    clips, targets = [], []
    seed = FIRST_SEED
    while len(clips) < CLIPS + HELD_OUT:
        seed += 1
        try:
            scene = plan(seed, split="train" if seed % 2 else "test", num_frames=33)  # four seconds, as the exam's
        except RuntimeError:
            continue
        clips.append(prepared(render([scene], 64, 64, truth=False)[0][0]).half())
        targets.append(target(scene))
    data, truth = torch.stack(clips), torch.stack(targets)
    network = FeatureNetwork(NUM_ANSWERS)
    steps = EPOCHS * CLIPS // BATCH
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
    generator = torch.Generator().manual_seed(0)
    for step in range(steps):
        if step * BATCH % CLIPS == 0:
            order = torch.randperm(CLIPS, generator=generator)
        batch = order[step * BATCH % CLIPS :][:BATCH]
        loss, _ = loss_of(network(data[batch].float())[1], truth[batch])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        if step % 100 == 0:
            print(f"step {step} of {steps}: loss {float(loss):.3f}", flush=True)
    with torch.inference_mode():
        made = [network(chunk.float()) for chunk in data.split(64)]
        features = torch.cat([one[0] for one in made])
        _, right = loss_of(torch.cat([one[1] for one in made])[CLIPS:], truth[CLIPS:])
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
    sys.exit(main())
