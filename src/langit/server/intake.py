"""From a request to a video that can be accepted: the model found, size and length fitted, inputs decoded and stored."""

from __future__ import annotations

import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
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
    VideoBlend,
    VideoCreate,
    VideoEdit,
    VideoExtend,
    VideoInpaint,
    VideoLoop,
    VideoOutpaint,
    VideoRecut,
    VideoReference,
    VideoRemix,
    VideoStoryboard,
)
from langit.server.settings import ServedModel, Settings
from langit.server.tables import workers

ALIVE_SECONDS = 15.0
_DATED = re.compile(r"(.+)-20\d\d-\d\d-\d\d")


Inputs = dict[str, Callable[[Path], Any]]
"""What goes into a video, by name: each writes itself to a path. Names that begin with "video" are mp4, others png."""
Files = Mapping[str, Upload]


@dataclass(frozen=True)
class Draft:
    """Everything that a new video is made of, before its inputs are stored."""

    operation: str
    name: str
    served: ServedModel
    reach: Reach
    course: Course
    prompt: str
    made: Fitted
    inputs: Inputs
    parameters: Mapping[str, Any] = field(default_factory=dict)
    source_id: str | None = None
    seconds: float | None = None  # where it is not the length of `made`


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
            raise invalid(
                f"The workers of this server cannot {verb} videos; update them.", None, "unsupported_operation"
            )

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

    def __init__(
        self, settings: Settings, jobs: Jobs, references: References, fleet: Fleet, policy: str | None = None
    ) -> None:
        from langit.provenance import load_policy

        self.settings, self.jobs, self.references, self.fleet = settings, jobs, references, fleet
        self._policy = load_policy(Path(policy) if policy else None)

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
        if not body.prompt.strip():
            raise invalid("The prompt is empty; describe the video: a red ball bounces on the grass.", "prompt")
        made = fitted(
            served,
            self._within(caller, reach),
            parse_size(body.size) if body.size else None,
            float(body.seconds) if body.seconds else None,
            body.fps,
        )
        source = reference or body.input_reference
        if source is not None and body.characters:
            raise invalid(
                "Give an input_reference or a character, not both: each becomes the first frame.", "characters"
            )
        inputs: Inputs = {}
        if source is not None:
            inputs["image"] = lambda target: self.references.image(caller, source, target)
        elif body.characters:
            character = body.characters[0].id
            inputs["image"] = lambda target: self.references.character(caller, character, target)
        draft = Draft("create", name, served, reach, body, body.prompt, made, inputs)
        return self._new(caller, draft, [body.prompt], identifier)

    def remix(self, caller: Caller, identifier: str, body: VideoRemix) -> NewVideo:
        """POST /videos/{id}/remix."""
        row = self.jobs.find(caller, identifier)
        return self._from_source("remix", row["model"], caller, body, body.prompt, row, {"strength": body.strength})

    def edit(self, caller: Caller, body: VideoEdit, files: Files) -> NewVideo:
        """POST /videos/edits: the source, made anew as the prompt says."""
        source = self._source(caller, body.video, files)
        return self._from_source("edit", body.model, caller, body, body.prompt, source, {"strength": body.strength})

    def extend(self, caller: Caller, body: VideoExtend, files: Files) -> NewVideo:
        """POST /videos/extensions: the source and what happens after it, in one video."""
        source = self._source(caller, body.video, files)
        more = float(body.seconds)
        return self._from_source("extend", body.model, caller, body, body.prompt, source, {"seconds": more}, more)

    def loop(self, caller: Caller, body: VideoLoop, files: Files) -> NewVideo:
        source = self._source(caller, body.video, files)
        more = {"seconds": body.seconds}
        return self._from_source("loop", body.model, caller, body, body.prompt, source, more, body.seconds or 0.0)

    def blend(self, caller: Caller, body: VideoBlend, files: Files) -> NewVideo:
        first = self._source(caller, body.video, files)
        second = self._source(caller, body.second, files, "second")
        parameters = {"seconds": body.seconds, "curve": body.curve}
        with self.references.temporary(".mp4") as path:
            _, seconds = self._measured(caller, second, path, "second")
            inputs: Inputs = {"video-second": lambda target: shutil.copy(path, target)}
            more = seconds + (body.seconds or 1.0)
            return self._from_source("blend", body.model, caller, body, body.prompt, first, parameters, more, inputs)

    def recut(self, caller: Caller, body: VideoRecut, files: Files) -> NewVideo:
        source = self._source(caller, body.video, files)
        parameters = {"keep": [list(segment) for segment in body.keep], "rest": body.rest, "seconds": body.seconds}
        return self._from_source("recut", body.model, caller, body, body.prompt, source, parameters)

    def inpaint(self, caller: Caller, body: VideoInpaint, files: Files) -> NewVideo:
        source, mask = self._source(caller, body.video, files), files.get("mask") or body.mask
        if (mask is None) == (body.box is None):
            raise invalid("Give a mask (a picture) or a box (x, y, width, height), and not both.", "mask")
        parameters = {"box": body.box and list(body.box), "start": body.start, "stop": body.stop}
        inputs: Inputs = {}
        if mask is not None:
            inputs["mask"] = lambda target: self.references.image(caller, mask, target)
        return self._from_source("inpaint", body.model, caller, body, body.prompt, source, parameters, 0.0, inputs)

    def outpaint(self, caller: Caller, body: VideoOutpaint, files: Files) -> NewVideo:
        source = self._source(caller, body.video, files)
        return self._from_source(
            "outpaint", body.model, caller, body, body.prompt, source, {"canvas": list(parse_size(body.size))}
        )

    def storyboard(self, caller: Caller, body: VideoStoryboard) -> NewVideo:
        """POST /videos/storyboard."""
        name, served = self.served(body.model)
        reach = self.fleet.reach(served.model)
        self.fleet.check_verb("storyboard")
        size = parse_size(body.size) if body.size else None
        made = fitted(served, self._within(caller, reach), size, float(body.seconds), body.fps)
        inputs: Inputs = {}
        cards: list[dict[str, Any]] = []
        for number, card in enumerate(body.cards):
            told: dict[str, Any] = {"at": card.at, "prompt": card.prompt}
            picture = card.picture
            if picture is not None:
                inputs[f"card-{number}"] = partial(self.references.image, caller, picture)
                told["picture"] = f"input-card-{number}.png"
            cards.append(told)
        draft = Draft("storyboard", name, served, reach, body, body.prompt, made, inputs, {"cards": cards})
        return self._new(caller, draft, said=[body.prompt, *(card.prompt for card in body.cards)])

    def _source(
        self, caller: Caller, video: VideoReference | str | None, files: Files, param: str = "video"
    ) -> Upload | Row:
        if param in files:
            return files[param]
        if video is None:
            told = f"Missing required parameter: {param!r}: a file, or the id of a completed video."
            raise invalid(told, param, "missing_required_parameter")
        return self.jobs.find(caller, video if isinstance(video, str) else video.id)

    def _from_source(
        self,
        verb: str,
        model: str | None,
        caller: Caller,
        course: Course,
        prompt: str,
        source: Upload | Row,
        parameters: Mapping[str, Any],
        more_seconds: float = 0.0,
        more_inputs: Inputs | None = None,
    ) -> NewVideo:
        """A video made from another. Its size and length are foretold here; the model says what they become."""
        name, served = self.served(model or (None if isinstance(source, Upload) else source["model"]))
        reach = self.fleet.reach(served.model)
        self.fleet.check_verb(verb)
        relaxed = served.model_copy(update={"size": "fit", "seconds": "fit"})  # a source is what it is
        with self.references.temporary(".mp4") as path:
            size, seconds = self._measured(caller, source, path, "video")
            made = fitted(relaxed, reach, size, min(seconds, reach.max_seconds), None)
            total = made.seconds + more_seconds
            if total > caller.limits.video_seconds:
                raise invalid(
                    f"{total:g} seconds would come of this; {caller.limits.video_seconds:g} are allowed.", "seconds"
                )
            inputs: Inputs = {"video": lambda target: shutil.copy(path, target), **(more_inputs or {})}
            source_id = None if isinstance(source, Upload) else source["id"]
            draft = Draft(verb, name, served, reach, course, prompt, made, inputs, parameters, source_id, total)
            return self._new(caller, draft, said=[prompt])

    def _measured(
        self, caller: Caller, source: Upload | Row, target: Path, param: str
    ) -> tuple[tuple[int, int], float]:
        """Bring a source to `target`; its (width, height) and seconds."""
        if isinstance(source, Upload):
            decoded = self.references.decoded(caller, "video", source.path, target, param)
            return (decoded.width, decoded.height), decoded.frames / decoded.fps
        self._fetch_completed(source, target)
        return parse_size(source["size"]), float(source["seconds"])

    def _within(self, caller: Caller, reach: Reach) -> Reach:
        return replace(reach, max_seconds=min(reach.max_seconds, caller.limits.video_seconds))

    def _fetch_completed(self, row: Row, target: Path) -> None:
        if row["status"] != "completed":
            raise invalid(
                f"The video {row['id']!r} is {row['status']}; only a completed one can be used.",
                "video",
                "video_not_completed",
            )
        try:
            self.jobs.storage.fetch(row["files"]["video"]["key"], target)
        except FileNotFoundError:
            raise not_found("video", row["id"]) from None

    def _new(self, caller: Caller, draft: Draft, said: Sequence[str], identifier: str | None = None) -> NewVideo:
        self._check_prompt(caller, "\n".join(said))
        identifier = identifier or new_id("video")
        made = draft.made
        request = {
            "model": draft.served.model,
            "operation": draft.operation,
            "width": made.size[0],
            "height": made.size[1],
            "frames": made.frames,
            "fps": made.fps,
            "seed": draft.course.seed if draft.course.seed is not None else secrets.randbelow(2**31),
            "guidance": draft.course.guidance,
            "steps": _steps(draft.course, draft.reach),
            "quality": "fast" if draft.course.quality == "fast" else None,
            "parameters": {key: value for key, value in draft.parameters.items() if value is not None},
            "inputs": self._stored(identifier, draft.inputs),
        }
        return NewVideo(
            identifier,
            draft.operation,
            draft.name,
            draft.prompt,
            f"{made.size[0]}x{made.size[1]}",
            shown_seconds(made.seconds if draft.seconds is None else draft.seconds),
            request,
            made.notices,
            draft.source_id,
        )

    def _check_prompt(self, caller: Caller, prompt: str) -> None:
        """`ApiError` when the prompt policy refuses it; the audit log keeps who, and not the prompt."""
        from langit.provenance import check_prompt

        verdict = check_prompt(prompt, self._policy)
        if verdict.allowed:
            return
        self.jobs.refused(caller.owner, None, "prompt", {"category": verdict.category, "length": len(prompt)})
        raise invalid(verdict.sentence, "prompt", verdict.code or "moderation_blocked")

    def _stored(self, identifier: str, inputs: Inputs) -> dict[str, str]:
        keys: dict[str, str] = {}
        if not inputs:
            return keys
        with tempfile.TemporaryDirectory(dir=self.references.spool) as folder:
            for kind, write in inputs.items():
                path = Path(folder) / f"{kind}{'.mp4' if kind.startswith('video') else '.png'}"
                write(path)
                keys[kind] = f"videos/{identifier}/inputs/{path.name}"
                self.jobs.storage.put(keys[kind], path)
        return keys


def _steps(course: Course, reach: Reach) -> int | None:
    if course.steps is not None and course.quality is not None:
        raise invalid("Give quality or steps, not both: quality chooses the steps.", "quality")
    if course.quality == "fast":
        if not reach.has_quick_weights:
            raise invalid("This model has no quick weights; ask for the quality draft, standard or high.", "quality")
        if course.guidance is not None:
            raise invalid("Give quality fast or a guidance, not both: the quick weights have their own.", "guidance")
    if course.quality is None or course.quality == "fast":
        return course.steps
    return max(1, round(reach.steps * QUALITY_STEPS[course.quality]))
