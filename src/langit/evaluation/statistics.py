"""Readings, one value to a prompt, and what can be said of them: an estimate with its bootstrap interval."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

DRAWS = 1000
LEVEL = 0.95

Statistic = Callable[[NDArray[np.float64]], float]


@dataclass(frozen=True)
class Estimate:
    """A value with its 95% interval, over `count` prompts."""

    value: float
    low: float
    high: float
    count: int


@dataclass(frozen=True)
class Reading:
    """What one measure read: a value per prompt, or the reason why there is none.

    A measure that is not a mean over prompts gives its `estimate` itself.
    """

    part: str  # of the exam: physics, permanence, ...
    name: str
    unit: str  # "" for shares in [0, 1]
    better: Literal["higher", "lower"]
    values: tuple[float, ...] = ()
    estimate: Estimate | None = None
    published: str = ""  # the reference value and where it is from, and the chance level
    why: str = ""  # the reason why it is not applicable

    def estimated(self) -> Estimate | None:
        """The estimate; None when nothing could be read."""
        if self.estimate is not None:
            return self.estimate
        return bootstrap(self.values, shares=not self.unit) if self.values else None


def reading(
    part: str,
    name: str,
    unit: str,
    better: Literal["higher", "lower"],
    values: Sequence[float],
    *,
    published: str = "",
    why: str,
) -> Reading:
    """The reading of those values that are numbers; `why` says what it means when none is."""
    kept = tuple(float(value) for value in values if math.isfinite(value))
    return Reading(part, name, unit, better, kept, published=published, why="" if kept else why)


def missing(part: str, name: str, why: str) -> Reading:
    """A reading that is not applicable."""
    return Reading(part, name, "", "higher", why=why)


def bootstrap(values: Sequence[float], *, shares: bool = True, seed: int = 0) -> Estimate:
    """The mean of `values` (one per prompt) with its percentile interval (Efron 1979) from 1000 resamplings.

    The interval of shares that are all 0 or all 1 is Wilson's, because resampling cannot see beyond what came.
    """
    if not values:
        raise ValueError("no values were given; a mean needs at least one")
    array = np.asarray(values, np.float64)
    value, count = float(array.mean()), len(array)
    if shares and value in (0.0, 1.0) and np.isin(array, (0.0, 1.0)).all():
        reach = 1.96**2 / (count + 1.96**2)
        return Estimate(value, value * (1 - reach), value + (1 - value) * reach, count)
    means = array[np.random.default_rng(seed).integers(count, size=(DRAWS, count))].mean(1)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(value, float(low), float(high), count)
