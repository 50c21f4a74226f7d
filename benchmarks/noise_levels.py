"""At which noise level a model loses what: the simulator's own clips are noised so far, and made clean again by the model.

    python benchmarks/noise_levels.py --clips 64
    python benchmarks/noise_levels.py --model runs/detail --levels 0 0.2 0.6 1

Level 0 is the tokenizer alone, level 1 a clip from the prompt alone. Prints the model's mean squared error of one evaluation
at each level, and of every attribute that the prompts tell the share that is seen in what comes out.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from langit.catalog import Bundle, load
from langit.conditioning import SourceCondition
from langit.denoising import denoiser
from langit.evaluation.observation import observe
from langit.evaluation.prompt_following import score, shares
from langit.evaluation.prompts import ATTRIBUTES, Prompt, answer, make_prompts
from langit.flow import add_noise
from langit.generate import generate_all
from langit.packing import pack
from langit.planning import Request, plan
from langit.tokenizer import decode, encode
from langit.types import Frames, Video

SIDE, FPS = 64, 8.0


def error_at(bundle: Bundle, prompts: list[Prompt], latents: list[Tensor], level: float) -> float:
    """Mean squared error of the clean patches that one evaluation predicts."""
    patches, layout = pack(latents, bundle.config.patch)
    noise = torch.randn(patches.shape, generator=torch.Generator().manual_seed(0))
    sigma = torch.full((len(patches),), level)
    with torch.inference_mode():
        denoise = denoiser(bundle, layout, [prompt.text for prompt in prompts])
        return float((denoise(add_noise(patches, noise, sigma), sigma) - patches).square().mean())


def made_again(bundle: Bundle, prompt: Prompt, frames: Frames, level: float, seed: int) -> Frames:
    """The clip after it was noised to a level."""
    if level == 0:
        latents = encode(bundle.tokenizer, torch.from_numpy(frames.astype(np.float32)) / 127.5 - 1)
        return Video.from_float(decode(bundle.tokenizer, latents).numpy(), FPS).frames
    request = Request(prompt.text, frames=len(frames), size=(SIDE, SIDE), fps=FPS, seed=seed, quality="best")
    if level < 1:
        request = replace(request, conditions=(SourceCondition(frames, level),))
    return generate_all(bundle, [plan(bundle, request)])[0].video.frames


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--clips", type=int, default=64)
    parser.add_argument("--levels", type=float, nargs="+", default=[0, 0.2, 0.4, 0.6, 0.8, 1])
    parser.add_argument("--seed", type=int, default=777, help="of the prompts")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    bundle = load(arguments.model)
    prompts = list(make_prompts(arguments.clips, seed=arguments.seed, languages=("en",), details=("dense",)))
    clips = [answer(prompt, SIDE, SIDE)[0] for prompt in prompts]
    latents = [encode(bundle.tokenizer, torch.from_numpy(frames.astype(np.float32)) / 127.5 - 1) for frames in clips]
    print(f"| level | error | {' | '.join(ATTRIBUTES)} |")
    print("|---" * (len(ATTRIBUTES) + 2) + "|")
    for level in arguments.levels:
        error = f"{error_at(bundle, prompts, latents, level):.4f}" if level else ""
        seen = [
            score(observe(made_again(bundle, prompt, frames, level, seed), FPS), prompt.expectation)
            for seed, (prompt, frames) in enumerate(zip(prompts, clips, strict=True))
        ]
        told = shares(seen)
        row = ("" if told[attribute] is None else f"{told[attribute]:.0%}" for attribute in ATTRIBUTES)
        print(f"| {level:g} | {error} | {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
