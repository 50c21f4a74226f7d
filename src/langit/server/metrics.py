"""Prometheus metrics of the API process; what the workers do is read from the database when asked."""

from __future__ import annotations

import time
from collections.abc import Iterator

import sqlalchemy as sa
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from langit.server.database import Database
from langit.server.intake import ALIVE_SECONDS
from langit.server.tables import usage, videos, workers

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """What /metrics shows."""

    def __init__(self, database: Database) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "langit_http_requests", "Requests answered.", ("method", "route", "status"), registry=self.registry
        )
        self.seconds = Histogram(
            "langit_http_request_seconds",
            "Time to answer.",
            ("method", "route"),
            buckets=BUCKETS,
            registry=self.registry,
        )
        self.registry.register(_Work(database))

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        self.requests.labels(method, route, str(status)).inc()
        self.seconds.labels(method, route).observe(seconds)

    def text(self) -> bytes:
        return generate_latest(self.registry)


class _Work(Collector):
    """Videos, workers and compute, from the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def describe(self) -> Iterator[Metric]:
        return iter(())

    def collect(self) -> Iterator[Metric]:
        by_status = GaugeMetricFamily("langit_videos", "Videos there are.", labels=["status"])
        with self._database.read() as connection:
            query = sa.select(videos.c.status, sa.func.count()).group_by(videos.c.status)
            counted: dict[str, int] = dict(connection.execute(query).tuples().all())
            oldest = connection.execute(
                sa.select(sa.func.min(videos.c.created_at)).where(videos.c.status == "queued")
            ).scalar()
            alive = connection.execute(
                sa.select(sa.func.count()).select_from(workers).where(workers.c.seen_at > time.time() - ALIVE_SECONDS)
            ).scalar_one()
            made = connection.execute(
                sa.select(sa.func.count(), sa.func.sum(usage.c.video_seconds), sa.func.sum(usage.c.compute_seconds))
            ).one()
        for status in ("queued", "in_progress", "completed", "failed"):
            by_status.add_metric([status], counted.get(status, 0))
        yield by_status
        yield GaugeMetricFamily(
            "langit_queue_oldest_seconds",
            "How long the first in the queue waits.",
            time.time() - oldest if oldest else 0,
        )
        yield GaugeMetricFamily("langit_workers", "Workers that are alive.", alive)
        yield CounterMetricFamily("langit_videos_made", "Videos ever finished.", made[0])
        yield CounterMetricFamily("langit_video_seconds_made", "Seconds of video ever finished.", made[1] or 0)
        yield CounterMetricFamily("langit_compute_seconds", "Seconds that devices worked for them.", made[2] or 0)
