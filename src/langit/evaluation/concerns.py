"""Which measures a kind of damage rightly moves, and why; all others it must leave where they are.

`matrix` does each kind of damage, at the strength that stands here, to the simulator's own clips of every task and reads all
measures. Names are patterns, as of files.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatch

TOLERANCE = {"": 0.1, "m/s": 0.1, "units/s": 0.17, "levels": 1.0, "s": 0.13}
"""By unit, how far a measure may move that damage does not concern: a tenth of a share or of a relative error, 0.1 m/s,
one level of 255, one frame."""

Moves = tuple[tuple[str, tuple[str, ...]], ...]
"""Reasons, each with the names of the measures that damage moves for it."""


@dataclass(frozen=True)
class Concern:
    """What a kind of damage is done to, and what it may move."""

    strength: float
    moves: Moves
    tasks: tuple[str, ...] = ()
    """Of the clips that it is done to; all where none is named."""


SPEEDS = ("velocity error*", "uniform motion*", "momentum*")
FLIGHTS = ("gravity*", "restitution*")
COMING_OUT = ("occluded things that reappear", "exit time error")
RETURN, IDENTITY = "there again when the camera pans back", ("same identity*", "things that keep their identity*")
NUMBER, COLOURS = "right number of things*", "things that keep their colour"
DEEDS = ("event*", "direction*", "order*")
LOOKS = ("colour, *", "shape*", "binding*", "material*", "size*")
APART, RESTING, SHADOWS = "collisions without interpenetration", "things at rest*", "shadows*"
IN_THE_AIR = ("fall", "bounce", "parabola")

CONCERNS: dict[str, Concern] = {
    "recolour": Concern(
        1.0,
        (
            ("the thing has another colour", ("colour, *", "binding*", COLOURS)),
            ("a thing of the colour that was asked for does nothing, for there is none", (*DEEDS, "relation*")),
            ("material is asked of the thing of that colour", ("material*", "size*", "shape*")),
            ("what comes back is another thing", (*IDENTITY, RETURN)),
        ),
    ),
    "reshape": Concern(
        1.0,
        (
            ("the thing has another shape", LOOKS),
            ("in flight a cube shows its lid, then its floor: its middle is not that of its pixels", ("*, parabola*",)),
            ("what does it is another thing", DEEDS),
            ("a cube hides the ground on which a ball's shadow lies", (SHADOWS,)),
            ("what comes back is another thing", (*IDENTITY, RETURN)),
        ),
    ),
    "vanish": Concern(
        0.4,
        (
            ("the thing is not there any more", ("count*", NUMBER, *IDENTITY, RETURN)),
            ("it does not come out", COMING_OUT),
            ("it is gone before it has done what was asked", (*DEEDS, *FLIGHTS, RESTING)),
        ),
    ),
    "teleport": Concern(
        1.0,
        (
            ("it jumps", SPEEDS),
            ("it goes another way", DEEDS),
            ("it is put where another thing is, which it touches or hides", (APART, NUMBER, "count*")),
            ("it is not where it should be", (*COMING_OUT, *IDENTITY, RETURN, RESTING)),
            ("its shadow stays", (SHADOWS,)),
        ),
    ),
    "freeze": Concern(
        1.0,
        (
            ("nothing happens", DEEDS),
            ("nothing moves", (*SPEEDS, *FLIGHTS, "camera*")),
            ("no ground is seen both with a shadow and without", (SHADOWS,)),
            ("it hangs where it was dropped", (RESTING,)),
            ("it does not come out", (*COMING_OUT, "same identity*")),
        ),
    ),
    "reverse": Concern(
        1.0,
        (
            ("what happens is run backward", (*DEEDS, *SPEEDS, *FLIGHTS, "camera*")),
            ("the first frame is the last", ("relation*",)),
            ("it comes out on the other side", COMING_OUT),
            ("it rises from where it rests", (RESTING,)),
        ),
    ),
    "mirror": Concern(
        1.0,
        (
            ("left is right", (*DEEDS, "relation*", "camera*", "light side*")),
            ("it goes the other way", SPEEDS),
            ("it comes out on the other side", COMING_OUT),
            ("it is not where it should be", (*IDENTITY, RETURN)),
            ("the shadow is on the other side", (SHADOWS,)),
        ),
    ),
    "shuffle": Concern(
        1.0,
        (
            ("what happens is out of order", (*DEEDS, *SPEEDS, *FLIGHTS, "camera*", "relation*")),
            ("it is before and behind the wall in turns", (*COMING_OUT, "same identity*")),
            ("the last frames are of another time", (RETURN, RESTING)),
        ),
    ),
    "flicker": Concern(0.3, (("brightness goes to and fro", ("flicker*",)),)),
    "jitter": Concern(
        0.5,
        (
            ("all places shake", (*SPEEDS, *FLIGHTS)),
            ("pixels go to and fro", ("flicker*",)),
            ("shadows are looked for where the camera should have stayed", (SHADOWS,)),
            ("all frames jump, and that at a join may jump farthest", ("seam*",)),
        ),
    ),
    "blur": Concern(0.3, (("outlines and grain are gone", (*LOOKS, "camera*")),)),
    "noise": Concern(0.1, (("pixels go to and fro", ("flicker*",)),)),
    "night": Concern(1.0, (("it is night", ("light, *", "light side*")),)),
    "drift": Concern(0.5, (("colours go away", ("drift*",)),)),
    "seam": Concern(1.0, (("there is a jump at the join", ("seam*",)),), ("extension",)),
    "pass through": Concern(
        0.6,
        (
            ("both go another way after the hit", SPEEDS),
            ("one is within the other", (APART,)),
            ("one is hidden by the other", ("things followed*",)),
        ),
        ("collision",),
    ),
    "reversed gravity": Concern(
        0.5,
        (
            ("it falls upward, or not at all", FLIGHTS),
            ("it goes another way", ("velocity error*",)),
            ("it hangs in the air", (RESTING,)),
        ),
        IN_THE_AIR,
    ),
    "frozen shadow": Concern(
        1.0,
        (("the shadow stays", (SHADOWS,)),),
        ("uniform", "collision", "static", *IN_THE_AIR),
    ),
}


def reason(kind: str, name: str) -> str:
    """Why a kind of damage may move a measure; empty where it must not."""
    return next((why for why, names in CONCERNS[kind].moves if any(fnmatch(name, one) for one in names)), "")
