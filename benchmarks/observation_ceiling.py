"""What prompt following says of the simulator's own clips (its ceiling), of shuffled prompts (chance), and how long it takes.

    python benchmarks/observation_ceiling.py --clips 400 --seed 91
    python benchmarks/observation_ceiling.py --floors 6      # instead: physics, permanence and stability, of so many clips
    python benchmarks/observation_ceiling.py --discs 24      # instead: velocity errors of clips as PhyWorld draws them

Every worker asks scenes of another seed. Prints how many scenes of the test split were passed over, since their clips do
not show all that is told, and a table per attribute: how many clips it was asked of, the ceiling, its 95% interval
(Wilson), the share on shuffled prompts, and chance (every clip against every other's prompt). Who is asked what is read
from the scene's truth alone (`langit.evaluation.asked`). Results are in `observation_ceiling.md`.
"""

from __future__ import annotations

import argparse
import math
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import torch

from langit.evaluation import discs, physics
from langit.evaluation.curves import read
from langit.evaluation.observation import Observation, observe
from langit.evaluation.papers import Form, Paper
from langit.evaluation.prompt_following import chance, score, shares, shuffled
from langit.evaluation.prompts import ATTRIBUTES, FIRST_SEED, SEEDS, Prompt, answer, make_prompts
from langit.evaluation.report import told
from langit.evaluation.statistics import reading

POINTS = (4, 16, None)  # of a pixel, each way; None for its whole area
TASKS = ("uniform", "collision", "parabola", "fall", "bounce", "occlusion", "static", "extension", "pan")


def interval(share: float, count: int) -> tuple[float, float]:
    z = 1.96
    middle = (share + z * z / 2 / count) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / 4 / count**2)
    return middle - half, middle + half


def asked_and_seen(seed: int, clips: int, size: int) -> tuple[tuple[Prompt, ...], list[Observation], float]:
    """Prompts, what is seen in the simulator's clips for them, and the CPU seconds that seeing took."""
    torch.set_num_threads(1)
    prompts = make_prompts(clips, seed=seed, languages=("en",), details=("dense",))
    seen, spent = [], 0.0
    for prompt in prompts:
        frames, _ = answer(prompt, size, size)
        began = time.process_time()
        seen.append(observe(frames, 8.0))
        spent += time.process_time() - began
    return prompts, seen, spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=240)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0, help="of the first worker's scenes")
    parser.add_argument("--floors", type=int, default=0, metavar="CLIPS", help="of every staged task, instead")
    parser.add_argument("--discs", type=int, default=0, metavar="CLIPS", help="of every motion of flat discs, instead")
    parser.add_argument("--wrong", action="store_true", help="list what was answered wrongly")
    arguments = parser.parse_args()
    if arguments.floors:
        torch.set_num_threads(1)
        print_floors(arguments.floors, arguments.size)
        return
    if arguments.discs:
        torch.set_num_threads(1)
        print_discs(arguments.discs)
        return
    each = arguments.clips // arguments.workers
    with ProcessPoolExecutor(arguments.workers) as pool:
        parts = list(
            pool.map(
                partial(asked_and_seen, clips=each, size=arguments.size),
                range(arguments.seed, arguments.seed + arguments.workers),
            )
        )
    prompts = tuple(prompt for part in parts for prompt in part[0])
    seen = [one for part in parts for one in part[1]]
    spent = sum(part[2] for part in parts)
    answers = [score(one, prompt.expectation) for one, prompt in zip(seen, prompts, strict=True)]
    order = shuffled(len(prompts), 0)
    mixed = shares([score(one, prompts[k].expectation) for one, k in zip(seen, order, strict=True)])
    some = range(min(len(prompts), 60))
    by_chance = chance([seen[k] for k in some], [prompts[k].expectation for k in some])
    ceiling = shares(answers)
    walked = sum(part[0][-1].seed - FIRST_SEED - SEEDS * (arguments.seed + k) + 1 for k, part in enumerate(parts))
    print(
        f"{len(prompts)} clips of {arguments.size}x{arguments.size}: {1000 * spent / len(prompts):.0f} ms of CPU each; "
        f"{walked - len(prompts)} of {walked} scenes passed over\n"
    )
    print("| attribute | asked | ceiling | 95% | shuffled | chance |\n|---|---|---|---|---|---|")
    for attribute in ATTRIBUTES:
        share, count = ceiling[attribute], sum(one[attribute] is not None for one in answers)
        if share is None:
            continue
        low, high = interval(share, count)
        print(
            f"| {attribute} | {count} | {share:.1%} | {low:.1%} to {high:.1%} "
            f"| {mixed[attribute] or 0:.1%} | {by_chance[attribute] or 0:.1%} |"
        )
    if arguments.wrong:
        list_wrong(prompts, seen, answers)


