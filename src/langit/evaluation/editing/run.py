"""What all parts of the exam of editing work with, and the rows that they give."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from langit.catalog import Bundle
from langit.evaluation.editing.shelf import Shelf
from langit.evaluation.exam import OnProgress, Row
from langit.evaluation.statistics import DRAWS, LEVEL, Estimate, bootstrap
from langit.types import Frames, InputError

SEAM_AIM = 1.2
Better = Literal["higher", "lower"]


@dataclass(frozen=True)
class Settings:
    """How much is edited. The same settings and seed edit the same."""

    count: int = 8  # clips of each kind that every verb edits
    chains: int = 10
    boards: int = 8
    remixes: int = 6
    extension_seconds: float = 2.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.count <= 1000:
            raise InputError(f"A count of {self.count} was asked for; give 1 to 1000.")


QUICK = Settings(count=2, chains=2, boards=2, remixes=2, extension_seconds=1.0)


@dataclass(frozen=True, eq=False)
class Run:
    """One exam of one model."""

    bundle: Bundle
    model: str
    folder: Path
    settings: Settings
    shelf: Shelf
    on_progress: OnProgress

    @property
    def fps(self) -> float:
        return self.bundle.config.native.fps

    def made(self, name: str, make: Callable[[], Frames]) -> Frames | str:
        """The frames, or the reason why the model cannot make them."""
        try:
            return self.shelf.frames(name, make)
        except InputError as error:
            return str(error)


@dataclass(frozen=True, eq=False)
class Shown:
    """A clip for the report's sheets."""

    part: str
    label: str
    frames: Frames


@dataclass(frozen=True, eq=False)
class Part:
    """What one part found; `lines` are for its plot."""

    rows: tuple[Row, ...]
    shown: tuple[Shown, ...] = ()
    lines: dict[str, list[float]] = field(default_factory=dict)


def mean(values: Sequence[float]) -> float:
    return float(np.nanmean(values)) if np.isfinite(values).any() else math.nan


def row_of(
    part: str,
    name: str,
    unit: str,
    better: Better,
    values: Sequence[float],
    reference: Sequence[float],
    beside: str = "",
) -> Row:
    mine, beside_it = _estimate(values, unit), _estimate(reference, unit)
    return Row(part, name, unit, better, mine, beside_it, beside, "" if mine else "nothing of it could be seen")


def median_row(part: str, name: str, values: Sequence[float], reference: Sequence[float], beside: str = "") -> Row:
    """What the middle one of many edits shows, in times: a single jump does not decide it, as it decides a mean."""
    mine, beside_it = (_median(some) if some else None for some in (values, reference))
    return Row(part, name, "times", "lower", mine, beside_it, beside, "" if mine else "nothing of it could be seen")


def _median(values: Sequence[float]) -> Estimate:
    """With its percentile interval from the same resamplings as every other row's."""
    array = np.asarray(values, np.float64)
    medians = np.median(array[np.random.default_rng(0).integers(len(array), size=(DRAWS, len(array)))], axis=1)
    low, high = np.quantile(medians, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(float(np.median(array)), float(low), float(high), len(array))


def _estimate(values: Sequence[float], unit: str) -> Estimate | None:
    finite = [value for value in values if math.isfinite(value)]
    return bootstrap(finite, shares=not unit) if finite else None


def not_applicable(part: str, name: str, why: str) -> Row:
    return Row(part, name, "", "higher", None, None, "", why)
