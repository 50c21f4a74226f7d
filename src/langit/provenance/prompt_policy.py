"""Prompts before generation: English and Indonesian lists on normalised text; an English classifier if asked for."""

from __future__ import annotations

import itertools
import re
import tomllib
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

from langit.provenance.policy import ALLOWED, Policy, Verdict, refusal

Forms = frozenset[str]
"""What one written word may stand for."""

_LANGUAGES = ("english", "indonesian")
_ARTICLES = frozenset({"a", "an", "the"})
_DIGITS = {"0": "o", "3": "e", "4": "a", "5": "s", "6": "g", "7": "t", "8": "b", "9": "g", "@": "a", "$": "s", "+": "t"}
_MAX_WORD, _MAX_SPACED = 60, 600  # letters of a word, and letters with gaps, that are looked at
_ONES = "1!|"  # i in one reading, l in the other
_LOOK_ALIKE = str.maketrans(
    {
        **dict(zip("авгекмнопрстухцѕіјһԁԛԝӏ", "abrekmhonpctyxusijhdqwl", strict=True)),
        **dict(zip("αβεηικνορτυχω", "abenikvoptuxw", strict=True)),
        **dict(zip("ıøłđħɡɑ", "ioldhga", strict=True)),
    }
)
"""Cyrillic, Greek and other letters that look like Latin ones, in small letters."""
_WORD = re.compile(r"[^\W_](?:[\w@$!|+*]*[\w@$|+*])?|[@$][\w@$!|+*]*\w")


@dataclass(frozen=True)
class _Entry:
    category: str
    words: tuple[str, ...]  # a star at the end stands for any ending
    said: str


@dataclass(frozen=True)
class _Lists:
    """Entries by the first two letters of their first word."""

    refused: Mapping[str, tuple[_Entry, ...]]
    allowed: Mapping[str, tuple[_Entry, ...]]
    minors: Mapping[str, tuple[_Entry, ...]]
    acts: Mapping[str, tuple[_Entry, ...]]


def check_prompt(prompt: str, policy: Policy | None = None) -> Verdict:
    """Whether a prompt may be generated, by the policy (the one that ships if None).

    The lists are English and Indonesian, and what the policy adds. A word counts in capitals, with look-alike letters,
    with digits for letters, stretched, spaced out or starred, but only as a whole word. A word for children beside a
    sexual one is refused always. The classifier is asked last, where the policy sets its threshold.
    """
    policy = policy or Policy()
    lists = _lists(tuple((category, tuple(words)) for category, words in policy.words.items()), policy.allow)
    found: dict[str, list[str]] = {}
    children: list[str] = []
    sexual: list[str] = []
    for words in _readings(prompt):
        words = _without_allowed(words, lists.allowed)
        for entry in _matches(words, lists.refused):
            found.setdefault(entry.category, []).append(entry.said)
        children += [entry.said for entry in _matches(words, lists.minors)]
        sexual += [entry.said for entry in _matches(words, lists.acts)]
    sexual += found.get("sexual", [])
    if children and sexual:
        found.setdefault("sexual/minors", []).extend([children[0], sexual[0]])
    for category in sorted(found, key=lambda name: (name != "sexual/minors", name)):
        if policy.refuses(category):
            return refusal("The prompt", category, tuple(dict.fromkeys(found[category])))
    if policy.classifier is not None and policy.refuses("harassment") and prompt.strip():
        score = _profanity(prompt)
        if score >= policy.classifier:
            return refusal("The prompt", "harassment", (f"classifier {score:.2f}",))
    return ALLOWED


def _readings(prompt: str) -> Iterator[list[Forms]]:
    """The words as written, and the words that single letters with gaps between them spell."""
    text = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", prompt)).casefold()
    kept = "".join(letter for letter in text if unicodedata.category(letter) not in ("Mn", "Cf"))
    kept = kept.translate(_LOOK_ALIKE)
    written = [match[0] for match in _WORD.finditer(kept)]
    yield [_forms(word) for word in written if word not in _ARTICLES]
    left = _MAX_SPACED
    for single, run in itertools.groupby(re.findall(r"[^\W_@$]+|[@$]", kept), lambda part: len(part) == 1):
        letters = "".join(itertools.islice(run, left)) if single else ""
        if len(letters) >= 3:
            left -= len(letters)
            for start in range(len(letters) - 2):  # other single letters may stand before and after the word
                for end in range(start + 3, min(len(letters), start + 12) + 1):
                    yield [_forms(letters[start:end])]


