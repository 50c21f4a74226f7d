"""Pictures and videos that requests bring or name: a file in the form, a data URL, an address, a file's or a video's id."""

from __future__ import annotations

import base64
import binascii
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from langit.server.body import Upload
from langit.server.database import Database
from langit.server.decoding import Bounds, Decoded, Kind, decode
from langit.server.errors import invalid, not_found
from langit.server.fetching import Outside
from langit.server.keys import Caller
from langit.server.limits import MEGABYTE
from langit.server.schema import ImageReference
from langit.server.storage import Storage
from langit.server.tables import characters, files
from langit.types import InputError

DECODERS = 2


class References:
    """Brings what a request refers to into a file that langit itself wrote."""

    def __init__(self, database: Database, storage: Storage, outside: Outside, spool: Path) -> None:
        self.database, self.storage, self.outside, self.spool = database, storage, outside, spool
        self._decoders = threading.Semaphore(DECODERS)

    @contextmanager
    def temporary(self, suffix: str) -> Iterator[Path]:
        path = self.spool / f"input-{secrets.token_hex(8)}{suffix}"
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def image(self, caller: Caller, reference: ImageReference | str | Upload, target: Path) -> None:
        """Write the picture that is referred to at `target`, as png. `ApiError` with the parameter `input_reference`."""
        param = "input_reference"
        if isinstance(reference, Upload):
            self.decoded(caller, "image", reference.path, target, param)
            return
        if isinstance(reference, str):
            reference = (
                ImageReference(file_id=reference)
                if reference.startswith("file_")
                else ImageReference(image_url=reference)
            )
        if (reference.file_id is None) == (reference.image_url is None):
            raise invalid("An input_reference has either a file_id or an image_url.", param)
        with self.temporary("") as source:
            if reference.file_id is not None:
                self._from_file(caller, reference.file_id, source)
            else:
                assert reference.image_url is not None
                source.write_bytes(self._from_url(caller, reference.image_url, param))
            self.decoded(caller, "image", source, target, param)

    def character(self, caller: Caller, identifier: str, target: Path) -> None:
        """Write the picture of a character at `target`."""
        query = sa.select(characters.c.key).where(characters.c.id == identifier, characters.c.owner == caller.owner)
        with self.database.read() as connection:
            key = connection.execute(query).scalar()
        if key is None:
            raise not_found("character", identifier)
        self.storage.fetch(key, target)

    def decoded(self, caller: Caller, kind: Kind, source: Path, target: Path, param: str) -> Decoded:
        """What an untrusted file holds, written anew at `target`."""
        limits = caller.limits
        bounds = Bounds(
            limits.upload_decode_seconds, limits.upload_decode_memory_mb, limits.upload_megapixels, limits.upload_frames
        )
        try:
            with self._decoders:
                return decode(kind, source, target, bounds)
        except InputError as error:
            raise invalid(str(error), param, "invalid_image" if kind == "image" else "invalid_video") from error

    def _from_file(self, caller: Caller, identifier: str, target: Path) -> None:
        query = sa.select(files.c.key).where(files.c.id == identifier, files.c.owner == caller.owner)
        with self.database.read() as connection:
            key = connection.execute(query).scalar()
        if key is None:
            raise not_found("file", identifier)
        self.storage.fetch(key, target)

    def _from_url(self, caller: Caller, url: str, param: str) -> bytes:
        most = caller.limits.upload_mb * MEGABYTE
        if url.startswith("data:"):
            head, comma, content = url.partition(",")
            if not comma or not head.endswith(";base64") or not head.startswith("data:image/"):
                raise invalid("A data URL begins with data:image/png;base64, or another kind of picture.", param)
            try:
                return base64.b64decode(content, validate=True)
            except (binascii.Error, ValueError):
                raise invalid("The data URL is not base64.", param) from None
        try:
            return self.outside.get(url, most).body
        except InputError as error:
            raise invalid(str(error), param) from error
