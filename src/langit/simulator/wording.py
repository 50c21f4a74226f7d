"""How each language puts the world's facts: phrases with holes, and the order of words in a noun phrase.

In a phrase, "{ball}" is a word for that concept of the lexicon, in the form that the phrase is asked for. "{object}"
and "{direction}" are texts that the caller gives.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np

from langit.simulator.world import Thing
from langit.text import lexicon

NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
ORDINALS = ("first", "second", "third", "fourth")
SINGULAR, PLURAL, PARTICIPLE = 0, 1, 2

Phrases = dict[str, tuple[str, ...]]

HAPPENINGS: dict[str, str] = {
    "still": "{still}",
    "falls": "{fall}",
    "bounces": "{bounce}",
    "rolls": "{roll}",
    "slides": "{slide}",
    "flies": "{fly}",
    "hits": "{hit} {object}",
    "topples": "{topple}",
    "rolls_down": "{roll} {direction} {down} {object}",
    "slides_down": "{slide} {direction} {down} {object}",
    "goes_behind": "{pass} {behind} {object}",
    "comes_out": "{appear}",
    "comes_out_beyond": "{appear} {other side}",
    "swings": "{swing}",
    "spins": "{spin}",
    "stops": "{stop}",
    "leaves": "{leave}",
    "moves": "{move}",
}
"""What a subject does, the same in both languages: the verb and its object, without the subject. A direction without a
hole comes last."""

PASSIVES: dict[str, dict[str, tuple[str, str]]] = {
    "en": {"hits": ("is hit by {object}", "is struck by {object}")},
    "id": {"hits": ("ditabrak oleh {object}", "ditabrak {object}")},
}

DIRECTIONS: dict[str, Phrases] = {
    "en": {"left": ("to the left",), "right": ("to the right",), "away": ("{away}",), "towards": ("{towards}",)},
    "id": {
        "left": ("ke kiri", "ke arah kiri"),
        "right": ("ke kanan", "ke arah kanan"),
        "away": ("{away}",),
        "towards": ("{towards}",),
    },
}

PLACES: dict[str, Phrases] = {
    "en": {
        "left": ("on the left", "on the left side"),
        "right": ("on the right", "on the right side"),
        "centre": ("in the {centre}",),
        "top": ("{top}",),
        "outside": ("{enter}",),
    },
    "id": {
        "left": ("di kiri", "di sebelah kiri", "di sisi kiri"),
        "right": ("di kanan", "di sebelah kanan", "di sisi kanan"),
        "centre": ("di tengah", "di bagian tengah"),
        "top": ("{top}",),
        "outside": ("{enter}",),
    },
}

RELATIONS: dict[str, Phrases] = {
    "en": {
        "left_of": ("to the left of {object}", "left of {object}", "on the left of {object}"),
        "right_of": ("to the right of {object}", "right of {object}", "on the right of {object}"),
        "in_front_of": ("{front} {object}",),
        "behind": ("{behind} {object}",),
        "on": ("{on} {object}",),
        "beside": ("{beside} {object}",),
        "under": ("{under} {object}",),
    },
    "id": {
        "left_of": ("di sebelah kiri {object}", "di kiri {object}", "di sebelah kiri dari {object}"),
        "right_of": ("di sebelah kanan {object}", "di kanan {object}", "di sebelah kanan dari {object}"),
        "in_front_of": ("{front} {object}",),
        "behind": ("{behind} {object}",),
        "on": ("{on} {object}",),
        "beside": ("{beside} {object}",),
        "under": ("{under} {object}",),
    },
}

CAMERA_MOVES: dict[str, Phrases] = {
    "en": {
        "static": (
            "the {camera} is still",
            "the {camera} does not move",
            "the {camera} is fixed",
        ),
        "pan left": ("the {camera} {pan} left", "the {camera} {pan} to the left"),
        "pan right": ("the {camera} {pan} right", "the {camera} {pan} to the right"),
        "orbit left": ("the {camera} {orbit} left", "the {camera} {orbit} to the left"),
        "orbit right": ("the {camera} {orbit} right", "the {camera} {orbit} to the right"),
        "dolly in": ("the {camera} moves closer", "the {camera} dollies in", "the {camera} pushes in"),
        "dolly out": ("the {camera} moves away", "the {camera} pulls back", "the {camera} dollies out"),
        "rise": ("the {camera} {rise}", "the {camera} moves up"),
    },
    "id": {
        "static": ("{camera} {still}", "{camera} statis", "{camera} tetap"),
        "pan left": ("{camera} {pan} ke kiri", "{camera} bergeser ke kiri"),
        "pan right": ("{camera} {pan} ke kanan", "{camera} bergeser ke kanan"),
        "orbit left": ("{camera} {orbit} ke kiri", "{camera} {orbit} adegan ke kiri"),
        "orbit right": ("{camera} {orbit} ke kanan", "{camera} {orbit} adegan ke kanan"),
        "dolly in": ("{camera} bergerak mendekat", "{camera} mendekat", "{camera} maju"),
        "dolly out": ("{camera} bergerak menjauh", "{camera} menjauh", "{camera} mundur"),
        "rise": ("{camera} {rise}", "{camera} bergerak naik"),
    },
}

LIGHT_SIDES: dict[str, Phrases] = {
    "en": {
        "left": ("{light} from the left", "lit from the left"),
        "right": ("{light} from the right", "lit from the right"),
        "behind": ("{light} from behind", "lit from behind"),
        "front": ("{light} from the front", "lit from the front"),
    },
    "id": {
        "left": ("{light} dari kiri", "disinari dari kiri", "{light} dari sebelah kiri"),
        "right": ("{light} dari kanan", "disinari dari kanan", "{light} dari sebelah kanan"),
        "behind": ("{light} dari belakang", "disinari dari belakang"),
        "front": ("{light} dari depan", "disinari dari depan"),
    },
}

PAST: dict[str, tuple[str, ...]] = {"en": ("past {object}",), "id": ("melewati {object}", "melintasi {object}")}
"""What a moving thing passes, after its verb."""

FALLS: dict[str, Phrases] = {
    "en": {"floor": ("to the {floor}",), "above": ("from above", "from the sky", "from high up")},
    "id": {"floor": ("ke {floor}",), "above": ("dari atas", "dari udara", "dari ketinggian")},
}
"""Where to, and where from, in short captions."""


@dataclass
class Wording:
    """Words for one caption in one language: a concept keeps its word within the caption."""

    language: str
    rng: np.random.Generator
    canonical_share: float = 0.6
    """How often the canonical word or phrase is written where there are others."""
    chosen: dict[str, int] = field(default_factory=dict)

    @property
    def is_english(self) -> bool:
        return self.language == "en"

    def is_canonical(self) -> bool:
        return bool(self.rng.random() < self.canonical_share)

    def word(self, name: str, form: int = SINGULAR) -> str:
        """A word for a concept, in its form (the last one it has when it has fewer)."""
        synonyms = lexicon.concept(name).written[self.language]
        if name not in self.chosen:
            canonical = len(synonyms) == 1 or self.is_canonical()
            self.chosen[name] = 0 if canonical else int(self.rng.integers(1, len(synonyms)))
        forms = synonyms[self.chosen[name]]
        return forms[min(form, len(forms) - 1)]

    def fill(self, phrase: str, form: int = SINGULAR, **texts: str) -> str:
        """A phrase with its holes filled."""

        def filled(match: re.Match[str]) -> str:
            name = match.group(1)
            return texts[name] if name in texts else self.word(name, form)

        return re.sub(r"\{([^}]+)\}", filled, phrase)

    def one_of(self, phrases: tuple[str, ...], form: int = SINGULAR, **texts: str) -> str:
        """One of the phrases, filled; the first one most often."""
        first = len(phrases) == 1 or self.is_canonical()
        return self.fill(phrases[0 if first else int(self.rng.integers(1, len(phrases)))], form, **texts)

    def noun(self, thing: Thing, looks: frozenset[str], number: int = 1) -> str:
        """The thing with those of its looks ("size", "colour", "material"), without an article."""
        noun = self.word(thing.shape, SINGULAR if number == 1 else PLURAL)
        size = self.word(thing.size) if "size" in looks else ""
        colour = self.word(thing.colour) if "colour" in looks else ""
        material = self.word(thing.material) if "material" in looks else ""
        if self.is_english:
            words = (size, colour, material, noun)
            if material and thing.material != "matte" and not self.is_canonical():
                words = (size, colour, noun, f"made of {material}")
        elif material and thing.material != "matte" and not self.is_canonical():
            words = (noun, colour, size, f"dari {material}")
        elif thing.material != "matte":
            words = (noun, material, colour, size)
        else:
            words = (noun, colour, material, size)
        return " ".join(word for word in words if word)

    def indefinite(self, noun: str, number: int = 1) -> str:
        """A ball; two balls; sebuah bola; dua bola."""
        if number > 1:
            return f"{self.number(number)} {noun}"
        if not self.is_english:
            return f"sebuah {noun}"
        return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"

    def definite(self, noun: str, ordinal: int | None = None) -> str:
        """The ball; the second ball; bola itu; bola yang kedua."""
        if self.is_english:
            return f"the {noun}" if ordinal is None else f"the {self.word(ORDINALS[ordinal])} {noun}"
        if ordinal is not None:
            return f"{noun} {self.word(ORDINALS[ordinal])}"
        return f"{noun} itu" if self.rng.random() < 0.5 else noun

    def another(self, noun: str) -> str:
        return f"another {noun}" if self.is_english else f"{noun} lain"

    def number(self, number: int) -> str:
        return self.word(NUMBERS[number - 1]) if number <= len(NUMBERS) else self.word("several")

    def times(self, count: int) -> str:
        """Twice; three times; dua kali."""
        if count == 1:
            return "once" if self.is_english else "sekali"
        if count == 2 and self.is_english and self.is_canonical():
            return "twice"
        return f"{self.number(count)} {self.word('times')}"

    def listed(self, items: list[str]) -> str:
        """A, b and c."""
        joint = " and " if self.is_english else " dan "
        return items[0] if len(items) == 1 else ", ".join(items[:-1]) + joint + items[-1]
