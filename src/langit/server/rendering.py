"""From a job, as the API accepted it, to the files of a video. Runs in the engine's process."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from langit.catalog import Bundle, load
from langit.editing import (
    Course,
    Edit,
    blend,
    extend,
    generate_clip,
    inpaint,
    loop,
    outpaint,
    recut,
    remix,
    storyboard,
)
from langit.editing.marking import marked
from langit.generate import OnStep
from langit.media import open_frames, probe, sprite_sheet, thumbnail
from langit.provenance import (
    Identity,
    Payload,
    check_frames,
    load_policy,
    seal,
)
from langit.types import Frames, Video

MOST_SPRITES = 100


class Refusal(Exception):
    """A policy does not allow this; `code` is OpenAI's for it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class DeviceCourse(Course):
    """A course on a device."""

    device: str = "cpu"

    def bundle(self) -> Bundle:
        return load(self.model, self.device)

    def options(self) -> dict[str, Any]:
        return {name: value for name, value in super().options().items() if name != "device"}


def render(job: Mapping[str, Any], folder: Path, device: str, on_step: OnStep) -> dict[str, Any]:
    """Make the job's video and its thumbnail and sprite sheet in `folder`; what was made.

    Called again with the same folder after the process died, it goes on from the last window that was made.
    `InputError` where the model cannot, `Refusal` where a policy does not allow.
    """
    with _inside(folder):  # so that what is written about sources names no folder of this machine
        edit = _edit(job, device)
        target = Path("video.mp4")
        instance = Identity.load_or_create(Path(job["provenance"]["identity"]))
        if job["provenance"].get("watermark", False):
            edit = marked(edit, Payload(instance.mark))
        edit.save(target, overwrite=True, on_step=_Overall(edit, load(job["model"], device), on_step))
        chosen, info = _chosen_frames(target), probe(target)
        _check(chosen, job)
        if job["provenance"].get("credentials", False):
            sources = [Path(name) for name in job["inputs"].values()]
            seal(target, identity=instance, prompt=job["prompt"], model=edit.record.model, sources=sources)
        Image.fromarray(thumbnail(Video(chosen, 1.0))).save("thumbnail.webp", quality=90)
        Image.fromarray(sprite_sheet(Video(chosen, 1.0))).save("spritesheet.jpg", quality=90)
    return {
        "files": {"video": "video.mp4", "thumbnail": "thumbnail.webp", "spritesheet": "spritesheet.jpg"},
        "width": info.width,
        "height": info.height,
        "seconds": info.frames / info.fps,
        "notices": list(edit.notices),
    }


def _edit(job: Mapping[str, Any], device: str) -> Edit:
    settled = {name: job.get(name) for name in ("seed", "steps", "guidance", "solver", "schedule", "quality")}
    course = DeviceCourse(job["model"], **settled, device=device)
    edit = VERBS[job["operation"]](job, course)
    # The model's own name: where it lies on this machine is nobody's business.
    return replace(edit, record=replace(edit.record, model=course.bundle().config.name))


def _create(job: Mapping[str, Any], course: Course) -> Edit:
    size = (job["width"], job["height"])
    image = job["inputs"].get("image")
    return generate_clip(job["prompt"], frames=job["frames"], size=size, fps=job["fps"], image=image, course=course)


def _remix(job: Mapping[str, Any], course: Course) -> Edit:
    return remix(job["inputs"]["video"], job["prompt"], **_given(job, "strength"), course=course)


def _extend(job: Mapping[str, Any], course: Course) -> Edit:
    return extend(job["inputs"]["video"], job["prompt"], **_given(job, "seconds", "backward"), course=course)


def _loop(job: Mapping[str, Any], course: Course) -> Edit:
    return loop(job["inputs"]["video"], job["prompt"] or None, **_given(job, "seconds"), course=course)


def _blend(job: Mapping[str, Any], course: Course) -> Edit:
    first, second = job["inputs"]["video"], job["inputs"]["video-second"]
    return blend(first, second, job["prompt"] or None, **_given(job, "seconds", "curve"), course=course)


def _recut(job: Mapping[str, Any], course: Course) -> Edit:
    keep = [(start, stop) for start, stop in job["parameters"]["keep"]]
    return recut(job["inputs"]["video"], keep, job["prompt"] or None, **_given(job, "rest", "seconds"), course=course)


def _inpaint(job: Mapping[str, Any], course: Course) -> Edit:
    box = job["parameters"].get("box")
    mask = job["inputs"]["mask"] if box is None else ",".join(map(str, box))
    return inpaint(job["inputs"]["video"], mask, job["prompt"] or None, **_given(job, "start", "stop"), course=course)


def _outpaint(job: Mapping[str, Any], course: Course) -> Edit:
    width, height = job["parameters"]["canvas"]
    return outpaint(job["inputs"]["video"], (width, height), job["prompt"] or None, course=course)


def _storyboard(job: Mapping[str, Any], course: Course) -> Edit:
    board = {
        "seconds": job["frames"] / job["fps"],
        "fps": job["fps"],
        "size": [job["width"], job["height"]],
        "prompt": job["prompt"],
        "cards": job["parameters"]["cards"],
    }
    return storyboard(board, course=course)


VERBS: Mapping[str, Callable[[Mapping[str, Any], Course], Edit]] = {
    "create": _create,
    "remix": _remix,
    "edit": _remix,
    "extend": _extend,
    "loop": _loop,
    "blend": _blend,
    "recut": _recut,
    "inpaint": _inpaint,
    "outpaint": _outpaint,
    "storyboard": _storyboard,
}
"""The operations, as the API calls them."""


def _given(job: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: job["parameters"][name] for name in names if name in job["parameters"]}


class _Overall:
    """Steps of windows as steps of the whole: a window whose steps begin anew is the next one."""

    def __init__(self, edit: Edit, bundle: Bundle, on_step: OnStep) -> None:
        self._expected = (
            max(1, -(-edit.num_frames // bundle.config.native.frames))
            if edit.num_frames > bundle.config.native.max_frames
            else 1
        )
        self._on_step, self._windows, self._last = on_step, 0, 0

    def __call__(self, done: int, steps: int) -> None:
        if done <= self._last:
            self._windows += 1
        self._last = done
        expected = max(self._expected, self._windows + 1)
        self._on_step(self._windows * steps + done, expected * steps)


def _chosen_frames(path: Path) -> Frames:
    """At most a hundred frames, evenly spread."""
    count = probe(path).frames
    wanted = set(np.linspace(0, count - 1, min(count, MOST_SPRITES)).round().astype(int).tolist())
    with open_frames(path) as stream:
        return np.stack([frame for index, frame in enumerate(stream) if index in wanted])


def _check(frames: Frames, job: Mapping[str, Any]) -> None:
    policy = job["provenance"].get("policy")
    verdict = check_frames(frames, load_policy(Path(policy) if policy else None))
    if not verdict.allowed:
        raise Refusal(verdict.code or "moderation_blocked", verdict.sentence)


@contextmanager
def _inside(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
