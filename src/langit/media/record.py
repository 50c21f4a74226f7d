"""How a file was made, kept with it: as JSON in the file's own metadata, and in a sidecar beside it.

The sidecar of `clip.mp4` is `clip.mp4.json`. Either is enough to make the file again.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from langit.media.output import kind_of
from langit.media.probe import probe
from langit.media.source import PathLike, existing_file
from langit.types import InputError

FORMAT = 1


@dataclass(frozen=True)
class SourceFile:
    """A file that went into another one."""

    path: str
    sha256: str
    exact: bool = False  # whether the frames before the codec were there to begin with


@dataclass(frozen=True)
class Record:
    """Everything that decides a file: the verb and what it was asked, the model, the sources."""

    verb: str
    prompt: str
    options: dict[str, Any]
    """The verb's own arguments with nothing left open, the seed included; plain JSON."""
    model: str
    model_hash: str
    sources: tuple[SourceFile, ...] = ()
    langit: str = ""  # the version
    format: int = field(default=FORMAT)

    def to_json(self, indent: int | None = None) -> str:
        return json.dumps(asdict(self), ensure_ascii=False, indent=indent)

    @classmethod
    def from_json(cls, text: str) -> Record | None:
        """None where the text is no record."""
        try:
            values = json.loads(text)
            if values.get("format") != FORMAT:
                return None
            return cls(**{**values, "sources": tuple(SourceFile(**source) for source in values["sources"])})
        except (ValueError, TypeError, KeyError, AttributeError):
            return None

    def metadata(self) -> dict[str, str]:
        """The tags of the file."""
        return {"title": self.prompt, "comment": self.to_json()} if self.prompt else {"comment": self.to_json()}


def sidecar_of(path: PathLike) -> Path:
    """Where the record of an output lies beside it."""
    file = Path(path)
    return file.with_name(file.name + ".json")


def write_sidecar(path: PathLike, record: Record) -> Path:
    """Write the record beside the output, aside and renamed."""
    target = sidecar_of(path)
    aside = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    aside.write_text(record.to_json(indent=2) + "\n", encoding="utf-8")
    os.replace(aside, target)
    return target


def find_record(path: PathLike) -> Record | None:
    """The record in the file's metadata, or else in its sidecar; None for a file that langit did not make."""
    file = Path(path)
    if not file.is_dir():
        tags = probe(existing_file(path)).metadata
        if record := Record.from_json(tags.get("comment", "")):
            return record
    sidecar = sidecar_of(file)
    return Record.from_json(sidecar.read_text(encoding="utf-8")) if sidecar.is_file() else None


def read_record(path: PathLike) -> Record:
    """The record of a file; `InputError` when it has none."""
    record = find_record(path)
    if record is None:
        raise InputError(
            f"{path} does not say how it was made: neither its metadata nor {sidecar_of(path)} holds langit's record."
        )
    return record


def sha256_of(path: PathLike) -> str:
    """The SHA-256 of a file, or of the files of a folder of frames in order."""
    digest, file = hashlib.sha256(), Path(path)
    files = sorted(file.glob("*.png")) if kind_of(file) == "folder" and file.is_dir() else [existing_file(file)]
    for one in files:
        with one.open("rb") as opened:
            while block := opened.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
