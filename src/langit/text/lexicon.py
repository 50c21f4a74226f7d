"""The closed vocabulary of the embedded model: a prompt in English or Indonesian to concepts that both share.

`read` finds the longest known words first, puts them in one order for both languages (`word_order`), drops what carries
nothing, and names what it does not know in place of guessing. The words themselves are in `vocabulary`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from langit.text.vocabulary import DROPPED, PHRASES, ROWS
from langit.text.word_order import in_order

LANGUAGES = ("en", "id")
NUM_CONCEPTS = 256
"""Size of an embedding table: ids in use, then spare ones for rows that are appended later."""
FUNCTION_CATEGORIES = ("control", "punctuation", "grammar")
"""Concepts of every other category say something about what is seen."""

_WORDS = re.compile(r"[^\W_]+(?:['’][^\W_]+)*(?:-[^\W_]+(?:['’][^\W_]+)*)*|[^\w\s]+", re.UNICODE)
_PARTICLES = ("nya", "lah", "kah", "pun")
_PUNCTUATION = {",": ",", ";": ",", ":": ",", ".": ".", "!": ".", "?": ".", "…": "."}
_ON_GROUND = {"en": ("in", "in the", "over", "over the"), "id": ("di", "pada")}
"""Prepositions that say "on" in front of a ground: in the snow, di rumput."""
ANGLES = ("eye level", "low angle", "high angle")
"""What a prompt may say of the camera beside its moves."""
_KNOWN_CATEGORIES = ("shapes", "props", "colours", "materials", "sizes", "events", "camera", "light", "ground")


@dataclass(frozen=True)
class Concept:
    """One thing that a prompt can say, with the words for it."""

    name: str
    category: str
    written: dict[str, tuple[tuple[str, ...], ...]]
    """Per language the synonyms that captions use, canonical first; each has its forms: noun (singular, plural), verb
    (he ...s, they ..., ...ing)."""
    understood: dict[str, tuple[str, ...]]
    """Per language every surface form, the written ones included."""


@dataclass(frozen=True)
class Reading:
    """What a prompt says in concepts."""

    tokens: tuple[int, ...]
    """Concept ids, in the order of `word_order`; the first stands before every prompt."""
    concepts: tuple[str, ...]
    """The name of each token."""
    unknown: tuple[str, ...]
    """Words that no concept has, each once, as the user spells them."""
    language: str


def _cell(cell: str) -> tuple[tuple[tuple[str, ...], ...], tuple[str, ...]]:
    """A cell of the table as its written synonyms and all its surface forms."""
    written, _, understood = cell.partition(";")
    synonyms = [tuple(form.strip() for form in entry.split("|")) for entry in written.split(",") if entry.strip()]
    others = [form.strip() for entry in understood.split(",") for form in entry.split("|") if form.strip()]
    return tuple(synonyms), tuple([form for synonym in synonyms for form in synonym] + others)


def _concept(name: str, category: str, *cells: str) -> Concept:
    parsed = {language: _cell(cell) for language, cell in zip(LANGUAGES, cells, strict=True)}
    return Concept(
        name,
        category,
        {language: written for language, (written, _) in parsed.items()},
        {language: understood for language, (_, understood) in parsed.items()},
    )


CONCEPTS: tuple[Concept, ...] = tuple(_concept(*row) for row in ROWS)
"""Every concept; its place is its id."""
CONCEPT_IDS: dict[str, int] = {concept.name: index for index, concept in enumerate(CONCEPTS)}
assert len(CONCEPT_IDS) == len(CONCEPTS) <= NUM_CONCEPTS


def concept(name: str) -> Concept:
    """The concept of that name."""
    return CONCEPTS[CONCEPT_IDS[name]]


@dataclass(frozen=True)
class _Word:
    """One word or run of signs: as spelled, and as looked up."""

    spelled: str
    key: str

    @property
    def is_word(self) -> bool:
        return self.key[0].isalnum()


def _clean(prompt: str) -> str:
    """Compatible forms unified; control, format and unpaired surrogate characters out; line ends become spaces."""
    if prompt.isascii() and prompt.isprintable():
        return prompt
    unified = unicodedata.normalize("NFKC", prompt)
    kept = (" " if character.isspace() else character for character in unified)
    return "".join(c for c in kept if c == " " or unicodedata.category(c)[0] != "C")


def _split(prompt: str) -> Iterator[_Word]:
    """Words in order; a hyphen parts words, save that a repeated word (bola-bola) is one; signs stand alone."""
    for match in _WORDS.finditer(_clean(prompt)):
        text = match.group()
        if not text[0].isalnum():
            if any(unicodedata.category(sign).startswith("S") for sign in text if sign not in _PUNCTUATION):
                yield _Word(text, text)
            else:
                yield from (_Word(sign, sign) for sign in text)
            continue
        parts = text.split("-")
        keys = [part.casefold().replace("’", "'").removesuffix("'s") or part for part in parts]
        if len(keys) == 2 and keys[0] == keys[1].removesuffix("nya"):
            yield _Word(text, keys[0])
        else:
            yield from (_Word(part, key) for part, key in zip(parts, keys, strict=True))


Meaning = tuple[str, ...]


@cache
def _forms(language: str) -> dict[tuple[str, ...], Meaning]:
    """Every surface form of a language, as its words, with the concepts it says; () for words that are dropped."""
    forms: dict[tuple[str, ...], Meaning] = {}

    def add(form: str, meaning: Meaning) -> None:
        words = tuple(word.key for word in _split(form))
        if forms.setdefault(words, meaning) != meaning:
            raise ValueError(f"{form!r} ({language}) says both {forms[words]} and {meaning}: keep one")

    for entry in CONCEPTS:
        for form in entry.understood[language]:
            add(form, (entry.name,))
            if entry.category == "ground":
                for preposition in _ON_GROUND[language]:
                    add(f"{preposition} {form}", ("on", entry.name))
            if language == "id" and entry.category == "events":
                add(f"sedang {form}", (entry.name,))  # "is ...ing", where "sedang" alone is "medium"
    for form, meaning in PHRASES[language].items():
        assert all(name in CONCEPT_IDS for name in meaning), form
        add(form, meaning)
    for word in DROPPED[language].split():
        add(word, ())
    return forms


@cache
def _vocabulary(language: str) -> frozenset[str]:
    """Every single word that occurs in some surface form of a language."""
    return frozenset(word for form in _forms(language) for word in form)


@cache
def _longest() -> dict[str, int]:
    """Per word the number of words of the longest form, in either language, that begins with it."""
    longest: dict[str, int] = {}
    for language in LANGUAGES:
        for form in _forms(language):
            longest[form[0]] = max(len(form), longest.get(form[0], 0))
    return longest


def _language_of(words: list[_Word]) -> str:
    """The language that knows more of the words; English when neither does."""
    english, indonesian = (sum(word.key in _vocabulary(language) for word in words) for language in LANGUAGES)
    return "id" if indonesian > english else "en"


def _without_particle(word: _Word) -> _Word:
    """Bolanya, bolalah -> bola, where the whole is not a word itself and the stem is."""
    if any(word.key in _vocabulary(language) for language in LANGUAGES):
        return word
    stems = (word.key.removesuffix(particle) for particle in _PARTICLES if word.key.endswith(particle))
    return next((_Word(word.spelled, stem) for stem in stems if stem in _vocabulary("id")), word)


def _match(words: list[_Word], start: int, language: str) -> tuple[int, Meaning] | None:
    """How many words from `start` on make the longest known form, and what it says. Both languages are tried, the
    prompt's own first, because people mix them ("kamera pan ke kiri")."""
    order = (language, *(other for other in LANGUAGES if other != language))
    for length in range(min(_longest().get(words[start].key, 0), len(words) - start), 0, -1):
        keys = tuple(word.key for word in words[start : start + length])
        for tried in order:
            meaning = _forms(tried).get(keys)
            if meaning is not None:
                return length, meaning
    return None


