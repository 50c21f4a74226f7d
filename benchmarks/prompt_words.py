"""Which words of a prompt a model hears: how much its error grows when they are changed.

    python benchmarks/prompt_words.py --model embedded

Clips of the simulated world that no training saw, noised to a level; the error of the predicted clean patches where things
are, with the true caption, without it, and with all its words of one kind exchanged for others. 1.00 is not heard at all.
The first thing to look at while a model trains: a word that is not heard here cannot be followed in sampling.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence

import numpy as np
import torch
from langit.training.fills import FILLS, fills_of

from langit.catalog import load
from langit.denoising import denoiser
from langit.flow import add_noise
from langit.packing import pack
from langit.simulator.captions import caption
from langit.simulator.facts import read_facts
from langit.simulator.world import COLOURS, SHAPES
from langit.tokenizer import encode
from langit.training.config import CorpusConfig
from langit.training.footage import make_clip


def exchanged(words: Sequence[str]) -> dict[str, str]:
    """Each word for the next but two."""
    return dict(zip(words, [*words[3:], *words[:3]], strict=True))


CHANGES = {
    "colour": exchanged(list(COLOURS)),
    "shape": exchanged([shape for shape in SHAPES if shape != "plank"]),
    "direction": {"left": "right", "right": "left"},
    "motion": exchanged(["falls", "bounces", "rolls", "slides", "spins", "swings"]),
    "light": {"noon": "night", "night": "noon", "sunset": "noon", "dusk": "noon"},
}


def changed(prompt: str, table: dict[str, str]) -> str:
    return re.sub(rf"\b({'|'.join(table)})\b", lambda found: table[found[1]], prompt)


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--clips", type=int, default=32)
    parser.add_argument("--levels", type=float, nargs="+", default=[0.8, 0.95])
    arguments = parser.parse_args()
    bundle = load(arguments.model)
    corpus = CorpusConfig(arguments.clips, seed=4_711)
    latents, fills, prompts = [], [], []
    for index in range(arguments.clips):
        scene, frames, truth = make_clip(corpus, index)
        latents.append(encode(bundle.tokenizer, torch.from_numpy(frames).float() / 127.5 - 1))
        fills.append(fills_of(frames, truth.segmentation, scene.things, scene.camera, bundle.config.stride))
        rng = np.random.default_rng(index)
        prompts.append(caption(read_facts(scene, truth), language="en", detail="short", rng=rng))
    clean, layout = pack(latents, bundle.config.patch)
    filled = pack(fills, bundle.config.patch)[0].float().unflatten(1, (FILLS, -1))
    weight = filled[:, : len(COLOURS)].sum((1, 2))
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))

    def error(said: Sequence[str], level: float) -> float:
        sigma = torch.full((len(clean),), level)
        noisy = add_noise(clean, noise, sigma)
        predicted = denoiser(bundle, layout, said)(noisy, sigma)
        return float(((predicted - clean).square().mean(-1) * weight).sum() / weight.sum())

    for level in arguments.levels:
        true = error(prompts, level)
        told = {"no prompt": error([""] * len(prompts), level) / true}
        for name, table in CHANGES.items():
            told[name] = error([changed(prompt, table) for prompt in prompts], level) / true
        print(
            f"level {level:g}: error {true:.3f}; " + ", ".join(f"{name} x{ratio:.3f}" for name, ratio in told.items())
        )


if __name__ == "__main__":
    main()
