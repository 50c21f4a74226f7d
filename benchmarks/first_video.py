"""From the command to the file: seconds and peak memory of `langit generate`, process start included.

    python benchmarks/first_video.py [--model embedded] [--runs 3]

Best of a few runs, since timings are noisy. Results: benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

PROMPT = "a red ball bounces past a blue cube at sunset, the camera pans left"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    command = str(Path(sys.executable).with_name("langit"))
    for name, arguments in (
        ("4 s clip", ["--seconds", "4"]),
        ("8 s clip", ["--seconds", "8"]),
        ("image", ["--frames", "1"]),
    ):
        results = []
        for run in range(options.runs):
            with tempfile.TemporaryDirectory() as folder:
                output = str(Path(folder) / ("image.png" if name == "image" else "clip.mp4"))
                started = time.perf_counter()
                child = os.spawnv(
                    os.P_NOWAIT,
                    command,
                    [
                        command,
                        "generate",
                        PROMPT,
                        "--model",
                        options.model,
                        "--seed",
                        str(run),
                        "-o",
                        output,
                        *arguments,
                    ],
                )
                _, status, usage = os.wait4(child, 0)
                if status:
                    sys.exit(f"langit generate failed with status {status}")
                cpu = usage.ru_utime + usage.ru_stime
                results.append((time.perf_counter() - started, cpu, usage.ru_maxrss / 2**20))
        wall, cpu, memory = min(results)
        print(f"{name:9s} {wall:5.1f} s from command to file, {cpu:5.1f} s of CPU, {memory:.2f} GiB at most")


if __name__ == "__main__":
    main()
