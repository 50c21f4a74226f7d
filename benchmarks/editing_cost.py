"""What each editing verb costs beside generating the frames that it makes anew, as a ratio of CPU time in one run.

    python benchmarks/editing_cost.py [--model embedded] [--seeds 6] [--only extend loop]

Each verb makes `SECONDS` of frames of a clip that langit made before (read from its file, as other footage is); beside it the
same number of frames of the same size is generated from the same prompt with the same course, the two in turns. How often
something is cast depends on the seed, for both, so each seed has its own prompt and clips, and the ratio is that of what all
seeds took together. Without writing files. The aim is at most 1.1. Results: benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from langit import editing
from langit.editing import Course, Edit

SECONDS = 4.0
PROMPTS = (
    "a red ball rolls past a blue cube on the sand",
    "a blue cube slides to the right on the tiles",
    "a green cone and a yellow egg on the grass at noon",
    "a small yellow ball bounces three times on the tiles",
    "a blue ball hits a white cube on the grass",
    "an orange cylinder falls on the snow at sunset",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--seeds", type=int, default=6, help="how many, from 0 on, each with the next of the prompts")
    parser.add_argument("--only", nargs="*", default=[])
    options = parser.parse_args()
    torch.set_num_threads(1)
    spent: dict[str, list[float]] = {}  # of each verb: CPU seconds of the edits, and of generating as much
    for seed in range(options.seeds):
        prompt, course = PROMPTS[seed % len(PROMPTS)], Course(options.model, seed=seed)
        course.bundle().hash()
        with tempfile.TemporaryDirectory() as folder:
            edits = edits_of(Path(folder), prompt, course)
            for name, (edit, size) in edits.items():
                if options.only and name not in options.only:
                    continue
                frames = round(SECONDS * course.bundle().config.native.fps)
                generate = lambda size=size: editing.generate_clip(prompt, frames=frames, size=size, course=course)  # noqa: B023, E731
                took = spent.setdefault(name, [0.0, 0.0])
                took[0] += cpu_seconds(edit)
                took[1] += cpu_seconds(generate)
        print(f"seed {seed}: {prompt}", flush=True)
    print("\n| verb | CPU s | generating as many frames | ratio |\n|---|---|---|---|")
    for name, (edited, generated) in spent.items():
        print(f"| {name} | {edited / options.seeds:.2f} | {generated / options.seeds:.2f} | {edited / generated:.2f} |")


def edits_of(folder: Path, prompt: str, course: Course) -> dict[str, tuple[Callable[[], Edit], tuple[int, int] | None]]:
    """Of each verb its edit of two clips of the prompt, and the size where it is not the model's own."""
    native = course.bundle().config.native
    wide = (native.width * 3 // 2, native.height)
    clip, other = (made(folder, name, prompt, course) for name in ("a.mp4", "b.mp4"))
    board = {"seconds": 2 * SECONDS, "cards": [{"at": 0, "prompt": prompt}, {"at": SECONDS, "clip": str(clip)}]}

    def longer(**options: bool) -> Edit:
        return editing.extend(clip, prompt, seconds=SECONDS, course=course, **options)

    return {
        "animate": (lambda: editing.animate(clip, prompt, at=[0.0], seconds=SECONDS, course=course), None),
        "extend": (longer, None),
        "extend backward": (lambda: longer(backward=True), None),
        "loop": (lambda: editing.loop(clip, prompt, seconds=SECONDS, course=course), None),
        "blend": (lambda: editing.blend(clip, other, prompt, seconds=SECONDS, course=course), None),
        "recut": (
            lambda: editing.recut(clip, "0-1,3-4", prompt, rest="bridge", seconds=SECONDS, course=course),
            None,
        ),
        "remix": (lambda: editing.remix(clip, prompt, course=course), None),
        "inpaint": (lambda: editing.inpaint(clip, "16,16,32,32", prompt, course=course), None),
        "outpaint": (lambda: editing.outpaint(clip, wide, prompt, course=course), wide),
        "storyboard": (lambda: editing.storyboard(board, course=course), None),
    }


def made(folder: Path, name: str, prompt: str, course: Course) -> Path:
    """A clip of `SECONDS`, without what langit keeps beside it."""
    path = editing.generate_clip(prompt, seconds=SECONDS, course=course).save(folder / name)
    shutil.rmtree(folder / ".langit")
    return path


def cpu_seconds(make: Callable[[], Edit]) -> float:
    started = time.process_time()
    for _ in make().frames():
        pass
    return time.process_time() - started


if __name__ == "__main__":
    main()
