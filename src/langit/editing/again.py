"""remake: a file made again from its record. variations: made again with other seeds."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from langit.editing.animate import animate
from langit.editing.blend import blend
from langit.editing.edit import Course, Edit
from langit.editing.extend import extend
from langit.editing.inpaint import inpaint, outpaint
from langit.editing.long import generate_clip
from langit.editing.loop import loop
from langit.editing.recut import recut
from langit.editing.remix import remix
from langit.editing.store import Store
from langit.editing.storyboard import sources_of, storyboard
from langit.editing.upscale import upscale
from langit.media.record import Record, SourceFile, read_record, sha256_of
from langit.planning import NUM_SEEDS
from langit.types import InputError


def remake(path: str | Path, *, course: Course | None = None, device: str = Course.device) -> Edit:
    """The edit that made a file, ready to be made again, frame for frame; `course` only to change its seed or model.

    `device` is where it is made, which no record holds; a `course` has its own.

    `InputError` where a source is gone or has changed, or the model is another one.
    """
    record = read_record(path)
    files = [_found(source, Path(path)) for source in record.sources]
    own = Course(record.model or Course.model, **record.options.get("course", {}), device=device)
    if record.model_hash:
        found = (course or own).bundle().hash()
        if found != record.model_hash and (course is None or course.model == own.model):
            raise InputError(
                f"{path} was made with the model {record.model} of the fingerprint {record.model_hash}; the model of that name "
                f"here has {found}. Use the model that made it."
            )
    return again(record, files, course or own)


def variations(path: str | Path, count: int, *, course: Course | None = None) -> list[Edit]:
    """The edit that made a file, `count` times with other seeds: the seeds that follow its own."""
    if not 1 <= count <= 64:
        raise InputError(f"{count} variations were asked for; give 1 to 64.")
    record = read_record(path)
    own = record.options.get("course", {})
    if "seed" not in own:
        raise InputError(f"{path} was made by {record.verb}, which draws nothing; there are no variations of it.")
    base = course or Course(record.model, **own)
    start = int(own["seed"]) if base.seed is None or base.seed == own["seed"] else base.seed - 1
    return [remake(path, course=replace(base, seed=(start + number) % NUM_SEEDS)) for number in range(1, count + 1)]


def again(record: Record, files: list[SourceFile], course: Course) -> Edit:
    """The verb of a record with its arguments."""
    options: dict[str, Any] = {name: value for name, value in record.options.items() if name != "course"}
    paths = [file.path for file in files]
    verbs: dict[str, Callable[[], Edit]] = {
        "generate": lambda: generate_clip(**_sized(options), image=paths[0] if paths else None, course=course),
        "animate": lambda: animate(paths, **_sized(options), course=course),
        "extend": lambda: extend(paths[0], **options, course=course),
        "loop": lambda: loop(paths[0], **options, course=course),
        "blend": lambda: blend(paths[0], paths[1], **options, course=course),
        "recut": lambda: recut(paths[0], **options, course=course),
        "remix": lambda: remix(paths[0], **options, course=course),
        "inpaint": lambda: inpaint(paths[0], **{"mask": paths[-1], **options}, course=course),
        "outpaint": lambda: outpaint(paths[0], **_sized(options), course=course),
        "upscale": lambda: upscale(paths[0], **options, course=course),
        "storyboard": lambda: _storyboard(options, files, course),
    }
    if record.verb not in verbs:
        raise InputError(f"This langit has no verb {record.verb!r}; the file was made by langit {record.langit}.")
    return verbs[record.verb]()


def _sized(options: dict[str, Any]) -> dict[str, Any]:
    size = options.get("size")
    return {**options, "size": None if size is None else (int(size[0]), int(size[1]))}


def _storyboard(options: dict[str, Any], files: list[SourceFile], course: Course) -> Edit:
    base = files[0].path if options["base"] else None
    board = sources_of(options["board"], files[1:] if base else files)
    return storyboard(board, base=base, card=options["card"], course=course)


def _found(source: SourceFile, output: Path) -> SourceFile:
    """The source where it was, or beside the output; `InputError` where it is gone or is another file by now."""
    told = Path(source.path)
    places = [told, output.parent / told, output.parent / told.name]
    there = [place for place in places if place.is_file()]
    if not there:
        raise InputError(f"{output} was made from {source.path}, which is not there; put it back, or beside {output}.")
    for place in there:
        if sha256_of(place) == source.sha256:
            if source.exact and Store.beside(place).film(source.sha256) is None:
                warnings.warn(
                    f"The exact frames of {place} are no longer kept in .langit/; its file is read, which differs by the codec.",
                    stacklevel=3,
                )
            return replace(source, path=str(place))
    raise InputError(f"{there[0]} is not the file that {output} was made from: its content has changed since.")
