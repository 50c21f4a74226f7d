"""A video from acceptance to its end. Every change of state is one transaction, so whoever dies leaves a true state."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from langit.server.database import Database
from langit.server.errors import ApiError, invalid, not_found
from langit.server.keys import Caller
from langit.server.limits import check_room
from langit.server.queues import VIDEOS, Queues
from langit.server.storage import Storage
from langit.server.tables import audit, idempotency, previews, usage, videos
from langit.server.webhooks import announce

ACTIVE = ("queued", "in_progress")
IDEMPOTENCY_SECONDS = 24 * 3600
WATCHED_SECONDS = 30.0
"""A video is made with previews for so long after somebody said that it is watched."""
Row = sa.RowMapping
_FIND = sa.select(videos).where(videos.c.id == sa.bindparam("identifier"))
_ENTER = videos.insert().returning(*videos.c)
_REMEMBER = idempotency.insert()


@dataclass(frozen=True)
class NewVideo:
    """A video that can be accepted: checked, fitted, its inputs stored."""

    id: str
    operation: str
    model: str  # as the request called it
    prompt: str
    size: str
    seconds: str
    request: Mapping[str, Any]  # what the engine is told
    notices: tuple[str, ...] = ()
    source_id: str | None = None


@dataclass(frozen=True)
class Once:
    """An Idempotency-Key and the digest of the request that came with it."""

    key: str
    digest: str


@dataclass(frozen=True)
class Made:
    """What a finished job left in the storage."""

    files: Mapping[str, Mapping[str, Any]]  # variant -> {key, bytes, type}
    size: str
    seconds: str
    compute_seconds: float
    notices: tuple[str, ...] = field(default=())


def new_id(kind: str) -> str:
    return f"{kind}_{secrets.token_hex(16)}"


class Jobs:
    """The videos of a database."""

    def __init__(self, database: Database, queues: Queues, storage: Storage, keep_hours: float) -> None:
        self.database, self.queues, self.storage, self.keep_hours = database, queues, storage, keep_hours

    def accept(self, caller: Caller, new: NewVideo, once: Once | None = None) -> tuple[Row, bool]:
        """The row of the video, and whether it is an earlier request's. In one transaction with its place in the queue.

        `ApiError` 429 where the key has no room left.
        """
        if once is not None and (earlier := self.earlier(caller, once)) is not None:
            return earlier, True
        values = {
            "id": new.id,
            "owner": caller.owner,
            "operation": new.operation,
            "status": "queued",
            "progress": 0,
            "model": new.model,
            "prompt": new.prompt,
            "size": new.size,
            "seconds": new.seconds,
            "source_id": new.source_id,
            "request": dict(new.request),
            "notices": list(new.notices),
            "stored_bytes": 0,
            "attempts": 0,
            "created_at": _now(),
        }

        def enter(connection: sa.Connection) -> Row:
            check_room(connection, caller)
            if once is not None:
                said = {"owner": caller.owner, "key": once.key, "digest": once.digest, "video_id": new.id}
                connection.execute(_REMEMBER, {**said, "created_at": _now()})
            row = connection.execute(_ENTER, values).mappings().one()
            self.queues.add(connection, VIDEOS, new.id)
            return row

        try:
            return self.database.together(enter), False
        except IntegrityError:
            if once is None or (earlier := self.earlier(caller, once)) is None:
                raise
            return earlier, True

    def earlier(self, caller: Caller, once: Once) -> Row | None:
        """The video that this Idempotency-Key made before; `ApiError` when it came with another request."""
        query = sa.select(idempotency).where(idempotency.c.owner == caller.owner, idempotency.c.key == once.key)
        with self.database.read() as connection:
            found = connection.execute(query).first()
            if found is None:
                return None
            if found.digest != once.digest:
                raise invalid(
                    f"The Idempotency-Key {once.key[:80]!r} came with another request before; use a new one for a new request.",
                    "Idempotency-Key",
                    "idempotency_key_reused",
                )
            row = _row(connection, found.video_id)
        if row is None:
            raise not_found("video", found.video_id)
        return row

    def find(self, caller: Caller, identifier: str) -> Row:
        """A video of this caller; `ApiError` 404 for all others."""
        row = self.get(identifier)
        if row is None or row["owner"] != caller.owner:
            raise not_found("video", identifier)
        return row

    def get(self, identifier: str) -> Row | None:
        with self.database.read() as connection:
            return _row(connection, identifier)

    def page(
        self, caller: Caller, after: str | None, limit: int, order: Literal["asc", "desc"]
    ) -> tuple[list[Row], bool]:
        """A page of the caller's videos, and whether there are more."""
        query = sa.select(videos).where(videos.c.owner == caller.owner)
        if after is not None:
            number = self.find(caller, after)["number"]
            query = query.where(videos.c.number > number if order == "asc" else videos.c.number < number)
        query = query.order_by(videos.c.number.asc() if order == "asc" else videos.c.number.desc()).limit(limit + 1)
        with self.database.read() as connection:
            rows = list(connection.execute(query).mappings())
        return rows[:limit], len(rows) > limit

    def start(self, identifier: str) -> Row | None:
        """Begin, or begin again after a crash; None when the video has ended or is gone."""
        with self.database.write() as connection:
            connection.execute(
                videos.update()
                .where(videos.c.id == identifier, videos.c.status.in_(ACTIVE))
                .values(
                    status="in_progress",
                    started_at=sa.func.coalesce(videos.c.started_at, _now()),
                    attempts=videos.c.attempts + 1,
                )
            )
            row = _row(connection, identifier)
        return row if row is not None and row["status"] == "in_progress" else None

    def progress(self, identifier: str, percent: int) -> bool:
        """Tell how far a video is; False when nobody wants it any more."""
        with self.database.write(lasting=False) as connection:
            done = connection.execute(
                videos.update()
                .where(videos.c.id == identifier, videos.c.status == "in_progress")
                .values(progress=min(percent, 99))
            )
        return done.rowcount > 0

    def watch(self, identifier: str) -> None:
        """Say that somebody wants previews of a video that is being made."""
        now = time.time()
        with self.database.write(lasting=False) as connection:
            row = _row(connection, identifier)
            if row is None or row["status"] not in ACTIVE:
                return
            told = previews.update().where(previews.c.video_id == identifier).values(watched_at=now)
            if connection.execute(told).rowcount == 0:
                connection.execute(previews.insert().values(video_id=identifier, watched_at=now, number=0))

    def is_watched(self, identifier: str) -> bool:
        query = sa.select(previews.c.watched_at).where(previews.c.video_id == identifier)
        with self.database.read() as connection:
            watched = connection.execute(query).scalar()
        return watched is not None and watched > time.time() - WATCHED_SECONDS

    def preview(self, identifier: str, picture: bytes) -> None:
        """Show a picture to whoever watches."""
        with self.database.write(lasting=False) as connection:
            connection.execute(
                previews.update()
                .where(previews.c.video_id == identifier)
                .values(number=previews.c.number + 1, picture=picture)
            )

    def complete(self, identifier: str, made: Made) -> bool:
        """End well: the files become the video's, it is billed, and webhooks go out. False when it had ended before."""
        total = sum(int(file["bytes"]) for file in made.files.values())

        def more(connection: sa.Connection, row: Row) -> None:
            connection.execute(
                usage.insert().values(
                    video_id=identifier,
                    owner=row["owner"],
                    model=row["model"],
                    video_seconds=float(made.seconds),
                    compute_seconds=made.compute_seconds,
                    finished_at=_now(),
                )
            )

        values = {
            "status": "completed",
            "progress": 100,
            "files": dict(made.files),
            "size": made.size,
            "seconds": made.seconds,
            "stored_bytes": total,
        }
        return self._end(identifier, values, "video.completed", more, made.notices)

    def fail(self, identifier: str, code: str, message: str) -> bool:
        """End badly, and say why; False when it had ended before."""
        return self._end(identifier, {"status": "failed", "error": {"code": code, "message": message}}, "video.failed")

    def cancel(self, caller: Caller, identifier: str) -> Row:
        """Stop a video that waits or is being made; it ends as failed with the code "cancelled"."""
        row = self.find(caller, identifier)
        if row["status"] in ACTIVE and self.fail(identifier, "cancelled", "The video was cancelled."):
            return self.find(caller, identifier)
        row = self.find(caller, identifier)
        if (row["error"] or {}).get("code") == "cancelled":
            return row
        raise invalid(
            f"The video {identifier!r} has ended ({row['status']}); only one that has not can be cancelled.", None
        )

    def delete(self, caller: Caller, identifier: str) -> None:
        """Remove an ended video: its files, then its row."""
        row = self.find(caller, identifier)
        if row["status"] in ACTIVE:
            raise ApiError(
                400,
                f"The video {identifier!r} is {row['status']}; cancel it first, or wait until it is completed or failed.",
                code="video_not_finished",
            )
        self.remove(identifier)

    def remove(self, identifier: str) -> None:
        self.storage.remove(f"videos/{identifier}")
        with self.database.write() as connection:
            connection.execute(videos.delete().where(videos.c.id == identifier))

    def refused(self, owner: str, video_id: str | None, what: str, detail: Mapping[str, Any]) -> None:
        """Note in the audit log that something was not made, and why."""
        row = {"at": _now(), "owner": owner, "video_id": video_id, "what": what, "detail": dict(detail)}
        with self.database.write() as connection:
            connection.execute(audit.insert().values(**row))

    def _end(
        self,
        identifier: str,
        values: Mapping[str, Any],
        event: str,
        more: Callable[[sa.Connection, Row], None] | None = None,
        notices: tuple[str, ...] = (),
    ) -> bool:
        now = _now()
        expires = now + round(self.keep_hours * 3600) if self.keep_hours else None
        with self.database.write() as connection:
            done = connection.execute(
                videos.update()
                .where(videos.c.id == identifier, videos.c.status.in_(ACTIVE))
                .values(**values, completed_at=now, expires_at=expires)
            )
            if done.rowcount == 0:
                return False
            connection.execute(previews.delete().where(previews.c.video_id == identifier))
            row = _row(connection, identifier)
            assert row is not None
            added = [notice for notice in notices if notice not in row["notices"]]
            if added:
                connection.execute(
                    videos.update().where(videos.c.id == identifier).values(notices=[*row["notices"], *added])
                )
            if more is not None:
                more(connection, row)
            announce(connection, self.queues, row["owner"], event, identifier)
        return True


def _row(connection: sa.Connection, identifier: str) -> Row | None:
    return connection.execute(_FIND, {"identifier": identifier}).mappings().first()


def _now() -> int:
    return int(time.time())
