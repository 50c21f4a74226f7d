"""An edit that is ready to be made: what decides it, and its frames when they are asked for."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Generator
from contextlib import closing, nullcontext
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch

from langit.catalog import EMBEDDED, Bundle, load
from langit.conditioning import Known, Span, SpansCondition
from langit.editing.film import Film
from langit.editing.sound import SoundPiece, sound_of
from langit.editing.store import Store, remembering
from langit.generate import OnStep, Sampler, sample
from langit.media import VideoWriter, check_output
from langit.media.output import kind_of
from langit.media.record import Record, SourceFile, sha256_of, write_sidecar
from langit.planning import NUM_SEEDS, Plan, Request, plan
from langit.provenance import Identity, seal
from langit.types import Frames, InputError, Video

RELEASED_FRAMES = 256
"""After so many frames the sound that was written with them leaves the memory."""
Making = Callable[[Sampler, OnStep | None], Generator[Frames, None, Known | None]]
"""The frames as they are made; returns the latents of the end where they were made as such."""


@dataclass(frozen=True)
class Course:
    """How an edit is made: the model and the course of its sampling. None is the model's own choice."""

    model: str = EMBEDDED
    seed: int | None = None  # a random one, which the edit's record tells
    steps: int | None = None
    guidance: float | None = None
    solver: str | None = None
    schedule: str | None = None
    quality: str | None = None  # fast or best
    device: str = "cpu"  # where it is made: no part of the record

    def bundle(self) -> Bundle:
        return load(self.model, self.device)

    def settled(self) -> Course:
        """The same with a seed; `InputError` where it is none."""
        seed = secrets.randbelow(2**31) if self.seed is None else self.seed
        if not 0 <= seed < NUM_SEEDS:
            raise InputError(f"A seed of {seed} was given; give a whole number from 0 to {NUM_SEEDS - 1}.")
        return replace(self, seed=seed)

    def options(self) -> dict[str, Any]:
        return {
            name: value for name, value in vars(self).items() if name not in ("model", "device") and value is not None
        }

    def plan(self, bundle: Bundle, prompt: str, size: tuple[int, int], fps: float, prompted: bool = True) -> Plan:
        """The plan that windows are made by; without any prompt there is nothing to guide towards."""
        height, width = size
        says = (SpansCondition((Span(0, 1, prompt),)),)
        unguided = not (prompt.strip() or prompted)
        request = Request(
            prompt,
            None,
            1,
            (width, height),
            fps,
            self.seed,
            self.steps,
            self.guidance,
            self.solver,
            self.schedule,
            says,
            self.quality,
        )
        told = replace(plan(bundle, request), conditions=())
        if unguided:
            told = replace(told, guidance=1.0)
        if unguided and self.guidance not in (None, 1.0):
            idle = f"there is no prompt, so a guidance of {self.guidance:g} has nothing to guide towards; give a prompt"
            told = replace(told, notices=(*told.notices, idle))
        return told


MODELS_OWN = Course()
"""The embedded model as it comes, and a random seed."""


@dataclass(frozen=True, eq=False)
class Edit:
    """What a verb returns. `video()` makes it in memory; `save` streams it to a file."""

    record: Record
    fps: float
    size: tuple[int, int]  # (height, width)
    num_frames: int  # as the sources' headers promise
    making: Making
    notices: tuple[str, ...] = ()
    sound: tuple[SoundPiece, ...] = ()

    @property
    def seed(self) -> int:
        return int(self.record.options.get("course", {}).get("seed", 0))

    def frames(self, on_step: OnStep | None = None) -> Generator[Frames, None, Known | None]:
        """The frames (H, W, 3) as they are made."""
        return self.making(sample, on_step)

    def video(self, on_step: OnStep | None = None) -> Video:
        """All of it in memory, with its sound."""
        frames = np.stack(list(self.frames(on_step)))
        with closing(sound_of(self.sound, self.fps)) as sound:
            return Video(frames, self.fps, sound.copied())

    def save(
        self,
        path: str | Path,
        *,
        overwrite: bool = False,
        on_step: OnStep | None = None,
        identity: Identity | None = None,
    ) -> Path:
        """Write it as `langit.media.write` does, with its record in the file and beside it, and signed by `identity`.

        Nothing is left of an interrupted edit but its windows in `.langit/`: the same edit goes on from them.
        """
        check_output(path, overwrite, frames=None if self.num_frames > 1 else 1)
        target = Path(path)
        if any(Path(source.path).resolve() == target.resolve() for source in self.record.sources):
            raise InputError(f"{path} is a source of this edit, and sources are never written to; name another output.")
        if kind_of(path) == "png" and self.num_frames > 1:
            raise InputError(
                f"{path} holds one image and the edit has {self.num_frames} frames; use .mp4, .gif or a folder."
            )
        store = Store.beside(target)
        film = Film(store) if kind_of(path) == "mp4" else None
        try:
            end = self._write(target, overwrite, remembering(store, self.record.model_hash), film, on_step)
            if identity is not None:
                sources = [Path(source.path) for source in self.record.sources]
                seal(target, identity=identity, prompt=self.record.prompt, model=self.record.model, sources=sources)
            write_sidecar(target, self.record)
            if film is not None:
                film.keep(sha256_of(target), {} if end is None else _tensors(end))
        finally:
            if film is not None:
                film.discard()
        return target

    def _write(
        self, target: Path, overwrite: bool, sampler: Sampler, film: Film | None, on_step: OnStep | None
    ) -> Known | None:
        """The frames and their sound to the file, and the frames to the film; returns the latents of the end."""
        making = self.making(sampler, on_step)
        with closing(sound_of(self.sound, self.fps)) as sound:
            audio = sound.audio if kind_of(target) == "mp4" else None
            out = VideoWriter(
                target, self.fps, self.size, overwrite=overwrite, metadata=self.record.metadata(), audio=audio
            )
            with out, film or nullcontext():
                for written in count(1):
                    try:
                        frame = next(making)
                    except StopIteration as done:
                        end: Known | None = done.value
                        break
                    out.write(frame)
                    if film is not None:
                        film.add(frame)
                    if written % RELEASED_FRAMES == 0:
                        sound.release()
        return end


def _tensors(end: Known) -> dict[str, torch.Tensor]:
    tensors = {
        "picture": torch.from_numpy(end.picture.copy()),
        "groups": end.groups,
        "unshown": torch.tensor(end.unshown),
    }
    return tensors if end.cast is None else {**tensors, "cast": end.cast}


def record_of(
    verb: str,
    bundle: Bundle,
    course: Course,
    prompt: str,
    options: dict[str, Any],
    sources: tuple[SourceFile, ...] = (),
) -> Record:
    """The record of an edit; `options` are the verb's arguments beside its sources and its course."""
    from importlib.metadata import version

    told = json.loads(json.dumps({**options, "course": course.options()}))  # as it will be read
    return Record(verb, prompt, told, course.model, bundle.hash(), sources, version("langit"))
