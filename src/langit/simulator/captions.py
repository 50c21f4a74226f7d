"""Facts to sentences: a dense caption says all of them, a short one a few, as a user would.

What to say is chosen first, the same in both languages; how to say it is chosen after, by a stream of its own. So the
captions of the same facts and the same `rng` in two languages say the same.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np

from langit.simulator.world import Facts, Happening, Relation, Thing
from langit.simulator.wording import (
    CAMERA_MOVES,
    DIRECTIONS,
    FALLS,
    HAPPENINGS,
    LIGHT_SIDES,
    ORDINALS,
    PARTICIPLE,
    PASSIVES,
    PAST,
    PLACES,
    PLURAL,
    RELATIONS,
    SINGULAR,
    Wording,
)

Language = Literal["en", "id"]
Detail = Literal["dense", "short"]
Looks = frozenset[str]

ALL_LOOKS: Looks = frozenset({"size", "colour", "material"})
DISTINGUISHING: tuple[Looks, ...] = (
    frozenset({"colour"}),
    frozenset({"colour", "size"}),
    frozenset({"colour", "material"}),
    ALL_LOOKS,
)
"""Looks that a later mention has, the fewest that single the thing out."""
SIMULTANEOUS = 0.15  # seconds
MOST_SHORT_WORDS = 14
FEWEST_SHORT_WORDS = 3
PASSING = ("rolls", "slides", "flies", "bounces", "moves")
"""Happenings that may be told as going past a thing."""
UNDIRECTED = ("still", "hits", "goes_behind", "comes_out", "comes_out_beyond", "swings", "spins", "stops")
"""Happenings whose direction is not told, for it would be read as another's."""


def caption(facts: Facts, *, language: Language, detail: Detail, rng: np.random.Generator) -> str:
    """A caption that says only what `facts` hold.

    Dense: every thing with its looks and place, every relation and happening in order, camera, light and ground. Short: 3 to
    14 words. Raises ValueError for another language or detail.
    """
    if language not in ("en", "id") or detail not in ("dense", "short"):
        raise ValueError(f"no {detail!r} caption in {language!r}: language is 'en' or 'id', detail is 'dense' or 'short'")
    contents, words = (np.random.default_rng(seed) for seed in rng.integers(2**63, size=2))
    if detail == "dense":
        return _Dense(facts, Wording(language, words)).text()
    return _short(facts, language, contents, words)


# Dense captions.


