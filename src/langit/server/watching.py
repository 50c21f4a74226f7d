"""Who watches videos being made: one look at the database for all of them, a few times a second."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator

import sqlalchemy as sa
from starlette.concurrency import run_in_threadpool

from langit.server.jobs import ACTIVE, WATCHED_SECONDS, Jobs, Row
from langit.server.schema import Video
from langit.server.tables import previews, videos

LOOK_SECONDS = 0.3
QUIET_SECONDS = 15.0
"""A stream that has nothing to tell says so, lest somebody in between takes it for dead."""


class Watching:
    """The videos that are watched, and what there is to see of them."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs
        self._watchers: dict[str, int] = {}
        self._rows: dict[str, Row] = {}
        self._pictures: dict[str, tuple[int, bytes]] = {}
        self._looked = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None

    async def events(self, identifier: str, with_previews: bool) -> AsyncIterator[str]:
        """Server-sent events of a video until it has ended."""
        self._watchers[identifier] = self._watchers.get(identifier, 0) + 1
        try:
            if self._looking is None or self._looking.done():
                self._looking = asyncio.create_task(self._look())
            async for event in self._events(identifier, with_previews):
                yield event
        finally:
            self._watchers[identifier] -= 1
            if not self._watchers[identifier]:
                del self._watchers[identifier]
                self._rows.pop(identifier, None)
                self._pictures.pop(identifier, None)

    async def _events(self, identifier: str, with_previews: bool) -> AsyncIterator[str]:
        told, shown, spoke, said = None, 0, time.monotonic(), -WATCHED_SECONDS
        row = await run_in_threadpool(self._jobs.get, identifier)
        while row is not None:
            now = time.monotonic()
            if with_previews and row["status"] in ACTIVE and now - said > WATCHED_SECONDS / 2:
                said = now
                await run_in_threadpool(self._jobs.watch, identifier)
            number, picture = self._pictures.get(identifier, (0, b""))
            if with_previews and number > shown and row["status"] in ACTIVE:
                shown, spoke = number, now
                yield _preview(row, picture)
            state = (row["status"], row["progress"])
            if state != told:
                told, spoke = state, now
                kind = "video.progress" if row["status"] in ACTIVE else f"video.{row['status']}"
                yield _event(kind, Video.of(row).model_dump())
            elif now - spoke > QUIET_SECONDS:
                spoke = now
                yield ": still here\n\n"
            if row["status"] not in ACTIVE:
                return
            await self._looked.wait()
            row = self._rows.get(identifier)

    async def _look(self) -> None:
        while self._watchers:
            await asyncio.sleep(LOOK_SECONDS)
            watched = list(self._watchers)
            seen = {one: number for one, (number, _) in self._pictures.items()}
            try:
                rows, pictures = await run_in_threadpool(self._read, watched, seen)
            except sa.exc.DBAPIError:  # a database that is away comes back
                continue
            for identifier in watched:  # one that is not among the rows was deleted
                if identifier in rows:
                    self._rows[identifier] = rows[identifier]
                else:
                    self._rows.pop(identifier, None)
            self._pictures.update(pictures)
            told, self._looked = self._looked, asyncio.Event()
            told.set()

    def _read(self, watched: list[str], seen: dict[str, int]) -> tuple[dict[str, Row], dict[str, tuple[int, bytes]]]:
        rows: dict[str, Row] = {}
        pictures: dict[str, tuple[int, bytes]] = {}
        with self._jobs.database.read() as connection:
            for start in range(0, len(watched), 500):
                some = watched[start : start + 500]
                query = sa.select(videos).where(videos.c.id.in_(some))
                rows |= {row["id"]: row for row in connection.execute(query).mappings()}
                numbers = sa.select(previews.c.video_id, previews.c.number).where(previews.c.video_id.in_(some))
                new = [one for one, number in connection.execute(numbers) if number > seen.get(one, 0)]
                if new:
                    query = sa.select(previews).where(previews.c.video_id.in_(new))
                    pictures |= {row.video_id: (row.number, row.picture) for row in connection.execute(query)}
        return rows, pictures


def _event(kind: str, data: dict[str, object]) -> str:
    return f"event: {kind}\ndata: {json.dumps(data)}\n\n"


def _preview(row: Row, picture: bytes) -> str:
    image = f"data:image/webp;base64,{base64.b64encode(picture).decode()}"
    shown = {"id": row["id"], "object": "video.preview", "progress": row["progress"], "image_url": image}
    return _event("video.preview", shown)
