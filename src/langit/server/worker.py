"""The worker: takes jobs from the queue and has its devices make them. It never imports torch; see `engine.py`."""

from __future__ import annotations

import fcntl
import logging
import os
import secrets
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from langit.server.device import Device, EngineLost
from langit.server.settings import Settings
from langit.types import InputError

log = logging.getLogger("langit.worker")
HEARTBEAT_SECONDS = 2.0
SWEEP_SECONDS = 30.0
START_ATTEMPTS = 3


@dataclass(frozen=True)
class WorkerOptions:
    """What a worker is started with."""

    data: Path
    settings: Settings
    devices: tuple[str, ...] = ("cpu",)
    ends_with_stdin: bool = False
    """Whether it ends when its standard input closes, which is when the server that started it is gone."""


class Slot:
    """A place for a worker on this machine. The system gives a place back when its worker dies, however it dies, and
    whoever takes it next has the same name: so it knows that what was begun under this name goes on with itself."""

    def __init__(self, data: Path) -> None:
        folder = data / "workers"
        folder.mkdir(parents=True, exist_ok=True)
        identity = folder / "machine"
        if not identity.exists():
            aside = folder / f".machine.{secrets.token_hex(4)}"
            aside.write_text(secrets.token_hex(8))
            try:
                os.link(aside, identity)  # the first one wins
            except FileExistsError:
                pass
            finally:
                aside.unlink()
        for number in range(1000):
            lock: IO[str] = (folder / f"{number}.lock").open("w")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.close()
                continue
            self._lock = lock
            self.name = f"{identity.read_text().strip()}-{number}"
            return
        raise InputError(f"A thousand workers use {data} already; give this one a --data folder of its own.")


def run_worker(options: WorkerOptions) -> None:
    """Work until told to stop. `InputError` when a model, the database or the storage cannot be used."""
    models = tuple(dict.fromkeys(served.model for served in options.settings.models.values()))
    devices = [Device(name, models) for name in options.devices]
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    if options.ends_with_stdin:
        threading.Thread(target=_end_with_stdin, args=(stop, devices), daemon=True).start()
    for device in devices:
        device.start()  # they read their models while we import the rest
    try:
        _work(options, devices, stop)
    finally:
        for device in devices:
            device.stop()


def _work(options: WorkerOptions, devices: list[Device], stop: threading.Event) -> None:
    from langit.server.batches import BatchRunner
    from langit.server.database import Database, database_url
    from langit.server.delivery import Delivery
    from langit.server.fetching import Outside
    from langit.server.intake import Fleet, Intake
    from langit.server.jobs import Jobs
    from langit.server.queues import Queues
    from langit.server.references import References
    from langit.server.storage import Storage, storage_url
    from langit.server.sweeper import Sweeper
    from langit.server.workflows import Workshop, launch

    settings, slot = options.settings, Slot(options.data)
    database = Database(database_url(options.data, settings.database_url))
    database.migrate()
    queues, storage = Queues(database), Storage(storage_url(options.data, settings.storage_url))
    jobs = Jobs(database, queues, storage, settings.keep.hours)
    outside = Outside(settings.network.allow)
    spool = Path(tempfile.mkdtemp(prefix="langit-worker-"))
    references, policy = References(database, storage, outside, spool), settings.provenance.policy_file(options.data)
    intake = Intake(settings, jobs, references, Fleet(database), policy)
    workshop = Workshop(
        jobs, storage, devices, options.data.resolve() / "making", settings.provenance.told(options.data)
    )
    _wait_for(devices, stop)
    if stop.is_set():
        return
    started = int(time.time())

    def beat() -> None:
        _beat(database, slot.name, devices, started)

    beat()  # before the first job, so that nobody takes us for gone
    launch(
        database,
        slot.name,
        workshop,
        Delivery(database, queues, outside, settings.webhooks.delays),
        BatchRunner(database, queues, storage, jobs, intake, settings.limits),
        len(devices),
    )
    log.info("worker %s is ready", slot.name)
    _keep_house(stop, beat, Sweeper(jobs, slot.name).sweep)
    workshop.stopping.set()
    _say_goodbye(database, slot.name)
    for device in devices:
        device.stop()
    os._exit(0)  # what was begun stays as it is, for the next worker; threads that wait for devices wait no longer


def _wait_for(devices: list[Device], stop: threading.Event) -> None:
    for device in devices:
        for attempt in range(START_ATTEMPTS):
            try:
                device.wait()
                break
            except EngineLost as error:
                if stop.is_set():
                    return
                if attempt == START_ATTEMPTS - 1:
                    raise InputError(
                        f"The process that holds the models does not start on {device.name}: {error}."
                    ) from error
                device.stop()
                device.start()


def _keep_house(stop: threading.Event, beat: Callable[[], None], sweep: Callable[[], None]) -> None:
    """Say that we live, and sweep, until told to stop."""
    swept = -SWEEP_SECONDS
    while not stop.wait(HEARTBEAT_SECONDS):
        try:
            beat()
            if time.monotonic() - swept > SWEEP_SECONDS:
                swept = time.monotonic()
                sweep()
        except Exception:  # a database that is away comes back
            log.exception("housekeeping failed")


def _beat(database: Any, name: str, devices: list[Device], started: int) -> None:
    from langit.server.tables import workers

    reaches: dict[str, Any] = {}
    verbs: list[str] = []
    for device in devices:
        reaches |= device.reaches
        verbs = device.verbs
    values = {"models": reaches, "verbs": verbs, "started_at": started, "seen_at": time.time()}
    with database.write(lasting=False) as connection:
        done = connection.execute(workers.update().where(workers.c.id == name).values(**values))
        if done.rowcount == 0:
            connection.execute(workers.insert().values(id=name, **values))


def _say_goodbye(database: Any, name: str) -> None:
    """Not seen any more from now on; the name stays, so that others can take over what was begun."""
    from langit.server.tables import workers

    try:
        with database.write() as connection:
            connection.execute(workers.update().where(workers.c.id == name).values(seen_at=time.time() - 3600))
    except Exception:  # we are going anyway
        log.exception("could not say goodbye")


def _end_with_stdin(stop: threading.Event, devices: list[Device]) -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    if stop.is_set():
        return
    os._exit(3)  # the pipe to the engines closes with us, and they end too
