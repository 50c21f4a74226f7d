"""What workers do, as DBOS workflows. Each can be begun again at any point: whatever it had done, it finds done."""

from __future__ import annotations

import logging
import os
import queue
import secrets
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dbos import DBOS, DBOSConfig
from sqlalchemy.exc import DBAPIError

from langit.server.batches import BatchRunner
from langit.server.database import Database
from langit.server.delivery import Delivery
from langit.server.device import Device, EngineLost, JobCancelled, JobRefused
from langit.server.fitting import shown_seconds
from langit.server.jobs import Jobs, Made, Row
from langit.server.queues import APPLICATION, BATCHES, VERSION, VIDEOS, WEBHOOKS, workflow_name
from langit.server.storage import Storage

log = logging.getLogger("langit.worker")
CRASHES = 2
"""How often the engine may die over one job before the job is given up."""
TROUBLES = 5
"""How often the database or the storage may fail over one job."""
REPORT_SECONDS = 0.25
LOOK_SECONDS = 1.0
WINDOWS = ".langit"
"""Where the engine keeps the windows of a job, in the job's folder."""
MODERATION = "moderation_blocked"
_TYPES = {"video": "video/mp4", "thumbnail": "image/webp", "spritesheet": "image/jpeg"}


class Workshop:
    """Makes the videos of a queue on the devices of one worker."""

    def __init__(
        self, jobs: Jobs, storage: Storage, devices: list[Device], folder: Path, provenance: dict[str, Any]
    ) -> None:
        self.jobs, self.storage, self.folder, self.provenance = jobs, storage, folder, provenance
        self.stopping = threading.Event()
        self._idle: queue.SimpleQueue[Device] = queue.SimpleQueue()
        for device in devices:
            self._idle.put(device)

    def make_video(self, identifier: str) -> None:
        """See a video to its end."""
        crashes = troubles = 0
        while True:
            device = self._idle.get()
            try:
                self._attempt(identifier, device)
                return
            except EngineLost as error:
                self._leave_when_stopping()
                crashes += 1
                log.error("%s: %s", identifier, error)
                if crashes >= CRASHES:
                    self.jobs.fail(
                        identifier, "generation_crashed", "The process that made the video crashed twice over it."
                    )
                    return
            except (DBAPIError, OSError) as error:
                self._leave_when_stopping()
                troubles += 1
                log.exception("%s: storage or database failed", identifier)
                if troubles >= TROUBLES:
                    told = "The video could not be stored." if isinstance(error, OSError) else "The database failed."
                    self.jobs.fail(identifier, "internal_error", told)
                    return
                time.sleep(2**troubles)
            except Exception:
                self._leave_when_stopping()
                log.exception("%s: failed", identifier)
                self.jobs.fail(
                    identifier, "internal_error", "The video could not be made for a reason that is the server's."
                )
                return
            finally:
                self._idle.put(device)

    def _attempt(self, identifier: str, device: Device) -> None:
        row = self.jobs.start(identifier)
        if row is None:  # ended, cancelled or deleted
            return
        folder = self.folder / identifier  # the same in every attempt: what a dead one left is gone on with
        folder.mkdir(parents=True, exist_ok=True)
        try:
            job = self._job(row, folder)
            windows = Windows(self.storage, identifier, folder / WINDOWS)
            windows.bring()
            outcome = device.make(job, folder, Report(self.jobs, identifier, windows))
            self._store(identifier, folder, outcome)
        except JobCancelled:
            pass
        except JobRefused as refused:
            if refused.code == MODERATION:
                self.jobs.refused(row["owner"], identifier, "frames", {"message": str(refused)})
            self.jobs.fail(identifier, refused.code, str(refused))
        self._forget(identifier)
        shutil.rmtree(folder, ignore_errors=True)

    def _job(self, row: Row, folder: Path) -> dict[str, Any]:
        """What the engine is told: the request, with its inputs brought here."""
        inputs = {}
        for name, key in row["request"].get("inputs", {}).items():
            target = folder / f"input-{name}{Path(key).suffix}"
            self.storage.fetch(key, target)
            inputs[name] = target.name
        return {**row["request"], "prompt": row["prompt"], "inputs": inputs, "provenance": self.provenance}

    def _store(self, identifier: str, folder: Path, outcome: dict[str, Any]) -> None:
        """The files first, under a name that no other attempt has; then, in one transaction, that they are the video's."""
        prefix = f"videos/{identifier}/{secrets.token_hex(8)}"
        files = {}
        for variant, name in outcome["files"].items():
            key = f"{prefix}/{name}"
            size = self.storage.put(key, folder / name)
            files[variant] = {"key": key, "bytes": size, "type": _TYPES[variant]}
        made = Made(
            files,
            f"{outcome['width']}x{outcome['height']}",
            shown_seconds(outcome["seconds"]),
            outcome["compute_seconds"],
            tuple(outcome["notices"]),
        )
        if not self.jobs.complete(identifier, made):
            self.storage.remove(prefix)

    def _forget(self, identifier: str) -> None:
        """What only an unfinished job needs."""
        try:
            self.storage.remove(f"videos/{identifier}/windows")
        except OSError:  # it goes with the video
            log.exception("%s: its windows stay", identifier)

    def _leave_when_stopping(self) -> None:
        """A worker that is being stopped leaves its jobs as they are: whoever comes next goes on with them."""
        while self.stopping.is_set():
            time.sleep(60)


