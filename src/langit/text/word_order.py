"""One order of words for both languages: a prompt and its translation become the same sequence of concepts.

Indonesian puts adjectives behind their noun and English in front of it, save "made of metal"; a side is told with and without
what it is the side of. A model that has seen both orders half as often learns both half as well (dev/LOG.md), so they
are put in one: size, colour, material, thing. Commas are dropped, since both languages are free with them.
"""

from __future__ import annotations

from collections.abc import Sequence

ADJECTIVES = ("sizes", "colours", "materials")
"""In the order in which they stand before their noun."""
NOUNS = ("shapes", "props")
SIDES = ("left", "right")


def in_order(concepts: Sequence[str], categories: Sequence[str], adjectives_follow: bool) -> list[str]:
    """Concepts of a prompt, in the order of its language, with the category of each -> the one order.

    `adjectives_follow` their noun in Indonesian; in English they may ("a ball made of metal", "the ball is red").
    """
    ordered: list[str] = []
    place = 0
    while place < len(concepts):
        group, place = _group(categories, place, adjectives_follow)
        if group:
            ordered += [concepts[k] for k in sorted(group, key=lambda k: _rank(categories[k]))]
        else:
            ordered.append(concepts[place])
            place += 1
    told = [name for name in ordered if name != ","]
    return _sides(told, dict(zip(concepts, categories, strict=True)))


def _group(categories: Sequence[str], start: int, adjectives_follow: bool) -> tuple[list[int], int]:
    """The places of a noun and its adjectives, where such a group begins at `start`, and where it ends; else nothing."""
    noun = start
    while noun < len(categories) and categories[noun] in ADJECTIVES:
        noun += 1
    if noun == len(categories) or categories[noun] not in NOUNS:
        return [], start
    end = noun + 1
    while end < len(categories) and categories[end] in ADJECTIVES:
        end += 1
    if not adjectives_follow and end < len(categories) and categories[end] in NOUNS:
        end = noun + 1  # they are the next thing's own
    return list(range(start, end)), end


def _rank(category: str) -> int:
    return (*ADJECTIVES, *NOUNS).index(category) if category in ADJECTIVES else len(ADJECTIVES)


def _sides(concepts: list[str], categories: dict[str, str]) -> list[str]:
    """ "At the left" of a thing that follows at once is "left of" it; what swings, swings "on" its rod."""
    told = list(concepts)
    for k in range(len(told) - 1):
        follows = categories.get(told[k + 2], "") if k + 2 < len(told) else ""
        if told[k] == "at" and told[k + 1] in SIDES and follows in (*ADJECTIVES, *NOUNS):
            told[k], told[k + 1] = told[k + 1], "of"
    out = []
    for k, name in enumerate(told):
        if name == "rod" and k and told[k - 1] == "swing":
            out.append("on")
        out.append(name)
    return out