def read(prompt: str) -> Reading:
    """The concepts of a prompt. Any text is accepted: one that says nothing known is the first token alone."""
    words = [_without_particle(word) for word in _split(prompt)]
    language = _language_of(words)
    concepts = ["<en>"]
    unknown: dict[str, str] = {}
    place = 0
    while place < len(words):
        word = words[place]
        match = _match(words, place, language)
        if match is not None:
            concepts.extend(match[1])
        elif word.key in _PUNCTUATION:
            sign = _PUNCTUATION[word.key]
            if concepts[-1] != sign:
                concepts.append(sign)
        elif word.is_word or unicodedata.category(word.key[0]).startswith("S"):
            unknown.setdefault(word.key, word.spelled)
        place += match[0] if match is not None else 1
    categories = [concept(name).category for name in concepts]
    concepts = in_order(concepts, categories, adjectives_follow=language == "id")
    tokens = tuple(CONCEPT_IDS[name] for name in concepts)
    return Reading(tokens, tuple(concepts), tuple(unknown.values()), language)


SEVERAL = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "several", "other", "stack")


def names_in(prompt: str) -> frozenset[int]:
    """Which colours and kinds of things a prompt names: their places among those of the lexicon, colours first.

    A stack is several things, and no kind of its own.
    """
    names = _places()
    return frozenset(names[said] for said in read(prompt).concepts if said in names)


def things_in(prompt: str) -> frozenset[frozenset[int]]:
    """The things of which a prompt tells both colour and kind, each as the places of these two (`names_in`)."""
    return frozenset(thing for thing, _ in _described(prompt))


def sizes_in(prompt: str) -> dict[frozenset[int], int]:
    """Which of them are said to be small, medium or large: 0, 1 or 2."""
    sizes = [entry.name for entry in CONCEPTS if entry.category == "sizes"]
    return {thing: sizes.index(size) for thing, size in _described(prompt) if size is not None}


