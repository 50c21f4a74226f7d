"""The audit log: who was refused what, when; JSON lines in files of limited size, without prompts unless asked for."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from langit.provenance.policy import Verdict


@dataclass(frozen=True)
class AuditLog:
    """Appends to `path`; past `max_bytes` it becomes path.1, that path.2 and so on, and the last of `keep` is deleted.

    Each line is written by one call, so that several processes may write to one log. A prompt is kept as its length and
    a hash by which the same prompt is found again, unless `raw_prompts`.
    """

    path: Path
    max_bytes: int = 10_000_000
    keep: int = 5
    raw_prompts: bool = False

    def record(
        self,
        event: str,
        verdict: Verdict,
        *,
        subject: str = "",
        text: str = "",
        details: Mapping[str, str] | None = None,
    ) -> None:
        """Add a line: what was checked ("prompt", "frames"), the verdict, for whom (a key's id), and its text."""
        entry: dict[str, object] = {
            "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds"),
            "event": event,
            "allowed": verdict.allowed,
            "category": verdict.category,
            "code": verdict.code,
            "subject": subject,
            **(details or {}),
        }
        if text:
            entry |= {"length": len(text), "sha256": hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()}
        if self.raw_prompts:
            entry |= {"text": text, "matches": list(verdict.matches)}
        line = (json.dumps(entry, ensure_ascii=True) + "\n").encode()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._rotate(len(line))
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(descriptor, line)
        finally:
            os.close(descriptor)

    def _rotate(self, coming: int) -> None:
        try:
            size = self.path.stat().st_size
        except FileNotFoundError:
            return
        if size == 0 or size + coming <= self.max_bytes:
            return
        lock = self.path.with_name(f"{self.path.name}.lock")
        with suppress(FileExistsError):  # another process is about it
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL))
            try:
                for number in range(self.keep - 1, 0, -1):
                    with suppress(FileNotFoundError):
                        os.replace(self._old(number), self._old(number + 1))
                os.replace(self.path, self._old(1))
            finally:
                lock.unlink()

    def _old(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")
