"""The worker's end of the engine: starts the process, hands it one job at a time, and starts another when it dies."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

from langit.types import InputError

POLL_SECONDS = 0.5
STARTING_SECONDS = 600.0  # a large model may have to be fetched
SILENT_SECONDS = 3600.0
"""A job that says nothing for so long hangs: the process is ended."""


class Listener(Protocol):
    """Who is told how a job goes."""

    def progress(self, done: int, steps: int) -> bool:
        """Whether to go on, after `done` of `steps`. Called also when nothing has changed for a while."""

    def is_watching(self) -> bool:
        """Whether anybody wants to see previews."""

    def preview(self, picture: bytes) -> None:
        """A webp of what the video will be."""


class EngineLost(Exception):
    """The process ended in the middle of a job."""


class JobRefused(Exception):
    """What was asked for cannot or may not be made."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class JobCancelled(Exception):
    """Nobody wants the job any more."""


class Device:
    """One device and the process that holds the models on it."""

    def __init__(self, name: str, models: Sequence[str]) -> None:
        self.name, self.models = name, list(models)
        self.reaches: dict[str, dict[str, Any]] = {}
        self.verbs: list[str] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None

    def start(self) -> None:
        """Start the process; it reads its models while others do other things. See `wait`."""
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "langit.server.engine", str(theirs.fileno()), self.name, *self.models],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )
        self._connection = Connection(ours.detach())

    def wait(self) -> None:
        """Until the models are in memory; `InputError` when one cannot be used, EngineLost when the process dies."""
        message = self._receive(time.monotonic() + STARTING_SECONDS)
        while message is None:
            message = self._receive(time.monotonic() + STARTING_SECONDS)
        if message[0] == "unusable":
            raise InputError(message[1])
        _, self.reaches, self.verbs = message

    def make(self, job: dict[str, Any], folder: Path, listener: Listener) -> dict[str, Any]:
        """What `rendering.render` made in `folder`. EngineLost, JobRefused, JobCancelled."""
        if self._process is None or self._process.poll() is not None:
            self._restart()
        connection = self._connection
        assert connection is not None
        try:
            connection.send(("make", job, str(folder)))
        except (BrokenPipeError, ConnectionResetError) as error:
            raise EngineLost from error
        done, steps, heard, cancelled, watched = 0, 1, time.monotonic(), False, False
        while True:
            message = self._receive(time.monotonic() + POLL_SECONDS)
            if message is None:
                if time.monotonic() - heard > SILENT_SECONDS:
                    self.stop()
                    raise EngineLost
            elif message[0] == "progress":
                heard = time.monotonic()
                _, done, steps = message
            elif message[0] == "preview":
                listener.preview(message[1])
            else:
                return self._outcome(message)
            with suppress(BrokenPipeError, ConnectionResetError):
                if not cancelled and not listener.progress(done, steps):
                    cancelled = True
                    connection.send(("cancel",))
                elif watched != listener.is_watching():
                    watched = not watched
                    connection.send(("watch", watched))

    def stop(self) -> None:
        """End the process at once."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _restart(self) -> None:
        self.stop()
        self.start()
        self.wait()

    def _outcome(self, message: tuple[Any, ...]) -> dict[str, Any]:
        if message[0] == "made":
            outcome: dict[str, Any] = message[1]
            return outcome
        if message[0] == "cancelled":
            raise JobCancelled
        if message[0] == "failed" and message[1] == "out_of_memory":
            self.stop()  # what the memory still holds goes with the process
        raise JobRefused(message[1], message[2])

    def _receive(self, until: float) -> tuple[Any, ...] | None:
        """The next message; None when there is none in time."""
        connection, process = self._connection, self._process
        assert connection is not None
        assert process is not None
        try:
            if connection.poll(max(0.0, until - time.monotonic())):
                message: tuple[Any, ...] = connection.recv()
                return message
        except (EOFError, ConnectionResetError, OSError) as error:
            raise EngineLost(f"the process of {self.name} ended with {process.wait()}") from error
        return None
