"""Request bodies: JSON, or forms as the official client sends them (`video[id]`), with files spooled to disk."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from langit.server.errors import ApiError, from_validation, invalid

_KEY = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
MOST_DEPTH = 5
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class Upload:
    """A file that came with a request, now at `path`."""

    path: Path
    filename: str
    num_bytes: int
    digest: str


@dataclass(frozen=True)
class Body:
    """The fields and files of a request."""

    fields: Mapping[str, Any]
    files: Mapping[str, Upload] = field(default_factory=dict)

    def digest(self, operation: str) -> str:
        """Two requests with the same digest ask for the same."""
        files = {name: upload.digest for name, upload in self.files.items()}
        return hashlib.sha256(json.dumps([operation, self.fields, files], sort_keys=True).encode()).hexdigest()

    def parse(self, model: type[Model], files: tuple[str, ...] = ()) -> Model:
        """The fields as `model`; `ApiError` for what is missing, unknown or wrong, also for files that nobody asked for."""
        for name in self.files:
            if name not in files:
                raise invalid(f"{name!r} is not a file here.", name)
            if name in self.fields and name in self.given:
                raise invalid(f"{name!r} came twice, as a file and as a field; send one.", name)
        try:
            return model.model_validate(dict(self.fields))
        except ValidationError as error:
            raise from_validation(error.errors()) from None

    @property
    def given(self) -> Mapping[str, Upload]:
        """The files, less those that are empty where a field of the same name has something: the official client insists
        on a file even where its caller names a video's id in `extra_body`."""
        return {name: file for name, file in self.files.items() if file.num_bytes or name not in self.fields}

    def discard(self) -> None:
        for upload in self.files.values():
            upload.path.unlink(missing_ok=True)


async def read_body(request: Request, spool: Path) -> Body:
    """The body of a request; `ApiError` when it is neither JSON nor a form, or is damaged."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in ("multipart/form-data", "application/x-www-form-urlencoded"):
        return await _form(request, spool)
    if kind in ("", "application/json"):
        return Body(_json(await request.body()))
    raise ApiError(
        415,
        f"The body is {kind[:80]!r}; send application/json or multipart/form-data.",
        code="unsupported_media_type",
    )


def _json(content: bytes) -> Mapping[str, Any]:
    if not content.strip():
        return {}
    try:
        values = json.loads(content, parse_constant=_no_constant)
        json.dumps(values).encode()  # lone surrogates cannot be stored
    except (ValueError, RecursionError):
        raise invalid("The body is not JSON that can be read.", None, "invalid_json") from None
    if not isinstance(values, dict):
        raise invalid('The body is an object in JSON, such as {"prompt": "a red ball"}.', None, "invalid_json")
    _check(values)
    return values


async def _form(request: Request, spool: Path) -> Body:
    fields: dict[str, Any] = {}
    files: dict[str, Upload] = {}
    try:
        async with request.form(max_files=4, max_fields=200, max_part_size=1 << 28) as form:
            for name, value in form.multi_items():
                if isinstance(value, UploadFile):
                    if name in files:
                        raise invalid(f"{name!r} came twice; send one file.", name[:80])
                    files[name] = await _spooled(value, spool)
                else:
                    _place(fields, name, value)
            _check(fields)
    except HTTPException as error:
        raise invalid(f"The form cannot be read: {error.detail}.", None, "invalid_form") from None
    except BaseException:
        Body({}, files).discard()
        raise
    return Body(fields, files)


async def _spooled(upload: UploadFile, spool: Path) -> Upload:
    path, digest, size = spool / f"upload-{secrets.token_hex(8)}", hashlib.sha256(), 0
    try:
        with path.open("wb") as out:
            while chunk := await upload.read(1 << 20):
                digest.update(chunk)
                size += len(chunk)
                out.write(chunk)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return Upload(path, Path(upload.filename or "file").name[:200], size, digest.hexdigest())


def _place(fields: dict[str, Any], name: str, value: str) -> None:
    """Put `a[b][]` where it belongs: {"a": {"b": [value]}}."""
    matched = _KEY.fullmatch(name)
    if matched is None:
        fields[name] = value
        return
    inner = re.findall(r"\[([^\[\]]*)\]", matched[2])
    if len(inner) > MOST_DEPTH:
        raise invalid(f"The field {name[:80]!r} is nested too deeply.", name[:80])
    path, target = [matched[1], *inner], fields
    for index, part in enumerate(path):
        last = index == len(path) - 1
        listed = not last and path[index + 1] == ""
        if part == "":
            continue
        if last:
            if part in target:
                raise invalid(f"The field {name[:80]!r} came twice.", name[:80])
            target[part] = value
        elif listed:
            found = target.setdefault(part, [])
            if not isinstance(found, list):
                raise invalid(f"The field {name[:80]!r} came in two forms.", name[:80])
            found.append(_element(path[index + 2 :], value, found))
            return
        else:
            target = target.setdefault(part, {})
            if not isinstance(target, dict):
                raise invalid(f"The field {name[:80]!r} came in two forms.", name[:80])


def _element(rest: list[str], value: str, _: list[Any]) -> Any:
    element: Any = value
    for part in reversed(rest):
        element = {part: element}
    return element


def _check(values: Any) -> None:
    """NUL is no character of a text that can be stored; lone surrogates are none at all."""
    if isinstance(values, str):
        if "\x00" in values:
            raise invalid("The body holds the character NUL; leave it out.", None)
        try:
            values.encode()
        except UnicodeEncodeError:
            raise invalid("The body holds half a character (a lone surrogate).", None) from None
    elif isinstance(values, dict):
        for key, value in values.items():
            _check(key)
            _check(value)
    elif isinstance(values, list):
        for value in values:
            _check(value)


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")
