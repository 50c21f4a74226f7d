"""What one key may use: requests a minute, videos in the queue, bytes in the storage."""

from __future__ import annotations

import math
import threading
import time

import sqlalchemy as sa

from langit.server.errors import ApiError
from langit.server.keys import Caller
from langit.server.tables import characters, files, videos

MEGABYTE = 1_000_000


def _of(owner: sa.ColumnElement[str], value: sa.ColumnElement[int]) -> sa.ScalarSelect[int]:
    return sa.select(value).where(owner == sa.bindparam("owner")).scalar_subquery()


_ROOM = sa.select(
    sa.select(sa.func.count())
    .select_from(videos)
    .where(videos.c.owner == sa.bindparam("owner"), videos.c.status.in_(("queued", "in_progress")))
    .scalar_subquery(),
    *(
        _of(table.c.owner, sa.func.coalesce(sa.func.sum(column), 0))
        for table, column in ((videos, videos.c.stored_bytes), (files, files.c.bytes), (characters, characters.c.bytes))
    ),
)
"""How many videos of an owner wait or are being made, and the bytes of its videos, files and characters."""


class Rates:
    """Requests by key, as buckets that refill evenly and hold a tenth of a minute's worth, at least ten."""

    def __init__(self) -> None:
        self._buckets: dict[str, tuple[float, float]] = {}  # owner -> (tokens, when)
        self._turn = threading.Lock()

    def spend(self, caller: Caller) -> None:
        """Count one request; `ApiError` 429 with Retry-After when there were too many."""
        per_second = caller.limits.requests_per_minute / 60
        size = max(10.0, caller.limits.requests_per_minute / 10)
        now = time.monotonic()
        with self._turn:
            tokens, before = self._buckets.get(caller.owner, (size, now))
            tokens = min(size, tokens + (now - before) * per_second)
            if tokens >= 1:
                self._buckets[caller.owner] = (tokens - 1, now)
                return
            self._buckets[caller.owner] = (tokens, now)
        wait = max(1, math.ceil((1 - tokens) / per_second))
        raise too_many(
            f"This key may send {caller.limits.requests_per_minute} requests a minute; try again in {wait} s.", wait
        )


def check_room(connection: sa.Connection, caller: Caller) -> None:
    """`ApiError` 429 when the key's queue is full or its storage is used up."""
    waiting, *stored = connection.execute(_ROOM, {"owner": caller.owner}).one()
    if waiting >= caller.limits.queued_videos:
        raise too_many(
            f"{waiting} videos of this key wait or are being made, and {caller.limits.queued_videos} may; try again "
            "when some have ended.",
            5,
            "queue_full",
        )
    _check_storage(caller, sum(stored))


def check_storage(connection: sa.Connection, caller: Caller, more: int) -> None:
    """`ApiError` 429 when `more` bytes do not fit into what the key may store."""
    _, *stored = connection.execute(_ROOM, {"owner": caller.owner}).one()
    _check_storage(caller, more + sum(stored))


def _check_storage(caller: Caller, used: int) -> None:
    if used > caller.limits.storage_mb * MEGABYTE:
        raise too_many(
            f"This key stores {used / MEGABYTE:.0f} MB with this, and {caller.limits.storage_mb} MB may be; "
            "delete videos or files.",
            60,
            "storage_full",
        )


def too_many(message: str, seconds: int, code: str = "rate_limit_exceeded") -> ApiError:
    return ApiError(429, message, code=code, kind="rate_limit_error", headers={"Retry-After": str(seconds)})
