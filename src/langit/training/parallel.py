"""Data parallelism: some processes train one model, each on its share of a step's clips, and add their gradients.

On one machine without a GPU the trainer starts the others itself. On GPUs, one process to each:

    torchrun --nproc-per-node 8 -m langit.cli train recipes/embedded_gpu.py --device cuda

and on several machines the same with torchrun's --nnodes, in a folder that all of them see. The sums are torch.distributed's:
the same run with the same number of processes gives the same losses bit for bit, with another number to rounding.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor

Numbers = NDArray[np.int64]

MOST_PROCESSES = 4
"""That a run on a CPU starts by itself: a step has too few clips to share them out evenly among more."""


@dataclass(frozen=True)
class Team:
    """The processes that train together, as one of them sees it."""

    rank: int = 0
    size: int = 1
    device: str = "cpu"
    node: int = 0
    nodes: int = 1
    is_first_of_node: bool = True

    @property
    def is_first(self) -> bool:
        """Whether this one writes what is kept and tells what happens."""
        return self.rank == 0

    def add(self, tensors: Sequence[Tensor]) -> None:
        """Put the sum over all processes in the place of tensors of one type, as one message."""
        if self.size == 1:
            return
        joined = torch.cat([tensor.reshape(-1) for tensor in tensors])
        dist.all_reduce(joined)
        parts = joined.split([tensor.numel() for tensor in tensors])
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.copy_(part.view_as(tensor))

    def total(self, value: float) -> float:
        """The sum of a number over all processes."""
        if self.size == 1:
            return value
        sent = torch.tensor([value], device=self.device)
        dist.all_reduce(sent)
        return sent.item()

    def in_turn(self) -> None:
        """Wait until all are here."""
        self.total(0.0)


ALONE = Team()


@contextmanager
def joined(processes: int, device: str, beside: Callable[[Team], object]) -> Iterator[Team]:
    """The team of this process: torchrun's where it started us, else of `processes` of which the others run `beside`.

    The others must do the same sums as this one, and end with it.
    """
    if is_torchrun():
        with _joined_torchrun(device) as team:
            yield team
        return
    if processes == 1:
        yield Team(device=device)
        return
    with tempfile.TemporaryDirectory() as folder, _on_this_machine():
        start = partial(_beside, beside, Path(folder) / "meeting", processes, torch.get_num_threads())
        others = [get_context("spawn").Process(target=start, args=(rank,), daemon=True) for rank in range(1, processes)]
        for process in others:
            process.start()
        with _joined_here(Path(folder) / "meeting", 0, processes) as team:
            try:
                yield team
                for process in others:
                    process.join()
            except RuntimeError as error:
                for process in others:
                    process.join(1)  # one that failed is still telling why
                if any(process.exitcode for process in others):
                    raise RuntimeError(
                        "a process that trains beside this one failed; what it printed above says why"
                    ) from error
                raise
            finally:
                for process in others:
                    process.kill()


def share_out(sizes: Numbers, team: Team) -> Numbers:
    """Which parts of a work are this process's, so that all have about as much: the largest first, there and back."""
    turn = np.arange(len(sizes)) % (2 * team.size)
    mine = np.minimum(turn, 2 * team.size - 1 - turn) == team.rank
    found: Numbers = np.sort(np.argsort(-sizes, kind="stable")[mine])
    return found


def is_torchrun() -> bool:
    """Whether torchrun started this process as one of several."""
    return "RANK" in os.environ and int(os.environ.get("WORLD_SIZE", "1")) > 1


def processes_and_threads(threads: int) -> tuple[int, int]:
    """How many processes train on a CPU where `threads` cores are to be busy (0: all that this process may use), and the
    threads of each.

    A step is some thousands of small operations, which a second thread does not make faster, and a second process does.
    Under torchrun the processes are there already.
    """
    if is_torchrun():
        return 1, threads or torch.get_num_threads()
    cores = threads or _usable_cores()
    processes = min(cores, MOST_PROCESSES)
    return processes, cores // processes


def _usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _beside(run: Callable[[Team], object], meeting: Path, size: int, threads: int, rank: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process answers Ctrl-C, and tells the others
    torch.set_num_threads(threads)
    with _joined_here(meeting, rank, size) as team:
        run(team)


@contextmanager
def _joined_here(meeting: Path, rank: int, size: int) -> Iterator[Team]:
    dist.init_process_group("gloo", init_method=meeting.as_uri(), rank=rank, world_size=size)
    try:
        yield Team(rank, size, is_first_of_node=rank == 0)
    finally:
        dist.destroy_process_group()


@contextmanager
def _joined_torchrun(device: str) -> Iterator[Team]:
    local, per_node = int(os.environ["LOCAL_RANK"]), int(os.environ["LOCAL_WORLD_SIZE"])
    cuda = device.startswith("cuda")
    if cuda:
        torch.cuda.set_device(local)
    dist.init_process_group("nccl" if cuda else "gloo")
    try:
        rank, size = dist.get_rank(), dist.get_world_size()
        yield Team(rank, size, f"cuda:{local}" if cuda else device, rank // per_node, -(-size // per_node), local == 0)
    finally:
        dist.destroy_process_group()


@contextmanager
def _on_this_machine() -> Iterator[None]:
    """Processes of one machine talk over its loopback, whatever its name resolves to."""
    name, was = "GLOO_SOCKET_IFNAME", os.environ.get("GLOO_SOCKET_IFNAME")
    if was is None and sys.platform in ("linux", "darwin"):
        os.environ[name] = "lo" if sys.platform == "linux" else "lo0"
    try:
        yield
    finally:
        if was is None:
            os.environ.pop(name, None)