def _described(prompt: str) -> Iterator[tuple[frozenset[int], str | None]]:
    """Things by colour and kind, each time that a prompt tells of them, and their size where it is said."""
    categories, names = {entry.name: entry.category for entry in CONCEPTS}, _places()
    colour, size = None, None
    for said in read(prompt).concepts:
        category = categories.get(said)
        if category == "colours":
            colour = names[said]
        elif category == "sizes":
            size = said
        elif said in names and colour is not None:
            yield frozenset({colour, names[said]}), size
        if category not in ("colours", "materials", "sizes"):  # of what stands between a colour and its thing
            colour, size = None, None


def _places() -> dict[str, int]:
    """Of colours and kinds of things, colours first."""
    told = [entry for entry in CONCEPTS if entry.category in ("colours", "shapes", "props") and entry.name != "stack"]
    return {entry.name: place for place, entry in enumerate(told)}


def counts_in(prompt: str) -> bool:
    """Whether a prompt tells of several things at once: two, another, a stack."""
    return not {CONCEPT_IDS[name] for name in SEVERAL}.isdisjoint(read(prompt).tokens)


def stands_still(prompt: str) -> bool:
    """Whether a prompt says of its things that they stand still, and of none that it does anything else."""
    events = {entry.name for entry in CONCEPTS if entry.category == "events"}
    said = read(prompt).concepts
    of_things = {what for before, what in pairwise(said) if what in events and before != "camera"}
    return of_things == {"still"}


def camera_moves(prompt: str) -> bool | None:
    """Whether a prompt says that the camera moves, or that it is still; None where it says neither, or both."""
    moves = {entry.name for entry in CONCEPTS if entry.category in ("events", "camera")} - set(ANGLES)
    said = {what for before, what in pairwise(read(prompt).concepts) if before == "camera" and what in moves}
    return None if not said or ("still" in said and len(said) > 1) else "still" not in said


def known_words(language: str) -> dict[str, list[str]]:
    """The canonical word of every concept that shows, by category: shapes, props, colours, materials, ..."""
    return {
        category: [entry.written[language][0][0] for entry in CONCEPTS if entry.category == category]
        for category in _KNOWN_CATEGORIES
    }


def _within_one_edit(a: str, b: str) -> bool:
    """Whether one letter inserted, deleted or replaced, or two neighbours swapped, makes `a` into `b`."""
    if abs(len(a) - len(b)) > 1 or a == b:
        return a == b
    first = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    if len(a) != len(b):
        short, long = sorted((a, b), key=len)
        return short[first:] == long[first + 1 :]
    swapped = a[first : first + 2] == b[first : first + 2][::-1] and a[first + 2 :] == b[first + 2 :]
    return swapped or a[first + 1 :] == b[first + 1 :]


def did_you_mean(word: str, language: str) -> str | None:
    """The one known word of five letters or more that a slip of one letter makes into `word`, if there is just one."""
    key = word.casefold()
    near = {form[0] for form in _forms(language) if len(form) == 1 and len(form[0]) >= 5}
    near = {known for known in near if _within_one_edit(key, known)}
    return near.pop() if len(near) == 1 else None


_MOST_NAMED = 8


def describe_unknown(reading: Reading) -> str | None:
    """A sentence for the user, in the prompt's language, that names what the embedded model does not know, what it
    knows, and what to do; None when it knows every word."""
    if not reading.unknown:
        return None
    indonesian = reading.language == "id"
    named = []
    for word in reading.unknown[:_MOST_NAMED]:
        short = word if len(word) <= 40 else word[:40] + "…"
        guess = did_you_mean(word, reading.language) if len(word) <= 40 else None
        hint = "" if guess is None else f" (maksud Anda: {guess}?)" if indonesian else f" (did you mean: {guess}?)"
        named.append(short + hint)
    more = len(reading.unknown) - len(named)
    if more:
        named.append(f"dan {more} lainnya" if indonesian else f"and {more} more")
    known = known_words(reading.language)
    if indonesian:
        things = ", ".join(known["shapes"] + known["props"])
        colours, grounds = ", ".join(known["colours"]), ", ".join(known["ground"][:-1])
        return (
            f"model bawaan tidak mengenal: {', '.join(named)}; ia mengenal {things}, dalam warna {colours}, di atas "
            f"{grounds}, yang jatuh, memantul, menggelinding, meluncur, terbang, bertabrakan, roboh, berayun dan "
            "berputar, pada siang hari, senja dan malam hari; untuk hal lain sebutkan model lain dengan --model"
        )
    things = ", ".join(concept(name).written["en"][0][1] for name in _names("shapes") + _names("props"))
    colours, grounds = ", ".join(known["colours"]), ", ".join(known["ground"][:-1])
    return (
        f"the embedded model does not know: {', '.join(named)}; it knows {things}, in {colours}, on {grounds}, that "
        "fall, bounce, roll, slide, fly, hit each other, topple, swing and spin, at noon, at sunset and at night; for "
        "anything else name another model with --model"
    )


def _names(category: str) -> list[str]:
    return [entry.name for entry in CONCEPTS if entry.category == category]
