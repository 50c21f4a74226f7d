"""From a job, as the API accepted it, to the files of a video. Runs in the engine's process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from langit.catalog import Bundle, load
from langit.generate import Clip, Request, animate, generate_all, plan
from langit.media import sprite_sheet, thumbnail
from langit.types import Video

OnStep = Callable[[int, int], None]
MOST_SPRITES = 100

VERBS: tuple[str, ...] = ("create",)


class Refusal(Exception):
    """A policy does not allow this; `code` is OpenAI's for it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def render(job: dict[str, Any], folder: Path, device: str, on_step: OnStep) -> dict[str, Any]:
    """Make the job's video and its thumbnail and sprite sheet in `folder`; what was made.

    `InputError` where the model cannot, `Refusal` where a policy does not allow.
    """
    bundle = load(job["model"], device)
    clip = _clip(bundle, job, on_step)
    video = clip.video
    names = {"video": "video.mp4", "thumbnail": "thumbnail.webp", "spritesheet": "spritesheet.jpg"}
    clip.save(folder / names["video"], overwrite=True)
    Image.fromarray(thumbnail(video)).save(folder / names["thumbnail"], quality=90)
    Image.fromarray(sprite_sheet(_thinned(video))).save(folder / names["spritesheet"], quality=90)
    return {
        "files": names,
        "width": video.width,
        "height": video.height,
        "seconds": video.seconds,
        "seed": clip.plan.seed,
        "notices": list(clip.plan.notices),
    }


def _clip(bundle: Bundle, job: dict[str, Any], on_step: OnStep) -> Clip:
    request = Request(
        job["prompt"],
        frames=job["frames"],
        size=(job["width"], job["height"]),
        fps=job["fps"],
        seed=job["seed"],
        steps=job.get("steps"),
        guidance=job.get("guidance"),
        solver=job.get("solver"),
        schedule=job.get("schedule"),
    )
    if "image" in job["inputs"]:
        request = animate(bundle, request, job["inputs"]["image"])
    return generate_all(bundle, [plan(bundle, request)], on_step)[0]


def _thinned(video: Video) -> Video:
    """At most a hundred frames, evenly spread."""
    if video.num_frames <= MOST_SPRITES:
        return video
    chosen = np.linspace(0, video.num_frames - 1, MOST_SPRITES).round().astype(int)
    return Video(video.frames[chosen], video.fps)
