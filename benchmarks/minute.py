"""Permanence and drift of a minute: the exam's extended clips, as long as is asked.

    python benchmarks/minute.py [--model embedded] [--seconds 60] [--clips 8] [--seed 0]

The exam (`langit evaluate`) extends clips to three windows, 11 s. Here the same scenes at rest go on from their first frame,
window by window as `langit generate` makes them, and are read by the same measures, beside the simulator's own clips of that
length; then what is left in the last seconds. About half a minute of one core to a clip. Results: benchmarks/README.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
import torch

from langit.catalog import load
from langit.evaluation import permanence, stability
from langit.evaluation.footage import Examined
from langit.evaluation.papers import Form, Paper, answer
from langit.evaluation.report import told
from langit.evaluation.statistics import Reading

LAST = 4.0  # seconds at the end that are told by themselves


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--clips", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    bundle = load(options.model)
    form = Form.of(bundle)
    more = options.seconds * form.fps - form.frames
    windows = 1 + max(0, round(more / (form.frames - form.given)))
    papers = [Paper("extension", number, options.seed, form, windows=windows) for number in range(options.clips)]
    made = []
    for number, paper in enumerate(papers, 1):
        made.append(paper.examined(answer(bundle, [paper])[0]))
        print(f"{number} of {len(papers)}: {paper.num_frames / form.fps:.1f} s in {windows} windows", flush=True)
    own = [paper.own() for paper in papers]
    print("| measure | model | simulator |\n|---|---|---|")
    for reading, reference in zip(readings(made), readings(own), strict=True):
        print(
            f"| {reading.name} | {told(reading.estimated(), reading.unit)} | {told(reference.estimated(), reference.unit)} |"
        )
    last = round(LAST * form.fps)
    for name, of_frames in (("right number of things", permanence.count_right), ("identity", permanence.identity_kept)):
        ends = [np.mean([of_frames(clip)[-last:].mean() for clip in clips]) for clips in (made, own)]
        print(f"| {name}, in the last {LAST:g} s | {ends[0]:.1%} | {ends[1]:.1%} |")


def readings(clips: Sequence[Examined]) -> list[Reading]:
    """Of permanence and stability, those that extended clips have."""
    return [one for one in (*permanence.measure(clips), *stability.measure(clips)) if not one.why]


if __name__ == "__main__":
    main()