class _Dense:
    """One dense caption on its way; keeps track of which things have been introduced."""

    def __init__(self, facts: Facts, wording: Wording):
        self.facts, self.wording = facts, wording
        self.introduced: set[int] = set()

    @property
    def rng(self) -> np.random.Generator:
        return self.wording.rng

    def text(self) -> str:
        """All sentences; camera and light stand in front or at the end."""
        weaves = not self.has_lookalikes and self.rng.random() < 0.5
        body = [] if weaves else self.introduction()
        body += self.relations() + self.story()
        body += self.introduction()
        setting, camera = self.setting(), self.camera()
        order = int(self.rng.integers(4))
        sentences = {
            0: [*body, setting, camera],
            1: [setting, *body, camera],
            2: [camera, *body, setting],
            3: [setting, camera, *body],
        }[order]
        return " ".join(sentence[0].upper() + sentence[1:] + "." for sentence in sentences)

    # Things.

    @cached_property
    def hidden(self) -> frozenset[int]:
        """Things that are not told by themselves: never seen, or a rod, which is told with the swing."""
        swings = any(happening.kind == "swings" for happening in self.facts.happenings)
        rods = {k for k, thing in enumerate(self.facts.things) if swings and thing.shape == "rod"}
        return frozenset(rods | (set(range(len(self.facts.things))) - _seen(self.facts)))

    @cached_property
    def groups(self) -> list[list[int]]:
        """Things that look the same, in order; props of one kind look the same."""
        groups: dict[object, list[int]] = {}
        for k, thing in enumerate(self.facts.things):
            if k not in self.hidden:
                groups.setdefault(_look(thing), []).append(k)
        return list(groups.values())

    @property
    def has_lookalikes(self) -> bool:
        return any(len(group) > 1 for group in self.groups)

    def introduction(self) -> list[str]:
        """A sentence that introduces everything that has not been."""
        groups = [group for group in self.groups if not self.introduced & set(group)]
        if not groups:
            return []
        listed = self.wording.listed([self.introduce(group) for group in groups])
        if self.rng.random() < 0.4:
            return [listed]
        if not self.wording.is_english:
            return [f"ada {listed}" if self.rng.random() < 0.5 else f"terlihat {listed}"]
        return [f"there {'is' if len(groups[0]) == 1 else 'are'} {listed}"]

    def introduce(self, group: list[int]) -> str:
        """The first mention of things that look the same, with their places."""
        self.introduced |= set(group)
        thing = self.facts.things[group[0]]
        noun = self.wording.noun(thing, frozenset() if thing.is_prop else ALL_LOOKS, len(group))
        mention = self.wording.indefinite(noun, len(group))
        places = [self.place(k) for k in group]
        if len(set(places)) == 1:
            return f"{mention} {self.told_place(places[0])}"
        one = self.wording.word("one")
        return f"{mention} ({self.wording.listed([f'{one} {self.told_place(place)}' for place in places])})"

    def place(self, k: int) -> str:
        return self.facts.places[k] or "outside"

    def told_place(self, place: str) -> str:
        return self.wording.one_of(PLACES[self.wording.language][place])

    def mention(self, k: int) -> str:
        """The thing, introduced when it has not been."""
        if k not in self.introduced:
            return self.introduce([k])
        thing = self.facts.things[k]
        group = next(group for group in self.groups if k in group)
        noun = self.wording.noun(thing, self.distinguishing(k))
        if len(group) == 1:
            return self.wording.definite(noun)
        places = [self.place(member) for member in group]
        if len(set(places)) == len(group) and not {"top", "outside"} & set(places):
            return f"{self.wording.definite(noun)} {self.told_place(self.place(k))}"
        return self.wording.definite(noun, min(group.index(k), len(ORDINALS) - 1))

    def distinguishing(self, k: int) -> Looks:
        thing = self.facts.things[k]
        if thing.is_prop:
            return frozenset()
        others = [other for other in self.facts.things if other.shape == thing.shape and _look(other) != _look(thing)]
        return next(looks for looks in DISTINGUISHING if all(_differ(thing, other, looks) for other in others))

    # Where and what.

    def relations(self) -> list[str]:
        """A sentence per thing that stands in relations."""
        subjects: dict[int, list[Relation]] = {}
        for relation in self.facts.relations:
            subjects.setdefault(relation.subject, []).append(relation)
        sentences = []
        for subject, relations in subjects.items():
            mention = self.mention(subject)
            is_on = all(relation.kind == "on" for relation in relations)
            told = [
                self.wording.one_of(RELATIONS[self.wording.language][relation.kind], object=self.mention(relation.object))
                for relation in relations
            ]
            verb = "is" if self.wording.is_english else "ada" if is_on or self.rng.random() < 0.3 else "berada"
            sentences.append(f"{mention} {verb} {self.wording.listed(told)}")
        return sentences

    def story(self) -> list[str]:
        """What happens, in order, in sentences of up to three clauses."""
        still, rest = _apart([h for h in self.facts.happenings if not self.is_idle_prop(h)])
        if not rest:
            return [self.stillness(still)] if still else []
        sentences: list[str] = []
        text, clauses, previous, waiting = "", 0, None, bool(still)
        for happening in rest:
            same = previous is not None and previous.subject == happening.subject
            at_once = previous is not None and abs(happening.time - previous.time) <= SIMULTANEOUS
            joint = "while" if at_once and not same else "and" if at_once else "then"
            if clauses == 3:
                sentences.append(text)
                text, clauses = "", 0
            if not text:
                opening = "" if previous is None or self.rng.random() < 0.5 else f"{self.then} "
                text = opening + self.clause(happening, elided=False)
            else:
                text += self.joint(joint) + self.clause(happening, elided=same)
            if waiting:
                text += self.joint("while") + self.stillness(still)
                waiting, clauses = False, 2
            clauses, previous = clauses + 1, happening
        return [*sentences, text]

    @property
    def then(self) -> str:
        return "then" if self.wording.is_english else self.wording.word("then")

    def joint(self, kind: str) -> str:
        if kind == "while":
            return f" {self.wording.word('while')} "
        if kind == "and":
            return " and " if self.wording.is_english else " dan "
        return f", {self.then} " if self.rng.random() < 0.6 else f" {'and then' if self.wording.is_english else self.then} "

    def is_idle_prop(self, happening: Happening) -> bool:
        return happening.kind == "still" and self.facts.things[happening.subject].is_prop

    def stillness(self, still: list[Happening]) -> str:
        subjects = self.wording.listed([self.mention(happening.subject) for happening in still])
        return f"{subjects} {self.wording.word('still', SINGULAR if len(still) == 1 else PLURAL)}"

    def clause(self, happening: Happening, elided: bool) -> str:
        """One happening; `elided` leaves the subject out."""
        wording = self.wording
        passives = PASSIVES[wording.language].get(happening.kind)
        if passives and not elided and happening.object is not None and happening.object >= 0 and self.rng.random() < 0.15:
            subject = self.mention(happening.object)
            return f"{subject} {wording.one_of(passives, object=self.mention(happening.subject))}"
        subject = "" if elided else self.mention(happening.subject) + " "
        told = _told(happening, self.facts, wording, SINGULAR, self.object_of(happening))
        if happening.kind == "swings" and any(thing.shape == "rod" for thing in self.facts.things):
            told += " " + wording.fill("on a {rod}" if wording.is_english else "di {rod}")
        return subject + told

    def object_of(self, happening: Happening) -> str:
        object_ = happening.object
        if object_ is None and happening.kind == "rolls_down":
            object_ = next((k for k, thing in enumerate(self.facts.things) if thing.shape == "ramp"), None)
        if object_ is None or object_ < 0:
            return self.wording.definite(self.wording.word("floor"))
        return self.mention(object_)

    # How it is seen.

    def setting(self) -> str:
        """Time of day, side of the light and ground."""
        parts = [_ground(self.facts, self.wording), self.wording.word(self.facts.light_time)]
        if self.rng.random() < 0.5:
            parts.reverse()
        return f"{' '.join(parts)}, {_light_side(self.facts, self.wording)}"

    def camera(self) -> str:
        angle = self.wording.word(self.facts.camera_angle)
        joint = ", " if self.rng.random() < 0.3 else " "
        return _camera(self.facts, self.wording) + joint + angle


