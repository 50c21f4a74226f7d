"""What joins would show if a model made the very latents of the source, with and without spreading the decoder's loss.

    python benchmarks/editing_joins.py [--model embedded] [--clips 16] [--made 8]

Clips of the simulator are cut in two; the second half goes through the model's tokenizer and is put back. The numbers are
the seam error (change across the join over the usual change) and the share of joins of at most 1.2.

With `--made` as many clips are also extended, recut and looped by the model, once as langit does it and once without each of the
choices that joins rest on. Results: benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch

from langit import editing
from langit.catalog import Bundle, load
from langit.editing import Course, Edit
from langit.editing.joins import smoothed
from langit.editing.loop import bent_frames
from langit.editing.store import Store, remembering
from langit.evaluation.editing import loop_closure, seam_error
from langit.evaluation.editing.run import SEAM_AIM
from langit.evaluation.editing.sources import Source, make_sources, scene_clip
from langit.evaluation.papers import Form
from langit.evaluation.prompts import make_prompts
from langit.tokenizer import decode, encode
from langit.types import Frames, Video


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--clips", type=int, default=16)
    parser.add_argument("--made", type=int, default=0, help="clips that the model itself edits, choice by choice")
    options = parser.parse_args()
    torch.set_num_threads(1)
    bundle = load(options.model)
    if options.clips:
        decoded_joins(bundle, options.clips)
    if options.made:
        with tempfile.TemporaryDirectory() as folder:
            made_joins(bundle, options.model, options.made, Path(folder))


def decoded_joins(bundle: Bundle, clips: int) -> None:
    form = Form.of(bundle)
    stride = bundle.tokenizer.stride[0]
    joins = [1 + stride * group for group in (2, 3, 4, 5)] + [stride * 3]
    pairs = []
    for prompt in make_prompts(clips, seed=0, languages=("en",), details=("dense",)):
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


LOOP = sys.modules["langit.editing.loop"]  # the file; the name is the verb's
CHOICES: dict[str, Callable[[], AbstractContextManager[object]]] = {
    "as it is": nullcontext,
    "nothing anchored": lambda: patch("langit.editing.timeline.resting", lambda *given, **named: None),
    "nothing spread or anchored": lambda: patch("langit.editing.timeline.smoothed", lambda making, *given: making),
    "loops bent by frames, not groups": lambda: patch.object(LOOP, "bent_frames", bent_by_frames),
}


def bent_by_frames(frames: int, fps: float, stride: int) -> int:
    return bent_frames(frames, fps, 1)


def made_joins(bundle: Bundle, model: str, count: int, folder: Path) -> None:
    """Windows that two choices share are made once, so a choice costs only what it changes."""
    sources = [one for one in make_sources(bundle, folder, count, 0)[0] if one.kind == "simulated"]
    sampler = remembering(Store(folder / "made"), bundle.hash())
    print(f"\n| choice | joins: middle one | of at most {SEAM_AIM:g} | wraps: middle one | of at most {SEAM_AIM:g} |")
    print("|---|---|---|---|---|")
    for name, choice in CHOICES.items():
        joins, wraps = [], []
        with choice():
            for seed, source in enumerate(sources):
                for make, places in _edits(bundle, source, Course(model, seed=seed)):
                    frames = np.stack(list(make.making(sampler, None)))
                    joins += [seam_error(frames, place) for place in places]
                    wraps += [loop_closure(frames)] if make.record.verb == "loop" else []
        shares = [f"{np.median(some):.2f} | {np.mean(np.array(some) <= SEAM_AIM):.0%}" for some in (joins, wraps)]
        print(f"| {name} | {shares[0]} | {shares[1]} |", flush=True)
    print(f"\n{len(joins)} joins and {len(wraps)} wraps of {len(sources)} clips each")


def _edits(bundle: Bundle, source: Source, course: Course) -> list[tuple[Edit, tuple[int, ...]]]:
    """Edits of a clip of 2 seconds, and where their joins are."""
    path, text, fps = source.path, source.text, bundle.config.native.fps
    num = round(2 * fps)
    bent = LOOP.bent_frames(num, fps, bundle.tokenizer.stride[0])
    segments = [(0.0, 0.5), (1.5, 2.0)]
    return [
        (editing.extend(path, text, seconds=1.0, course=course), (num,)),
        (editing.recut(path, segments, text, course=course), (round(0.5 * fps), round(1.5 * fps))),
        (editing.loop(path, text, course=course), (num - bent,)),
        (editing.loop(path, text, seconds=1.0, course=course), (num,)),
    ]


def spread(before: Frames, made: Frames, fps: float) -> Frames:
    def making() -> Iterator[Frames]:
        yield from made

    return np.stack(list(smoothed(making(), len(made), fps, before, None)))  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
