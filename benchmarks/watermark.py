"""What the watermark costs and survives, by size and length, and how near unmarked footage comes to the threshold.

    python benchmarks/watermark.py [--clips 4] [--unmarked 200] [--append FILE]

Prints a table: PSNR of the mark; share of clips whose payload is read after H.264 CRF 28, after scaling to a half, and
after both, with the share of wrong chips after H.264; seconds of CPU to mark and to read. Footage is the simulated world.
"""

from __future__ import annotations

import argparse
import datetime
import tempfile
import time
from pathlib import Path

import numpy as np

import langit.provenance.watermark as watermark
from langit.media import read_video, write
from langit.provenance import Payload
from langit.simulator.export import export_clips
from langit.types import Frames, Video

PAYLOAD = Payload(0xBEEF)
CASES = ((64, 8), (64, 16), (64, 33), (128, 1), (128, 8), (128, 16), (256, 1), (256, 8), (256, 16))


def footage(folder: Path, size: int, count: int, seed: int) -> list[Frames]:
    """Clips of 33 frames of the simulated world."""
    export_clips(folder, count=count, seed=seed, height=size, width=size, seconds=33 / 8, fps=8.0, overwrite=True)
    return [read_video(path).frames for path in sorted(folder.glob("*.mp4"))]


def compressed(frames: Frames, path: Path) -> Frames:
    return read_video(write(Video(frames, 8.0), path, crf=28, overwrite=True)).frames


def halved(frames: Frames) -> Frames:
    count, height, width, _ = frames.shape
    boxes = frames.reshape(count, height // 2, 2, width // 2, 2, 3).astype(np.float32)
    return np.rint(boxes.mean((2, 4))).astype(np.uint8)


def row(clips: list[Frames], frames: int, path: Path) -> str:
    results = []
    watermark.MIN_FRAMES = 1  # what lies below the supported length is measured too
    for clip in clips:
        plain = clip[:frames]
        started = time.process_time()
        marked = watermark.mark(plain, PAYLOAD)
        marking = time.process_time() - started
        encoded = compressed(marked, path)
        started = time.process_time()
        found = [watermark.read_mark(clip) == PAYLOAD for clip in (encoded, halved(marked))]
        reading = (time.process_time() - started) / 2
        both = watermark.read_mark(compressed(halved(marked), path)) == PAYLOAD
        psnr = 10 * np.log10(255**2 / np.mean((marked.astype(float) - plain) ** 2))
        results.append([psnr, *found, both, watermark.chip_errors(encoded, PAYLOAD), marking, reading])
    mean, low = np.mean(results, 0), np.min(results, 0)
    height, width = clips[0].shape[1:3]
    return (
        f"| {width}x{height} | {frames} | {low[0]:.1f} | {mean[1]:.0%} | {mean[2]:.0%} | {mean[3]:.0%} "
        f"| {mean[4]:.1%} | {mean[5]:.3f} | {mean[6]:.3f} |"
    )


def unmarked(clips: list[Frames], count: int) -> str:
    """The best score of unmarked clips: crops in time, flips and rotations of the simulated world."""
    random, best = np.random.default_rng(0), []
    watermark.THRESHOLD = 0.0
    for index in range(count):
        clip = clips[index % len(clips)]
        start = int(random.integers(0, len(clip) - 8))
        clip = np.rot90(clip[start : start + int(random.integers(8, 25))], int(random.integers(4)), (1, 2))
        clip = clip[:, :, :: -1 if random.random() < 0.5 else 1]
        found = watermark.find_mark(np.ascontiguousarray(clip))
        best.append(0.0 if found is None else found.score)
    return f"{count} unmarked clips: best score {max(best):.2f}, mean {np.mean(best):.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=4)
    parser.add_argument("--unmarked", type=int, default=200)
    parser.add_argument("--append", type=Path)
    options = parser.parse_args()
    threshold = watermark.THRESHOLD
    lines = [
        f"## {datetime.datetime.now(datetime.UTC):%Y-%m-%d}, {options.clips} clips a row",
        "",
        "| size | frames | PSNR, least | CRF 28 | half size | both | wrong chips, CRF 28 | mark, CPU s | read, CPU s |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = {size: footage(folder / str(size), size, options.clips, size) for size in sorted({s for s, _ in CASES})}
        lines += [row(made[size], frames, folder / "clip.mp4") for size, frames in CASES]
        lines += ["", f"{unmarked(made[64] + made[128], options.unmarked)}, threshold {threshold:.2f}"]
    print("\n".join(lines))
    if options.append:
        with options.append.open("a") as file:
            file.write("\n".join(["", *lines, ""]))


if __name__ == "__main__":
    main()
