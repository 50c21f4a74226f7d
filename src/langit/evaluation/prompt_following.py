"""Prompt following: of what a prompt asks, how much is seen in the clip, attribute by attribute.

The things that are seen are matched to those asked for once for all attributes, by everything known of both; so "a red
ball and a blue cube" is not answered by a blue ball and a red cube, and an event counts only when the right thing does it.

Reference: VBench-2.0 controllability, 22.1 for Sora (arXiv 2503.21755); other prompts and judges, so a neighbour in kind
and not in number.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from langit.evaluation.asked import ORDER_GAP
from langit.evaluation.observation import Observation
from langit.evaluation.prompts import ATTRIBUTES, DIRECTED, Attribute, Expectation, Wanted
from langit.simulator.world import Happening

Answers = dict[Attribute, bool | None]
LOOKS_LIKE = {"rubber": "matte", "wall": "cube"}
"""What 64x64 pixels do not tell apart: of materials, metal or not is asked; and a wall is a box."""
LEAST_AREA = 36 / 64**2
"""Of the frame: a smaller patch at its largest is not counted as a thing. Nothing smaller is asked (`prompts`)."""
INVERSE = {"left_of": "right_of", "right_of": "left_of", "in_front_of": "behind", "behind": "in_front_of"}
MATCHING = {"colour": 3.0, "shape": 3.0, "material": 1.0, "size": 1.0, "event": 2.0}
"""What an agreement counts in matching what is seen to what is asked."""
LEFT_OVER = 0.5
"""What anything counts as a wall or a ramp, of which no looks are asked: it is what is there beside the others."""


def score(observation: Observation, expectation: Expectation) -> Answers:
    """Per attribute whether the clip shows what was asked; None where nothing was asked of it."""
    match = match_things(observation, expectation)
    wanted = list(enumerate(expectation.things))
    tracks = observation.tracks

    def all_of(name: str) -> bool | None:
        asked = [(k, value) for k, one in wanted if (value := getattr(one, name)) is not None and _is_asked(one, name)]
        right = [k in match and _alike(getattr(tracks[match[k]], name), value) for k, value in asked]
        return all(right) if asked else None

    answers: Answers = dict.fromkeys(ATTRIBUTES)
    if expectation.count is not None:
        counted = [track for track in tracks if track.shape != "rod" and float(track.area.max()) >= LEAST_AREA]
        answers["count"] = len(counted) == expectation.count
    answers["colour"], answers["shape"] = all_of("colour"), all_of("shape")
    if len(wanted) > 1 and answers["shape"] is not None:
        answers["binding"] = bool(answers["colour"] and answers["shape"])
    answers["material"], answers["size"] = all_of("material"), all_of("size")
    found = [(asked, _found(observation, match, asked)) for asked in expectation.happenings]
    if found:
        answers["event"] = all(one is not None for _, one in found)
    directed = [(asked, one) for asked, one in found if asked.direction is not None and asked.kind in DIRECTED]
    if directed:
        answers["direction"] = all(one is not None and one.direction == asked.direction for asked, one in directed)
    answers["order"] = _order(found)
    if expectation.relations:
        answers["relation"] = all(
            _has_relation(observation, match, one.kind, one.subject, one.object) for one in expectation.relations
        )
    scene: tuple[tuple[Attribute, str | None, str], ...] = (
        ("camera", expectation.camera_move, observation.camera_move),
        ("light", expectation.light_time, observation.light_time),
        ("light_side", expectation.light_side, observation.light_side),
        ("ground", expectation.ground, observation.ground),
    )
    for attribute, asked, seen in scene:
        if asked is not None:
            answers[attribute] = asked == seen
    return answers


def _is_asked(wanted: Wanted, name: str) -> bool:
    """Nothing of a rod, which is too thin; of walls and ramps no shape, which are told as what they are there for."""
    return wanted.shape != "rod" and (name != "shape" or wanted.shape not in ("wall", "ramp"))


def _alike(seen: str, asked: str) -> bool:
    return LOOKS_LIKE.get(seen, seen) == LOOKS_LIKE.get(asked, asked)


def match_things(observation: Observation, expectation: Expectation) -> dict[int, int]:
    """Index of the track for each thing asked for, as far as there are tracks: the pairs that agree most."""
    if not observation.tracks or not expectation.things:
        return {}
    agree = np.array(
        [
            [_agreement(observation, track, expectation, k, wanted) for track in range(len(observation.tracks))]
            for k, wanted in enumerate(expectation.things)
        ]
    )
    rows, columns = linear_sum_assignment(-agree)
    return {int(k): int(track) for k, track in zip(rows, columns, strict=True) if agree[k, track] > 0}


def _agreement(observation: Observation, index: int, expectation: Expectation, k: int, wanted: Wanted) -> float:
    track = observation.tracks[index]
    total = sum(
        MATCHING[name]
        for name in ("colour", "shape", "material", "size")
        if getattr(wanted, name) is not None and _alike(getattr(track, name), getattr(wanted, name))
    )
    if wanted.shape in ("wall", "ramp"):
        total += LEFT_OVER
    does = {event.kind for event in observation.events if event.subject == index}
    asked = {happening.kind for happening in expectation.happenings if happening.subject == k}
    if asked:
        total += MATCHING["event"] * len(does & asked) / len(asked)
    return total


def _found(observation: Observation, match: dict[int, int], asked: Happening) -> Happening | None:
    """What is seen that is what was asked for."""
    for event in observation.events:
        same = event.kind == asked.kind and match.get(asked.subject) == event.subject
        if same and (asked.object is None or asked.kind in ("swings",) or match.get(asked.object) == event.object):
            return event
    return None


def _order(found: Sequence[tuple[Happening, Happening | None]]) -> bool | None:
    """Whether happenings that are told one after the other are seen so."""
    answers = []
    for a, (first, seen) in enumerate(found):
        for later, seen_later in found[a + 1 :]:
            if later.time - first.time >= ORDER_GAP and "still" not in (first.kind, later.kind):
                answers.append(seen is not None and seen_later is not None and seen.time < seen_later.time)
    return all(answers) if answers else None


def _has_relation(observation: Observation, match: dict[int, int], kind: str, subject: int, object_: int) -> bool:
    if subject not in match or object_ not in match:
        return False
    here = (kind, match[subject], match[object_])
    there = (INVERSE.get(kind, ""), match[object_], match[subject])
    return any((one.kind, one.subject, one.object) in (here, there) for one in observation.relations)


def shares(answers: Sequence[Answers]) -> dict[Attribute, float | None]:
    """Per attribute the share of clips that follow, of those that were asked; None where none was."""
    told = {attribute: [one[attribute] for one in answers if one[attribute] is not None] for attribute in ATTRIBUTES}
    return {attribute: float(np.mean(values)) if values else None for attribute, values in told.items()}  # type: ignore[arg-type]


def chance(observations: Sequence[Observation], expectations: Sequence[Expectation]) -> dict[Attribute, float | None]:
    """What clips score on prompts of other clips: every clip against every other's prompt."""
    pairs = [
        score(observation, expectation)
        for a, observation in enumerate(observations)
        for b, expectation in enumerate(expectations)
        if a != b
    ]
    return shares(pairs)


def shuffled(count: int, seed: int) -> NDArray[np.int64]:
    """An order of `count` in which nothing keeps its place (for a count above 1)."""
    order = np.random.default_rng(seed).permutation(count)
    moved = np.empty(count, np.int64)
    moved[order] = np.roll(order, 1)
    return moved
