"""A real server in processes of its own, with a tiny model: for tests, and for the scripts in benchmarks/."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

from langit.server.settings import TEMPLATE

KEY = "sk-langit-for-the-tests-of-this-machine"
READY_SECONDS = 120.0


def settings_for(model: Path, **changes: str) -> str:
    """langit.toml with `model` behind every name; `changes` replace the values of its lines by name."""
    text = TEMPLATE.replace('model = "embedded"', f'model = "{model}"').replace("allow = []", 'allow = ["127.0.0.1"]')
    for name, value in changes.items():
        text, count = re.subn(rf"(?m)^{name} = .*$", f"{name} = {value}", text)
        assert count == 1, name
    return text


class Serving:
    """`langit serve` on a free port. Its data stays when it is killed and started again."""

    def __init__(self, data: Path, settings: str, *arguments: str) -> None:
        self.data, self.arguments = data, arguments
        data.mkdir(parents=True, exist_ok=True)
        (data / "langit.toml").write_text(settings)
        self.log = data / "log.txt"
        self.process: subprocess.Popen[bytes] | None = None
        self.url = ""
        self.port = 0

    def start(self, ready: bool = True) -> Serving:
        environment = {**os.environ, "LANGIT_API_KEY": KEY, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
        before = self.log.stat().st_size if self.log.exists() else 0
        command = [sys.executable, "-m", "langit.cli", "serve", "--port", str(self.port), "--data", str(self.data)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, *self.arguments], stdout=log, stderr=log, env=environment, start_new_session=True
            )
        told = self._wait_for(r"listens on (\S+);", before)
        self.url = told.group(1)
        self.port = int(self.url.rsplit(":", 1)[1])  # the same one when it is started again
        if ready:
            self.wait_ready()
        return self

    def wait_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            with suppress(OSError), urllib.request.urlopen(f"{self.url}/readyz", timeout=5):
                return
            self._check_alive()
            time.sleep(0.1)
        raise TimeoutError(f"not ready after {READY_SECONDS} s:\n{self.log.read_text()[-3000:]}")

    def worker_pids(self) -> list[int]:
        assert self.process is not None
        return children(self.process.pid)

    def engine_pids(self) -> list[int]:
        return [engine for worker in self.worker_pids() for engine in children(worker)]

    def kill(self) -> None:
        """As a power cut would: the API with -9; its worker and engine notice and end."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _wait_for(self, pattern: str, start: int) -> re.Match[str]:
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            with self.log.open("rb") as log:
                log.seek(start)
                found = re.search(pattern, log.read().decode(errors="replace"))
            if found:
                return found
            self._check_alive()
            time.sleep(0.05)
        raise TimeoutError(self.log.read_text()[-3000:])

    def _check_alive(self) -> None:
        assert self.process is not None
        if self.process.poll() is not None:
            raise RuntimeError(f"the server ended with {self.process.returncode}:\n{self.log.read_text()[-3000:]}")


def children(pid: int) -> list[int]:
    """The processes that a process has started and that live."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[1]) == pid and fields[0] != "Z":
                found.append(int(stat.parent.name))
    return found
