"""What finishing decoded frames beside their casts brings back: PSNR, in all and where things move, and whether motion survives.

    python benchmarks/finishing.py

Simulated clips of the test split, 33 frames of 64x64, through the model's tokenizer and back, and then finished beside the casts of
their own scenes. Moving are the pixels that change by more than a tenth of the range to the frame before or after, and those within
two pixels of one. The velocity error is that of a thing that is followed (m/s, evaluation/physics), over rolls, hits and throws;
seconds are CPU time for the 33 frames on one thread.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from langit.catalog import Bundle, load
from langit.conditioning.cast import Cast
from langit.conditioning.finishing import finished
from langit.evaluation.footage import examined, tell
from langit.evaluation.physics import is_followed, velocity_error
from langit.evaluation.scenes import Length, make_scene
from langit.simulator.plans import plan
from langit.simulator.render import render
from langit.simulator.world import Scene, Truth
from langit.tokenizer import decode, encode
from langit.training.casting import cast_of
from langit.types import Frames, Video

SIDE, FPS = 64, 8.0
TASKS = ("uniform", "collision", "parabola")
MOVING, ABOUT = 0.1, 2


def filmed(scene: Scene) -> tuple[Frames, Truth]:
    frames, truth = render([scene], SIDE, SIDE)[0]
    assert truth is not None
    return frames, truth


def decoded(bundle: Bundle, frames: Frames) -> Tensor:
    return decode(bundle.tokenizer, encode(bundle.tokenizer, floats(frames)))


def own_cast(bundle: Bundle, scene: Scene, frames: Frames, truth: Truth) -> Cast:
    """The scene's own cast, as it comes back from its numbers."""
    assert bundle.casting is not None
    cast = cast_of(scene, frames, truth.segmentation, bundle.config.stride)
    return bundle.casting.decode(bundle.casting.encode(cast))


def floats(frames: Frames) -> Tensor:
    return torch.from_numpy(frames.astype(np.float32)) / 127.5 - 1


def moving(frames: Tensor) -> Tensor:
    """(F, H, W) bool."""
    change = frames.diff(dim=0).abs().mean(-1) > MOVING
    still = torch.zeros_like(change[:1])
    either = torch.cat([still, change]) | torch.cat([change, still])
    return F.max_pool2d(either[:, None].float(), 2 * ABOUT + 1, stride=1, padding=ABOUT)[:, 0] > 0


def psnr(errors: Tensor) -> float:
    """Of squared errors of values in [-1, 1], dB."""
    return float(-10 * torch.log10(errors.mean() / 4))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--clips", type=int, default=24)
    parser.add_argument("--moving", type=int, default=6, help="clips of each kind of motion")
    options = parser.parse_args()
    torch.set_num_threads(1)
    bundle = load(options.model)
    network = bundle.finish
    assert network is not None, f"{options.model} finishes nothing"

    def as_finished(scene: Scene, frames: Frames, truth: Truth) -> Tensor:
        return finished(network, decoded(bundle, frames), own_cast(bundle, scene, frames, truth))

    ways: dict[str, Callable[[Scene, Frames, Truth], Tensor]] = {
        "as they are": lambda scene, frames, truth: floats(frames),
        "decoded": lambda scene, frames, truth: decoded(bundle, frames),
        "finished": as_finished,
    }
    print("| frames | PSNR, dB | where things move | velocity error, m/s (followed) |\n|---|---|---|---|")
    for name, way in ways.items():
        whole, where = [], []
        for seed in range(options.clips):
            scene = plan(10**6 + seed, split="test", num_frames=33)
            frames, truth = filmed(scene)
            true = floats(frames)
            error = (way(scene, frames, truth).clamp(-1, 1) - true).square().mean(-1)
            whole.append(error.flatten())
            where.append(error[moving(true)])
        errors, followed = [], []
        for task in TASKS:
            for number in range(options.moving):
                scene = make_scene(task, 0, number, Length(33, FPS))
                frames, truth = filmed(scene)
                shown = Video.from_float(way(scene, frames, truth).numpy(), FPS).frames
                clip = examined(task, shown, tell(scene, truth, {"task": task, "given": 1}))
                followed.append(is_followed(clip) == 1.0)
                errors.append(velocity_error(clip))
        cells = (f"{psnr(torch.cat(some)):.1f}" for some in (whole, where))
        print(f"| {name} | {' | '.join(cells)} | {np.nanmean(errors):.3f} ({np.mean(followed):.0%}) |", flush=True)
    cast, rough = own_cast(bundle, scene, frames, truth), decoded(bundle, frames)
    finished(network, rough, cast)
    started = time.process_time()
    finished(network, rough, cast)
    print(f"\n{time.process_time() - started:.2f} s to finish 33 frames of {SIDE}x{SIDE}")


if __name__ == "__main__":
    main()
