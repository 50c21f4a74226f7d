"""What each editing verb costs beside generating the frames that it makes anew, as a ratio of CPU time in one run.

    python benchmarks/editing_cost.py [--model embedded] [--runs 5] [--seed 1] [--only extend loop]

Each verb makes `SECONDS` of frames of a clip that langit made before (read from its file, as other footage is); beside it the
same number of frames of the same size is generated from the same prompt with the same course. The two take turns and the
least CPU time of each counts, so that other work on the machine disturbs both alike. Without writing files. The aim is at
most 1.1. Results: benchmarks/README.md.
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
PROMPT = "a red ball rolls past a blue cube on the sand"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1, help="of clips and edits; some are cast more than once")
    parser.add_argument("--only", nargs="*", default=[])
    options = parser.parse_args()
    torch.set_num_threads(1)
    course = Course(options.model, seed=options.seed)
    native = course.bundle().config.native
    course.bundle().hash()
    wide = (native.width * 3 // 2, native.height)
    with tempfile.TemporaryDirectory() as folder:
        clip, other = (made(Path(folder), name, course) for name in ("a.mp4", "b.mp4"))
        board = {"seconds": 2 * SECONDS, "cards": [{"at": 0, "prompt": PROMPT}, {"at": SECONDS, "clip": str(clip)}]}
        picture = {"at": [0.0], "seconds": SECONDS}
        verbs: dict[str, tuple[Callable[[], Edit], tuple[int, int] | None]] = {
            "animate": (lambda: editing.animate(clip, PROMPT, **picture, course=course), None),
            "extend": (lambda: editing.extend(clip, PROMPT, seconds=SECONDS, course=course), None),
            "extend backward": (
                lambda: editing.extend(clip, PROMPT, seconds=SECONDS, backward=True, course=course),
                None,
            ),
            "loop": (lambda: editing.loop(clip, PROMPT, seconds=SECONDS, course=course), None),
            "blend": (lambda: editing.blend(clip, other, PROMPT, seconds=SECONDS, course=course), None),
            "recut": (
                lambda: editing.recut(clip, "0-1,3-4", PROMPT, rest="bridge", seconds=SECONDS, course=course),
                None,
            ),
            "remix": (lambda: editing.remix(clip, PROMPT, course=course), None),
            "inpaint": (lambda: editing.inpaint(clip, "16,16,32,32", PROMPT, course=course), None),
            "outpaint": (lambda: editing.outpaint(clip, wide, PROMPT, course=course), wide),
            "storyboard": (lambda: editing.storyboard(board, course=course), None),
        }
        frames = round(SECONDS * native.fps)
        print("| verb | CPU s | generating as many frames | ratio |\n|---|---|---|---|")
        for name, (edit, size) in verbs.items():
            if options.only and name not in options.only:
                continue
            edited, generated = [], []
            generate = lambda size=size: editing.generate_clip(PROMPT, frames=frames, size=size, course=course)  # noqa: E731
            for _ in range(options.runs):
                edited.append(cpu_seconds(edit))
                generated.append(cpu_seconds(generate))
            ratio = min(edited) / min(generated)
            print(f"| {name} | {min(edited):.2f} | {min(generated):.2f} | {ratio:.2f} |", flush=True)


def made(folder: Path, name: str, course: Course) -> Path:
    """A clip of `SECONDS`, without what langit keeps beside it."""
    path = editing.generate_clip(PROMPT, seconds=SECONDS, course=course).save(folder / name)
    shutil.rmtree(folder / ".langit")
    return path


def cpu_seconds(make: Callable[[], Edit]) -> float:
    started = time.process_time()
    for _ in make().frames():
        pass
    return time.process_time() - started


if __name__ == "__main__":
    main()
