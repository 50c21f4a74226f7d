"""What may be asked for and shown: categories, what a refusal says, and the policy file that users write."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from langit.types import InputError

CATEGORIES: Mapping[str, str] = {
    "sexual": "sexual content",
    "sexual/minors": "sexual content with minors",
    "hate": "hatred of a group of people",
    "harassment": "insults and harassment",
    "self-harm": "suicide or self-harm",
    "violence": "violence against people",
    "violence/graphic": "gore",
    "illicit": "instructions for crimes",
}
"""Category, by the names that OpenAI's moderation uses, and what it is in a sentence."""

ALWAYS = frozenset({"sexual/minors"})
"""A policy file cannot switch these off."""


@dataclass(frozen=True)
class Verdict:
    """Whether something may pass. Where it may not: the category, `code` for an error body, and a sentence for people.

    `matches` are the words or scores that decided; they are for the audit log and the operator, not for the sentence.
    """

    allowed: bool
    category: str | None = None
    code: str | None = None
    sentence: str = ""
    matches: tuple[str, ...] = ()


ALLOWED = Verdict(True)


def refusal(what: str, category: str, matches: tuple[str, ...]) -> Verdict:
    """The verdict against `what` ("The prompt", "The clip")."""
    told = CATEGORIES.get(category, f"what this instance calls {category}")
    sentence = f"{what} was refused because it seems to hold {told}, which this instance's policy does not allow."
    return Verdict(False, category, "moderation_blocked", sentence, matches)


@dataclass(frozen=True)
class Policy:
    """What is refused. `off` are categories that pass, `words` and `allow` add to the lists that ship.

    `words` maps a category (also one of your own) to words or phrases; `allow` are words or phrases that always pass.
    `classifier` is the English classifier's threshold, `frames` the frame classifier's; each from 0 to 1, and None
    leaves it out. Both need an extra: `pip install "langit[moderation]"`. `sampled` frames of a clip are looked at.
    """

    off: frozenset[str] = frozenset()
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    allow: tuple[str, ...] = ()
    classifier: float | None = None
    frames: float | None = 0.8
    sampled: int = 8

    def refuses(self, category: str) -> bool:
        return category in ALWAYS or category not in self.off


def load_policy(path: Path | None = None) -> Policy:
    """The policy in a TOML file, or the one that ships. `InputError` says what in the file is not understood."""
    if path is None:
        return Policy()
    try:
        with Path(path).open("rb") as file:
            entries = tomllib.load(file)
    except OSError as error:
        raise InputError(f"The policy file {path} cannot be read: {error.strerror or error}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"The policy file {path} is not TOML: {error}.") from error
    known = [entry.name for entry in fields(Policy)]
    for name in entries:
        if name not in known:
            raise InputError(f"The policy file {path} has an entry {name!r}; the entries are {', '.join(known)}.")
    off = frozenset(_texts(path, "off", entries.get("off", ())))
    for category in sorted(off):
        if category in ALWAYS:
            raise InputError(f"The policy file {path} switches off {category!r}, which is always refused; remove it.")
        if category not in CATEGORIES:
            raise InputError(f"The policy file {path} switches off {category!r}; there are {', '.join(CATEGORIES)}.")
    words = entries.get("words", {})
    if not isinstance(words, dict):
        raise InputError(f"`words` in the policy file {path} is a table: [words], and a list of words per category.")
    return Policy(
        off,
        {category: _texts(path, f"words.{category}", listed) for category, listed in words.items()},
        _texts(path, "allow", entries.get("allow", ())),
        _threshold(path, "classifier", entries.get("classifier")),
        _threshold(path, "frames", entries.get("frames", Policy.frames)),
        _sampled(path, entries.get("sampled", Policy.sampled)),
    )


def _texts(path: Path, name: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(text, str) and text.strip() for text in value):
        raise InputError(f"`{name}` in the policy file {path} must be a list of words or phrases, not {value!r}.")
    return tuple(value)


def _threshold(path: Path, name: str, value: Any) -> float | None:
    if value is None or value is False:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise InputError(f"`{name}` in the policy file {path} is a threshold from 0 to 1, or false, not {value!r}.")
    return float(value)


def _sampled(path: Path, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 256:
        raise InputError(f"`sampled` in the policy file {path} is a number of frames from 1 to 256, not {value!r}.")
    return value
