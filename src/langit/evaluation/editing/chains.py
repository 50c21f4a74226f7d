"""Ten extensions, one of the other: what becomes of colour, count and identity.

The scenes are static ones of the exam, so what is there is known to the end, however long the clip becomes. Each extension
is a file of its own beside the one that it goes on from, as a user would make them.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from langit import editing
from langit.catalog import Bundle
from langit.editing import Course
from langit.editing.footage import open_footage
from langit.evaluation.editing.measures import drift, seam_error
from langit.evaluation.editing.run import SEAM_AIM, Better, Part, Run, Shown, not_applicable, row_of
from langit.evaluation.exam import Row
from langit.evaluation.footage import Examined, Told, tell
from langit.evaluation.papers import Form
from langit.evaluation.permanence import count_right, identity_kept
from langit.evaluation.scenes import Length, make_scene
from langit.media import write
from langit.simulator.captions import caption
from langit.simulator.facts import read_facts
from langit.simulator.render import render
from langit.types import Frames, Video

PART = "ten extensions"
EXTENSIONS = 10
FIRST_SECONDS = 2.0
KEPT = 0.5
"""Of the last second: the least share of frames and things that counts as kept."""


@dataclass(frozen=True, eq=False)
class Chain:
    """One scene, extended `EXTENSIONS` times by `seconds`."""

    number: int
    seed: int
    form: Form
    seconds: float

    @property
    def name(self) -> str:
        return f"chain-{self.number:03d}"

    @property
    def first(self) -> int:
        return round(FIRST_SECONDS * self.form.fps)

    @property
    def joins(self) -> tuple[int, ...]:
        step = round(self.seconds * self.form.fps)
        return tuple(self.first + index * step for index in range(EXTENSIONS))

    @property
    def num_frames(self) -> int:
        return self.joins[-1] + round(self.seconds * self.form.fps)

    @cached_property
    def rendered(self) -> tuple[Frames, dict[str, Any], str]:
        """The simulator's own clip of the whole length, its truth, and what it shows in words."""
        scene = make_scene("static", self.seed, self.number, Length(self.num_frames, self.form.fps))
        frames, truth = render([scene], self.form.height, self.form.width)[0]
        assert truth is not None
        facts = read_facts(scene, truth)
        prompt = caption(facts, language="en", detail="dense", rng=np.random.default_rng(self.number))
        exam = {"task": "extension", "given": self.first, "joins": list(self.joins), "prompt": prompt}
        return frames, tell(scene, truth, exam), prompt

    def own(self) -> Examined:
        return self.examined(self.rendered[0])

    def examined(self, frames: Frames) -> Examined:
        told = Told.of(self.rendered[1])
        return Examined(self.name, "extension", frames, told, self.first, self.joins)

    def make(self, bundle: Bundle, model: str, folder: Path, on_extension: Callable[[int], None]) -> Frames:
        """All frames of the last extension; those that are in the folder are not made again."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.name}-00.mp4"
        frames, _, prompt = self.rendered
        if not path.is_file():
            write(Video(frames[: self.first], self.form.fps), path)
        for number in range(1, EXTENSIONS + 1):
            following = folder / f"{self.name}-{number:02d}.mp4"
            if not following.is_file():
                course = Course(model, seed=zlib.crc32(f"{self.seed} {following.name}".encode()))
                editing.extend(path, prompt, seconds=self.seconds, course=course).save(following)
            path = following
            on_extension(number)
        return np.stack(list(open_footage(bundle, path).frames()))


@dataclass(frozen=True)
class Drifted:
    """What became of a clip by its last second."""

    colour: float  # mean absolute difference of the mean colours, in 1/255
    contrast: float  # ratio of the standard deviations, last over first
    sharpness: float  # ratio of the mean gradients, last over first
    count: float  # share of the frames with the right number of things
    identity: float  # share of frames and things with the right thing in its place

    @property
    def kept(self) -> float:
        """1 where count and identity were kept."""
        return float(self.count >= KEPT and self.identity >= KEPT)


def drifted(clip: Examined) -> Drifted:
    """Read from pixels, the last second against the first."""
    second = round(clip.fps)
    moved = drift([clip.frames[:second], clip.frames[-second:]])
    counts, same = count_right(clip)[-second:], identity_kept(clip)[-second:]
    return Drifted(moved.colour, moved.contrast, moved.sharpness, float(np.mean(counts)), float(np.mean(same)))


def measure(run: Run, form: Form) -> Part:
    """All chains; the lines are the drift of the mean colour after each second, the model's and the simulator's."""
    settings = run.settings
    chains = [Chain(number, settings.seed, form, settings.extension_seconds) for number in range(settings.chains)]
    total, clips = len(chains) * EXTENSIONS, []
    for chain in chains:
        begun = chain.number * EXTENSIONS
        report = partial(lambda begun, number: run.on_progress(PART, begun + number, total), begun)
        frames = run.made(chain.name, partial(chain.make, run.bundle, run.model, run.folder / "chains", report))
        if isinstance(frames, str):
            return Part((not_applicable(PART, "all of it", frames),))
        clips.append(chain.examined(frames))
    run.on_progress("looking at the extensions", 0, 1)
    own = [chain.own() for chain in chains]
    lines = {"model": colour_course(clips), "simulator": colour_course(own)}
    shown = tuple(Shown(PART, clip.name, clip.frames) for clip in clips[:2])
    return Part(tuple(_rows(clips, own, settings.extension_seconds * EXTENSIONS)), shown, lines)


def _rows(clips: Sequence[Examined], own: Sequence[Examined], seconds: float) -> list[Row]:
    mine, truth = [drifted(clip) for clip in clips], [drifted(clip) for clip in own]

    def row(name: str, unit: str, better: Better, value: Callable[[Drifted], float], beside: str = "") -> Row:
        return row_of(PART, name, unit, better, [value(one) for one in mine], [value(one) for one in truth], beside)

    joins, uncut = (
        [float(np.mean([seam_error(clip.frames, join) for join in clip.joins])) for clip in some]
        for some in (clips, own)
    )
    return [
        row("count and identity kept", "", "higher", lambda one: one.kept, "aim: 90%"),
        row(f"right number of things, after {seconds:g} s", "", "higher", lambda one: one.count),
        row(f"things in their place and looks, after {seconds:g} s", "", "higher", lambda one: one.identity),
        row("drift of colour", "levels", "lower", lambda one: one.colour),
        row("contrast, last second over first", "times", "higher", lambda one: one.contrast, "1 is no drift"),
        row("sharpness, last second over first", "times", "higher", lambda one: one.sharpness, "1 is no drift"),
        row_of(PART, "their joins", "times", "lower", joins, uncut, f"aim: at most {SEAM_AIM:g}"),
    ]


def colour_course(clips: Sequence[Examined]) -> list[float]:
    """How far the mean colour is from that of the first second, after every second, in 1/255."""
    courses = []
    for clip in clips:
        second = round(clip.fps)
        means = clip.frames.astype(np.float32).mean((1, 2))  # (F, 3)
        whole = means[: len(means) // second * second].reshape(-1, second, 3).mean(1)
        courses.append(np.abs(whole - whole[0]).mean(1))
    return [float(value) for value in np.mean(courses, 0)]
