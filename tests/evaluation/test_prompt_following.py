"""Prompts are held out and the same for the same seed; answers follow what is seen, thing by thing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from langit.evaluation.observation.seen import Observation, Track
from langit.evaluation.prompt_following import chance, match_things, score, shares, shuffled
from langit.evaluation.prompts import Expectation, Wanted, make_prompts
from langit.simulator import splits
from langit.simulator.plans import plan
from langit.simulator.world import Happening, Relation
from langit.types import InputError

FRAMES = 5


def track(colour: str, shape: str, material: str = "matte", size: str = "medium") -> Track:
    numbers = np.full(FRAMES, 0.5, np.float32)
    flags = np.ones(FRAMES, bool)
    return Track(
        colour, shape, material, size, {}, numbers, numbers, numbers / 20, np.tile(numbers[:, None], (1, 4)), flags, flags,
        8 * numbers, numbers, numbers, numbers * 0, np.zeros(FRAMES, np.int8), np.zeros(FRAMES, np.int8),
    )  # fmt: skip


def observation(*tracks: Track, events: tuple[Happening, ...] = (), **changes: object) -> Observation:
    seen = Observation(
        8.0, FRAMES, 64, 64, tracks, events, (), "static", np.zeros((FRAMES, 3), np.float32), "noon", "left", "grass",
        np.full(FRAMES, 0.4, np.float32), np.zeros((FRAMES, 2, 3), np.float32),
    )  # fmt: skip
    return replace(seen, **changes)


BALL_AND_CUBE = Expectation(things=(Wanted("red", "ball"), Wanted("blue", "cube")), count=2)


def test_right_things_in_any_order_follow():
    answers = score(observation(track("blue", "cube"), track("red", "ball")), BALL_AND_CUBE)
    assert [answers[name] for name in ("count", "colour", "shape", "binding")] == [True] * 4
    assert answers["event"] is None
    assert answers["camera"] is None


def test_colours_on_the_wrong_shapes_do_not_follow():
    answers = score(observation(track("blue", "ball"), track("red", "cube")), BALL_AND_CUBE)
    assert answers["count"] is True
    assert answers["binding"] is False
    assert not (answers["colour"] and answers["shape"])


@pytest.mark.parametrize("tracks", [(), (track("red", "ball"),), (track("red", "ball"),) * 3])
def test_too_few_and_too_many_things_do_not_follow(tracks):
    answers = score(observation(*tracks), BALL_AND_CUBE)
    assert answers["count"] is False
    assert answers["binding"] is False


def test_an_event_counts_when_the_right_thing_does_it():
    asked = replace(BALL_AND_CUBE, happenings=(Happening(0.2, "rolls", 0, direction="left"),))
    tracks = track("red", "ball"), track("blue", "cube")
    right = observation(*tracks, events=(Happening(0.1, "rolls", 0, direction="left"),))
    wrong = observation(*tracks, events=(Happening(0.1, "rolls", 1, direction="left"),))
    back = observation(*tracks, events=(Happening(0.1, "rolls", 0, direction="right"),))
    assert [score(one, asked)["event"] for one in (right, wrong, back)] == [True, False, True]
    assert [score(one, asked)["direction"] for one in (right, wrong, back)] == [True, False, False]


def test_order_is_read_from_times():
    first, second = Happening(0.0, "rolls", 0), Happening(1.0, "hits", 0, 1)
    asked = replace(BALL_AND_CUBE, happenings=(first, second))
    tracks = track("red", "ball"), track("blue", "cube")
    kept = observation(*tracks, events=(first, second))
    turned = observation(*tracks, events=(replace(second, time=0.5), replace(first, time=0.9)))
    assert score(kept, asked)["order"] is True
    assert score(turned, asked)["order"] is False


def test_relations_hold_from_either_side():
    asked = replace(BALL_AND_CUBE, relations=(Relation("left_of", 0, 1),))
    tracks = track("blue", "cube"), track("red", "ball")
    assert score(observation(*tracks, relations=(Relation("right_of", 0, 1),)), asked)["relation"] is True
    assert score(observation(*tracks, relations=(Relation("left_of", 0, 1),)), asked)["relation"] is False


def test_matte_and_rubber_look_alike_and_metal_does_not():
    asked = Expectation(things=(Wanted("red", "ball", "rubber"),))
    seen = [observation(track("red", "ball", material)) for material in ("matte", "rubber", "metal")]
    assert [score(one, asked)["material"] for one in seen] == [True, True, False]


def test_things_are_matched_by_all_that_is_known_of_them():
    seen = observation(track("red", "cube", "metal", "small"), track("red", "cube", "matte", "large"))
    wanted = Expectation(things=(Wanted("red", "cube", "matte", "large"), Wanted("red", "cube", "metal", "small")))
    assert match_things(seen, wanted) == {0: 1, 1: 0}


def test_shares_and_chance():
    clips = [observation(track("red", "ball")), observation(track("blue", "cube"))]
    asked = [Expectation(things=(Wanted("red", "ball"),)), Expectation(things=(Wanted("blue", "cube"),))]
    assert shares([score(one, two) for one, two in zip(clips, asked, strict=True)])["colour"] == 1.0
    assert chance(clips, asked)["colour"] == 0.0
    assert shares([])["colour"] is None
    order = shuffled(7, 3)
    assert sorted(order) == list(range(7))
    assert (order != np.arange(7)).all()


def test_prompts_are_held_out_and_repeat():
    prompts = make_prompts(3, seed=1)
    assert prompts == make_prompts(3, seed=1)
    assert [(one.language, one.detail) for one in prompts[:4]] == [
        ("en", "dense"), ("id", "dense"), ("en", "short"), ("id", "short"),
    ]  # fmt: skip
    for prompt in prompts:
        assert splits.reserved_in(plan(prompt.seed, split="test"))
        assert len(prompt.text.split()) >= 3
    assert {one.seed for one in prompts}.isdisjoint({one.seed for one in make_prompts(3, seed=2)})


def test_languages_ask_the_same():
    prompts = make_prompts(2, seed=1)
    for english, indonesian in zip(prompts[::2], prompts[1::2], strict=True):
        assert english.expectation == indonesian.expectation
        assert english.text != indonesian.text


def test_no_prompts_are_refused():
    with pytest.raises(InputError, match="give a count of 1 or more"):
        make_prompts(0)
