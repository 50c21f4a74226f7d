"""generate as an edit: a clip of any length, streamed to its file window by window."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

from langit.conditioning import Known
from langit.editing.edit import MODELS_OWN, Course, Edit, record_of
from langit.generate import OnStep, Sampler, stream
from langit.media.record import SourceFile, sha256_of
from langit.planning import Request, animate, plan
from langit.types import Frames


def generate_clip(
    prompt: str,
    *,
    seconds: float | None = None,
    frames: int | None = None,
    size: tuple[int, int] | None = None,
    fps: float | None = None,
    image: str | Path | None = None,
    course: Course = MODELS_OWN,
) -> Edit:
    """What `langit.generate` makes, as an edit: it streams to its file and remembers how it was made."""
    bundle, course = course.bundle(), course.settled()
    options = {"prompt": prompt, "seconds": seconds, "frames": frames, "size": size, "fps": fps}
    request = Request(
        prompt, seconds, frames, size, fps, course.seed, course.steps, course.guidance, course.solver, course.schedule
    )
    sources: tuple[SourceFile, ...] = ()
    if image is not None:
        request = animate(bundle, request, image)
        sources = (SourceFile(str(image), sha256_of(image)),)
    p = plan(bundle, request)
    record = record_of("generate", bundle, course, prompt, options, sources)

    def making(sampler: Sampler, on_step: OnStep | None) -> Generator[Frames, None, Known | None]:
        return stream(bundle, p, on_step, sampler)

    return Edit(record, p.fps, (p.shape.height, p.shape.width), p.frames, making, p.notices)
