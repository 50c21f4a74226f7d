"""Prompt expansion: a short prompt to the dense caption that the model was trained on. What was added is always told.

The embedded model's captions say of everything its size, colour and material, then ground, time of day, side of the light,
and camera: the rules here say what a prompt leaves open, in its language, and change no word of it. For models that read
free text, any OpenAI-compatible chat endpoint does (`LANGIT_LLM_URL`).
"""

from __future__ import annotations

import json
import os
import re
import urllib.error
import urllib.request
from dataclasses import dataclass
from itertools import pairwise

from langit.text.lexicon import ANGLES, CONCEPTS, read
from langit.types import InputError

LLM_SECONDS = 60.0
LLM_TASK = (
    "Rewrite the user's prompt for a video model as one dense caption of at most 120 words, in the prompt's language: "
    "subjects with size, colour and material, what they do in order, the place, the light, the camera. Change nothing that "
    "the prompt says. Answer with the caption alone."
)

_CATEGORY = {concept.name: concept.category for concept in CONCEPTS}
_LOOKS = ("sizes", "colours", "materials")
_JOINING = ("berukuran", "berwarna", "berbahan", "sized", "coloured", "colored")
"""Words between a thing and its looks that say nothing themselves."""
_TIMES = ("noon", "sunset", "night")
_COLOURS = {"en": ("red", "blue", "yellow", "green"), "id": ("merah", "biru", "kuning", "hijau")}
_DEFAULTS = {
    "en": {"sizes": "medium", "materials": "matte", "ground": "on the grass", "time": "at noon",
           "light": "light from the left", "camera": "the camera is still", "angle": "at eye level"},
    "id": {"sizes": "berukuran sedang", "materials": "doff", "ground": "di atas rumput", "time": "pada siang hari",
           "light": "cahaya dari kiri", "camera": "kamera diam", "angle": "setinggi mata"},
}  # fmt: skip


@dataclass(frozen=True)
class Expansion:
    """The prompt as the model gets it, and what was added to the user's."""

    prompt: str
    added: tuple[str, ...]


def expand(prompt: str) -> Expansion:
    """The prompt with what a dense caption says beside it; itself where nothing is missing or nothing is understood."""
    reading = read(prompt)
    if len(reading.concepts) == 1:
        return Expansion(prompt, ())
    words = _DEFAULTS[reading.language]
    described, added = _described(prompt, reading.language)
    concepts = set(reading.concepts)
    setting = []
    if not any(_CATEGORY.get(name) == "ground" for name in concepts):
        setting.append(words["ground"])
    if not concepts & set(_TIMES):
        setting.append(words["time"])
    if not _follows(reading.concepts, "light", "from"):
        setting.append(words["light"])
    camera = []
    if "camera" not in concepts:
        camera.append(words["camera"])
    if not concepts & set(ANGLES):
        camera.append(words["angle"])
    sentences = [described.rstrip(" .")]
    if setting:
        told = " ".join(part for part in setting if part != words["light"])
        sentences.append(
            ", ".join(part for part in (told, words["light"] if words["light"] in setting else "") if part)
        )
    if camera:
        sentences.append(" ".join(camera))
    text = ". ".join(sentence[:1].upper() + sentence[1:] for sentence in sentences) + "."
    added = (*added, *setting, *camera)
    return Expansion(text if added else prompt, added)


def other_words(prompt: str) -> tuple[str, ...]:
    """The prompt in other words, for a model that heard it amiss: without sizes and materials, with all looks, and expanded."""
    return _plain(prompt), _described(prompt, read(prompt).language)[0], expand(prompt).prompt