class Windows:
    """The windows of a long job in the storage, so that whichever machine goes on with it need not make them again."""

    def __init__(self, storage: Storage, identifier: str, folder: Path) -> None:
        self._storage, self._prefix, self._folder = storage, f"videos/{identifier}/windows", folder
        self._stored: set[str] = set()

    def bring(self) -> None:
        """Fetch those that are not here."""
        self._stored = set(self._storage.children(self._prefix))
        for name in self._stored:
            target = self._folder / name
            if not target.exists():
                self._folder.mkdir(parents=True, exist_ok=True)
                aside = target.with_suffix(".fetched")
                self._storage.fetch(f"{self._prefix}/{name}", aside)
                os.replace(aside, target)

    def keep(self) -> None:
        """Store those that are new. That it cannot be done is no reason to end the job."""
        for path in self._folder.glob("*.safetensors"):
            if path.name not in self._stored:
                self._stored.add(path.name)
                try:
                    self._storage.put(f"{self._prefix}/{path.name}", path)
                except OSError:
                    log.exception("a window of %s was not stored", self._prefix)


class Report:
    """Tells the database how a job goes."""

    def __init__(self, jobs: Jobs, identifier: str, windows: Windows) -> None:
        self._jobs, self._identifier, self._windows = jobs, identifier, windows
        self._told = self._looked = -1e9
        self._watching = False

    def progress(self, done: int, steps: int) -> bool:
        now = time.monotonic()
        if now - self._told < REPORT_SECONDS and done < steps:
            return True
        self._told = now
        if done < steps:  # of the last window a file is made at once
            self._windows.keep()
        return self._jobs.progress(self._identifier, min(99, 100 * done // max(1, steps)))

    def is_watching(self) -> bool:
        now = time.monotonic()
        if now - self._looked > LOOK_SECONDS:
            self._looked, self._watching = now, self._jobs.is_watched(self._identifier)
        return self._watching

    def preview(self, picture: bytes) -> None:
        self._jobs.preview(self._identifier, picture)


def launch(
    database: Database, executor: str, workshop: Workshop, delivery: Delivery, batches: BatchRunner, num_devices: int
) -> None:
    """Take from the queues from now on, and first what this executor had begun when it died."""
    config: DBOSConfig = {
        "name": APPLICATION,
        "system_database_engine": database.engine,
        "application_version": VERSION,
        "executor_id": executor,
        "log_level": "ERROR",
        "max_executor_threads": 32 + num_devices,
    }
    DBOS(config=config)
    for name, work in ((VIDEOS, workshop.make_video), (WEBHOOKS, delivery.deliver), (BATCHES, batches.run)):
        DBOS.workflow(name=workflow_name(name), max_recovery_attempts=1000)(_plain(work))
    DBOS.listen_queues([VIDEOS, WEBHOOKS, BATCHES])
    DBOS.launch()
    every = {"polling_interval_sec": 0.1, "on_conflict": "always_update"}
    DBOS.register_queue(VIDEOS, worker_concurrency=num_devices, **every)  # type: ignore[arg-type]
    DBOS.register_queue(WEBHOOKS, worker_concurrency=16, **every)  # type: ignore[arg-type]
    DBOS.register_queue(BATCHES, worker_concurrency=8, **every)  # type: ignore[arg-type]


def _plain(work: Callable[[str], None]) -> Callable[[str], None]:
    """DBOS registers functions, not methods."""

    def workflow(identifier: str) -> None:
        work(identifier)

    workflow.__qualname__ = work.__qualname__
    return workflow
