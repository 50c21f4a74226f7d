"""Clips of the simulated world as files: footage, captions and ground truth for whoever trains or measures a model.

A folder holds, for clip i of 00000 and up:

    00000.mp4                  the frames, H.264
    00000.segmentation.png     whose every pixel is, losslessly: a palette picture whose index is 0 for the sky, 1 for
                               the ground and 2 + k for thing k; frame f is rows f * height to (f + 1) * height - 1
    00000.json                 captions and ground truth, as below; written last, so that a clip with it is whole
    sheet.png                  the first clips at a glance
    export.json                the settings that all of them share

The JSON of a clip (metres, seconds, radians; x right, y away from the default camera, z up; screen x to the right and y
down, in [0, 1] of the frame; F frames; "frame" is an index from 0; the index of a thing is its place in "things"):

    format, langit             version of this description and of the package
    index, split, event        which clip; the planned event (what truly happens is in "facts")
    seed, scene_seed           of the export, and of this scene
    width, height, frames, fps
    captions                   {"en": {"dense", "short"}, "id": {"dense", "short"}}
    gravity                    m/s^2, downward
    ground                     grass, sand, ...
    light                      {"time", "side", "direction": unit vector (3) towards the light}
    camera                     {"move", "angle", "fov": angle that the shorter side spans, "positions": (F, 3),
                               "targets": (F, 3) the points looked at}
    actors                     indices of the things that the event is about, first the one that acts
    reserved                   pairs of this scene that training never shows, [colour or event, shape] each
    things                     a list of
        shape, colour, material, size, half_extents (3), is_prop
        positions (F, 3)       of the centre of mass
        quaternions (F, 4)     (w, x, y, z), body to world
        velocities (F, 3), angular_velocities (F, 3)
        boxes (F)              [left, top, right, bottom] of the part that is seen, or null where nothing is
        visible_share (F)      of its pixels, were nothing before it and the frame wider
        centroids (F)          [x, y] of the projected centre of mass, or null behind the camera; may lie out of frame
    contacts (F)               [thing, thing, greatest normal force in newton since the frame before] each; -1 is
                               the ground
    facts                      {"places": per thing where it is first seen, "happenings": [{"time", "kind", "subject",
                               "object", "direction", "count"}], "relations": [{"kind", "subject", "object"}]}
    files                      {"video", "segmentation"}: their names
    segmentation               what each index in the picture is
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import os
import re
import shutil
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from langit import __version__
from langit.media import VideoWriter, contact_sheet, open_frames, write
from langit.media.output import clear_errors
from langit.simulator.captions import caption
from langit.simulator.facts import read_facts
from langit.simulator.plans import plan
from langit.simulator.render import render
from langit.simulator.splits import SPLITS, reserved_in
from langit.simulator.world import COLOURS, EVENTS, Facts, Scene, Truth
from langit.types import InputError, Video

FORMAT = 1
SIDES = (16, 1024)  # pixels
MAX_PIXELS = 1 << 27  # of a clip: its segmentation is held in memory
SLICE_PIXELS = 1 << 20  # rendered at once
SHEET_CLIPS, SHEET_FRAMES = 24, 6
MAX_SEEDS = 100  # tried for a clip: a few scenes cannot be staged

_SETTINGS = "export.json"
_NAMES = re.compile(r"\d{5,}\.(mp4|json|segmentation\.png)|sheet\.png|\.[\w.]+\.part")
_SKY, _GROUND = (150, 190, 230), (90, 90, 90)


@dataclass(frozen=True)
class Settings:
    """All that decides the clips, and the count that does not."""

    seed: int
    height: int
    width: int
    seconds: float
    fps: float
    event: str | None
    split: str
    format: int = FORMAT
    langit: str = __version__

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise InputError(f"A seed of {self.seed} was given; give a whole number from 0 on.")
        for side in (self.width, self.height):
            if not SIDES[0] <= side <= SIDES[1] or side % 2:
                raise InputError(
                    f"A size of {self.width}x{self.height} was asked for; sides are even numbers of pixels "
                    f"from {SIDES[0]} to {SIDES[1]}."
                )
        if not (math.isfinite(self.fps) and 1 <= self.fps <= 60):
            raise InputError(f"An fps of {self.fps:g} was asked for; give one from 1 to 60.")
        if not (math.isfinite(self.seconds) and 0 < self.seconds <= 30 and self.num_frames >= 2):
            raise InputError(
                f"Clips of {self.seconds:g} seconds at {self.fps:g} fps were asked for; give up to 30 seconds, "
                "and at least two frames."
            )
        if self.num_frames * self.height * self.width > MAX_PIXELS:
            raise InputError(
                f"Clips of {self.num_frames} frames of {self.width}x{self.height} were asked for; all frames of a clip "
                f"together may have {MAX_PIXELS} pixels. Ask for a smaller size, fewer seconds or a lower fps."
            )
        if self.event is not None and self.event not in EVENTS:
            raise InputError(f"There is no event {self.event!r}; the events are {', '.join(EVENTS)}.")
        if self.split not in SPLITS:
            raise InputError(f"There is no split {self.split!r}; the splits are {', '.join(SPLITS)}.")

    @property
    def num_frames(self) -> int:
        return round(self.seconds * self.fps)


def export_clips(
    output: Path,
    *,
    count: int,
    seed: int,
    height: int,
    width: int,
    seconds: float,
    fps: float,
    event: str | None = None,
    split: str = "train",
    overwrite: bool = False,
    on_clip: Callable[[int], None] | None = None,
) -> Path:
    """Write `count` clips of the simulated world and what is true of them into the folder `output`; returns the sheet.

    Clip i is the same whatever the count. Clips appear whole or not at all, and a folder that was stopped half-way is
    finished by the same call. `on_clip` hears how many are there. Memory does not grow with the count.

    `InputError` for settings that the world does not know, and for a folder with other files in it or, without
    `overwrite`, with clips of other settings; `OSError` in one sentence when the disk is full or fails.
    """
    if count < 1:
        raise InputError(f"{count} clips were asked for; give at least 1.")
    settings = Settings(seed, height, width, float(seconds), float(fps), event, split)
    with clear_errors(output):
        _claim(output, settings, overwrite)
        for index in range(count):
            if not _is_whole(output, index):
                _export(output, settings, index)
            if on_clip is not None:
                on_clip(index + 1)
        return _write_sheet(output, min(count, SHEET_CLIPS))


def make_scene(settings: Settings, index: int) -> Scene:
    """The scene of clip `index`: the first of the clip's own seeds that can be staged."""
    for scene_seed in itertools.islice(_seeds(settings.seed, index), MAX_SEEDS):
        try:
            return plan(
                scene_seed,
                split=settings.split,
                event=settings.event,
                num_frames=settings.num_frames,
                fps=settings.fps,
            )
        except RuntimeError:  # nothing of this seed could be staged
            continue
    raise RuntimeError(f"none of {MAX_SEEDS} seeds made clip {index} of {settings}")


