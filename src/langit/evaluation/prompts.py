"""Prompts that training never showed, with what a clip must show to follow them.

Every prompt tells a scene of the simulator's test split, so it holds a pair (colour and shape, or event and shape) that
is reserved there, and its `answer` can be rendered: what the measure says of that clip is its ceiling. Dense prompts say
everything; short ones one thing with its looks and what it does. English and Indonesian prompts of a scene say the same.

Scenes are asked only where pixels of 64x64 can decide the answer (`is_decidable`): every thing that is told is well seen
and stands out from what is about it, nothing is half seen and untold, and no two things share a colour. Of what
happens, only what the thing that acts first does is asked (`asked_happenings`); of all that, what the pixels show (`asked`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from langit.evaluation.asked import (
    ORDER_GAP,
    SIDE,
    Sight,
    stands_out,
    tells_camera,
    tells_direction,
    tells_happening,
    tells_light_side,
    tells_material,
    tells_relation,
    tells_shape,
    tells_size,
)
from langit.simulator.captions import Detail, Language, caption
from langit.simulator.facts import read_facts
from langit.simulator.plans import plan
from langit.simulator.render import render
from langit.simulator.telling import seen, told
from langit.simulator.wording import SINGULAR, Wording
from langit.simulator.world import Facts, Happening, Relation, Scene
from langit.types import Frames, InputError

FIRST_SEED = 900_000_000
"""Of the scenes of exams; no training and no fit uses seeds from here on."""
SEEDS = 1_000_000  # between the first scenes of two seeds of exams
ASKED_EVENTS = (
    "still",
    "falls",
    "bounces",
    "rolls",
    "slides",
    "flies",
    "hits",
    "rolls_down",
    "goes_behind",
    "swings",
    "spins",
)
"""Happenings that a prompt asks for. topples, stops, comes_out and leaves are told in dense prompts but not scored: at 8
frames a second and 64x64 pixels their thresholds are not seen surely enough."""
DIRECTED = ("rolls", "slides", "flies", "rolls_down", "goes_behind")

Attribute = Literal[
    "count", "colour", "shape", "binding", "material", "size", "event", "direction", "order", "relation", "camera",
    "light", "light_side", "ground",
]  # fmt: skip
ATTRIBUTES: tuple[Attribute, ...] = (
    "count", "colour", "shape", "binding", "material", "size", "event", "direction", "order", "relation", "camera",
    "light", "light_side", "ground",
)  # fmt: skip


@dataclass(frozen=True)
class Wanted:
    """A thing that a prompt tells; None for what it leaves open."""

    colour: str | None
    shape: str | None
    material: str | None = None
    size: str | None = None


@dataclass(frozen=True)
class Expectation:
    """What a clip must show. Subjects and objects are indices of `things`."""

    things: tuple[Wanted, ...]
    count: int | None = None
    """Things that are to be seen, walls and ramps among them but no rods; None when the prompt does not tell all."""
    happenings: tuple[Happening, ...] = ()
    """In the order of time."""
    relations: tuple[Relation, ...] = ()
    camera_move: str | None = None
    light_time: str | None = None
    light_side: str | None = None
    ground: str | None = None


@dataclass(frozen=True)
class Prompt:
    """A text and what it asks for."""

    seed: int
    """Of its scene in the simulator's test split."""
    language: Language
    detail: Detail
    text: str
    expectation: Expectation


def make_prompts(
    count: int,
    *,
    seed: int = 0,
    languages: tuple[Language, ...] = ("en", "id"),
    details: tuple[Detail, ...] = ("dense", "short"),
) -> tuple[Prompt, ...]:
    """Prompts of `count` scenes, each in every language and detail; the same for the same seed.

    Raises InputError for a count below 1.
    """
    if count < 1 or seed < 0:
        raise InputError(
            f"Prompts of {count} scenes with seed {seed} were asked for; give a count of 1 or more and a seed of 0 or more."
        )
    prompts: list[Prompt] = []
    scene_seed, found = FIRST_SEED + SEEDS * seed, 0
    while found < count:
        sight = sight_of(plan(scene_seed, split="test"))
        if is_decidable(sight):
            prompts += [_prompt(scene_seed, sight, language, detail) for detail in details for language in languages]
            found += 1
        scene_seed += 1
    return tuple(prompts)


def answer(prompt: Prompt, height: int = 64, width: int = 64) -> tuple[Frames, Scene]:
    """The simulator's own clip for a prompt, and its scene."""
    scene = plan(prompt.seed, split="test")
    return render([scene], height, width, truth=False)[0][0], scene


def sight_of(scene: Scene) -> Sight:
    """A scene with what is true of it, rendered."""
    frames, truth = render([scene], SIDE, SIDE)[0]
    assert truth is not None
    return Sight(scene, read_facts(scene, truth), frames, truth)


def is_decidable(sight: Sight) -> bool:
    """Whether everything that is asked of a scene can be read from 64x64 pixels."""
    facts = sight.facts
    told = seen(facts)
    if any(k >= 0 and facts.things[k].shape != "rod" and not stands_out(sight, k) for k in told):
        return False
    hidden = set(range(len(facts.things))) - told
    if any(sight.most(k) > 0 for k in hidden):  # a sliver that is neither told nor absent
        return False
    looks = [(thing.colour, thing.shape) for thing in facts.things]
    colours = [thing.colour for thing in facts.things if not thing.is_prop]
    return len(set(looks)) == len(looks) and len(set(colours)) == len(colours)


