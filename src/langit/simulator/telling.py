"""What dense and short captions tell alike: happenings, camera, light and ground; and when things look alike."""

from __future__ import annotations

from langit.simulator.wording import CAMERA_MOVES, DIRECTIONS, HAPPENINGS, LIGHT_SIDES, Wording
from langit.simulator.world import Facts, Happening, Thing

Looks = frozenset[str]
"""Of "size", "colour", "material"."""

UNDIRECTED = ("still", "hits", "goes_behind", "comes_out", "comes_out_beyond", "swings", "spins", "stops")
"""Happenings whose direction is not told, for it would be read as another's."""


def told(happening: Happening, facts: Facts, wording: Wording, form: int, object_: str) -> str:
    """What the subject does, with object, count and direction."""
    kind, direction = happening.kind, ""
    if kind == "slides" and happening.object is not None:
        kind = "slides_down"
    if kind == "comes_out" and is_beyond(happening, facts):
        kind = "comes_out_beyond"
    if happening.direction is not None and kind not in UNDIRECTED:
        direction = wording.one_of(DIRECTIONS[wording.language][happening.direction])
    phrase = HAPPENINGS[kind]
    text = wording.fill(phrase, form, object=object_, direction=direction)
    if happening.count is not None:
        text += " " + wording.times(happening.count)
    if "{direction}" not in phrase:
        text += " " + direction
    return " ".join(text.split())


def is_beyond(appearing: Happening, facts: Facts) -> bool:
    """Whether what comes out goes on in the direction in which it went behind."""
    hidings = [h for h in facts.happenings if h.kind == "goes_behind" and h.subject == appearing.subject]
    hidings = [h for h in hidings if h.time <= appearing.time]
    return bool(hidings) and hidings[-1].direction == appearing.direction in ("left", "right")


def seen(facts: Facts) -> set[int]:
    """Things that are seen at some time: placed in the first frame, or in something that happens."""
    seen = {k for k, place in enumerate(facts.places) if place is not None}
    happenings = {k for h in facts.happenings for k in (h.subject, h.object) if k is not None}
    return seen | happenings | {k for r in facts.relations for k in (r.subject, r.object)}


def look(thing: Thing) -> tuple[str, ...]:
    return (thing.shape,) if thing.is_prop else (thing.shape, thing.colour, thing.size, thing.material)


def differ(a: Thing, b: Thing, looks: Looks) -> bool:
    return any(getattr(a, look) != getattr(b, look) for look in looks)


def ground(facts: Facts, wording: Wording) -> str:
    return f"{'on the' if wording.is_english else 'di atas'} {wording.word(facts.ground)}"


def light_side(facts: Facts, wording: Wording) -> str:
    return wording.one_of(LIGHT_SIDES[wording.language][facts.light_side])


def camera(facts: Facts, wording: Wording) -> str:
    return wording.one_of(CAMERA_MOVES[wording.language][facts.camera_move])
