"""The one loop of all fits of the observation: rounds of steps, told, stopped with Ctrl-C, taken up where they stopped.

After every round the weights (as they will be used) and a checkpoint beside them are written aside and renamed. Every
random number of a round comes from the seed and the round's number, so a fit that was stopped and taken up gives the same
weights as one that was not.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from langit.types import InputError

WARM = 0.08  # of all steps, in which the rate rises
CLIP = 5.0  # norm of a gradient, at most


@dataclass(frozen=True)
class Course:
    """How a network is fitted."""

    rounds: int
    steps: int  # of a round
    peak: float  # greatest rate of learning
    decay: float  # of weights
    seed: int = 0
    goes_on: bool = False
    """From the weights that are there, not from scratch."""


Losses = Callable[[int], Iterator[Tensor]]
"""The loss of every step of a round, by its number; the network's random draws are seeded before it is called."""


def fit_network(
    network: nn.Module, path: Path, course: Course, losses: Losses, told: Callable[[], str], *, tell_every: int = 1
) -> None:
    """Fits in place and writes `path`, from where an earlier call with the same course was stopped.

    `told` says how good the network (in eval mode) is by now, mostly on films held out. Raises InputError if the call that
    was stopped had another course, or if a round has fewer than one step.
    """
    if course.rounds < 1 or course.steps < 1:
        raise InputError(
            f"A fit of {course.rounds} rounds of {course.steps} steps fits nothing: give one round or more, and enough films "
            f"to fill a batch."
        )
    optimizer = torch.optim.AdamW(network.parameters(), lr=course.peak, weight_decay=course.decay, betas=(0.9, 0.99))
    kept = path.with_suffix(".checkpoint")
    start = _take_up(kept, course, network, optimizer)
    if start == 0 and course.goes_on:
        load_weights(network, path)
    began = time.process_time()
    for number in range(start, course.rounds):
        torch.manual_seed(1_000_003 * course.seed + number)
        network.train()
        total = 0.0
        for step, loss in enumerate(losses(number)):
            for group in optimizer.param_groups:
                group["lr"] = course.peak * rate((number * course.steps + step + 1) / (course.rounds * course.steps))
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), CLIP)
            optimizer.step()
            total += float(loss.detach())
        state = {"network": network.state_dict(), "optimizer": optimizer.state_dict(), "round": number + 1}
        _written(kept, lambda aside, state=state: torch.save({**state, "course": _named(course)}, aside))  # type: ignore[misc]
        save_weights(network, path)
        is_last = number + 1 == course.rounds
        found = ""
        if is_last or number % tell_every == tell_every - 1:
            network.eval()
            with torch.no_grad():
                found = f"; {told()}"
        print(
            f"{path.stem}, round {number + 1} of {course.rounds}, {time.process_time() - began:.0f} s of CPU: "
            f"loss {total / course.steps:.4f}{found}",
            flush=True,
        )
    network.eval()
    kept.unlink(missing_ok=True)


def rate(share: float) -> float:
    """Of the peak, when that share of all steps is done: a rise, then half a cosine."""
    if share < WARM:
        return share / WARM
    return 0.5 * (1 + math.cos(math.pi * (share - WARM) / (1 - WARM)))


def shuffled(numbers: Tensor, size: int) -> Iterator[Tensor]:
    """Whole batches of `size` of the numbers, in a random order."""
    for chosen in numbers[torch.randperm(len(numbers))].split(size):
        if len(chosen) == size:
            yield chosen


def add_course(parser: argparse.ArgumentParser, output: Path, peak: float) -> None:
    """The options of a fit that can begin with weights that are there; these are its own output and peak."""
    parser.add_argument("--goes-on", action="store_true", help="from the weights that are there")
    parser.add_argument("--peak", type=float, default=peak, help="greatest rate of learning")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=output)


@contextmanager
def stops_on_interrupt() -> Iterator[None]:
    """Ctrl-C ends a command with one sentence."""
    try:
        yield
    except KeyboardInterrupt:
        print("\nStopped. The same command goes on from the last round or file that was finished.", file=sys.stderr)
        raise SystemExit(130) from None


def save_weights(network: nn.Module, path: Path) -> None:
    """Half precision, written aside and renamed."""
    state = {name: value for name, value in network.state_dict().items() if "num_batches" not in name}
    _written(path, lambda aside: save_file({name: value.half().contiguous() for name, value in state.items()}, aside))


def load_weights(network: nn.Module, path: Path) -> None:
    network.load_state_dict({name: value.float() for name, value in load_file(path).items()}, strict=False)


def _take_up(kept: Path, course: Course, network: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """The round to go on with."""
    if not kept.exists():
        return 0
    stored = torch.load(kept)
    if stored["course"] != _named(course):
        raise InputError(
            f"{kept} is left of a fit that was stopped, with {stored['course']}, and this one has {_named(course)}: give the "
            f"same settings and films to go on with it, or remove the file to begin anew."
        )
    network.load_state_dict(stored["network"])
    optimizer.load_state_dict(stored["optimizer"])
    print(f"{kept.stem} goes on after round {stored['round']} of {course.rounds}", flush=True)
    return int(stored["round"])


def _named(course: Course) -> str:
    return json.dumps(asdict(course))


def _written(path: Path, write: Callable[[Path], None]) -> None:
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    write(aside)
    aside.rename(path)
