"""Dense captions: everything that the facts hold."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from langit.simulator.telling import Looks, camera, differ, ground, light_side, look, seen, told
from langit.simulator.wording import ORDINALS, PASSIVES, PLACES, PLURAL, RELATIONS, SINGULAR, Wording
from langit.simulator.world import Facts, Happening, Relation

ALL_LOOKS: Looks = frozenset({"size", "colour", "material"})
DISTINGUISHING: tuple[Looks, ...] = (
    frozenset({"colour"}),
    frozenset({"colour", "size"}),
    frozenset({"colour", "material"}),
    ALL_LOOKS,
)
"""Looks that a later mention has: the first that single the thing out."""
SIMULTANEOUS = 0.15  # seconds
PASSIVE_SHARE = 0.15


class DenseCaption:
    """One dense caption on its way. It keeps track of which things have been introduced."""

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
        return frozenset(rods | (set(range(len(self.facts.things))) - seen(self.facts)))

    @cached_property
    def groups(self) -> list[list[int]]:
        """Things that look the same, in order; props of one kind look the same."""
        groups: dict[object, list[int]] = {}
        for k, thing in enumerate(self.facts.things):
            if k not in self.hidden:
                groups.setdefault(look(thing), []).append(k)
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
        group = next((group for group in self.groups if k in group), [k])
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
        others = [other for other in self.facts.things if other.shape == thing.shape and look(other) != look(thing)]
        return next(looks for looks in DISTINGUISHING if all(differ(thing, other, looks) for other in others))

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
            phrases = RELATIONS[self.wording.language]
            where = [self.wording.one_of(phrases[one.kind], object=self.mention(one.object)) for one in relations]
            verb = "is" if self.wording.is_english else "ada" if is_on or self.rng.random() < 0.3 else "berada"
            sentences.append(f"{mention} {verb} {self.wording.listed(where)}")
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
        if self.rng.random() < 0.6:
            return f", {self.then} "
        return " and then " if self.wording.is_english else f" {self.then} "

    def is_idle_prop(self, happening: Happening) -> bool:
        return happening.kind == "still" and self.facts.things[happening.subject].is_prop

    def stillness(self, still: list[Happening]) -> str:
        subjects = self.wording.listed([self.mention(happening.subject) for happening in still])
        return f"{subjects} {self.wording.word('still', SINGULAR if len(still) == 1 else PLURAL)}"

    def clause(self, happening: Happening, elided: bool) -> str:
        """One happening; `elided` leaves the subject out."""
        wording, object_ = self.wording, happening.object
        passives = PASSIVES[wording.language].get(happening.kind)
        if passives and not elided and object_ is not None and object_ >= 0 and self.rng.random() < PASSIVE_SHARE:
            return f"{self.mention(object_)} {wording.one_of(passives, object=self.mention(happening.subject))}"
        subject = "" if elided else self.mention(happening.subject) + " "
        text = told(happening, self.facts, wording, SINGULAR, self.object_of(happening))
        if happening.kind == "swings" and any(thing.shape == "rod" for thing in self.facts.things):
            text += " " + wording.fill("on a {rod}" if wording.is_english else "di {rod}")
        return subject + text

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
        parts = [ground(self.facts, self.wording), self.wording.word(self.facts.light_time)]
        if self.rng.random() < 0.5:
            parts.reverse()
        return f"{' '.join(parts)}, {light_side(self.facts, self.wording)}"

    def camera(self) -> str:
        angle = self.wording.word(self.facts.camera_angle)
        joint = ", " if self.rng.random() < 0.3 else " "
        return camera(self.facts, self.wording) + joint + angle


def _apart(happenings: list[Happening]) -> tuple[list[Happening], list[Happening]]:
    """Those that lie still, and the others."""
    return [h for h in happenings if h.kind == "still"], [h for h in happenings if h.kind != "still"]
