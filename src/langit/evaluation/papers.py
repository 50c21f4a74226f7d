"""The papers of the exam: what a model is asked to make, one clip each, and what is truly there.

| task | what the model is given | frames |
|---|---|---|
| uniform, collision, parabola, occlusion | the prompt and the first frames (three, up to whole latents) | native |
| fall, bounce | the prompt and the first frame | native |
| static | the prompt | native |
| extension | the prompt and the first frame; the model goes on by itself from window to window | several windows |
| pan | the prompt and the first half, in which the camera turns away | 2 native - 1 |
| world | the prompt: those of `prompts`, dense and short, English and Indonesian | native |
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from langit.catalog import Bundle
from langit.conditioning import FramesCondition, Passage
from langit.conditioning.passages import windows_of
from langit.evaluation.footage import Examined, Told, tell
from langit.evaluation.prompts import Prompt, make_prompts
from langit.evaluation.scenes import Length, make_scene
from langit.generate import generate_all, stream
from langit.planning import Plan, Request, plan
from langit.simulator.captions import caption
from langit.simulator.facts import read_facts
from langit.simulator.plans import plan as plan_scene
from langit.simulator.render import render
from langit.simulator.world import Facts, Scene, Truth
from langit.tokenizer.base import legal_frames
from langit.types import Frames

GIVEN = 3  # frames that PhyWorld gives (arXiv 2411.02385)
FEWEST_FRAMES = 9  # a shorter clip shows no motion that could be measured
WINDOWS = 3
ORDER = ("world", "uniform", "collision", "parabola", "fall", "bounce", "occlusion", "static", "extension", "pan")
NAMES: dict[str, str] = {
    "world": "prompts of held-out combinations",
    "uniform": "uniform motion",
    "collision": "collisions",
    "parabola": "thrown balls",
    "fall": "falls",
    "bounce": "bounces",
    "occlusion": "occlusions",
    "static": "static scenes",
    "extension": "extended clips",
    "pan": "cameras that turn away and back",
}


@dataclass(frozen=True)
class Form:
    """What clips a model makes: all that the papers have to know of it."""

    height: int
    width: int
    frames: int
    fps: float
    max_frames: int
    given: int  # at least GIVEN, in whole latents
    stride: int  # frames of a latent

    @classmethod
    def of(cls, bundle: Bundle) -> Form:
        native = bundle.config.native
        frames = min(legal_frames(bundle.tokenizer, native.frames), native.max_frames)
        given = legal_frames(bundle.tokenizer, GIVEN)
        return cls(
            native.height, native.width, frames, native.fps, native.max_frames, given, bundle.tokenizer.stride[0]
        )


@dataclass(frozen=True, eq=False)
class Paper:
    """One clip to make."""

    task: str
    number: int
    seed: int
    form: Form
    asked: Prompt | None = None  # of the task "world"
    windows: int = WINDOWS  # of the task "extension"

    @property
    def name(self) -> str:
        return f"{self.task}-{self.number:03d}"

    @property
    def num_frames(self) -> int:
        frames = self.form.frames
        if self.task == "pan":
            return 2 * frames - 1
        return frames + (self.windows - 1) * (frames - self.form.given) if self.task == "extension" else frames

    @property
    def num_windows(self) -> int:
        """How much there is to make, in clips of the native length."""
        return {"pan": 2, "extension": self.windows}.get(self.task, 1)

    @property
    def given(self) -> int:
        """Frames at the start that are given."""
        if self.task in ("static", "world"):
            return 0
        if self.task in ("fall", "bounce", "extension"):
            return 1
        return self.form.frames if self.task == "pan" else self.form.given

    @property
    def joins(self) -> tuple[int, ...]:
        if self.task != "extension":
            return ()
        windows = windows_of(Passage(self.num_frames), self.form.stride, self.form.frames, self.form.max_frames)
        return tuple(window.start + 1 + (window.head - 1) * self.form.stride for window in windows[1:])

    @cached_property
    def scene(self) -> Scene:
        """What truly happens."""
        length = Length(self.form.frames if self.task == "pan" else self.num_frames, self.form.fps)
        if self.asked is not None:
            return plan_scene(self.asked.seed, split="test", num_frames=length.frames, fps=length.fps)
        return make_scene("static" if self.task == "extension" else self.task, self.seed, self.number, length)

    @cached_property
    def rendered(self) -> tuple[Frames, Truth, Facts, dict[str, Any]]:
        """The simulator's own clip, its truth, facts and JSON."""
        scene = self.scene
        frames, truth = render([scene], self.form.height, self.form.width)[0]
        assert truth is not None
        facts = read_facts(scene, truth)
        exam = {"task": self.task, "given": self.given, "joins": list(self.joins), "seed": self.clip_seed}
        own_words = caption(facts, language="en", detail="dense", rng=np.random.default_rng(self.number))
        exam["prompt"] = own_words if self.asked is None else self.asked.text
        return frames, truth, facts, tell(scene, truth, exam)

    @property
    def prompt(self) -> str:
        return str(self.rendered[3]["exam"]["prompt"])

    @property
    def clip_seed(self) -> int:
        """The seed of the model's noise."""
        return zlib.crc32(f"{self.seed} {self.name}".encode())

    def own(self) -> Examined:
        """The simulator's own clip, to be examined like the model's."""
        return self.examined(self.rendered[0])

    def examined(self, frames: Frames) -> Examined:
        """A clip that was made for this paper, with what is true and what was asked."""
        return Examined(self.name, self.task, frames, Told.of(self.rendered[3]), self.given, self.joins, self.asked)


def set_papers(form: Form, count: int, seed: int) -> tuple[list[Paper], dict[str, str]]:
    """`count` papers of every task that the model can do (of prompts, the four of each of `count` scenes), and why
    it cannot do the others."""
    if form.frames < FEWEST_FRAMES:
        why = f"the model makes {form.frames} frames at a time and motion needs {FEWEST_FRAMES}"
        return [], dict.fromkeys(ORDER, why)
    unable = {}
    if 2 * form.frames - 1 > form.max_frames:
        unable["pan"] = (
            f"away and back takes {2 * form.frames - 1} frames at the model's native length; it makes {form.max_frames}"
        )
    if form.given >= form.frames:
        why = f"the {form.given} frames that would be given leave nothing of {form.frames} to make"
        unable |= dict.fromkeys(("uniform", "collision", "parabola", "occlusion", "extension"), why)
    asked = make_prompts(count, seed=seed)
    papers = [Paper("world", number, seed, form, prompt) for number, prompt in enumerate(asked)]
    able = [task for task in ORDER if task not in unable and task != "world"]
    return papers + [Paper(task, number, seed, form) for task in able for number in range(count)], unable


def answer(bundle: Bundle, papers: Sequence[Paper]) -> list[Frames]:
    """The clips that the model makes for papers of one task: in one pack, or longer ones window by window, as `langit generate`
    makes them."""
    plans = [_plan(bundle, paper) for paper in papers]
    if papers[0].task == "extension":
        return [np.stack(list(stream(bundle, p))) for p in plans]
    return [clip.video.frames for clip in generate_all(bundle, plans)]


def _plan(bundle: Bundle, paper: Paper) -> Plan:
    given, form = paper.rendered[0][: paper.given], paper.form
    conditions = (FramesCondition(dict(enumerate(given))),) if len(given) else ()
    request = Request(
        paper.prompt,
        frames=paper.num_frames,
        size=(form.width, form.height),
        fps=form.fps,
        seed=paper.clip_seed,
        conditions=conditions,
    )
    return plan(bundle, request)
