"""Where the files are: a folder, or whatever fsspec reaches by URL (s3://bucket/prefix, gs://..., memory://...)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from langit.types import InputError

CHUNK = 1 << 20


class Storage:
    """Files by key, such as videos/video_1/a/video.mp4. A key that can be read holds a whole file."""

    def __init__(self, url: str) -> None:
        try:
            self.files, self.root = fsspec.core.url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise InputError(
                f"The storage {url} cannot be reached ({error}); give a folder, or install what its protocol needs "
                "(for s3:// that is s3fs)."
            ) from error
        self.root = self.root.rstrip("/")
        self.is_local = isinstance(self.files, LocalFileSystem)

    def put(self, key: str, source: Path) -> int:
        """Store a file; the number of its bytes. It is there whole, or not at all."""
        target = self._path(key)
        if self.is_local:
            Path(target).parent.mkdir(parents=True, exist_ok=True)
            aside = f"{target}.part"
            self.files.put_file(str(source), aside)
            with open(aside, "rb+") as written:
                os.fsync(written.fileno())
            os.replace(aside, target)
        else:  # object stores show a file only when it is whole
            self.files.put_file(str(source), target)
        return source.stat().st_size

    def fetch(self, key: str, target: Path) -> None:
        """Copy a file here. FileNotFoundError when there is none."""
        self.files.get_file(self._path(key), str(target))

    def local_path(self, key: str) -> Path | None:
        """Where the file is on this machine; None when it is elsewhere."""
        return Path(self._path(key)) if self.is_local else None

    def read(self, key: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The bytes from `start` to before `end`, in chunks."""
        with self.files.open(self._path(key), "rb") as opened:
            opened.seek(start)
            left = None if end is None else end - start
            while left is None or left > 0:
                chunk: bytes = opened.read(CHUNK if left is None else min(CHUNK, left))
                if not chunk:
                    return
                left = None if left is None else left - len(chunk)
                yield chunk

    def remove(self, prefix: str) -> None:
        """Delete every file under a prefix; nothing when there is none."""
        path = self._path(prefix)
        try:
            self.files.rm(path, recursive=True)
        except FileNotFoundError:
            return

    def children(self, prefix: str) -> list[str]:
        """The names right under a prefix."""
        try:
            found: list[Any] = self.files.ls(self._path(prefix), detail=False, refresh=True)
        except FileNotFoundError:
            return []
        return sorted(str(name).rstrip("/").rsplit("/", 1)[-1] for name in found)

    def _path(self, key: str) -> str:
        assert ".." not in key, key
        assert not key.startswith("/"), key
        return f"{self.root}/{key}"


def storage_url(data: Path, configured: str | None) -> str:
    """The URL of the storage: a folder in the data folder, unless configured otherwise."""
    return configured or os.environ.get("LANGIT_STORAGE_URL") or str((data / "storage").resolve())
