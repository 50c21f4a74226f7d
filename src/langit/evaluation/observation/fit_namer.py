"""Fits the namer on the segmenter's patches of simulated frames, after every `fit`.

    python -m langit.evaluation.observation.fit_namer

takes about two minutes of one CPU core and writes `namer.safetensors` beside this file.
Seeds and wear of the frames are those of `fit`.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from langit.evaluation.observation.fit import FIRST_SEED, NOTHING, Labelled, labelled_frames, worn
from langit.evaluation.observation.namer import NAMES, WEIGHTS, Namer, Spot, cuts_of
from langit.evaluation.observation.segmenter import FIRST_COLOUR, segment
from langit.evaluation.observation.tracks import patches_of

SEED_OFFSET = 50_000_000
SCENES_AT_ONCE = 4
PURITY = 0.6  # of a patch's pixels, that must be of one thing for its label to be used


def patches_with_names(scenes: int, first: int) -> tuple[Tensor, Tensor, Tensor]:
    """Cuts (N, C, CUT, CUT), numbers (N, K) and labels (N, 3) of the patches in frames of `scenes` trajectories."""
    cuts, numbers, labels = [], [], []
    generator = torch.Generator().manual_seed(first)
    for start in range(first, first + scenes, SCENES_AT_ONCE):
        batch = [
            one
            for seed in range(start, start + SCENES_AT_ONCE)
            for one in labelled_frames(FIRST_SEED + SEED_OFFSET + seed)
        ]
        frames = torch.from_numpy(np.stack([one.frame for one in batch])).permute(0, 3, 1, 2).float() / 127.5 - 1
        frames = torch.where(
            torch.rand(len(frames), 1, 1, 1, generator=generator) < 0.5, frames, worn(frames, generator)
        )
        pixels = ((frames + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()
        seen = segment(pixels)
        spots, names = [], []
        for patch in (patch for of_frame in patches_of(seen) for patch in of_frame):
            told = _label(batch[patch.frame], patch.pixels)
            if told is not None:
                spots.append(Spot(patch.frame, patch.colour, patch.box, patch.depth))
                names.append(told)
        if spots:
            cut, number = cuts_of(seen, spots)
            cuts.append(cut.half())
            numbers.append(number)
            labels.append(torch.tensor(names))
    return torch.cat(cuts), torch.cat(numbers), torch.cat(labels)


def _label(frame: Labelled, pixels: NDArray[np.bool_]) -> tuple[int, int, int] | None:
    what = frame.maps[0][pixels]
    things = frame.maps[:, pixels][:, what >= FIRST_COLOUR]
    kinds, counts = np.unique(things, axis=1, return_counts=True)
    if not counts.size or counts.max() < PURITY * pixels.sum():
        return None
    _, shape, material, size = (int(value) for value in kinds[:, counts.argmax()])
    return shape, material if material >= 0 else NOTHING, size if size >= 0 else NOTHING


def loss_of(logits: Tensor, labels: Tensor) -> Tensor:
    parts = torch.split(logits, list(NAMES.values()), 1)
    losses = [functional.cross_entropy(part, labels[:, k], ignore_index=NOTHING) for k, part in enumerate(parts)]
    return torch.stack(losses).sum()


def fit(path: Path, *, scenes: int, epochs: int, batch: int = 128, peak: float = 2e-3, seed: int = 0) -> None:
    torch.manual_seed(seed)
    began = time.process_time()
    cuts, numbers, labels = patches_with_names(scenes, 0)
    held = len(labels) // 12
    print(f"{len(labels)} patches in {time.process_time() - began:.0f} s", flush=True)
    network = Namer()
    optimizer = torch.optim.AdamW(network.parameters(), lr=peak, weight_decay=0.02)
    steps = epochs * ((len(labels) - held) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, peak, total_steps=steps, pct_start=0.05)
    generator = torch.Generator().manual_seed(seed)
    for epoch in range(epochs):
        order = torch.randperm(len(labels) - held, generator=generator) + held
        for chosen in torch.split(order, batch):
            if len(chosen) < batch:
                continue
            cut = cuts[chosen].float()
            mirrored = torch.rand(batch, 1, 1, 1, generator=generator) < 0.5
            cut = torch.where(mirrored, cut.flip(3), cut)
            cut[:, :3] += torch.randn(cut[:, :3].shape, generator=generator) * 0.02
            number = numbers[chosen] + torch.randn(batch, numbers.shape[1], generator=generator) * 0.02
            loss = loss_of(network(cut, number), labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        with torch.no_grad():
            parts = network(cuts[:held].float(), numbers[:held]).split(list(NAMES.values()), 1)
        right = [
            float((part.argmax(1) == labels[:held, k])[labels[:held, k] >= 0].float().mean())
            for k, part in enumerate(parts)
        ]
        told = ", ".join(f"{name} {share:.1%}" for name, share in zip(NAMES, right, strict=True))
        print(
            f"epoch {epoch + 1} of {epochs}, {time.process_time() - began:.0f} s, of patches held out: {told}",
            flush=True,
        )
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    save_file({name: value.half().contiguous() for name, value in network.state_dict().items()}, aside)
    aside.rename(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=900, help="trajectories, of nine frames each")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name(WEIGHTS))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    fit(arguments.output, scenes=arguments.scenes, epochs=arguments.epochs)


if __name__ == "__main__":
    main()
