"""What has expired goes: its files first, then its row; and what nobody works on any more is told to have failed."""

from __future__ import annotations

import logging
import time

import sqlalchemy as sa

from langit.server.jobs import ACTIVE, IDEMPOTENCY_SECONDS, Jobs
from langit.server.tables import deliveries, idempotency, videos, workers

log = logging.getLogger("langit.sweeper")
GONE_SECONDS = 60.0
"""A worker that has not been seen for so long is gone, and others go on with its jobs."""
DELIVERY_SECONDS = 30 * 24 * 3600
DAY = 24 * 3600


class Sweeper:
    """Called again and again by every worker; two at once do no harm."""

    def __init__(self, jobs: Jobs, executor: str) -> None:
        self.jobs, self.executor = jobs, executor

    def sweep(self) -> None:
        self._adopt()
        self._expire()
        self._reconcile()
        now = int(time.time())
        with self.jobs.database.write() as connection:
            connection.execute(idempotency.delete().where(idempotency.c.created_at < now - IDEMPOTENCY_SECONDS))
            connection.execute(deliveries.delete().where(deliveries.c.created_at < now - DELIVERY_SECONDS))

    def _expire(self) -> None:
        query = sa.select(videos.c.id).where(
            videos.c.expires_at <= int(time.time()), videos.c.status.in_(("completed", "failed"))
        )
        with self.jobs.database.read() as connection:
            expired = connection.execute(query.limit(1000)).scalars().all()
        for identifier in expired:
            self.jobs.remove(identifier)

    def _adopt(self) -> None:
        with self.jobs.database.read() as connection:
            gone = (
                connection.execute(
                    sa.select(workers.c.id).where(
                        workers.c.seen_at < time.time() - GONE_SECONDS, workers.c.id != self.executor
                    )
                )
                .scalars()
                .all()
            )
        for executor in gone:
            adopted = self.jobs.queues.adopt(executor)
            log.warning("the worker %s is gone; %d pieces of work go on without it", executor, adopted)
            with self.jobs.database.write() as connection:
                connection.execute(workers.delete().where(workers.c.id == executor))

    def _reconcile(self) -> None:
        """A video whose work ended without ending the video: after a thousand crashes, or someone's hand in the database."""
        query = sa.select(videos.c.id).where(videos.c.status.in_(ACTIVE)).order_by(videos.c.number).limit(100)
        with self.jobs.database.read() as connection:
            active = connection.execute(query).scalars().all()
        for identifier in active:
            if self.jobs.queues.has_ended(identifier):
                self.jobs.fail(identifier, "internal_error", "The video was given up after it failed again and again.")
