"""Estimates and their intervals."""

import math

import numpy as np
import pytest

from langit.evaluation.statistics import bootstrap, missing, reading


def test_the_interval_holds_the_mean_and_narrows_with_the_count():
    rng = np.random.default_rng(0)
    few, many = bootstrap(rng.normal(3, 1, 20).tolist()), bootstrap(rng.normal(3, 1, 2000).tolist())
    for one in (few, many):
        assert one.low < one.value < one.high
    assert many.high - many.low < 0.2 * (few.high - few.low)


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(1)
    hits = [bootstrap(rng.normal(0, 1, 40).tolist(), seed=i) for i in range(100)]
    assert sum(one.low <= 0 <= one.high for one in hits) >= 87


def test_shares_that_are_all_one_are_not_certain():
    four, forty = bootstrap([1.0] * 4), bootstrap([1.0] * 40)
    assert (four.value, four.high) == (1.0, 1.0)
    assert four.low == pytest.approx(4 / (4 + 1.96**2))
    assert four.low < forty.low < 1
    assert bootstrap([0.0] * 4).high == pytest.approx(1 - four.low)


def test_nothing_to_read_is_a_reason_and_never_a_zero():
    none = reading("physics", "gravity", "", "lower", [math.nan, math.nan], why="nothing fell")
    assert none.estimated() is None
    assert none.why == "nothing fell"
    some = reading("physics", "gravity", "", "lower", [math.nan, 0.5], why="nothing fell")
    assert some.why == ""
    assert some.estimated() is not None
    assert some.estimated().count == 1
    assert missing("physics", "gravity", "no clips").estimated() is None
    with pytest.raises(ValueError, match="no values"):
        bootstrap([])