def _seeds(seed: int, index: int) -> Iterator[int]:
    for attempt in itertools.count():
        # 53 bits, so that every JSON reader keeps them all.
        yield int(np.random.SeedSequence((seed, index, attempt)).generate_state(1, np.uint64)[0] >> np.uint64(11))


# The folder.


def _claim(output: Path, settings: Settings, overwrite: bool) -> None:
    """Make the folder this export's, clear of leftovers; refuse one that is another's."""
    path, wanted = output / _SETTINGS, dataclasses.asdict(settings)
    nearest = next(folder for folder in (output, *output.resolve().parents) if folder.exists())
    if not nearest.is_dir():
        raise InputError(f"{nearest} is a file; name a folder for the clips.")
    names = [entry.name for entry in os.scandir(output)] if output.exists() else []
    if names and _SETTINGS not in names:
        raise InputError(f"{output} holds other files ({names[0]}); name a new folder for the clips.")
    found = _read_json(path)
    if names and found != wanted and not overwrite:
        raise InputError(
            f"{output} holds clips of other settings; pass --overwrite to replace them, or name another folder."
        )
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise InputError(f"{output} cannot be written: there is no permission to write in {nearest}.")
    output.mkdir(parents=True, exist_ok=True)
    for name in filter(_NAMES.fullmatch, names):
        if (output / name).is_dir():
            shutil.rmtree(output / name)
        elif overwrite or name.endswith(".part"):
            (output / name).unlink()
    if overwrite or found != wanted:
        aside = output / ".export.part"
        aside.mkdir()
        try:
            (aside / _SETTINGS).write_text(json.dumps(wanted, indent=2) + "\n")
            (aside / _SETTINGS).rename(path)
        finally:
            shutil.rmtree(aside, ignore_errors=True)


