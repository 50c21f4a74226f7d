"""How fast the world is simulated, and where the time goes: clips a second and core.

    python benchmarks/simulator.py [--size 64] [--clips 48]

Process CPU time on one thread, so that a busy machine does not count. Results: benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import time

import torch

from langit.simulator.facts import read_facts
from langit.simulator.plans import plan
from langit.simulator.render import render
from langit.tokenizer import encode
from langit.training.config import CorpusConfig
from langit.training.corpus import fit_tokenizer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=64, help="pixels a side")
    parser.add_argument("--clips", type=int, default=48)
    options = parser.parse_args()
    torch.set_num_threads(1)
    tokenizer = fit_tokenizer(CorpusConfig(clips=8, fit_clips=8))
    spent = dict.fromkeys(("plan and physics", "render and truth", "facts", "encode"), 0.0)
    for seed in range(options.clips):
        marks = [time.process_time()]
        scene = plan(seed, num_frames=33)
        marks.append(time.process_time())
        frames, truth = render([scene], options.size, options.size)[0]
        marks.append(time.process_time())
        read_facts(scene, truth)
        marks.append(time.process_time())
        encode(tokenizer, torch.from_numpy(frames).float() / 127.5 - 1)
        marks.append(time.process_time())
        for part, start, end in zip(spent, marks, marks[1:], strict=False):
            spent[part] += end - start
    total = sum(spent.values())
    print(
        f"{options.clips} clips of 33 frames at {options.size}x{options.size}: {options.clips / total:.1f} clips/s a core"
    )
    for part, seconds in spent.items():
        print(f"  {part:17s} {seconds / options.clips * 1e3:6.1f} ms a clip  {seconds / total:4.0%}")


if __name__ == "__main__":
    main()