def expand_by_endpoint(prompt: str, url: str | None = None) -> Expansion:
    """The prompt as an OpenAI-compatible chat endpoint rewrites it. `url` (or `LANGIT_LLM_URL`) is its base, such as
    http://localhost:8080/v1; `LANGIT_LLM_MODEL` and `LANGIT_LLM_KEY` where it wants them."""
    base = url or os.environ.get("LANGIT_LLM_URL")
    if not base:
        raise InputError(
            "This model has no rules of its own to expand prompts; set LANGIT_LLM_URL to an OpenAI-compatible endpoint, such "
            "as http://localhost:8080/v1, or leave out --expand."
        )
    if not base.startswith(("http://", "https://")):
        raise InputError(f"LANGIT_LLM_URL is {base!r}; give an address that begins with http:// or https://.")
    messages = [{"role": "system", "content": LLM_TASK}, {"role": "user", "content": prompt}]
    body = {"model": os.environ.get("LANGIT_LLM_MODEL", "default"), "messages": messages, "temperature": 0}
    headers = {"Content-Type": "application/json"}
    if key := os.environ.get("LANGIT_LLM_KEY"):
        headers["Authorization"] = f"Bearer {key}"
    request = urllib.request.Request(f"{base.rstrip('/')}/chat/completions", json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=LLM_SECONDS) as answer:
            told = json.load(answer)["choices"][0]["message"]["content"].strip()
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise InputError(
            f"The endpoint {base} did not expand the prompt ({error}); check it, or leave out --expand."
        ) from error
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise InputError(f"The endpoint {base} answered with something that is no chat completion.") from error
    if not told:
        raise InputError(f"The endpoint {base} answered with an empty prompt; leave out --expand, or ask another.")
    return Expansion(told, (told,))


def _described(prompt: str, language: str) -> tuple[str, tuple[str, ...]]:
    """Every noun with the looks it lacks, before it in English and after it in Indonesian; each thing once."""
    matches = list(re.finditer(r"[^\W_]+", prompt))
    kinds = [_kind(match.group()) for match in matches]
    added: list[str] = []
    insertions: list[tuple[int, str]] = []
    colours = iter(colour for colour in _COLOURS[language] if not re.search(rf"\b{colour}\b", prompt.lower()))
    seen: set[str] = set()
    for index, (name, category) in enumerate(kinds):
        if category != "shapes" or name in seen:
            continue
        seen.add(name)
        run, step = {name}, -1 if language == "en" else 1
        at = index + step
        looks: dict[str, int] = {}
        while 0 <= at < len(kinds) and (kinds[at][1] in _LOOKS or matches[at].group().lower() in _JOINING):
            looks.setdefault(kinds[at][1], at)
            run.add(kinds[at][0])
            at += step
        first = at - step  # the outermost word of the noun phrase
        missing = {}
        if "sizes" not in looks:
            missing["sizes"] = _DEFAULTS[language]["sizes"]
        if "colours" not in looks:
            missing["colours"] = next(colours, _COLOURS[language][0])
        if "materials" not in looks:
            missing["materials"] = _DEFAULTS[language]["materials"]
        if language == "en":  # size, colour, material, noun
            noun = matches[index].start()
            material = matches[looks["materials"]].start() if "materials" in looks else noun
            places = {"sizes": matches[first].start(), "colours": material, "materials": noun}
            insertions += [
                (place, "".join(f"{missing[look]} " for look in missing if places[look] == place))
                for place in sorted({places[look] for look in missing})
            ]
        elif missing:
            order = ("colours", "materials", "sizes")
            insertions.append(
                (matches[first].end(), " " + " ".join(missing[look] for look in order if look in missing))
            )
        added += [f"{told} ({matches[index].group()})" for told in missing.values()]
    for place, text in sorted(insertions, key=lambda one: -one[0]):
        prompt = prompt[:place] + text + prompt[place:]
    return _with_articles(prompt), tuple(added)


def _plain(prompt: str) -> str:
    """Without the words that say how large a thing is and what it is made of."""

    def kept(match: re.Match[str]) -> str:
        return "" if _kind(match.group())[1] in ("sizes", "materials") else match.group()

    return " ".join(re.sub(r"[^\W_]+", kept, prompt).split())


def _with_articles(prompt: str) -> str:
    """An orange -> a medium orange: the article in front of an inserted word."""
    return re.sub(r"\b([Aa])n (?=[^aeiouAEIOU\W])", r"\1 ", prompt)


def _kind(word: str) -> tuple[str, str]:
    """The concept of a single word and its category; empty where it has none or says several things."""
    concepts = read(word).concepts[1:]
    return (concepts[0], _CATEGORY[concepts[0]]) if len(concepts) == 1 else ("", "")


def _follows(concepts: tuple[str, ...], first: str, then: str) -> bool:
    """Whether one concept stands right before another."""
    return any(pair == (first, then) for pair in pairwise(concepts))