def _is_whole(output: Path, index: int) -> bool:
    """Whether the clip's three files are there and can be read to their ends."""
    told = _read_json(output / f"{index:05d}.json")
    if told is None:
        return False
    try:
        with warnings.catch_warnings(action="ignore"), open_frames(output / told["files"]["video"]) as stream:
            num_frames = sum(1 for _ in stream)
        with Image.open(output / told["files"]["segmentation"]) as picture:
            picture.load()
    except (InputError, FileNotFoundError, UnidentifiedImageError):
        return False
    except OSError as error:  # Pillow's, of a picture that is cut short, has no number
        if error.errno is None:
            return False
        raise
    return bool(num_frames == told["frames"])


def _read_json(path: Path) -> Any:
    """What a JSON file holds, None when it is not there or not whole."""
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return None


def _write_sheet(output: Path, count: int) -> Path:
    strips, labels = [], []
    for index in range(count):
        told = json.loads((output / f"{index:05d}.json").read_text())
        moments = np.linspace(0, told["frames"] - 1, min(told["frames"], SHEET_FRAMES)).round().astype(int)
        with open_frames(output / f"{index:05d}.mp4") as stream:
            frames = [frame for number, frame in enumerate(stream) if number in moments]
        strips.append(Video(np.stack(frames), told["fps"]))
        labels.append(f"{index:05d} {told['captions']['en']['short']}")
    sheet = contact_sheet(strips, labels, columns=1 if count <= 4 else 2, frames_per_clip=SHEET_FRAMES)
    return write(Video(sheet[None], 1.0), output / "sheet.png", overwrite=True)


# One clip.


