"""Many prompts at once: a file with one request a line becomes videos, and then a file with one answer a line."""

from __future__ import annotations

import hashlib
import json
import logging
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from langit.server.database import Database
from langit.server.errors import ApiError, from_validation, invalid
from langit.server.intake import Intake
from langit.server.jobs import ACTIVE, Jobs, Row, new_id
from langit.server.keys import Caller
from langit.server.queues import BATCHES, Queues
from langit.server.schema import BatchCreate, Video, VideoCreate
from langit.server.settings import Limits
from langit.server.storage import Storage
from langit.server.tables import batches, files, keys
from langit.server.webhooks import announce

log = logging.getLogger("langit.batches")
MOST_LINES = 50_000
WAIT_SECONDS = 0.5
WINDOW_SECONDS = 24 * 3600


class BatchRunner:
    """Takes a batch to its end."""

    def __init__(
        self, database: Database, queues: Queues, storage: Storage, jobs: Jobs, intake: Intake, limits: Limits
    ) -> None:
        self.database, self.queues, self.storage = database, queues, storage
        self.jobs, self.intake, self.limits = jobs, intake, limits

    def accept(self, caller: Caller, body: BatchCreate) -> dict[str, Any]:
        """A new batch, validated line by line as it runs."""
        query = sa.select(files).where(files.c.id == body.input_file_id, files.c.owner == caller.owner)
        with self.database.write() as connection:
            if connection.execute(query).first() is None:
                raise invalid(
                    f"There is no file {body.input_file_id[:80]!r}; upload one with the purpose batch.", "input_file_id"
                )
            identifier, now = new_id("batch"), int(time.time())
            shown = {
                "completion_window": body.completion_window,
                "endpoint": body.endpoint,
                "input_file_id": body.input_file_id,
                "metadata": body.metadata,
                "expires_at": now + WINDOW_SECONDS,
                "request_counts": {"total": 0, "completed": 0, "failed": 0},
            }
            connection.execute(
                batches.insert().values(
                    id=identifier, owner=caller.owner, status="validating", body=shown, created_at=now
                )
            )
            self.queues.add(connection, BATCHES, identifier)
        return self.find(caller, identifier)

    def find(self, caller: Caller, identifier: str) -> dict[str, Any]:
        row = self._row(identifier)
        if row is None or row["owner"] != caller.owner:
            raise ApiError(404, f"There is no batch {identifier[:80]!r}.", code="not_found")
        return _shown(row)

    def page(self, caller: Caller, after: str | None, limit: int) -> tuple[list[dict[str, Any]], bool]:
        query = sa.select(batches).where(batches.c.owner == caller.owner).order_by(batches.c.number.desc())
        if after is not None:
            self.find(caller, after)
            number = sa.select(batches.c.number).where(batches.c.id == after).scalar_subquery()
            query = query.where(batches.c.number < number)
        with self.database.read() as connection:
            rows = list(connection.execute(query.limit(limit + 1)).mappings())
        return [_shown(row) for row in rows[:limit]], len(rows) > limit

    def cancel(self, caller: Caller, identifier: str) -> dict[str, Any]:
        self.find(caller, identifier)
        self._update(identifier, "cancelling", {"cancelling_at": int(time.time())}, ("validating", "in_progress"))
        return self.find(caller, identifier)

    def run(self, identifier: str) -> None:
        """From its first line to its output; begun again after a crash, no line becomes two videos."""
        row = self._row(identifier)
        if row is None or row["status"] in ("completed", "failed", "cancelled"):
            return
        caller = Caller(row["owner"], self._limits(row["owner"]))
        try:
            lines = [*self._lines(row)]
        except ApiError as error:
            problem = {"code": error.code, "message": error.message, "param": None, "line": None}
            self._end(row, "failed", {"errors": {"object": "list", "data": [problem]}, "failed_at": int(time.time())})
            return
        counts = {"total": len(lines), "completed": 0, "failed": 0}
        started = {"in_progress_at": int(time.time()), "request_counts": counts}
        self._update(identifier, "in_progress", started, ("validating", "in_progress"))
        answers: dict[int, dict[str, Any]] = {}
        for number, line in enumerate(lines):
            if self._is_cancelling(identifier):
                break
            answers[number] = self._begin(caller, identifier, number, line)
        self._await(caller, row, answers, counts)

    def _begin(self, caller: Caller, batch: str, number: int, line: Mapping[str, Any]) -> dict[str, Any]:
        """One line as a video that is accepted, or as an error; it waits where the key's queue is full."""
        video = f"video_{hashlib.sha256(f'{batch}:{number}'.encode()).hexdigest()[:32]}"
        answer = {"id": f"{batch}_{number}", "custom_id": line.get("custom_id"), "video": video}
        if self.jobs.get(video) is not None:
            return answer
        while True:
            try:
                self.jobs.accept(caller, self.intake.create(caller, _request(line), None, video))
                return answer
            except ApiError as error:
                if error.status not in (429, 503) or self._is_cancelling(batch):
                    return {**answer, "video": None, "status": error.status, "error": error.body()}
                time.sleep(WAIT_SECONDS)

    def _await(self, caller: Caller, row: Row, answers: dict[int, dict[str, Any]], counts: dict[str, int]) -> None:
        identifier = row["id"]
        open_ = {number for number, answer in answers.items() if answer["video"]}
        while open_:
            cancelling = self._is_cancelling(identifier)
            for number in sorted(open_):
                video = self.jobs.get(answers[number]["video"])
                if video is not None and video["status"] in ACTIVE:
                    if cancelling:
                        self.jobs.fail(video["id"], "cancelled", "The batch was cancelled.")
                    continue
                open_.discard(number)
                if video is None:
                    answers[number] |= {
                        "status": 404,
                        "error": {"error": {"message": "The video was deleted.", "code": "not_found"}},
                    }
                else:
                    shown = Video.of(video).model_dump()
                    answers[number] |= {"status": 200, "body": shown, "ended": video["status"]}
            done = sum(answer.get("ended") == "completed" for answer in answers.values())
            ended = sum("status" in answer for answer in answers.values())
            now = {**counts, "completed": done, "failed": ended - done}
            self._update(identifier, None, {"request_counts": now}, ("in_progress", "cancelling"))
            if open_:
                time.sleep(WAIT_SECONDS)
        self._finish(caller, row, answers)

    def _finish(self, caller: Caller, row: Row, answers: dict[int, dict[str, Any]]) -> None:
        good: list[str] = []
        bad: list[str] = []
        for number in sorted(answers):
            answer = answers[number]
            body = answer.get("body") or answer.get("error")
            line = {
                "id": answer["id"],
                "custom_id": answer["custom_id"],
                "response": {"status_code": answer["status"], "request_id": answer["id"], "body": body},
                "error": None,
            }
            (good if answer.get("ended") == "completed" else bad).append(json.dumps(line))
        now = int(time.time())
        cancelled = self._is_cancelling(row["id"])
        values: dict[str, Any] = {"cancelled_at" if cancelled else "completed_at": now, "finalizing_at": now}
        for name, lines in (("output_file_id", good), ("error_file_id", bad)):
            values[name] = self._file(caller, row["id"], name, lines) if lines else None
        failed = sum(answer.get("ended") != "completed" for answer in answers.values())
        values["request_counts"] = {"total": len(answers), "completed": len(good), "failed": failed}
        self._end(row, "cancelled" if cancelled else "completed", values)

    def _file(self, caller: Caller, batch: str, name: str, lines: list[str]) -> str:
        identifier = f"file_{hashlib.sha256(f'{batch}:{name}'.encode()).hexdigest()[:32]}"
        key = f"files/{identifier}/content"
        with tempfile.NamedTemporaryFile() as temporary:
            temporary.write(("\n".join(lines) + "\n").encode())
            temporary.flush()
            size = self.storage.put(key, Path(temporary.name))
        with self.database.write() as connection:
            if connection.execute(sa.select(files.c.id).where(files.c.id == identifier)).first() is None:
                connection.execute(
                    files.insert().values(
                        id=identifier,
                        owner=caller.owner,
                        purpose="batch_output",
                        filename=f"{batch}_{'output' if name == 'output_file_id' else 'error'}.jsonl",
                        bytes=size,
                        key=key,
                        created_at=int(time.time()),
                    )
                )
        return identifier

    def _lines(self, row: Row) -> Iterator[Mapping[str, Any]]:
        query = sa.select(files.c.key).where(files.c.id == row["body"]["input_file_id"], files.c.owner == row["owner"])
        with self.database.read() as connection:
            key = connection.execute(query).scalar()
        if key is None:
            raise invalid("The input file was deleted.", None, "invalid_file")
        try:
            text = b"".join(self.storage.read(key)).decode()
        except (UnicodeDecodeError, FileNotFoundError):
            raise invalid("The input file is not text in UTF-8.", None, "invalid_file") from None
        lines = [line for line in text.splitlines() if line.strip()]
        if not 1 <= len(lines) <= MOST_LINES:
            raise invalid(
                f"The input file has {len(lines)} requests; a batch has 1 to {MOST_LINES}.", None, "invalid_file"
            )
        for number, line in enumerate(lines, 1):
            try:
                values = json.loads(line)
            except (ValueError, RecursionError):
                raise invalid(f"Line {number} of the input file is not JSON.", None, "invalid_json_line") from None
            if not isinstance(values, dict):
                raise invalid(f"Line {number} of the input file is not an object.", None, "invalid_json_line")
            yield values

    def _limits(self, owner: str) -> Limits:
        with self.database.read() as connection:
            own = connection.execute(sa.select(keys.c.limits).where(keys.c.id == owner)).scalar()
        return self.limits.model_copy(update=own or {})

    def _is_cancelling(self, identifier: str) -> bool:
        row = self._row(identifier)
        return row is None or row["status"] == "cancelling"

    def _end(self, row: Row, status: str, values: Mapping[str, Any]) -> None:
        if self._update(row["id"], status, values, ("validating", "in_progress", "cancelling")):
            with self.database.write() as connection:
                announce(connection, self.queues, row["owner"], f"batch.{status}", row["id"])

    def _update(self, identifier: str, status: str | None, values: Mapping[str, Any], only: tuple[str, ...]) -> bool:
        with self.database.write() as connection:
            row = connection.execute(sa.select(batches).where(batches.c.id == identifier)).mappings().first()
            if row is None or row["status"] not in only:
                return False
            connection.execute(
                batches.update()
                .where(batches.c.id == identifier)
                .values(status=status or row["status"], body={**row["body"], **values})
            )
        return True

    def _row(self, identifier: str) -> Row | None:
        with self.database.read() as connection:
            return connection.execute(sa.select(batches).where(batches.c.id == identifier)).mappings().first()


def _request(line: Mapping[str, Any]) -> VideoCreate:
    from pydantic import ValidationError

    if line.get("method", "POST") != "POST" or line.get("url", "/v1/videos") != "/v1/videos":
        raise invalid("Each line has the method POST and the url /v1/videos.", "url")
    try:
        return VideoCreate.model_validate(line.get("body"))
    except ValidationError as error:
        raise from_validation(error.errors()) from None


def _shown(row: Row) -> dict[str, Any]:
    return {"id": row["id"], "object": "batch", "status": row["status"], "created_at": row["created_at"], **row["body"]}