def expectation_of(sight: Sight) -> Expectation:
    """All that a dense prompt asks."""
    facts = sight.facts
    shown = sorted(k for k in seen(facts) if k >= 0)
    number = {k: index for index, k in enumerate(shown)}
    things = tuple(_wanted(sight, k) for k in shown)
    return Expectation(
        things=things,
        count=sum(facts.things[k].shape != "rod" for k in shown),
        happenings=tuple(_renumbered(h, number) for h in asked_happenings(sight)),
        relations=tuple(
            Relation(r.kind, number[r.subject], number[r.object]) for r in facts.relations if tells_relation(sight, r)
        ),
        camera_move=facts.camera_move if tells_camera(sight) else None,
        light_time=facts.light_time,
        light_side=facts.light_side if tells_light_side(sight) else None,
        ground=facts.ground,
    )


def asked_happenings(sight: Sight) -> list[Happening]:
    """What the thing that acts first does: the first of its happenings, and its hits, bounces and hidings after.

    What a struck thing does, and what follows a landing, is told but not asked: it lies too near the thresholds. Nor are
    hits at about one time, as of a stack, of which nothing tells which is the first; nor directions that are not clear."""
    happenings = [h for h in sight.facts.happenings if _is_asked(h, sight.facts)]
    asked = [h for h in happenings if tells_happening(sight, h)]
    actor = next((h.subject for h in happenings if h.kind != "still"), None)
    own = [h for h in asked if h.kind != "still" and h.subject == actor]
    if not own:
        return [h for h in asked if h.kind == "still"]
    hits = [h for h in sight.facts.happenings if h.kind == "hits" and h.subject == actor]
    chosen = own[:1] + [h for h in own[1:] if h.kind in ("hits", "bounces", "goes_behind")]
    chosen = [
        one
        for one in chosen
        if one.kind != "hits" or not any(h != one and abs(h.time - one.time) < ORDER_GAP for h in hits)
    ]
    return [one if tells_direction(sight, one) else replace(one, direction=None) for one in chosen]


def _is_asked(happening: Happening, facts: Facts) -> bool:
    thing = facts.things[happening.subject]
    return (
        happening.kind in ASKED_EVENTS
        and not thing.is_prop
        and (
            happening.kind != "hits"
            or happening.object is None
            or happening.object < 0
            or not facts.things[happening.object].is_prop
        )
    )


def _wanted(sight: Sight, k: int) -> Wanted:
    thing = sight.thing(k)
    if thing.is_prop:
        return Wanted(None, thing.shape)  # a wall or a ramp is told as such, without its looks
    return Wanted(
        thing.colour,
        thing.shape if tells_shape(sight, k) else None,
        thing.material if tells_material(sight, k) else None,
        thing.size if tells_size(sight, k) else None,
    )


def _renumbered(happening: Happening, number: dict[int, int]) -> Happening:
    object_ = None if happening.object is None else number.get(happening.object)
    return Happening(
        happening.time, happening.kind, number[happening.subject], object_, happening.direction, happening.count
    )


def _prompt(seed: int, sight: Sight, language: Language, detail: Detail) -> Prompt:
    if detail == "dense":
        rng = np.random.default_rng([seed, 1])
        return Prompt(
            seed,
            language,
            detail,
            caption(sight.facts, language=language, detail=detail, rng=rng),
            expectation_of(sight),
        )
    return _short(seed, sight, language)


def _short(seed: int, sight: Sight, language: Language) -> Prompt:
    """One thing, its looks and what it does first, with the ground or the hour; nothing else is asked."""
    facts = sight.facts
    contents = np.random.default_rng([seed, 2])
    wording = Wording(language, np.random.default_rng([seed, 3]))
    visible = (k for k in sorted(seen(facts)) if k >= 0 and not facts.things[k].is_prop)
    shown = asked_happenings(sight)
    happening = (
        shown or [h for h in facts.happenings if _is_asked(h, facts)] or [Happening(0.0, "still", next(visible))]
    )[0]
    thing = facts.things[happening.subject]
    looks = frozenset({"colour"} | ({"material"} if contents.random() < 0.3 else set()))
    mention = wording.indefinite(wording.noun(thing, looks))
    asks_material = "material" in looks and tells_material(sight, happening.subject)
    shape = thing.shape if tells_shape(sight, happening.subject) else None
    things = [Wanted(thing.colour, shape, thing.material if asks_material else None)]
    other, object_ = None, ""
    if happening.object is not None and happening.object >= 0:
        other = facts.things[happening.object]
        object_ = wording.indefinite(wording.noun(other, frozenset({"colour"})))
        is_asked = other.is_prop or tells_shape(sight, happening.object)
        things.append(Wanted(other.colour, other.shape if is_asked else None))
    asked = Happening(happening.time, happening.kind, 0, None if other is None else 1, happening.direction, None)
    told_first = (h for h in facts.happenings if h.time == happening.time and h.kind == happening.kind)
    direction = next((h.direction for h in told_first if h.subject == happening.subject), None)  # asked or not
    spoken = Happening(happening.time, happening.kind, happening.subject, happening.object, direction, None)
    text = f"{mention} {told(spoken, facts, wording, SINGULAR, object_ or wording.definite(wording.word('floor')))}"
    tells_ground = bool(contents.random() < 0.5)
    text += (
        f" {'on the' if wording.is_english else 'di atas'} {wording.word(facts.ground)}"
        if tells_ground
        else f" {wording.word(facts.light_time)}"
    )
    expectation = Expectation(
        things=tuple(things),
        happenings=(asked,) if shown else (),
        ground=facts.ground if tells_ground else None,
        light_time=None if tells_ground else facts.light_time,
    )
    return Prompt(seed, language, "short", text[0].upper() + text[1:], expectation)
