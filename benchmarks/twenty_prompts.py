"""Twenty prompts, the first seed of each, none left out: what is seen in the clips, counted, and the sheet for the README.

    python benchmarks/twenty_prompts.py [--model embedded] [--quality fast] [--seeds 1] [--sheet docs/embedded.gif]
    python benchmarks/twenty_prompts.py --described     # a dozen others, which say how large things are

Light, ground, colours, shapes and motion are read from pixels by `langit.evaluation.observation`, whose own accuracy on
simulated clips is in docs/exam.md. Results: benchmarks/README.md.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import langit
from langit.evaluation.observation import Observation, Track, observe
from langit.media import animated_sheet, write
from langit.types import Video


@dataclass(frozen=True)
class Wanted:
    """A prompt and what it asks for."""

    prompt: str
    things: tuple[tuple[str, str], ...]  # (colour, shape)
    light: str | None = None
    ground: str | None = None
    moves: str | None = None  # of the first thing: "left", "right", "down", "still"


PROMPTS = (
    Wanted("a red ball bounces on the grass at noon", (("red", "ball"),), "noon", "grass", "down"),
    Wanted("a blue cube slides to the right over the sand", (("blue", "cube"),), None, "sand", "right"),
    Wanted("a yellow cone falls on the snow at sunset", (("yellow", "cone"),), "sunset", "snow", "down"),
    Wanted("sebuah bola hijau menggelinding ke kiri di atas ubin", (("green", "ball"),), None, "tiles", "left"),
    Wanted("a large white egg spins on the wooden floor", (("white", "egg"),), None, "wood", "still"),
    Wanted(
        "a purple cylinder stands still on the grass at night", (("purple", "cylinder"),), "night", "grass", "still"
    ),
    Wanted("an orange ball is thrown to the right at noon", (("orange", "ball"),), "noon", None, "right"),
    Wanted("a pink pyramid slides to the left on the snow", (("pink", "pyramid"),), None, "snow", "left"),
    Wanted("a cyan ball rolls to the right at sunset on the sand", (("cyan", "ball"),), "sunset", "sand", "right"),
    Wanted("sebuah kubus hijau jatuh ke lantai pada malam hari", (("green", "cube"),), "night", None, "down"),
    Wanted("a red cube and a yellow ball on the tiles at noon", (("red", "cube"), ("yellow", "ball")), "noon", "tiles"),
    Wanted("a blue ball hits a white cube on the grass", (("blue", "ball"), ("white", "cube")), None, "grass"),
    Wanted("a black cone stands still on the snow at noon", (("black", "cone"),), "noon", "snow", "still"),
    Wanted("a large red ball rolls to the left on the wooden floor", (("red", "ball"),), None, "wood", "left"),
    Wanted(
        "dua benda: sebuah bola merah dan sebuah kerucut biru di atas pasir",
        (("red", "ball"), ("blue", "cone")),
        None,
        "sand",
    ),
    Wanted(
        "a green cylinder falls on the sand at noon, the camera is still",
        (("green", "cylinder"),),
        "noon",
        "sand",
        "down",
    ),
    Wanted("an orange cube slides to the right at night", (("orange", "cube"),), "night", None, "right"),
    Wanted("a small yellow ball bounces three times on the tiles", (("yellow", "ball"),), None, "tiles", "down"),
    Wanted("sebuah bola ungu berayun saat matahari terbenam", (("purple", "ball"),), "sunset", None),
    Wanted(
        "a red ball bounces past a blue cube at sunset, the camera pans left",
        (("red", "ball"), ("blue", "cube")),
        "sunset",
    ),
)
DESCRIBED = (
    Wanted(
        "A small red ball rolls to the right past a big green cube on the grass at noon. The camera is still.",
        (("red", "ball"), ("green", "cube")),
        "noon",
        "grass",
        "right",
    ),
    Wanted("A small red ball rolls past a small green cube", (("red", "ball"), ("green", "cube"))),
    Wanted("A big red ball rolls past a small green cube", (("red", "ball"), ("green", "cube"))),
    Wanted("a small red ball and a big green cube on the grass", (("red", "ball"), ("green", "cube")), None, "grass"),
    Wanted(
        "A large blue ball slowly rolls to the left past a tiny yellow cone in the snow",
        (("blue", "ball"), ("yellow", "cone")),
        None,
        "snow",
        "left",
    ),
    Wanted("a tiny orange cube falls onto a large purple box", (("orange", "cube"), ("purple", "cube")), moves="down"),
    Wanted(
        "A big black cylinder stands next to a small white ball on the sand at night",
        (("black", "cylinder"), ("white", "ball")),
        "night",
        "sand",
        "still",
    ),
    Wanted(
        "a small cyan cone and a big pink ball and a red cube stand still",
        (("cyan", "cone"), ("pink", "ball"), ("red", "cube")),
        moves="still",
    ),
    Wanted(
        "sebuah bola merah kecil menggelinding melewati kubus biru besar",
        (("red", "ball"), ("blue", "cube")),
    ),
    Wanted("A huge green ball bounces past a small red cone, the camera orbits", (("green", "ball"), ("red", "cone"))),
    Wanted(
        "A large yellow cube slides to the right and hits a small blue ball",
        (("yellow", "cube"), ("blue", "ball")),
        moves="right",
    ),
    Wanted(
        "sebuah kubus kuning besar jatuh di atas pasir, kamera berputar mengelilingi",
        (("yellow", "cube"),),
        None,
        "sand",
    ),
)
MOVED, DROPPED = 0.08, 0.06  # of the frame


def judge(wanted: Wanted, seen: Observation) -> dict[str, list[bool]]:
    """What was asked for against what is seen, attribute by attribute."""
    found: dict[str, list[bool]] = defaultdict(list)
    if wanted.light:
        found["light"].append(seen.light_time == wanted.light)
    if wanted.ground:
        found["ground"].append(seen.ground == wanted.ground)
    found["count"].append(len(seen.things) == len(wanted.things))
    for colour, shape in wanted.things:
        found["colour"].append(any(track.colour == colour for track in seen.things))
        found["shape"].append(any((track.colour, track.shape) == (colour, shape) for track in seen.things))
    if wanted.moves:
        tracks = [track for track in seen.things if track.colour == wanted.things[0][0]]
        found["motion"].append(bool(tracks) and _moves(tracks[0], wanted.moves))
    return found


def _moves(track: Track, way: str) -> bool:
    x, y = track.steady_x[track.visible], track.steady_y[track.visible]
    across, down = x[-1] - x[0], y.max() - y[0]
    if way == "still":
        return bool(abs(across) < MOVED and y.max() - y.min() < DROPPED)
    return bool({"left": across < -MOVED, "right": across > MOVED, "down": down > DROPPED}[way])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--quality", help="fast or best; the model's own where it is left out")
    parser.add_argument("--seeds", type=int, default=1, help="clips to a prompt")
    parser.add_argument(
        "--described", action="store_true", help="a dozen other prompts, which say how large things are"
    )
    parser.add_argument("--sheet", type=Path, help="write the clips side by side, as a gif")
    options = parser.parse_args()
    clips: list[Video] = []
    counts: dict[str, list[bool]] = defaultdict(list)
    prompts = DESCRIBED if options.described else PROMPTS
    for seed, wanted in product(range(options.seeds), prompts):
        video = langit.generate(wanted.prompt, model=options.model, seed=seed, quality=options.quality).video
        clips.append(video)
        result = judge(wanted, observe(video.frames, video.fps))
        for name, values in result.items():
            counts[name] += values
        missed = ", ".join(name for name, values in result.items() if not all(values)) or "nothing"
        print(f"{wanted.prompt}, seed {seed}\n    missed: {missed}")
    print("  ".join(f"{name} {sum(values)}/{len(values)}" for name, values in counts.items()))
    if options.sheet:
        sheet = animated_sheet(clips[: len(prompts)], labels=[wanted.prompt for wanted in prompts], columns=5)
        print(write(sheet, options.sheet, overwrite=True))


if __name__ == "__main__":
    main()