# Short captions.


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
    """The shape that the stack is made of, when a stack is hit."""
    passed: int | None
    """A thing that the first happening goes past."""
    relation: Relation | None
    extras: tuple[str, ...]
    """Of floor, above, ground, light, side, camera, angle; the last is the first to go when the caption grows too long."""
    style: str
    """sentence, participle or list."""


def _short(facts: Facts, language: Language, contents: np.random.Generator, words: np.random.Generator) -> str:
    content = _content(facts, contents)
    while not all(_has_short_length(_written(content, facts, Wording(each, words, 1.0))) for each in ("en", "id")):
        content = _shorter(content)
    for _ in range(8):
        text = _written(content, facts, Wording(language, words))
        if _has_short_length(text):
            return text
    return _written(content, facts, Wording(language, words, 1.0))


def _has_short_length(text: str) -> bool:
    return FEWEST_SHORT_WORDS <= len(text.split()) <= MOST_SHORT_WORDS


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
        visible = [k for k in sorted(_seen(facts)) if k >= 0 and not facts.things[k].is_prop]
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
    relation = _some_relation(facts, subject, rng) if len(subjects) == 1 and rng.random() < (0.2 if moving else 0.6) else None
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
            if any(not _differ(thing, other, frozenset(looks)) for other in others):
                looks.add(look)
    return frozenset(looks)


def _alike(facts: Facts, subject: int, looks: Looks, happenings: tuple[Happening, ...]) -> tuple[int, ...]:
    """The subject, or all things that look like it as told, when the first happening is theirs as well."""
    same = _same_as_told(facts, subject, looks)
    alone = (subject,)
    if not happenings or facts.things[subject].is_prop or "colour" not in looks:
        return alone
    kind, object_ = happenings[0].kind, happenings[0].object
    doing = {h.subject for h in facts.happenings if h.kind == kind and h.object == object_}
    return tuple(same) if doing >= set(same) else alone


def _same_as_told(facts: Facts, k: int, looks: Looks) -> list[int]:
    thing = facts.things[k]
    return [j for j, other in enumerate(facts.things) if other.shape == thing.shape and not _differ(thing, other, looks)]


_INVERSE = {"left_of": "right_of", "right_of": "left_of", "in_front_of": "behind", "behind": "in_front_of", "on": "under"}


def _some_relation(facts: Facts, subject: int, rng: np.random.Generator) -> Relation | None:
    """A relation of the subject, told from its side."""
    own = [r for r in facts.relations if r.subject == subject]
    own += [Relation(_INVERSE[r.kind], subject, r.subject) for r in facts.relations if r.object == subject]
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
        if happening.kind == "comes_out" and happening.object is not None and _is_beyond(happening, facts):
            return happening.object
        if happening.kind == "leaves" and facts.camera_move in ("static", "dolly out", "rise"):
            before = "left_of" if happening.direction == "right" else "right_of"
            staying = {h.subject for h in facts.happenings if h.kind == "still"}
            for relation in facts.relations:
                for told in (relation, Relation(_INVERSE[relation.kind], relation.object, relation.subject)):
                    if told.subject == subject and told.kind == before and told.object in staying:
                        return told.object
    return None