def print_floors(count: int, size: int) -> None:
    """What the measures of the staged tasks read of the simulator's own clips."""
    form = Form(height=size, width=size, frames=33, fps=8.0, max_frames=65, given=5)
    clips = [Paper(task, number, 0, form).own() for task in TASKS for number in range(count)]
    print("| part | measure | simulator | prompts |\n|---|---|---|---|")
    for one in read(clips):
        print(f"| {one.part} | {one.name} | {told(one.estimated(), one.unit)} | {len(one.values)} |")


def print_discs(count: int) -> None:
    """Velocity errors of flat discs, with pixels of 4x4 points, of more, and of their whole area."""
    print("| points of a pixel | motion | followed | velocity error, units/s | by centroids, all colours known |")
    print("|---|---|---|---|---|")
    for finer in POINTS:
        for task in discs.MOTIONS:
            clips = [discs.make_clip(task, number, finer=finer) for number in range(count)]
            followed = sum(physics.is_followed(clip) == 1 for clip in clips)
            found = reading(
                "", "", "units/s", "lower", [physics.velocity_error(clip, in_units=True) for clip in clips], why=""
            )
            bound = reading("", "", "units/s", "lower", [discs.centroid_error(clip) for clip in clips], why="")
            values = " | ".join(told(one.estimated(), one.unit) for one in (found, bound))
            points = "whole area" if finer is None else f"{finer}x{finer}"
            print(f"| {points} | {task} | {followed} of {count} | {values} |", flush=True)


def list_wrong(prompts: tuple[Prompt, ...], seen: list[Observation], answers: list[dict]) -> None:
    confusions: Counter = Counter()
    for prompt, one, answered in zip(prompts, seen, answers, strict=True):
        wrong = [attribute for attribute, right in answered.items() if right is False]
        if wrong:
            wanted = prompt.expectation
            print(f"\n{prompt.seed} {wrong}")
            print("  asked", [(k, t.colour, t.shape, t.material, t.size) for k, t in enumerate(wanted.things)])
            print(
                "  seen ",
                [
                    (k, t.colour, t.shape, t.material, t.size, int(t.visible.sum()), round(4096 * float(t.area.max())))
                    for k, t in enumerate(one.tracks)
                ],
            )
            if {"event", "direction", "order"} & set(wrong):
                print(
                    "  asked", [(round(h.time, 1), h.kind, h.subject, h.object, h.direction) for h in wanted.happenings]
                )
                print("  seen ", [(round(h.time, 1), h.kind, h.subject, h.object, h.direction) for h in one.events])
            if "relation" in wrong:
                print("  asked", [(r.kind, r.subject, r.object) for r in wanted.relations])
                print("  seen ", [(r.kind, r.subject, r.object) for r in one.relations])
        for attribute, asked, got in (
            ("camera", prompt.expectation.camera_move, one.camera_move),
            ("light_side", prompt.expectation.light_side, one.light_side),
        ):
            if asked is not None and asked != got:
                confusions[attribute, asked, got] += 1
    for line in confusions.most_common(20):
        print(line)


if __name__ == "__main__":
    main()
