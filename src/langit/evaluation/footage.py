"""A clip to examine and what is true of it, in the JSON that `langit simulate` writes (see simulator/export.py).

The exam's own clips carry one key more:

    exam      {"task": of the exam, "prompt", "seed", "given": frames at the start that were given to the model,
              "joins": first frames of the windows after the first}
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from langit.evaluation.asked import Sight
from langit.evaluation.observation import Observation, observe
from langit.evaluation.prompts import Prompt, expectation_of
from langit.media import read_video
from langit.simulator.camera import axes, half_extent, project
from langit.simulator.export import describe
from langit.simulator.world import Array, Camera, Facts, Happening, Light, Relation, Scene, Thing, Trajectory, Truth
from langit.types import Frames, InputError

TASK_OF_EVENT = {
    "roll": "uniform",
    "collide": "collision",
    "throw": "parabola",
    "fall": "fall",
    "bounce": "bounce",
    "occlude": "occlusion",
    "still": "static",
}
"""The task of the exam that a simulated clip of an event serves."""
ENDINGS = (".mp4", ".gif", ".webm", ".mov", ".mkv", ".avi")


@dataclass(frozen=True, eq=False)
class Told:
    """The truth of one clip as arrays; F frames, K things."""

    json: dict[str, Any]
    things: tuple[Thing, ...]
    positions: Array  # (F, K, 3)
    centroids: Array  # (F, K, 2) of the projected centres, NaN behind the camera
    visible_share: Array  # (F, K)
    camera: Camera
    touching: NDArray[np.bool_]  # (F, K): anything at all, in the interval before the frame
    size: tuple[int, int]  # height, width
    fps: float

    @classmethod
    def of(cls, told: dict[str, Any]) -> Told:
        """Raises KeyError, TypeError or ValueError where it is not such JSON."""
        things = told["things"]
        frames = int(told["frames"])
        touching = np.zeros((frames, len(things)), bool)
        for frame, contacts in enumerate(told["contacts"]):
            for a, b, _ in contacts:
                touching[frame, [k for k in (a, b) if k >= 0]] = True
        camera = told["camera"]
        return cls(
            told,
            tuple(
                Thing(
                    **{f.name: told_thing[f.name] for f in dataclasses.fields(Thing)}
                    | {"half_extents": tuple(told_thing["half_extents"])}
                )
                for told_thing in things
            ),
            _stacked([thing["positions"] for thing in things], frames, 3),
            _stacked([thing["centroids"] for thing in things], frames, 2),
            np.array([thing["visible_share"] for thing in things], np.float32).T.reshape(frames, len(things)),
            Camera(
                camera["move"],
                camera["angle"],
                np.array(camera["positions"], np.float32),
                np.array(camera["targets"], np.float32),
                float(camera["fov"]),
            ),
            touching,
            (int(told["height"]), int(told["width"])),
            float(told["fps"]),
        )

    @property
    def num_frames(self) -> int:
        return len(self.positions)

    @property
    def gravity(self) -> float:
        return float(self.json["gravity"])

    @property
    def actors(self) -> tuple[int, ...]:
        return tuple(self.json["actors"])

    @property
    def exam(self) -> dict[str, Any]:
        """What the exam said of its own clip; empty for others."""
        return dict(self.json.get("exam", {}))

    @cached_property
    def depth(self) -> Array:
        """(F, K) metres along the camera's axis."""
        return project(self.camera, self.positions, *self.size)[1]

    def facts(self) -> Facts:
        """What truly happens."""
        facts = self.json["facts"]
        return Facts(
            self.things,
            tuple(facts["places"]),
            tuple(Happening(**one) for one in facts["happenings"]),
            tuple(Relation(**one) for one in facts["relations"]),
            self.camera.move,
            self.camera.angle,
            str(self.json["light"]["time"]),
            str(self.json["light"]["side"]),
            str(self.json["ground"]),
        )

    def sight(self) -> Sight:
        """What decides what may be asked of the clip."""
        return Sight.of(self.scene(), self.facts(), self.size)

    def scene(self) -> Scene:
        """The scene that the JSON tells."""
        told = self.json["things"]
        path = Trajectory(
            self.positions,
            _stacked([thing["quaternions"] for thing in told], self.num_frames, 4),
            _stacked([thing["velocities"] for thing in told], self.num_frames, 3),
            _stacked([thing["angular_velocities"] for thing in told], self.num_frames, 3),
            tuple(tuple((int(a), int(b), float(force)) for a, b, force in one) for one in self.json["contacts"]),
            self.fps,
        )
        light = self.json["light"]
        x, y, z = (float(part) for part in light["direction"])
        return Scene(
            int(self.json["scene_seed"]),
            str(self.json["event"]),
            self.things,
            path,
            self.camera,
            Light(str(light["time"]), str(light["side"]), (x, y, z)),
            str(self.json["ground"]),
            self.gravity,
            self.actors,
        )

    def in_space(self, x: Array, y: Array, depth: Array) -> Array:
        """Screen places (F,) at depths (F,) along the camera's axis -> points of the world, (F, 3)."""
        right, up, forward = axes(self.camera)
        half_height, half_width = half_extent(self.camera, *self.size)
        across, above = (2 * x - 1) * half_width, (1 - 2 * y) * half_height
        points = self.camera.positions + depth[:, None] * (forward + across[:, None] * right + above[:, None] * up)
        return np.asarray(points, np.float32)


