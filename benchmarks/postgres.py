"""A Postgres of its own for a measurement, in a folder that goes with it: Debian's (apt-get install postgresql)."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def find_program(name: str) -> str | None:
    """initdb, pg_ctl: Debian keeps them outside of PATH."""
    beside = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(beside[-1]) if beside else shutil.which(name)


@contextmanager
def postgres(kept: Path | None = None) -> Iterator[str]:
    """The URL of an empty database, or of the one that is in the folder `kept`. FileNotFoundError without Postgres."""
    initdb, control = find_program("initdb"), find_program("pg_ctl")
    if initdb is None or control is None:
        raise FileNotFoundError("Postgres is not installed; apt-get install postgresql brings it.")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    user = "postgres" if os.geteuid() == 0 else None  # it refuses to run as root
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) if kept is None else kept.resolve()
        folder.mkdir(exist_ok=True)
        if user:
            shutil.chown(folder, user)
        data = folder / "data"

        def call(*command: str) -> None:
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, user=user, cwd=folder)

        if not data.exists():
            call(initdb, "-D", str(data), "-A", "trust", "-U", "langit", "--encoding", "UTF8")
        options = f"-p {port} -c listen_addresses=127.0.0.1 -k {folder}"
        call(control, "-D", str(data), "-o", options, "-l", str(folder / "log"), "-w", "start")
        try:
            yield f"postgresql://langit@127.0.0.1:{port}/postgres"
        finally:
            call(control, "-D", str(data), "-m", "immediate", "stop")


def is_installed() -> bool:
    return find_program("initdb") is not None and (os.geteuid() != 0 or _has_user("postgres"))


def _has_user(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True
