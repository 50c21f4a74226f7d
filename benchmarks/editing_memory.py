"""A long clip takes the memory of a window: peak memory of `langit edit` on 10 seconds and on 10 minutes of footage.

    python benchmarks/editing_memory.py [--model embedded] [--seconds 10 600] [--only extend inpaint]
    python benchmarks/editing_memory.py --only generate --seconds 4 60                # of `langit generate`, as it is used

Footage with sound is written frame by frame, then each verb runs as a command of its own; its peak is the largest resident
set that the system saw. One sampling step and no guidance: they decide the time, not the memory. Results: benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from langit.media import VideoWriter
from langit.types import Audio, Frames

FPS, SIDE, RATE = 8.0, 64, 8000
VERBS = {
    "extend": ["edit", "extend", "{clip}", "--seconds", "4"],
    "extend backward": ["edit", "extend", "{clip}", "--backward", "--seconds", "4"],
    "loop": ["edit", "loop", "{clip}"],
    "blend": ["edit", "blend", "{clip}", "{clip}", "--seconds", "2", "--curve", "ease"],
    "recut": ["edit", "recut", "{clip}", "--keep", "0-2,4-{seconds}"],
    "inpaint": ["edit", "inpaint", "{clip}", "a red ball", "--mask", "16,16,32,32"],
    "outpaint": ["edit", "outpaint", "{clip}", "--size", "96x64"],
    "remix": ["edit", "remix", "{clip}", "a red ball"],
}
GENERATE = ["generate", "a red ball rolls to the right on the grass", "--seconds", "{seconds}", "--seed", "3"]
COURSE = ["--steps", "1", "--guidance", "1", "--seed", "1"]


def frames(seconds: float) -> Iterator[Frames]:
    """Smooth colours that drift."""
    y, x = (places[..., None] for places in np.mgrid[:SIDE, :SIDE])
    for index in range(round(seconds * FPS)):
        wave = np.sin(np.arange(3) + x / SIDE * 3 + index * 0.1) + np.cos(y / SIDE * 3)
        yield ((wave + 2) / 4 * 255).astype(np.uint8)


def footage(path: Path, seconds: float) -> Path:
    tone = np.sin(np.arange(round(seconds * RATE)) * (2 * np.pi * 440 / RATE)).astype(np.float32)[None] * 0.5
    with VideoWriter(path, FPS, (SIDE, SIDE), audio=Audio(tone, RATE)) as out:
        for frame in frames(seconds):
            out.write(frame)
    return path


def peak(command: list[str]) -> tuple[float, float]:
    """MiB at most, and CPU seconds, of a `langit` command."""
    binary = str(Path(sys.executable).with_name("langit"))
    child = subprocess.Popen([binary, *command], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        sys.exit(f"langit {' '.join(command)} failed with status {status}")
    return usage.ru_maxrss / 1024, usage.ru_utime + usage.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--seconds", type=float, nargs=2, default=[10.0, 600.0])
    parser.add_argument("--only", nargs="*", default=[])
    options = parser.parse_args()
    short, long = options.seconds
    print(f"| verb | MiB at {short:g} s | MiB at {long:g} s | more | CPU s at {long:g} s |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        clips = {seconds: footage(Path(folder) / f"{seconds:g}.mp4", seconds) for seconds in (short, long)}
        for name, words in {"generate": GENERATE, **VERBS}.items():
            if options.only and name not in options.only:
                continue
            course = COURSE if words[0] == "edit" else []
            found = {}
            for seconds, clip in clips.items():
                told = [word.format(clip=clip, seconds=f"{seconds:g}") for word in words]
                output = Path(folder) / f"{time.monotonic_ns()}.mp4"
                found[seconds] = peak([*told, "-o", str(output), "--model", options.model, *course])
            (small, _), (large, cpu) = found[short], found[long]
            print(f"| {name} | {small:.0f} | {large:.0f} | {large - small:+.0f} | {cpu:.0f} |", flush=True)


if __name__ == "__main__":
    main()
