"""Captions: every word is known, everything told is true, and both languages say the same."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache

import numpy as np
import pytest

from langit.simulator import world
from langit.simulator.captions import caption
from langit.simulator.dense_captions import DenseCaption
from langit.simulator.wording import Wording
from langit.simulator.world import Facts, Happening, Relation, Thing
from langit.text.lexicon import CONCEPTS, FUNCTION_CATEGORIES, Reading, concept, read

NUM_FACTS = 200
LANGUAGES = ("en", "id")
EVENT_OF = {
    "falls": "fall",
    "bounces": "bounce",
    "rolls": "roll",
    "slides": "slide",
    "flies": "fly",
    "hits": "hit",
    "topples": "topple",
    "rolls_down": "roll",
    "goes_behind": "pass",
    "comes_out": "appear",
    "swings": "swing",
    "spins": "spin",
    "stops": "stop",
    "leaves": "leave",
}
NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
CAMERA = {
    ("still",): "static",
    ("pan", "left"): "pan left",
    ("pan", "right"): "pan right",
    ("orbit", "left"): "orbit left",
    ("orbit", "right"): "orbit right",
    ("move", "towards"): "dolly in",
    ("move", "away"): "dolly out",
    ("rise",): "rise",
}


def category(name: str) -> str:
    return concept(name).category


def random_thing(rng: np.random.Generator) -> Thing:
    shape = rng.choice(world.SHAPES) if rng.random() < 0.85 else rng.choice(["wall", "ramp", "rod"])
    looks = [str(rng.choice(list(names))) for names in (world.COLOURS, world.MATERIALS, world.SIZES)]
    return Thing(str(shape), *looks, (0.5, 0.5, 0.5))


def random_facts(seed: int) -> Facts:
    """Any facts, also ones that no physics would make."""
    rng = np.random.default_rng(seed)
    things = [Thing("egg", "orange", "metal", "large", (0.5, 0.5, 0.5))] if rng.random() < 0.5 else []
    while not things or all(thing.is_prop for thing in things) or (rng.random() < 0.6 and len(things) < 4):
        looks_like_first = bool(things) and rng.random() < 0.25
        things.append(things[0] if looks_like_first else random_thing(rng))
    actors = [k for k, thing in enumerate(things) if not thing.is_prop]
    happenings, time = [], 0.0
    for _ in range(int(rng.integers(0, 6))):
        time += float(rng.choice([0.05, 0.4, 0.6]))
        subject, kind = int(rng.choice(actors)), str(rng.choice([*EVENT_OF, "hits", "still"]))
        others = [k for k in range(len(things)) if k != subject]
        needed = {"goes_behind": others, "hits": others, "rolls_down": [k for k in others if things[k].shape == "ramp"]}
        if kind in needed and not needed[kind]:
            continue
        object_ = int(rng.choice(needed[kind])) if kind in needed else None
        direction = [None, "left", "right", "away", "towards"][int(rng.integers(5))]
        count = int(rng.integers(1, 13)) if kind == "bounces" else None
        happenings.append(Happening(time, kind, subject, object_, direction, count))
        if kind == "goes_behind" and rng.random() < 0.7:
            happenings.append(Happening(time + 0.3, "comes_out", subject, object_, direction))
    relations = []
    if len(things) > 1:
        for kind in rng.choice(["left_of", "right_of", "in_front_of", "behind", "on"], size=int(rng.integers(3))):
            subject, object_ = (int(k) for k in rng.permutation(len(things))[:2])
            relations.append(Relation(str(kind), subject, object_))
    return Facts(
        things=tuple(things),
        places=tuple([None, "left", "centre", "right", "top"][int(rng.integers(5))] for _ in things),
        happenings=tuple(happenings),
        relations=tuple(relations),
        camera_move=str(rng.choice(world.CAMERA_MOVES)),
        camera_angle=str(rng.choice(world.CAMERA_ANGLES)),
        light_time=str(rng.choice(world.LIGHTS)),
        light_side=str(rng.choice(world.LIGHT_SIDES)),
        ground=str(rng.choice(world.GROUNDS)),
    )


@cache
def captions(detail: str) -> list[tuple[Facts, str, str]]:
    """Facts with their captions in English and Indonesian."""
    return [
        (facts, *(caption(facts, language=x, detail=detail, rng=np.random.default_rng(seed)) for x in LANGUAGES))  # type: ignore[arg-type, misc]
        for seed in range(NUM_FACTS)
        for facts in [random_facts(seed)]
    ]


def content(reading: Reading) -> set[str]:
    return {name for name in reading.concepts if category(name) not in FUNCTION_CATEGORIES}


def noun_phrases(reading: Reading) -> list[tuple[str, set[str]]]:
    """Every shape that is told, with the looks told of it."""
    looks = ("colours", "materials", "sizes")
    found, names = [], reading.concepts
    for place, name in enumerate(names):
        if category(name) not in ("shapes", "props") or name == "stack":
            continue
        told, before = set(), place - 1
        while category(names[before]) in looks:
            told.add(names[before])
            before -= 1
        found.append((name, told))
    return found


def told_events(reading: Reading) -> list[tuple[str, str | None, int | None]]:
    """What is told to happen, in order, with direction and count; not what the camera does, nor what lies still."""
    names, found = reading.concepts, []
    for place, name in enumerate(names):
        if name not in EVENT_OF.values() or "camera" in names[max(place - 1, 0) : place]:
            continue
        rest = list(names[place + 1 : place + 5])
        count = None
        if len(rest) > 1 and rest[1] == "times":
            count = NUMBERS.index(rest[0]) + 1 if rest[0] in NUMBERS else 11
            rest = rest[2:]
        if rest and rest[0] == "other side":
            rest = rest[1:]
        way = rest[1] if len(rest) > 1 and rest[0] == "to" else rest[0] if rest else None
        is_way = (way in ("left", "right") and rest[0] == "to") or way in ("away", "towards")
        found.append((name, way if is_way else None, count))
    return found


@pytest.mark.parametrize("detail", ["dense", "short"])
def test_every_word_is_known_and_the_language_is_seen(detail: str) -> None:
    for _, *texts in captions(detail):
        for language, text in zip(LANGUAGES, texts, strict=True):
            reading = read(text)
            assert reading.unknown == (), text
            assert reading.language == language, text


@pytest.mark.parametrize("detail", ["dense", "short"])
def test_both_languages_say_the_same(detail: str) -> None:
    for _, english, indonesian in captions(detail):
        assert content(read(english)) == content(read(indonesian)), (english, indonesian)


@pytest.mark.parametrize("detail", ["dense", "short"])
def test_looks_belong_to_their_thing(detail: str) -> None:
    for facts, *texts in captions(detail):
        known = [(thing.shape, {thing.colour, thing.material, thing.size}) for thing in facts.things]
        for text in texts:
            for shape, looks in noun_phrases(read(text)):
                assert any(shape == of and looks <= has for of, has in known), (text, shape, looks)


@pytest.mark.parametrize("detail", ["dense", "short"])
def test_camera_light_and_ground_are_true(detail: str) -> None:
    for facts, *texts in captions(detail):
        for text in texts:
            reading = read(text)
            names = [name for name in reading.concepts if name != "to"]
            told = {name for name in names if category(name) in ("light", "ground")} - {"light", "floor"}
            assert told <= {facts.light_time, facts.ground}, text
            angles = {name for name in names if name in ("eye level", "low angle", "high angle")}
            assert angles <= {facts.camera_angle}, text
            for place, name in enumerate(names):
                if name == "camera":
                    after = tuple(names[place + 1 : place + 3])
                    assert CAMERA.get(after, CAMERA.get(after[:1])) == facts.camera_move, text
                if name == "light":
                    assert names[place + 1 : place + 3] == ["from", facts.light_side], text


def test_dense_tells_all() -> None:
    for facts, *texts in captions("dense"):
        for text in texts:
            reading = read(text)
            assert content(reading) >= {"camera", "light", facts.camera_angle, facts.light_time, facts.ground}, text
            phrases = noun_phrases(reading)
            for k, thing in enumerate(facts.things):
                in_play = any(k in (h.subject, h.object) for h in facts.happenings)
                in_play |= any(k in (r.subject, r.object) for r in facts.relations)
                if facts.places[k] is None and not in_play:
                    continue  # it may never be seen
                looks = set() if thing.is_prop else {thing.size, thing.colour, thing.material}
                assert (thing.shape, looks) in phrases, text


def test_dense_tells_what_happens_in_order() -> None:
    undirected = ("hits", "goes_behind", "comes_out", "swings", "spins", "stops")
    for facts, *texts in captions("dense"):
        expected = [
            (EVENT_OF[h.kind], None if h.kind in undirected else h.direction, min(h.count, 11) if h.count else None)
            for h in facts.happenings
            if h.kind != "still"
        ]
        for text in texts:
            assert told_events(read(text)) == expected, text


def test_short_tells_only_what_happens() -> None:
    for facts, *texts in captions("short"):
        true = Counter(EVENT_OF[h.kind] for h in facts.happenings if h.kind != "still")
        ways = {(EVENT_OF[h.kind], h.direction) for h in facts.happenings if h.kind != "still"}
        for text in texts:
            for name, way, _ in told_events(read(text)):
                if name == "pass" and not true[name]:
                    continue  # past a thing, from where it was and where it went
                assert true[name], text
                assert way is None or (name, way) in ways, text


def test_short_is_short_and_varied() -> None:
    texts = [text for _, *both in captions("short") for text in both]
    assert all(3 <= len(text.split()) <= 14 for text in texts)
    facts = random_facts(3)
    rng = np.random.default_rng(0)
    assert len({caption(facts, language="en", detail="short", rng=rng) for _ in range(50)}) > 15


def test_dense_fits_the_encoder() -> None:
    assert max(len(read(text).tokens) for _, *both in captions("dense") for text in both) < 256


def test_synonyms_are_all_written_sometimes() -> None:
    written = {}
    for language, index in (("en", 1), ("id", 2)):
        texts = [row[index] for detail in ("dense", "short") for row in captions(detail)]
        facts = [random_facts(seed) for seed in range(1000, 1600)]
        texts += [
            caption(one, language=language, detail=detail, rng=np.random.default_rng(seed))  # type: ignore[arg-type]
            for seed, one in enumerate(facts)
            for detail in ("dense", "short")
        ]
        written[language] = " ".join(texts).lower()
    for entry in CONCEPTS:
        if entry.category in ("numbers", *FUNCTION_CATEGORIES):
            continue
        for language in LANGUAGES:
            for forms in entry.written[language]:
                assert any(re.search(rf"\b{form}\b", written[language]) for form in forms), (entry.name, forms)


def red(shape: str, **looks: str) -> Thing:
    return Thing(shape, "red", looks.get("material", "rubber"), looks.get("size", "small"), (0.4, 0.4, 0.4))


def scene_of(things: tuple[Thing, ...], places: tuple[str, ...], *happenings: Happening) -> Facts:
    return Facts(things, places, happenings, (), "pan left", "eye level", "night", "left", "grass")


def texts_of(facts: Facts, language: str, detail: str) -> set[str]:
    return {
        caption(facts, language=language, detail=detail, rng=np.random.default_rng(seed))  # type: ignore[arg-type]
        for seed in range(200)
    }


def is_told(wanted: str, facts: Facts, language: str) -> bool:
    """Whether that short caption is ever given."""
    return any(
        caption(facts, language=language, detail="short", rng=np.random.default_rng(seed)) == wanted  # type: ignore[arg-type]
        for seed in range(3000)
    )


def canonical(facts: Facts, language: str) -> set[str]:
    """Dense captions without synonyms."""
    return {DenseCaption(facts, Wording(language, np.random.default_rng(seed), 1.0)).text() for seed in range(100)}


def test_the_sentences_read_well() -> None:
    facts = scene_of((red("ball"),), ("top",), Happening(0, "falls", 0), Happening(0.5, "bounces", 0, count=2))
    assert (
        "A small red rubber ball in the air falls, then bounces twice. On the grass at night, light from the left. "
        "The camera pans left at eye level."
    ) in canonical(facts, "en")
    assert (
        "Di atas rumput pada malam hari, cahaya dari kiri. Kamera menyapu ke kiri setinggi mata. "
        "Sebuah bola karet merah kecil di udara jatuh lalu memantul dua kali."
    ) in canonical(facts, "id")
    assert is_told("a red ball falls, then bounces twice", facts, "en")
    assert is_told("sebuah bola merah jatuh lalu memantul dua kali", facts, "id")


def test_things_that_look_alike_are_counted() -> None:
    both = (Happening(0, "falls", 0), Happening(0, "falls", 1))
    facts = scene_of((red("ball"), red("ball")), ("left", "right"), *both)
    assert is_told("two red balls fall", facts, "en")
    assert is_told("dua bola merah jatuh", facts, "id")
    for text in texts_of(facts, "en", "dense"):
        assert read(text).concepts.count("two") == 1, text
    one = scene_of((red("ball"), red("ball")), ("left", "right"), both[0])
    assert any(text.startswith("one of two red balls falls") for text in texts_of(one, "en", "short"))
    told_apart = scene_of((red("ball"), red("ball", size="large")), ("left", "right"), both[0])
    for text in texts_of(told_apart, "en", "short"):
        assert {"red", "small"} <= content(read(text)) or "red" not in content(read(text)), text


def test_what_is_never_seen_is_not_told() -> None:
    facts = scene_of((red("ball"), red("wall")), ("left",), Happening(0, "still", 0))
    facts = Facts(facts.things, ("left", None), *list(vars(facts).values())[2:])
    assert all("wall" not in read(text).concepts for text in texts_of(facts, "en", "dense"))


def test_going_past_is_told_when_it_surely_happens() -> None:
    facts = Facts(
        (red("ball"), Thing("cube", "blue", "matte", "small", (0.4, 0.4, 0.4))),
        ("left", "centre"),
        (Happening(0, "rolls", 0, None, "right"), Happening(0, "still", 1), Happening(2, "leaves", 0, None, "right")),
        (Relation("left_of", 0, 1),),
        *("static", "eye level", "noon", "left", "sand"),
    )
    assert is_told("a red ball rolls past a blue cube", facts, "en")
    assert is_told("sebuah bola merah menggelinding melewati sebuah kubus biru", facts, "id")
    panned = Facts(*list(vars(facts).values())[:4], "pan left", *list(vars(facts).values())[5:])
    assert not any("past" in text for text in texts_of(panned, "en", "short"))


def test_same_generator_state_gives_the_same_caption() -> None:
    facts = random_facts(7)
    first, second = (caption(facts, language="id", detail="dense", rng=np.random.default_rng(5)) for _ in range(2))
    assert first == second


def test_another_language_is_refused() -> None:
    with pytest.raises(ValueError, match="in 'en' or 'id'"):
        caption(random_facts(0), language="fr", detail="dense", rng=np.random.default_rng(0))  # type: ignore[arg-type]
