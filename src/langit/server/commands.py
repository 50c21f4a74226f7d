"""`langit serve`, `langit worker`, `langit keys`: what the command line calls."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from langit.server.settings import Settings, is_loopback, read_settings
from langit.types import InputError

SNIPPET = """\
{imports}

client = openai.OpenAI(base_url="{url}/v1", api_key={key})
video = client.videos.create_and_poll(prompt="a red ball bounces past a blue cube at sunset", seconds="4")
client.videos.download_content(video.id).write_to_file("ball.mp4")"""

Say = Callable[[str], None]


@dataclass(frozen=True)
class ServeOptions:
    """What `langit serve` was told."""

    data: Path
    host: str = "127.0.0.1"
    port: int = 8000
    database_url: str | None = None
    storage_url: str | None = None
    devices: tuple[str, ...] = ("cpu",)
    worker: bool = True
    keyless: bool = False


def serve(options: ServeOptions, say: Say) -> None:
    """Answer requests until stopped, with a worker beside unless told otherwise. `InputError` for what cannot be."""
    if options.keyless and not is_loopback(options.host):
        raise InputError(
            f"--no-key is for this machine alone, and {options.host} can be reached from others; leave it out."
        )
    settings = settings_of(options.data, options.database_url, options.storage_url)
    listening = _listen(options.host, options.port)
    helper = _Helper(options) if options.worker else None
    if helper is not None:
        helper.start()  # it reads its models while the rest is imported here
    try:
        _answer(options, settings, listening, say)
    finally:
        if helper is not None:
            helper.stop()


def settings_of(data: Path, database_url: str | None, storage_url: str | None) -> Settings:
    """langit.toml, with what the command line says above it."""
    given = {"database_url": database_url, "storage_url": storage_url}
    return read_settings(data).model_copy(update={key: value for key, value in given.items() if value})


def work(data: Path, database_url: str | None, storage_url: str | None, devices: Sequence[str], stdin: bool) -> None:
    """`langit worker`."""
    from langit.server.worker import WorkerOptions, run_worker

    _log()
    settings = settings_of(data, database_url, storage_url)
    run_worker(WorkerOptions(data, settings, tuple(devices), stdin))


def create(data: Path, database_url: str | None, name: str, limits: dict[str, int], say: Say) -> None:
    """`langit keys create`."""
    from langit.server.keys import create_key

    with_database = _Opened(data, database_url)
    say(create_key(with_database.database, name, limits))


def show(data: Path, database_url: str | None, say: Say) -> None:
    """`langit keys list`."""
    from langit.server.keys import list_keys

    found = list_keys(_Opened(data, database_url).database)
    if not found:
        say("There is no key yet; make one with `langit keys create NAME`.")
    for key in found:
        made = time.strftime("%Y-%m-%d", time.gmtime(key.created_at))
        say(f"{key.id}  {key.hint}  {made}  {'revoked' if key.revoked_at else 'in force'}  {key.name}")


def revoke(data: Path, database_url: str | None, identifier: str, say: Say) -> None:
    """`langit keys revoke`."""
    from langit.server.keys import revoke_key

    revoke_key(_Opened(data, database_url).database, identifier)
    say(f"{identifier} is revoked; what it made stays until it expires.")


class _Opened:
    """The database of a data folder."""

    def __init__(self, data: Path, url: str | None) -> None:
        from langit.server.database import Database, database_url

        settings = settings_of(data, url, None)
        self.database = Database(database_url(data, settings.database_url))
        self.database.migrate()


def _answer(options: ServeOptions, settings: Settings, listening: socket.socket, say: Say) -> None:
    import uvicorn

    from langit.server.api import build
    from langit.server.context import Server
    from langit.server.keys import ENVIRONMENT, create_key, list_keys

    _log()
    server = Server(options.data, settings, options.keyless)
    host, port = listening.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    url = f"http://{'127.0.0.1' if host in ('0.0.0.0', '::') else shown}:{port}"
    say(f"langit listens on {url}; its data is in {options.data}.")
    if options.keyless:
        _show_snippet(url, "'none'", "No key is asked for. A program that uses it", say)
    elif os.environ.get(ENVIRONMENT):
        _show_snippet(
            url, f"os.environ['{ENVIRONMENT}']", f"The key is what {ENVIRONMENT} holds. A program that uses it", say
        )
    elif not list_keys(server.database):
        key = create_key(server.database, "first")
        _show_snippet(url, f"'{key}'", "Here is its first key; it is not shown again. A program that uses it", say)
    else:
        say("`langit keys list` shows its keys, and `langit keys create NAME` makes another.")
    if unchecked := _unchecked(options.data, settings):
        say(unchecked)
    if options.worker:
        threading.Thread(target=_tell_when_ready, args=(server.fleet.is_ready, say), daemon=True).start()
    config = uvicorn.Config(
        build(server),
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=5,
        timeout_keep_alive=75,
        h11_max_incomplete_event_size=64 * 1024,
    )
    uvicorn.Server(config).run(sockets=[listening])


def _show_snippet(url: str, key: str, what: str, say: Say) -> None:
    key = key.replace("'", '"')
    imports = "import os\n\nimport openai" if key.startswith("os.") else "import openai"
    say(f"{what} (pip install openai):\n")
    say(f"{SNIPPET.format(imports=imports, url=url, key=key)}\n")


def _unchecked(data: Path, settings: Settings) -> str | None:
    """What the frame policy asks for and cannot have here."""
    from langit.provenance import can_check_frames, load_policy

    path = settings.provenance.policy_file(data)
    if load_policy(Path(path) if path else None).frames is None or can_check_frames():
        return None
    return (
        'Prompts are checked, frames are not: pip install "langit[moderation]" brings what looks at them '
        "(frames = false in a policy file says that this is meant)."
    )


def _tell_when_ready(is_ready: Callable[[], bool], say: Say) -> None:
    started = time.monotonic()
    while True:
        try:
            if is_ready():
                break
        except Exception:  # the log says it where it matters
            return
        time.sleep(0.5)
    say(f"Ready: a video can be made, {time.monotonic() - started:.0f} s after the start.")


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
    except OSError as error:
        raise InputError(
            f"{host}:{port} cannot be listened on ({error.strerror or error}); choose another --port or --host."
        ) from error
    return listening


class _Helper:
    """The worker beside the API, started again whenever it ends by itself."""

    def __init__(self, options: ServeOptions) -> None:
        self._command = [sys.executable, "-m", "langit.cli", "worker", "--data", str(options.data), "--ends-with-stdin"]
        for name, value in (("--database-url", options.database_url), ("--storage-url", options.storage_url)):
            self._command += [name, value] if value else []
        for device in options.devices:
            self._command += ["--device", device]
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def start(self) -> None:
        self._process = self._begin()
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        process = self._process
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _begin(self) -> subprocess.Popen[bytes]:
        # Its standard input is a pipe that nobody writes to: it closes when this process ends, however it ends.
        return subprocess.Popen(self._command, stdin=subprocess.PIPE)

    def _watch(self) -> None:
        wait = 0.5
        while not self._stopping.is_set():
            assert self._process is not None
            started = time.monotonic()
            code = self._process.wait()
            if self._stopping.is_set():
                return
            logging.getLogger("langit").error("the worker ended with %s; it is started again", code)
            wait = 0.5 if time.monotonic() - started > 30 else min(30.0, wait * 2)
            if self._stopping.wait(wait * (0.5 + secrets.randbelow(100) / 100)):
                return
            self._process = self._begin()


def _log() -> None:
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