@lru_cache(maxsize=4096)
def _forms(word: str) -> Forms:
    """The word with digits read as letters and stretched letters read as one, and as two."""
    forms = {word[:_MAX_WORD]}
    if len(word) <= _MAX_WORD and any(letter.isalpha() for letter in word) and not word.isalpha():
        plain = "".join(_DIGITS.get(letter, letter) for letter in word)
        forms |= {re.sub(f"[{re.escape(_ONES)}]", letter, plain) for letter in "il"}
    for form in tuple(forms):
        if re.search(r"(.)\1\1", form):
            forms |= {re.sub(r"(.)\1\1+", r"\1", form), re.sub(r"(.)\1\1+", r"\1\1", form)}
    return frozenset(forms)


def _matches(words: Sequence[Forms], index: Mapping[str, tuple[_Entry, ...]]) -> Iterator[_Entry]:
    for at, forms in enumerate(words):
        starts = {form[:2] for form in forms}
        if any("*" in form for form in forms):
            firsts = {form[0] for form in forms}
            starts = {start for start in index if start[0] in firsts}
        for entry in itertools.chain.from_iterable(index.get(start, ()) for start in starts):
            there = words[at : at + len(entry.words)]
            if len(there) == len(entry.words) and all(map(_is_word, there, entry.words)):
                yield entry


def _is_word(forms: Forms, listed: str) -> bool:
    stem = listed.removesuffix("*")
    if any("*" in form and _is_starred(form, stem) for form in forms):
        return True
    return listed in forms if stem == listed else any(form.startswith(stem) for form in forms)


def _is_starred(form: str, listed: str) -> bool:
    """f**k is fuck: of the same length, with half of the letters and both ends written."""
    hidden = form.count("*")
    ends = form[0] == listed[0] and form[-1] == listed[-1]
    return (
        len(form) == len(listed) >= 4
        and ends
        and 2 * hidden <= len(form)
        and all(one in ("*", other) for one, other in zip(form, listed, strict=True))
    )


def _without_allowed(words: Sequence[Forms], index: Mapping[str, tuple[_Entry, ...]]) -> list[Forms]:
    """The words, with nothing in the place of those in a phrase that always passes."""
    left = list(words)
    for at in range(len(words)):
        for entry in _matches(words[at : at + 8], index):
            there = words[at : at + len(entry.words)]
            if len(there) == len(entry.words) and all(map(_is_word, there, entry.words)):
                left[at : at + len(there)] = [frozenset()] * len(there)
    return left


@lru_cache(maxsize=8)
def _lists(added: tuple[tuple[str, tuple[str, ...]], ...], allowed: tuple[str, ...]) -> _Lists:
    refused: list[_Entry] = []
    passing = [_entry("", text) for text in allowed]
    people: list[_Entry] = []
    acts: list[_Entry] = []
    for language in _LANGUAGES:
        listed = tomllib.loads((resources.files("langit.provenance") / "lists" / f"{language}.toml").read_text("utf-8"))
        for category, texts in listed["words"].items():
            refused += [_entry(category, text) for text in texts]
        passing += [_entry("", text) for text in listed["allow"]]
        people += [_entry("people", text) for text in listed["minors"]["people"]]
        acts += [_entry("acts", text) for text in listed["minors"]["acts"]]
    refused += [_entry(category, text) for category, texts in added for text in texts]
    return _Lists(*map(_index, (refused, passing, people, acts)))


def _entry(category: str, text: str) -> _Entry:
    words = tuple(word for word in re.findall(r"\w+\*?", text.casefold()) if word not in _ARTICLES)
    return _Entry(category, words, text)


def _index(entries: Iterable[_Entry]) -> dict[str, tuple[_Entry, ...]]:
    index: dict[str, list[_Entry]] = {}
    for entry in entries:
        if entry.words:
            index.setdefault(entry.words[0][:2], []).append(entry)
    return {start: tuple(found) for start, found in index.items()}


def _profanity(prompt: str) -> float:
    from langit.types import InputError

    try:
        from profanity_check import predict_prob
    except ImportError as error:
        raise InputError(
            'The policy asks for the prompt classifier, which is not installed; pip install "langit[moderation]", '
            "or remove `classifier` from the policy file."
        ) from error
    return float(predict_prob([prompt])[0])
