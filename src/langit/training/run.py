"""The course of a training run, the same for whatever is trained: steps, checkpoints, losses, Ctrl-C, going on.

Read `go_on`. What a step is drawn from and what its loss is, the two loops say (`loop`, `tokenizer_loop`).
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter

from langit.training.checkpoint import LossLog, State, save_state
from langit.training.config import OptimizerConfig
from langit.training.interrupt import stop_on_interrupt
from langit.training.parallel import Team

Network = TypeVar("Network", bound=nn.Module)
Item = TypeVar("Item")
Told = TypeVar("Told", bound="StepTold")


class Recipe(Protocol):
    """What every recipe says of its course."""

    @property
    def steps(self) -> int: ...
    @property
    def optimizer(self) -> OptimizerConfig: ...
    @property
    def checkpoint_every(self) -> int: ...
    @property
    def samples_every(self) -> int: ...
    def fingerprint(self) -> str: ...


class StepTold(Protocol):
    """What a loop tells after a step."""

    @property
    def step(self) -> int: ...
    @property
    def loss(self) -> float: ...


class Learner(Generic[Network]):
    """A network with what moves it: the optimizers, at their rates, and the moving average of its weights."""

    def __init__(self, recipe: Recipe, model: Network, optimizers: Sequence[torch.optim.Optimizer], team: Team):
        self.recipe, self.model, self.optimizers, self.team = recipe, model, optimizers, team
        self.ema = copy.deepcopy(model).requires_grad_(False)

    def load(self, state: State) -> None:
        self.model.load_state_dict(state.model)
        self.ema.load_state_dict(state.ema)
        for optimizer, saved in zip(self.optimizers, state.optimizers, strict=True):
            optimizer.load_state_dict(saved)

    def state(self, step: int) -> State:
        optimizers = [optimizer.state_dict() for optimizer in self.optimizers]
        return State(step, self.recipe.fingerprint(), self.model.state_dict(), self.ema.state_dict(), optimizers)

    def descend(self, objective: Tensor, loss: Tensor, step: int) -> float:
        """One step of gradient descent and of the moving average; the loss of all processes.

        `objective` and `loss` are this process's parts of what is minimised and of what is told: the whole is their sum.
        """
        self.model.zero_grad()
        objective.backward()
        told = loss.detach().clone()
        if self.team.size > 1:
            learning = [p for p in self.model.parameters() if p.requires_grad]
            for parameter in learning:
                if parameter.grad is None:  # no clip of this step is this process's
                    parameter.grad = torch.zeros_like(parameter)
            self.team.add([*(p.grad for p in learning if p.grad is not None), told])
        self.update(step)
        return told.item()

    def update(self, step: int) -> None:
        """The weights and their moving average, from the gradients that are there."""
        config = self.recipe.optimizer
        rate = config.learning_rate * warmup_stable_decay(self.recipe, step)
        for optimizer, share in zip(self.optimizers, (1.0, config.ends_rate), strict=True):
            for group in optimizer.param_groups:
                group["lr"] = rate * share
        nn.utils.clip_grad_norm_(self.model.parameters(), config.clip_norm)
        for optimizer in self.optimizers:
            optimizer.step()
        decay = min(config.ema, (step + 1) / (step + 10))
        torch._foreach_lerp_(list(self.ema.parameters()), list(self.model.parameters()), 1 - decay)


def warmup_stable_decay(recipe: Recipe, step: int) -> float:
    """The learning rate's course: up over `warmup` steps, flat, then linearly to zero over the last `cooldown`."""
    left = (recipe.steps - step) / max(1.0, recipe.optimizer.cooldown * recipe.steps)
    return min((step + 1) / recipe.optimizer.warmup, 1.0, left)


@dataclass(frozen=True)
class Course(Generic[Item, Told]):
    """What fills a course: where its items come from, what is learned from one, and what is told and kept of it."""

    draw: Callable[[range], Iterator[Item]]  # the items of these steps
    learn: Callable[[Item, int], float]  # from an item, at a step; the loss
    tell: Callable[
        [Item, int, float, float, float], Told
    ]  # item, steps done, loss, seconds, seconds waited for the item
    plotted: tuple[str, ...]  # of what is told, for TensorBoard
    publish: Callable[[int], None]  # what others use, after so many steps; beside each checkpoint
    show: Callable[[int], None]  # samples, after so many steps
    prepare: Callable[[], None] = lambda: None  # what changes the moving average before a checkpoint


def go_on(
    learner: Learner[Network],
    course: Course[Item, Told],
    output: Path,
    *,
    start: int,
    on_step: Callable[[Told], None] | None = None,
    stop_after: int | None = None,
) -> int:
    """From step `start` to the end of the recipe, to `stop_after`, or until Ctrl-C; the steps done.

    The first process of the team writes and tells; all stop after the same step.
    """
    recipe, team, step = learner.recipe, learner.team, start
    last = min(recipe.steps, stop_after or recipe.steps)
    journal = Journal(output, step, course.plotted) if team.is_first else None

    def save() -> None:
        course.prepare()
        save_state(output / "checkpoint.pt", learner.state(step))
        course.publish(step)

    try:
        with stop_on_interrupt() as stopped:
            waiting = course.draw(range(step, recipe.steps))
            while step < last and not team.total(stopped()):
                started = time.perf_counter()
                item = next(waiting)
                waited = time.perf_counter() - started
                loss = course.learn(item, step)
                step += 1
                if journal is None:
                    continue
                told = course.tell(item, step, loss, time.perf_counter() - started, waited)
                journal.add(told)
                if on_step is not None:
                    on_step(told)
                if step % recipe.checkpoint_every == 0:
                    save()
                if step % recipe.samples_every == 0:
                    course.show(step)
        if journal is not None:
            save()
    finally:
        if journal is not None:
            journal.close()
    return step


class Journal:
    """What happened, for people and TensorBoard."""

    def __init__(self, output: Path, step: int, plotted: Sequence[str]):
        self.plotted = plotted
        self.losses = LossLog(output / "losses.jsonl", step)
        self.board = SummaryWriter(str(output / "tensorboard"), purge_step=step)

    def add(self, told: StepTold) -> None:
        self.losses.add(told.step, told.loss)
        for name in self.plotted:
            self.board.add_scalar(name, getattr(told, name), told.step)

    def close(self) -> None:
        self.losses.close()
        self.board.close()
