"""Pixel patches, linear patches and the causal autoencoder: what is lost, what it costs, and whether motion survives.

    python benchmarks/compression.py --autoencoder runs/tokenizer [--footage FOLDER]

All have boxes of 4x8x8 pixels; the last two 32 channels. The linear tokenizer is the one that the autoencoder's recipe fits
(the same clips). Simulated clips are of the test split: 33 frames of 64x64. Footage: every video of a folder, its first 33
frames, scaled to a shorter side of 128 and cut to a square.

PSNR        of 8-bit levels, mean over clips, and (pooled) of the mean squared error of all clips
noise 0.3   the same when the latents get noise of that deviation: what a generator's small errors cost
velocity    error of the velocity of a thing that is followed through what comes back (m/s; evaluation/physics), over rolls, hits
            and throws, with the share that can be followed; "pixels" is the floor of the reading itself
motion      on footage, where no truth is known: mean distance, in pixels a frame, between the motion of blocks of 16x16 before
            and after (phase correlation), over blocks that have texture
seconds     CPU time on one thread, of 33 frames of 128x128, there and back (and GFLOP of the way back)
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from langit.catalog.tokenizers import load_tokenizer
from langit.evaluation.footage import examined, tell
from langit.evaluation.physics import is_followed, velocity_error
from langit.evaluation.scenes import Length, make_scene
from langit.media import read_video
from langit.simulator.plans import plan
from langit.simulator.render import render
from langit.tokenizer import PixelTokenizer, Tokenizer, decode, encode
from langit.training import CorpusConfig
from langit.training.corpus import fit_tokenizer
from langit.types import ClipShape, Frames, Video

TASKS = ("uniform", "collision", "parabola")
BLOCK = 16
TEXTURED = 6.0  # least deviation of a block's levels
NOISE = 0.3


def there_and_back(tokenizer: Tokenizer, frames: Frames, noise: float = 0.0) -> Frames:
    latents = encode(tokenizer, torch.from_numpy(frames).float() / 127.5 - 1)
    if noise:
        latents = latents + noise * torch.randn(latents.shape, generator=torch.Generator().manual_seed(0))
    return Video.from_float(decode(tokenizer, latents).numpy(), 8.0).frames


def error(one: Frames, other: Frames) -> float:
    return float(np.square(one.astype(np.float32) - other.astype(np.float32)).mean())


def psnr(errors: Sequence[float]) -> str:
    """Mean over clips and pooled; infinite where nothing is lost."""
    if not any(errors):
        return "lossless"
    of_clips = [10 * math.log10(255**2 / max(one, 1e-2)) for one in errors]
    return f"{np.mean(of_clips):.2f} ({10 * math.log10(255**2 / np.mean(errors)):.2f})"


def block_motion(before: Frames, after: Frames) -> np.ndarray:
    """(blocks, 2): by how much each block of `before` moved, to a fraction of a pixel; NaN for plain ones."""
    one, two = (
        np.stack([grey[y : y + BLOCK, x : x + BLOCK] for y in places(grey, 0) for x in places(grey, 1)])
        for grey in (before.mean(-1), after.mean(-1))
    )
    window = np.hanning(BLOCK)[:, None] * np.hanning(BLOCK)
    spectra = [np.fft.rfft2((blocks - blocks.mean((1, 2), keepdims=True)) * window) for blocks in (one, two)]
    cross = spectra[1] * np.conj(spectra[0])
    peak = np.fft.irfft2(cross / np.maximum(np.abs(cross) ** 0.5, 1e-6), s=(BLOCK, BLOCK))
    peak = np.fft.fftshift(peak, axes=(1, 2))
    moved = np.array([refined(one) for one in peak]) - BLOCK // 2
    moved[one.std((1, 2)) < TEXTURED] = np.nan
    return moved


def places(grey: np.ndarray, axis: int) -> range:
    return range(0, grey.shape[axis] - BLOCK + 1, BLOCK // 2)


def refined(peak: np.ndarray) -> tuple[float, float]:
    """The highest place, by a parabola through its neighbours."""
    y, x = np.unravel_index(int(peak[1:-1, 1:-1].argmax()), (BLOCK - 2, BLOCK - 2))
    y, x = int(y) + 1, int(x) + 1

    def off(before: float, here: float, after: float) -> float:
        bend = before - 2 * here + after
        return 0.5 * (before - after) / bend if bend < -1e-9 else 0.0

    return y + off(*peak[y - 1 : y + 2, x]), x + off(*peak[y, x - 1 : x + 2])


def motion_error(true: Frames, shown: Frames) -> float:
    """Mean distance between the motions of the same blocks in both, pixels a frame."""
    apart = [
        np.hypot(*(block_motion(true[k], true[k + 1]) - block_motion(shown[k], shown[k + 1])).T)
        for k in range(len(true) - 1)
    ]
    return float(np.nanmean(np.concatenate(apart)))


def simulated(count: int, size: int) -> list[Frames]:
    return [
        render([plan(10**6 + seed, split="test", num_frames=33)], size, size, truth=False)[0][0]
        for seed in range(count)
    ]


def footage(folder: Path) -> dict[str, Frames]:
    clips = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in (".mp4", ".avi", ".mov", ".mkv", ".webm"):
            frames = read_video(path, max_frames=33, size=(128, 128)).frames
            clips[path.stem] = frames[: 1 + (len(frames) - 1) // 4 * 4]
    return clips


def velocity(tokenizer: Tokenizer | None, count: int, size: int) -> str:
    """Mean error over the tasks, and how many of the things could be followed."""
    errors, followed = [], []
    for task in TASKS:
        for number in range(count):
            scene = make_scene(task, 0, number, Length(33, 8.0))
            frames, truth = render([scene], size, size)[0]
            assert truth is not None
            told = tell(scene, truth, {"task": task, "given": 1})
            clip = examined(task, frames if tokenizer is None else there_and_back(tokenizer, frames), told)
            followed.append(is_followed(clip) == 1.0)
            errors.append(velocity_error(clip))
    return f"{np.nanmean(errors):.3f} ({np.mean(followed):.0%})"


def seconds(tokenizer: Tokenizer) -> str:
    clip = torch.from_numpy(simulated(1, 128)[0]).float() / 127.5 - 1
    best = [math.inf, math.inf]
    for _ in range(3):
        marks = [time.process_time()]
        latents = encode(tokenizer, clip)
        marks.append(time.process_time())
        decode(tokenizer, latents)
        marks.append(time.process_time())
        best = [min(old, after - before) for old, before, after in zip(best, marks, marks[1:], strict=False)]
    with FlopCounterMode(display=False) as counted:
        decode(tokenizer, latents)
    return f"{best[0]:.3f} + {best[1]:.3f} ({counted.get_total_flops() / 1e9:.1f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--autoencoder", type=Path, required=True, help="folder of a trained one")
    parser.add_argument("--footage", type=Path, help="folder of real videos")
    parser.add_argument("--clips", type=int, default=24)
    parser.add_argument("--moving", type=int, default=6, help="clips of each kind of motion")
    parser.add_argument("--size", type=int, default=64)
    options = parser.parse_args()
    torch.set_num_threads(1)
    corpus = CorpusConfig(
        clips=2048, looks=2, chunk=64, channels=32, fit_clips=128, shapes=((1.0, ClipShape(17, 64, 64)),)
    )
    linear = fit_tokenizer(corpus)
    tokenizers = {
        "pixels (768)": PixelTokenizer((4, 8, 8)),
        "linear": linear,
        "causal": load_tokenizer(options.autoencoder),
    }
    clips = simulated(options.clips, options.size)
    real = {} if options.footage is None else footage(options.footage)
    names = " | ".join(f"{name}: PSNR, motion" for name in real)
    print(
        f"| tokenizer | PSNR, simulated | noise {NOISE} | velocity (followed) | {names} | seconds at 128x128 (GFLOP back) |"
    )
    print("|" + "---|" * (5 + len(real)))
    for name, tokenizer in tokenizers.items():
        row = [
            psnr([error(clip, there_and_back(tokenizer, clip)) for clip in clips]),
            psnr([error(clip, there_and_back(tokenizer, clip, NOISE)) for clip in clips]),
            velocity(tokenizer, options.moving, options.size),
        ]
        for clip in real.values():
            shown = there_and_back(tokenizer, clip)
            row.append(f"{psnr([error(clip, shown)]).split(' ')[0]}, {motion_error(clip, shown):.2f}")
        print(f"| {name} | {' | '.join(row)} | {seconds(tokenizer)} |", flush=True)


if __name__ == "__main__":
    main()
