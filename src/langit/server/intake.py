"""From a request to a video that can be accepted: the model found, size and length fitted, inputs decoded and stored."""

from __future__ import annotations

import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from langit.server.body import Upload
from langit.server.database import Database
from langit.server.errors import ApiError, invalid, not_found
from langit.server.fitting import Fitted, Reach, fitted, parse_size, shown_seconds
from langit.server.jobs import Jobs, NewVideo, Row, new_id
from langit.server.keys import Caller
from langit.server.references import References
from langit.server.schema import (
    QUALITY_STEPS,
    Course,
    VideoCreate,
    VideoEdit,
    VideoExtend,
    VideoReference,
    VideoRemix,
)
from langit.server.settings import ServedModel, Settings
from langit.server.tables import workers

ALIVE_SECONDS = 15.0
_DATED = re.compile(r"(.+)-20\d\d-\d\d-\d\d")


class Fleet:
    """What the workers that are alive can make."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._read, self._models, self._verbs = -1.0, dict[str, Reach](), frozenset[str]()

    def is_ready(self) -> bool:
        self._refresh()
        return bool(self._models)

    def reach(self, model: str) -> Reach:
        """What an installed model can make; `ApiError` 503 while no worker has it."""
        self._refresh()
        if model not in self._models:
            raise ApiError(
                503,
                "No worker is ready for this model yet; try again in a moment.",
                code="not_ready",
                kind="server_error",
                headers={"Retry-After": "1"},
            )
        return self._models[model]

    def check_verb(self, verb: str) -> None:
        """`ApiError` when no worker can do this."""
        self._refresh()
        if verb not in self._verbs:
            raise invalid(f"The workers of this server cannot {verb} videos; update them.", None, "unsupported_operation")

    def _refresh(self) -> None:
        now = time.monotonic()
        if now - self._read < 0.5:
            return
        with self._database.read() as connection:
            alive = connection.execute(sa.select(workers).where(workers.c.seen_at > time.time() - ALIVE_SECONDS)).all()
        self._models = {name: Reach.from_json(reach) for row in alive for name, reach in row.models.items()}
        self._verbs = frozenset(verb for row in alive for verb in row.verbs)
        self._read = now


class Intake:
    """Prepares what requests ask for."""

    def __init__(self, settings: Settings, jobs: Jobs, references: References, fleet: Fleet) -> None:
        self.settings, self.jobs, self.references, self.fleet = settings, jobs, references, fleet

    def served(self, name: str | None) -> tuple[str, ServedModel]:
        """The name that a request uses and what stands behind it; a dated name is that of its family."""
        asked = name or self.settings.default_model
        found = self.settings.models.get(asked)
        if found is None and (dated := _DATED.fullmatch(asked)):
            found = self.settings.models.get(dated[1])
        if found is None:
            raise ApiError(
                404,
                f"The model {asked[:80]!r} does not exist here; this server has {', '.join(self.settings.models)}.",
                code="model_not_found",
                param="model",
            )
        return asked, found

    def create(
        self, caller: Caller, body: VideoCreate, reference: Upload | None, identifier: str | None = None
    ) -> NewVideo:
        """POST /videos. The video is called `identifier`, or something new."""
        name, served = self.served(body.model)
        reach = self.fleet.reach(served.model)
        made = fitted(
            served,
            reach,
            parse_size(body.size) if body.size else None,
            float(body.seconds) if body.seconds else None,
            body.fps,
        )
        source = reference or body.input_reference
        if source is not None and body.characters:
            raise invalid("Give an input_reference or a character, not both: each becomes the first frame.", "characters")
        inputs: dict[str, Callable[[Path], Any]] = {}
        if source is not None:
            inputs["image"] = lambda target: self.references.image(caller, source, target)
        elif body.characters:
            character = body.characters[0].id
            inputs["image"] = lambda target: self.references.character(caller, character, target)
        return self._new("create", name, served, reach, body, body.prompt, made, inputs, identifier=identifier)

    def remix(self, caller: Caller, identifier: str, body: VideoRemix) -> NewVideo:
        """POST /videos/{id}/remix."""
        row = self.jobs.find(caller, identifier)
        return self._from_source("remix", row["model"], caller, body, body.prompt, row, {"strength": body.strength})

    def edit(self, caller: Caller, body: VideoEdit, upload: Upload | None) -> NewVideo:
        """POST /videos/edits: the source, made anew as the prompt says."""
        source = self._source(caller, body.video, upload)
        name = body.model or (None if isinstance(source, Upload) else source["model"])
        return self._from_source("edit", name, caller, body, body.prompt, source, {"strength": body.strength})

    def extend(self, caller: Caller, body: VideoExtend, upload: Upload | None) -> NewVideo:
        """POST /videos/extensions: the source and what happens after it, in one video."""
        source = self._source(caller, body.video, upload)
        name = None if isinstance(source, Upload) else source["model"]
        more = float(body.seconds)
        return self._from_source("extend", body.model or name, caller, body, body.prompt, source, {"seconds": more}, more)

    def _source(self, caller: Caller, video: VideoReference | str | None, upload: Upload | None) -> Upload | Row:
        if upload is not None:
            return upload
        if video is None:
            raise invalid("Missing required parameter: 'video': a file, or the id of a completed video.", "video", "missing_required_parameter")
        return self.jobs.find(caller, video if isinstance(video, str) else video.id)

    def _from_source(
        self,
        verb: str,
        name: str | None,
        caller: Caller,
        course: Course,
        prompt: str,
        source: Upload | Row,
        parameters: Mapping[str, Any],
        more_seconds: float = 0.0,
    ) -> NewVideo:
        """A video made from another. What the source's size and length become is the model's to say."""
        name, served = self.served(name)
        reach = self.fleet.reach(served.model)
        self.fleet.check_verb(verb)
        relaxed = served.model_copy(update={"size": "fit", "seconds": "fit"})  # a source is what it is
        with self.references.temporary(".mp4") as path:
            if isinstance(source, Upload):
                decoded = self.references.decoded(caller, "video", source.path, path, "video")
                size, seconds = (decoded.width, decoded.height), decoded.frames / decoded.fps
                source_id = None
            else:
                self._fetch_completed(source, path)
                size, seconds, source_id = parse_size(source["size"]), float(source["seconds"]), source["id"]
            made = fitted(relaxed, reach, size, min(seconds, reach.max_frames / reach.fps), None)
            total = made.seconds + more_seconds
            inputs: dict[str, Callable[[Path], Any]] = {"video": lambda target: shutil.copy(path, target)}
            return self._new(
                verb, name, served, reach, course, prompt, made, inputs, parameters, source_id, shown_seconds(total)
            )

    def _fetch_completed(self, row: Row, target: Path) -> None:
        if row["status"] != "completed":
            raise invalid(f"The video {row['id']!r} is {row['status']}; only a completed one can be used.", "video", "video_not_completed")
        try:
            self.jobs.storage.fetch(row["files"]["video"]["key"], target)
        except FileNotFoundError:
            raise not_found("video", row["id"]) from None

    def _new(
        self,
        operation: str,
        name: str,
        served: ServedModel,
        reach: Reach,
        course: Course,
        prompt: str,
        made: Fitted,
        inputs: Mapping[str, Callable[[Path], Any]],
        parameters: Mapping[str, Any] | None = None,
        source_id: str | None = None,
        seconds: str | None = None,
        identifier: str | None = None,
    ) -> NewVideo:
        if not prompt.strip():
            raise invalid("The prompt is empty; describe the video, for example: a red ball bounces on the grass.", "prompt")
        identifier = identifier or new_id("video")
        request = {
            "model": served.model,
            "operation": operation,
            "width": made.size[0],
            "height": made.size[1],
            "frames": made.frames,
            "fps": made.fps,
            "seed": course.seed if course.seed is not None else secrets.randbelow(2**31),
            "guidance": course.guidance,
            "steps": _steps(course, reach),
            "parameters": {key: value for key, value in (parameters or {}).items() if value is not None},
            "inputs": self._stored(identifier, inputs),
        }
        return NewVideo(
            identifier,
            operation,
            name,
            prompt,
            f"{made.size[0]}x{made.size[1]}",
            seconds or shown_seconds(made.seconds),
            request,
            made.notices,
            source_id,
        )

    def _stored(self, identifier: str, inputs: Mapping[str, Callable[[Path], Any]]) -> dict[str, str]:
        keys = {}
        with tempfile.TemporaryDirectory(dir=self.references.spool) as folder:
            for kind, write in inputs.items():
                path = Path(folder) / ("video.mp4" if kind.startswith("video") else f"{kind}.png")
                write(path)
                keys[kind] = f"videos/{identifier}/inputs/{path.name}"
                self.jobs.storage.put(keys[kind], path)
        return keys


def _steps(course: Course, reach: Reach) -> int | None:
    if course.steps is not None and course.quality is not None:
        raise invalid("Give quality or steps, not both: quality chooses the steps.", "quality")
    if course.quality is None:
        return course.steps
    return max(1, round(reach.steps * QUALITY_STEPS[course.quality]))