def _stack(facts: Facts, happenings: tuple[Happening, ...]) -> str | None:
    """The shape of the stack that the last happening hits, if all of it has one shape."""
    if not happenings or happenings[-1].kind != "hits":
        return None
    members = {happenings[-1].object}
    for _ in facts.relations:
        members |= {k for r in facts.relations if r.kind == "on" and members & {r.subject, r.object} for k in (r.subject, r.object)}
    shapes = {facts.things[k].shape for k in members if k is not None and k >= 0}
    return shapes.pop() if len(members) > 1 and len(shapes) == 1 else None


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
        told = _told(happening, facts, wording, form, object_)
        if happening.kind == "falls":
            told += "".join(f" {wording.one_of(FALLS[wording.language][e])}" for e in content.extras if e in ("floor", "above"))
        if content.passed is not None:
            past = PAST[wording.language]
            told += " " + wording.one_of(past, object=_object(content, content.passed, facts, wording))
        if index:
            and_, then = (" and ", ", then ") if wording.is_english else (" dan ", f" {wording.word('then')} ")
            body += then if wording.is_canonical() or form != PARTICIPLE else and_
        else:
            yang = not wording.is_english and form == PARTICIPLE
            body += ", " if content.style == "list" else " yang " if yang else " "
        body += told
    return _with_extras(content, body, facts, wording)


def _subject(content: _Content, facts: Facts, wording: Wording) -> str:
    thing, number = facts.things[content.subjects[0]], len(content.subjects)
    same = 1 if "colour" not in content.looks else len(_same_as_told(facts, content.subjects[0], content.looks))
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
    alike = thing.shape == subject.shape and looks <= content.looks and not _differ(thing, subject, looks)
    return wording.another(noun) if alike else wording.indefinite(noun)


def _hit(content: _Content, happening: Happening, facts: Facts, wording: Wording) -> str:
    if happening.object is None:
        return wording.indefinite(wording.word("ramp"))
    if content.stack is not None and happening is content.happenings[-1]:
        return _stack_of(content.stack, wording)
    return _object(content, happening.object, facts, wording)


def _stack_of(shape: str, wording: Wording) -> str:
    joint = " of " if wording.is_english else " "
    return wording.indefinite(wording.word("stack")) + joint + wording.word(shape, PLURAL)


def _with_extras(content: _Content, body: str, facts: Facts, wording: Wording) -> str:
    """The body with ground, light and camera before or after it."""
    phrases = {
        "ground": lambda: _ground(facts, wording),
        "light": lambda: wording.word(facts.light_time),
        "side": lambda: _light_side(facts, wording),
        "angle": lambda: wording.word(facts.camera_angle),
        "camera": lambda: _camera(facts, wording),
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


# What both share.


def _told(happening: Happening, facts: Facts, wording: Wording, form: int, object_: str) -> str:
    """What the subject does, with object, count and direction."""
    kind, direction = happening.kind, ""
    if kind == "slides" and happening.object is not None:
        kind = "slides_down"
    if kind == "comes_out" and _is_beyond(happening, facts):
        kind = "comes_out_beyond"
    if happening.direction is not None and kind not in UNDIRECTED:
        direction = wording.one_of(DIRECTIONS[wording.language][happening.direction])
    phrase = HAPPENINGS[kind]
    told = wording.fill(phrase, form, object=object_, direction=direction)
    if happening.count is not None:
        told += " " + wording.times(happening.count)
    if "{direction}" not in phrase:
        told += " " + direction
    return " ".join(told.split())


def _is_beyond(appearing: Happening, facts: Facts) -> bool:
    """Whether what comes out goes on in the direction in which it went behind."""
    hidings = [h for h in facts.happenings if h.kind == "goes_behind" and h.subject == appearing.subject]
    hidings = [h for h in hidings if h.time <= appearing.time]
    return bool(hidings) and hidings[-1].direction == appearing.direction in ("left", "right")


def _seen(facts: Facts) -> set[int]:
    """Things that are seen at some time: placed in the first frame, or in something that happens."""
    seen = {k for k, place in enumerate(facts.places) if place is not None}
    happenings = {k for h in facts.happenings for k in (h.subject, h.object) if k is not None}
    return seen | happenings | {k for r in facts.relations for k in (r.subject, r.object)}


def _look(thing: Thing) -> tuple[str, ...]:
    return (thing.shape,) if thing.is_prop else (thing.shape, thing.colour, thing.size, thing.material)


def _differ(a: Thing, b: Thing, looks: Looks) -> bool:
    return any(getattr(a, look) != getattr(b, look) for look in looks)


def _apart(happenings: list[Happening]) -> tuple[list[Happening], list[Happening]]:
    """Those that lie still, and the others."""
    return [h for h in happenings if h.kind == "still"], [h for h in happenings if h.kind != "still"]


def _ground(facts: Facts, wording: Wording) -> str:
    return f"{'on the' if wording.is_english else 'di atas'} {wording.word(facts.ground)}"


def _light_side(facts: Facts, wording: Wording) -> str:
    return wording.one_of(LIGHT_SIDES[wording.language][facts.light_side])


def _camera(facts: Facts, wording: Wording) -> str:
    return wording.one_of(CAMERA_MOVES[wording.language][facts.camera_move])
