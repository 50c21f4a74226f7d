"""animate: pictures come alive; one as the first or any frame, several as keyframes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from langit.editing.edit import MODELS_OWN, Course, Edit, record_of
from langit.editing.footage import open_footage
from langit.editing.pieces import edit_of, frames_of
from langit.editing.timeline import Gap, Kept, Piece
from langit.media import probe
from langit.planning import legal_size
from langit.types import InputError


def animate(
    images: str | Path | Sequence[str | Path],
    prompt: str = "",
    *,
    at: Sequence[float] = (),
    seconds: float = 4.0,
    size: tuple[int, int] | None = None,
    fps: float | None = None,
    course: Course = MODELS_OWN,
) -> Edit:
    """A clip of `seconds` in which each picture is the frame at its time `at`; one without a time is the first frame.

    `size` is (width, height). Between two pictures the clip leads from one to the other.
    """
    bundle, course = course.bundle(), course.settled()
    paths = [images] if isinstance(images, str | Path) else list(images)
    times = list(at) or [0.0]
    if not paths:
        raise InputError("No picture was given; give at least one.")
    for path in paths:
        if not Path(path).exists():
            raise InputError(f"There is no picture {path}; give files that exist, and a prompt by --prompt.")
    if len(times) != len(paths):
        raise InputError(f"{len(paths)} pictures and {len(times)} times were given; give each picture its time.")
    fps = bundle.config.native.fps if fps is None else fps
    frames = frames_of(seconds, fps)
    picture = probe(paths[0])
    width, height = legal_size(bundle, *(size or (picture.width, picture.height)))
    pieces: list[Piece] = []
    footage, filled, last = [], 0, ""
    for time, path in sorted(zip(times, paths, strict=True), key=lambda pair: pair[0]):
        index = round(time * fps)
        if not 0 <= index < frames:
            raise InputError(f"{path} was put at {time:g} s of a clip of {seconds:g} s; give a time inside it.")
        if index < filled:
            raise InputError(f"{path} and {last} are both frame {index}; give them times at least {1 / fps:g} s apart.")
        one = open_footage(bundle, path, size=(height, width), fps=fps)
        pieces += [Gap(index - filled)] if index > filled else []
        pieces.append(Kept(one, 0, 1))
        footage.append(one)
        filled, last = index + 1, str(path)
    pieces += [Gap(frames - filled)] if frames > filled else []
    options = {"prompt": prompt, "at": times, "seconds": seconds, "size": size, "fps": fps}
    files = tuple(open_file.file for open_file in footage)
    ordered = tuple(next(file for file in files if file.path == str(path)) for path in paths)
    record = record_of("animate", bundle, course, prompt, options, ordered)
    return edit_of(bundle, course, record, pieces, footage, size=(height, width), fps=fps)