@dataclass(frozen=True, eq=False)
class Examined:
    """A clip, what is true of it, and what is seen in it."""

    name: str
    task: str
    frames: Frames
    told: Told
    given: int = 0  # frames at its start that the model was given
    joins: tuple[int, ...] = ()
    asked: Prompt | None = None  # what its prompt asked for, where that is to be measured

    @cached_property
    def observation(self) -> Observation:
        return observe(self.frames, self.told.fps)

    @property
    def fps(self) -> float:
        return self.told.fps


def tell(scene: Scene, truth: Truth, exam: dict[str, Any]) -> dict[str, Any]:
    """The JSON of a scene of the exam."""
    height, width = truth.segmentation.shape[1:]
    return {"width": int(width), "height": int(height), **describe(scene, truth), "exam": exam}


def examined(name: str, frames: Frames, told: dict[str, Any]) -> Examined:
    """A clip with its truth; clips that the exam did not ask for are asked all that their dense captions tell."""
    known = Told.of(told)
    exam = known.exam
    task = exam.get("task") or TASK_OF_EVENT.get(told.get("event", ""), "world")
    asked = None
    if not exam:
        text = str(told["captions"]["en"]["dense"])
        asked = Prompt(int(told["scene_seed"]), "en", "dense", text, expectation_of(known.sight()))
    return Examined(name, task, frames, known, int(exam.get("given", 0)), tuple(exam.get("joins", ())), asked)


def read_folder(clips: Path, truth: Path) -> list[Examined]:
    """Every clip of a folder with its truth; `InputError` in one sentence for what is missing or does not fit."""
    for what, folder in (("clips", clips), ("truth", truth)):
        if not folder.is_dir():
            raise InputError(f"There is no folder {folder}; name the folder of the {what}.")
    paths = sorted(path for path in clips.iterdir() if path.suffix.lower() in ENDINGS)
    if not paths:
        raise InputError(f"{clips} holds no clips; put videos there ({', '.join(ENDINGS)}).")
    return [_read(path, truth / f"{path.stem}.json") for path in paths]


def _read(path: Path, truth: Path) -> Examined:
    if not truth.is_file():
        raise InputError(f"{path.name} has no truth: {truth} is missing. `langit simulate` writes such files.")
    try:
        told = json.loads(truth.read_text())
        known = Told.of(told)
    except (KeyError, TypeError, ValueError, AttributeError, OSError) as error:
        why = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        raise InputError(f"{truth} is not the truth of a clip as `langit simulate` writes it ({why}).") from error
    frames = read_video(path, max_frames=known.num_frames + 1).frames
    if frames.shape[:3] != (known.num_frames, *known.size):
        count = f"more than {known.num_frames}" if len(frames) > known.num_frames else str(len(frames))
        raise InputError(
            f"{path.name} has {count} frames of {frames.shape[2]}x{frames.shape[1]}, but its truth tells of "
            f"{known.num_frames} frames of {known.size[1]}x{known.size[0]}; give clips of the same length and size."
        )
    return examined(path.stem, frames, told)


def _stacked(rows: list[list[list[float] | None]], frames: int, width: int) -> Array:
    """Per thing a list of F rows, null where unknown -> (F, K, width) with NaN."""
    filled = np.full((len(rows), frames, width), np.nan, np.float32)
    for thing, values in enumerate(rows):
        if len(values) != frames:
            raise ValueError(f"{len(values)} rows for {frames} frames")
        for frame, row in enumerate(values):
            if row is not None:
                filled[thing, frame] = row
    return filled.transpose(1, 0, 2)
