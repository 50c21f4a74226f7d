"""Storyboards: cards that name other things are scenes of their own, and each is what it is alone."""

from __future__ import annotations

import numpy as np

from langit.conditioning import Span
from langit.editing import Course, generate_clip, storyboard
from langit.editing.storyboard import OTHER_SCENE, _pieces, _scenes
from langit.editing.timeline import Gap

BALL, MORE, CONE = "a red ball rolls", "the red ball meets a blue cube", "a green cone falls"


def test_cards_that_name_other_things_are_scenes_of_their_own():
    assert _scenes([BALL, MORE, "it is night", CONE, BALL]) == [0, 0, 0, 1, 2]
    assert _scenes(["", BALL, ""]) == [0, 0, 0]


def test_a_scene_is_a_gap_with_a_seed_of_its_own():
    spans = [Span(0, 5, BALL), Span(5, 9, MORE), Span(9, 16, CONE)]
    first, last = _pieces([], spans, [0, 0, 1], 16, 7)
    assert isinstance(first, Gap)
    assert (first.frames, first.seed, first.opens, first.closes) == (9, 7, False, True)
    assert first.spans == tuple(spans[:2])
    assert isinstance(last, Gap)
    assert (last.frames, last.seed, last.opens, last.closes) == (7, 7 + OTHER_SCENE, True, False)
    assert last.spans == (Span(0, 7, CONE),)


def test_each_scene_is_what_it_is_alone():
    """It sees nothing of the one before, which stays as it is when only the next card is another one."""
    course = Course(seed=3)

    def made(*prompts):
        cards = [{"at": 0.75 * number, "prompt": prompt} for number, prompt in enumerate(prompts)]
        return storyboard({"seconds": 0.75 * len(cards), "cards": cards}, course=course).video().frames

    both = made(BALL, CONE)
    alone = generate_clip(CONE, seconds=0.75, course=Course(seed=3 + OTHER_SCENE)).video().frames
    np.testing.assert_array_equal(both[6:], alone)
    np.testing.assert_array_equal(both[:6], made(BALL, "a yellow egg spins")[:6])
