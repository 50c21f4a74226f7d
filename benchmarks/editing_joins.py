"""What joins would show if a model made the very latents of the source, with and without spreading the decoder's loss.

    python benchmarks/editing_joins.py [--model embedded] [--clips 16]

Clips of the simulator are cut in two; the second half goes through the model's tokenizer and is put back. The numbers are
the seam error (change across the join over the usual change) and the share of joins of at most 1.2. Results:
benchmarks/README.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator

import numpy as np
import torch

from langit.catalog import load
from langit.editing.joins import smoothed
from langit.evaluation.editing import seam_error
from langit.evaluation.editing.run import SEAM_AIM
from langit.evaluation.editing.sources import scene_clip
from langit.evaluation.papers import Form
from langit.evaluation.prompts import make_prompts
from langit.tokenizer import decode, encode
from langit.types import Frames, Video


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--clips", type=int, default=16)
    options = parser.parse_args()
    torch.set_num_threads(1)
    bundle = load(options.model)
    form = Form.of(bundle)
    stride = bundle.tokenizer.stride[0]
    joins = [1 + stride * group for group in (2, 3, 4, 5)] + [stride * 3]
    pairs = []
    for prompt in make_prompts(options.clips, seed=0, languages=("en",), details=("dense",)):
        clip = scene_clip(prompt, form, form.frames)
        latents = encode(bundle.tokenizer, torch.from_numpy(clip.astype(np.float32)) / 127.5 - 1)
        pairs.append((clip, Video.from_float(decode(bundle.tokenizer, latents).numpy(), form.fps).frames))
    rows: dict[str, Callable[[Frames, Frames, int], Frames]] = {
        "uncut": lambda clip, decoded, join: clip[join:],
        "decoded": lambda clip, decoded, join: decoded[join:],
        "decoded, spread": lambda clip, decoded, join: spread(clip[join - 1], decoded[join:], form.fps),
    }
    print(f"| second half | seam error | of at most {SEAM_AIM:g} |\n|---|---|---|")
    for name, second in rows.items():
        errors = [
            seam_error(np.concatenate([clip[:join], second(clip, decoded, join)]), join)
            for clip, decoded in pairs
            for join in joins
        ]
        print(f"| {name} | {np.mean(errors):.2f} | {np.mean(np.array(errors) <= SEAM_AIM):.0%} |", flush=True)


def spread(before: Frames, made: Frames, fps: float) -> Frames:
    def making() -> Iterator[Frames]:
        yield from made

    return np.stack(list(smoothed(making(), len(made), fps, before, None)))  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
