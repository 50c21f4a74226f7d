"""Combinations that training never shows, so that a test can ask for what was never seen together.

Every colour, shape and event occurs in training, only not in these pairs. A scene of the test split has at least one of
them, on the thing that acts.
"""

from __future__ import annotations

from langit.simulator.world import COLOURS, SHAPES, Scene

SPLITS = ("train", "test")

RESERVED_LOOKS = frozenset(
    {
        ("green", "ball"),
        ("purple", "cube"),
        ("cyan", "cube"),
        ("yellow", "cylinder"),
        ("red", "cone"),
        ("blue", "pyramid"),
        ("orange", "egg"),
        ("white", "plank"),
    }
)
"""(colour, shape): 8 of the 70 pairs."""

RESERVED_ACTS = frozenset(
    {
        ("fall", "pyramid"),
        ("bounce", "cylinder"),
        ("slide", "cone"),
        ("throw", "plank"),
        ("collide", "egg"),
        ("ramp", "cube"),
        ("swing", "cone"),
        ("spin", "egg"),
    }
)
"""(event, shape of the thing that acts)."""


def colours_for(shape: str, split: str) -> tuple[str, ...]:
    """Colours that a thing of `shape` may have: those not reserved in training, those reserved in test."""
    check_split(split)
    return tuple(colour for colour in COLOURS if ((colour, shape) in RESERVED_LOOKS) == (split == "test"))


def shapes_for(event: str, split: str) -> tuple[str, ...]:
    """Shapes that may act in `event`: those not reserved in training, those reserved in test (for some events none)."""
    check_split(split)
    return tuple(shape for shape in SHAPES if ((event, shape) in RESERVED_ACTS) == (split == "test"))


def reserved_in(scene: Scene) -> frozenset[tuple[str, str]]:
    """The reserved pairs that a scene has: (colour, shape) of its things and (event, shape) of the one that acts."""
    looks = {(thing.colour, thing.shape) for thing in scene.things} & RESERVED_LOOKS
    acts = {(scene.event, scene.things[scene.actors[0]].shape)} & RESERVED_ACTS if scene.actors else set()
    return frozenset(looks | acts)


def check_split(split: str) -> None:
    """Raises ValueError for a name that is no split."""
    if split not in SPLITS:
        raise ValueError(f"split is {split!r}; it must be one of {', '.join(SPLITS)}")
