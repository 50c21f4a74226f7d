"""A hub on this machine: as much of its protocol as fetching a repository takes, with the failures to test."""

from __future__ import annotations

import hashlib
import json
import socket
import struct
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit


@dataclass
class Repository:
    """One repository: its commits, newest last, each a dictionary of files."""

    commits: dict[str, dict[str, bytes]]
    gated: bool = False

    @property
    def newest(self) -> str:
        return list(self.commits)[-1]


@dataclass
class Hub:
    """Serves `repositories` at `address` until it is stopped, and notes every request as (method, path, range)."""

    repositories: dict[str, Repository] = field(default_factory=dict)
    requests: list[tuple[str, str, str | None]] = field(default_factory=list)
    cuts: dict[str, list[str]] = field(default_factory=dict)
    """Per file, what befalls its next downloads: "close" half-way, "reset" half-way."""
    status: int | None = None
    """Answer everything with this status."""
    garbage: bool = False
    """Answer everything with a web page, as the sign-in page of a network does."""

    def __post_init__(self) -> None:
        hub = self

        class Handler(_Handler):
            pass

        Handler.hub = hub
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Connections that are open stay open; the next ones are refused."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def downloads(self) -> list[str]:
        """Names of the files that were sent, in part or whole."""
        return [Path(path).name for method, path, _ in self.requests if method == "GET" and "/resolve/" in path]


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.answer()

    def answer(self) -> None:
        path = urlsplit(self.path).path
        self.hub.requests.append((self.command, path, self.headers.get("Range")))
        if self.hub.garbage:
            return self.reply(200, b"<html>Please sign in</html>", {"Content-Type": "text/html"})
        if self.hub.status is not None:
            return self.reply(self.hub.status, b"{}", {})
        parts = [unquote(part) for part in path.strip("/").split("/")]
        if parts[:2] == ["api", "models"]:
            return self.api(f"{parts[2]}/{parts[3]}", parts[4:])
        if len(parts) >= 5 and parts[2] == "resolve":
            return self.file(f"{parts[0]}/{parts[1]}", parts[3], "/".join(parts[4:]))
        return self.refuse(404, "EntryNotFound")

    def api(self, name: str, rest: list[str]) -> None:
        repository = self.hub.repositories.get(name)
        if repository is None:
            return self.refuse(401, "RepoNotFound")
        revision = rest[1] if len(rest) > 1 else "main"
        commit = repository.newest if revision == "main" else revision
        if commit not in repository.commits:
            return self.refuse(404, "RevisionNotFound")
        content = repository.commits[commit]
        tree = [
            {"type": "file", "path": path, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
            for path, data in content.items()
        ]
        siblings = [{"rfilename": path} for path in content]
        told = tree if rest[:1] == ["tree"] else {"id": name, "sha": commit, "siblings": siblings}
        return self.reply(200, json.dumps(told).encode(), {"Content-Type": "application/json"})

    def file(self, name: str, commit: str, path: str) -> None:
        repository = self.hub.repositories[name]
        if repository.gated:
            return self.refuse(403, "GatedRepo")
        data = repository.commits[commit].get(path)
        if data is None:
            return self.refuse(404, "EntryNotFound")
        headers = {"ETag": f'"{hashlib.sha1(data).hexdigest()}"', "X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
        asked = self.headers.get("Range")
        if asked is None or self.command == "HEAD":
            return self.reply(200, data, headers, path)
        first = int(asked.removeprefix("bytes=").partition("-")[0])
        headers["Content-Range"] = f"bytes {first}-{len(data) - 1}/{len(data)}"
        return self.reply(206, data[first:], headers, path)

    def refuse(self, status: int, code: str) -> None:
        self.reply(status, b"{}", {"X-Error-Code": code, "X-Error-Message": code})

    def reply(self, status: int, body: bytes, headers: dict[str, str], path: str = "") -> None:
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        cuts = self.hub.cuts.get(path, [])
        cut = cuts.pop(0) if cuts else None
        self.wfile.write(body[: len(body) // 2] if cut else body)
        if cut == "reset":  # the connection dies without a goodbye
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if cut:
            self.wfile.flush()
            self.close_connection = True
            self.connection.close() if cut == "reset" else self.connection.shutdown(socket.SHUT_RDWR)
