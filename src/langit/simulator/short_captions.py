"""Short captions: what a user would say of a scene, in 3 to 14 words."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from langit.simulator.telling import Looks, camera, differ, ground, is_beyond, light_side, seen, told
from langit.simulator.wording import FALLS, PARTICIPLE, PAST, PLURAL, RELATIONS, SINGULAR, Wording
from langit.simulator.world import Facts, Happening, Relation

MOST_WORDS = 14
FEWEST_WORDS = 3
NUM_TRIES = 8  # with synonyms, before the canonical words are taken
PASSING = ("rolls", "slides", "flies", "bounces", "moves")
"""Happenings that may be told as going past a thing."""
INVERSE = {
    "left_of": "right_of",
    "right_of": "left_of",
    "in_front_of": "behind",
    "behind": "in_front_of",
    "on": "under",
}


@dataclass(frozen=True)
class _Content:
    """What a short caption says."""

    subjects: tuple[int, ...]
    """More than one when things that look alike do the same."""
    looks: Looks
    happenings: tuple[Happening, ...]
    """Of the first subject; none when only the thing itself is told."""
    object_looks: Looks
    stack: str | None
    """When a stack is hit, the shape that it is made of, "" when of several."""
    passed: int | None
    """A thing that the first happening goes past."""
    relation: Relation | None
    extras: tuple[str, ...]
    """Of floor, above, ground, light, side, camera, angle. The last is the first to go when the caption is too long."""
    style: str
    """sentence, participle or list."""


def short_caption(facts: Facts, language: str, contents: np.random.Generator, words: np.random.Generator) -> str:
    content = _content(facts, contents)
    while not all(_has_short_length(_written(content, facts, Wording(each, words, 1.0))) for each in ("en", "id")):
        content = _shorter(content)
    for _ in range(NUM_TRIES):
        text = _written(content, facts, Wording(language, words))
        if _has_short_length(text):
            return text
    return _written(content, facts, Wording(language, words, 1.0))


def _has_short_length(text: str) -> bool:
    return FEWEST_WORDS <= len(text.split()) <= MOST_WORDS


def _shorter(content: _Content) -> _Content:
    """The same with one thing less to say."""
    if content.extras and (content.happenings or content.relation or len(content.extras) > 1):
        return replace(content, extras=content.extras[:-1])
    if len(content.happenings) > 1:
        return replace(content, happenings=content.happenings[:-1])
    if content.relation is not None and content.happenings:
        return replace(content, relation=None)
    return replace(content, style="sentence", looks=frozenset({"colour"}), object_looks=frozenset())


def _content(facts: Facts, rng: np.random.Generator) -> _Content:
    """Chooses what to say: mostly the main event with colour and shape, sometimes light, camera, ground, a relation."""
    shown = [h for h in facts.happenings if not facts.things[h.subject].is_prop]
    moving = [h for h in shown if h.kind not in ("still", "stops", "leaves")]
    happenings: tuple[Happening, ...] = ()
    if moving:
        lead = moving[min(int(rng.geometric(0.55)) - 1, len(moving) - 1)]
        own = [h for h in shown if h.subject == lead.subject]
        first = next(i for i, h in enumerate(own) if h is lead)
        happenings = tuple(own[first : first + min(int(rng.geometric(0.6)), 3)])
        subject = lead.subject
    else:
        visible = [k for k in sorted(seen(facts)) if k >= 0 and not facts.things[k].is_prop]
        subject = int(rng.choice(visible or list(range(len(facts.things)))))
        happenings = tuple(h for h in shown if h.subject == subject)[:1] if rng.random() < 0.6 else ()
    happenings = tuple(_vaguer(h, rng) for h in happenings)
    passed = _passed(facts, subject)
    if not happenings or happenings[0].kind not in PASSING or rng.random() < 0.3:
        passed = None
    if passed is not None:
        happenings = (replace(happenings[0], direction=None),)
    looks = _some_looks(facts, subject, rng)
    subjects = _alike(facts, subject, looks, happenings) if passed is None else (subject,)
    if len(subjects) > 1:
        happenings = tuple(replace(h, direction=None, count=None) for h in happenings[:1])
    tells_relation = len(subjects) == 1 and rng.random() < (0.2 if moving else 0.6)
    relation = _some_relation(facts, subject, rng) if tells_relation else None
    if relation is not None and relation.object in (passed, *(happening.object for happening in happenings)):
        relation = None
    extras = _extras(facts, happenings, rng)
    if not happenings and relation is None and not {"ground", "light", "camera"} & set(extras):
        extras = ("ground", *extras)
    return _Content(
        subjects,
        looks,
        happenings,
        frozenset({"colour"}) if rng.random() < 0.8 else frozenset(),
        _stack(facts, happenings) if rng.random() < 0.6 else None,
        passed,
        relation,
        extras,
        str(rng.choice(["sentence", "participle", "list"], p=[0.65, 0.25, 0.1])),
    )


def _vaguer(happening: Happening, rng: np.random.Generator) -> Happening:
    """A happening with its count or direction sometimes left out, or told as mere movement."""
    if happening.kind in ("rolls", "slides", "flies") and happening.direction and rng.random() < 0.08:
        return replace(happening, kind="moves")
    direction = happening.direction if rng.random() < 0.6 else None
    return replace(happening, direction=direction, count=happening.count if rng.random() < 0.6 else None)


def _some_looks(facts: Facts, k: int, rng: np.random.Generator) -> Looks:
    thing = facts.things[k]
    if thing.is_prop:
        return frozenset()
    looks = {look for look, share in (("colour", 0.88), ("size", 0.2), ("material", 0.15)) if rng.random() < share}
    if "colour" in looks:
        for look in ("size", "material"):
            others = [other for j, other in enumerate(facts.things) if j != k and other.shape == thing.shape]
            told_alike = [other for other in others if not differ(thing, other, frozenset(looks))]
            if any(differ(thing, other, frozenset({look})) for other in told_alike):
                looks.add(look)
    return frozenset(looks)


def _alike(facts: Facts, subject: int, looks: Looks, happenings: tuple[Happening, ...]) -> tuple[int, ...]:
    """The subject, or all things that look like it as told, when the first happening is theirs as well."""
    same = _same_astold(facts, subject, looks)
    alone = (subject,)
    if not happenings or facts.things[subject].is_prop or "colour" not in looks:
        return alone
    kind, object_ = happenings[0].kind, happenings[0].object
    doing = {h.subject for h in facts.happenings if h.kind == kind and h.object == object_}
    return tuple(same) if doing >= set(same) else alone


def _same_astold(facts: Facts, k: int, looks: Looks) -> list[int]:
    one = facts.things[k]
    return [j for j, other in enumerate(facts.things) if other.shape == one.shape and not differ(one, other, looks)]


def _some_relation(facts: Facts, subject: int, rng: np.random.Generator) -> Relation | None:
    """A relation of the subject, told from its side."""
    own = [r for r in facts.relations if r.subject == subject]
    own += [Relation(INVERSE[r.kind], subject, r.subject) for r in facts.relations if r.object == subject]
    if not own:
        return None
    relation = own[int(rng.integers(len(own)))]
    sideways = relation.kind in ("left_of", "right_of")
    return replace(relation, kind="beside") if sideways and rng.random() < 0.2 else relation


def _passed(facts: Facts, subject: int) -> int | None:
    """A thing that the subject surely goes past: it hides behind it and comes out beyond, or starts on one side of a
    thing that stays, and leaves the steady frame on the other."""
    for happening in facts.happenings:
        if happening.subject != subject or happening.direction not in ("left", "right"):
            continue
        if happening.kind == "comes_out" and happening.object is not None and is_beyond(happening, facts):
            return happening.object
        if happening.kind == "leaves" and facts.camera_move in ("static", "dolly out", "rise"):
            before = "left_of" if happening.direction == "right" else "right_of"
            staying = {h.subject for h in facts.happenings if h.kind == "still"}
            for relation in facts.relations:
                for told in (relation, Relation(INVERSE[relation.kind], relation.object, relation.subject)):
                    if told.subject == subject and told.kind == before and told.object in staying:
                        return told.object
    return None


def _stack(facts: Facts, happenings: tuple[Happening, ...]) -> str | None:
    """The shape that a stack is made of which the last happening hits, "" when of several."""
    if not happenings or happenings[-1].kind != "hits":
        return None
    members = {happenings[-1].object}
    pairs = [{r.subject, r.object} for r in facts.relations if r.kind == "on"]
    for _ in pairs:
        members = members.union(*(pair for pair in pairs if members & pair))
    shapes = {facts.things[k].shape for k in members if k is not None and k >= 0}
    if len(members) < 2:
        return None
    return shapes.pop() if len(shapes) == 1 else ""


def _extras(facts: Facts, happenings: tuple[Happening, ...], rng: np.random.Generator) -> tuple[str, ...]:
    shares = {"ground": 0.25, "light": 0.35, "side": 0.06, "angle": 0.08}
    shares["camera"] = 0.08 if facts.camera_move == "static" else 0.35
    if any(h.kind == "falls" for h in happenings):
        shares |= {"floor": 0.25, "above": 0.2}
    extras = [extra for extra, share in shares.items() if rng.random() < share]
    if "floor" in extras:
        extras = [extra for extra in extras if extra not in ("ground", "above")]
    return tuple(str(extra) for extra in rng.permutation(extras)[:3])


def _written(content: _Content, facts: Facts, wording: Wording) -> str:
    """The content in words."""
    body = _subject(content, facts, wording)
    if content.relation is not None:
        phrases = RELATIONS[wording.language][content.relation.kind]
        body += " " + wording.one_of(phrases, object=_object(content, content.relation.object, facts, wording))
    form = PLURAL if len(content.subjects) > 1 else SINGULAR
    if content.style != "sentence":
        form = PARTICIPLE
    for index, happening in enumerate(content.happenings):
        object_ = _hit(content, happening, facts, wording)
        clause = told(happening, facts, wording, form, object_)
        if happening.kind == "falls":
            ways = [FALLS[wording.language][extra] for extra in ("above", "floor") if extra in content.extras]
            clause = " ".join([clause, *(wording.one_of(way) for way in ways)])
        if content.passed is not None:
            past = PAST[wording.language]
            clause += " " + wording.one_of(past, object=_object(content, content.passed, facts, wording))
        if index:
            and_, then = (" and ", ", then ") if wording.is_english else (" dan ", f" {wording.word('then')} ")
            body += then if wording.is_canonical() or form != PARTICIPLE else and_
        else:
            yang = not wording.is_english and form == PARTICIPLE
            body += ", " if content.style == "list" else " yang " if yang else " "
        body += clause
    return _with_extras(content, body, facts, wording)


def _subject(content: _Content, facts: Facts, wording: Wording) -> str:
    thing, number = facts.things[content.subjects[0]], len(content.subjects)
    same = 1 if "colour" not in content.looks else len(_same_astold(facts, content.subjects[0], content.looks))
    if number == 1 and same > 1:
        noun = wording.indefinite(wording.noun(thing, content.looks, same), same)
        return f"one of {noun}" if wording.is_english else f"salah satu dari {noun}"
    noun = wording.noun(thing, content.looks, number)
    return noun if content.style == "list" and number == 1 else wording.indefinite(noun, number)


def _object(content: _Content, k: int, facts: Facts, wording: Wording) -> str:
    """The other thing, as "another" when the subject was told in the same words."""
    if k < 0:
        return wording.definite(wording.word("floor"))
    thing, subject = facts.things[k], facts.things[content.subjects[0]]
    looks: Looks = frozenset() if thing.is_prop else content.object_looks
    noun = wording.noun(thing, looks)
    alike = thing.shape == subject.shape and looks <= content.looks and not differ(thing, subject, looks)
    return wording.another(noun) if alike else wording.indefinite(noun)


def _hit(content: _Content, happening: Happening, facts: Facts, wording: Wording) -> str:
    if happening.object is None:
        return wording.indefinite(wording.word("ramp"))
    if content.stack is not None and happening is content.happenings[-1]:
        return _stack_of(content.stack, wording)
    return _object(content, happening.object, facts, wording)


def _stack_of(shape: str, wording: Wording) -> str:
    stack = wording.indefinite(wording.word("stack"))
    if not shape:
        return stack
    return stack + (" of " if wording.is_english else " ") + wording.word(shape, PLURAL)


def _with_extras(content: _Content, body: str, facts: Facts, wording: Wording) -> str:
    """The body with ground, light and camera before or after it."""
    phrases = {
        "ground": lambda: ground(facts, wording),
        "light": lambda: wording.word(facts.light_time),
        "side": lambda: light_side(facts, wording),
        "angle": lambda: wording.word(facts.camera_angle),
        "camera": lambda: camera(facts, wording),
    }
    before: list[str] = []
    for extra in ("ground", "light", "side", "angle", "camera"):
        if extra not in content.extras:
            continue
        phrase = phrases[extra]()
        in_front = wording.rng.random() < 0.25 and not (extra == "ground" and not content.happenings)
        if in_front:
            before.append(phrase)
        elif extra in ("camera", "side", "angle") or content.style == "list" or wording.rng.random() < 0.2:
            body += f", {phrase}"
        else:
            body += f" {phrase}"
    return ", ".join([*before, body])