def _export(output: Path, settings: Settings, index: int) -> None:
    """Simulate, render and write one clip: all of it aside, then renamed, the JSON last."""
    scene = make_scene(settings, index)
    name = f"{index:05d}"
    aside = output / f".{name}.part"
    aside.mkdir()
    try:
        truth = _write_frames(aside / f"{name}.mp4", settings, scene)
        _write_segmentation(aside / f"{name}.segmentation.png", truth.segmentation, scene)
        told = {
            "format": FORMAT,
            "langit": __version__,
            "index": index,
            "seed": settings.seed,
            "split": settings.split,
            "width": settings.width,
            "height": settings.height,
            **describe(scene, truth),
            "files": {"video": f"{name}.mp4", "segmentation": f"{name}.segmentation.png"},
            "segmentation": ["sky", "ground", *(f"thing {k}" for k in range(len(scene.things)))],
        }
        (aside / f"{name}.json").write_text(json.dumps(told, ensure_ascii=False, allow_nan=False) + "\n")
        (output / f"{name}.json").unlink(missing_ok=True)  # of a clip that lost a file
        for ending in ("mp4", "segmentation.png", "json"):
            (aside / f"{name}.{ending}").rename(output / f"{name}.{ending}")
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _write_frames(path: Path, settings: Settings, scene: Scene) -> Truth:
    """The mp4, rendered and encoded some frames at a time; the ground truth of all of them, but for the depth."""
    step = max(1, SLICE_PIXELS // (settings.height * settings.width))
    truths: list[Truth] = []
    with VideoWriter(path, settings.fps, (settings.height, settings.width)) as video:
        for first in range(0, scene.num_frames, step):
            frames, truth = render([scene], settings.height, settings.width, frames=slice(first, first + step))[0]
            assert truth is not None
            truths.append(dataclasses.replace(truth, depth=np.zeros((0, 0, 0), np.float32)))
            for frame in frames:
                video.write(frame)
    return Truth(
        **{
            field.name: np.concatenate([getattr(truth, field.name) for truth in truths])
            for field in dataclasses.fields(Truth)
        }
    )


def _write_segmentation(path: Path, segmentation: NDArray[np.uint8], scene: Scene) -> None:
    num_frames, height, width = segmentation.shape
    picture = Image.fromarray(segmentation.reshape(num_frames * height, width))
    # The colours only make the picture easy to look at; things of one colour still have their own index.
    colours = [_SKY, _GROUND, *(tuple(round(255 * c**0.45) for c in COLOURS[thing.colour]) for thing in scene.things)]
    picture.putpalette([channel for colour in colours for channel in colour])
    picture.save(path, format="PNG")


def describe(scene: Scene, truth: Truth) -> dict[str, Any]:
    """The part of a clip's JSON that tells of its scene; see the top of this file."""
    facts, path = read_facts(scene, truth), scene.trajectory
    things = [
        {
            **dataclasses.asdict(thing),
            "is_prop": thing.is_prop,
            "positions": _numbers(path.positions[:, k]),
            "quaternions": _numbers(path.quaternions[:, k]),
            "velocities": _numbers(path.velocities[:, k]),
            "angular_velocities": _numbers(path.angular_velocities[:, k]),
            "boxes": _numbers(truth.boxes[:, k]),
            "visible_share": _numbers(truth.visible_share[:, k]),
            "centroids": _numbers(truth.centroids[:, k]),
        }
        for k, thing in enumerate(scene.things)
    ]
    return {
        "event": scene.event,
        "scene_seed": scene.seed,
        "frames": scene.num_frames,
        "fps": path.fps,
        "captions": _captions(facts, scene.seed),
        "gravity": scene.gravity,
        "ground": scene.ground,
        "light": dataclasses.asdict(scene.light),
        "camera": {
            "move": scene.camera.move,
            "angle": scene.camera.angle,
            "fov": scene.camera.vertical_fov,
            "positions": _numbers(scene.camera.positions),
            "targets": _numbers(scene.camera.targets),
        },
        "actors": scene.actors,
        "reserved": sorted(reserved_in(scene)),
        "things": things,
        "contacts": path.contacts,
        "facts": {
            "places": facts.places,
            "happenings": [dataclasses.asdict(happening) for happening in facts.happenings],
            "relations": [dataclasses.asdict(relation) for relation in facts.relations],
        },
    }


def _captions(facts: Facts, seed: int) -> dict[str, dict[str, str]]:
    """The same stream for both languages, so that they say the same."""
    return {
        "en": {
            "dense": caption(facts, language="en", detail="dense", rng=np.random.default_rng((seed, 0))),
            "short": caption(facts, language="en", detail="short", rng=np.random.default_rng((seed, 1))),
        },
        "id": {
            "dense": caption(facts, language="id", detail="dense", rng=np.random.default_rng((seed, 0))),
            "short": caption(facts, language="id", detail="short", rng=np.random.default_rng((seed, 1))),
        },
    }


def _numbers(values: NDArray[np.float32]) -> list[Any]:
    """float32 (F, ...) as the shortest decimals that give the same float32 back; a row with a NaN in it is null."""
    if values.ndim == 1:
        return [None if math.isnan(value) else float(str(value)) for value in values]
    rows = [_numbers(row) for row in values]
    return [None if None in row else row for row in rows]
