"""/v1/files, /v1/batches: what goes in and comes out in bulk."""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal

import sqlalchemy as sa
from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse

from langit.server.context import Server, TheBody, TheCaller, TheServer
from langit.server.errors import ApiError, invalid, not_found
from langit.server.jobs import Row, new_id
from langit.server.keys import Caller
from langit.server.limits import check_storage
from langit.server.openapi import takes
from langit.server.schema import BatchCreate, Deleted, File
from langit.server.tables import files

router = APIRouter(prefix="/v1", tags=["files"])
PURPOSES = ("vision", "user_data", "batch")
After = Annotated[str | None, Query(max_length=100)]


@router.post("/files")
def upload_file(server: TheServer, caller: TheCaller, body: TheBody) -> File:
    """Keep a file: a picture for `input_reference`, or the requests of a batch."""
    upload, purpose = body.files.get("file"), body.fields.get("purpose")
    unknown = [name for name in (*body.fields, *body.files) if name not in ("file", "purpose")]
    if unknown:
        raise invalid(f"Unknown parameter: {unknown[0]!r}.", unknown[0], "unknown_parameter")
    if upload is None:
        raise invalid("Missing required parameter: 'file'.", "file", "missing_required_parameter")
    if purpose not in PURPOSES:
        raise invalid(f"purpose is one of {', '.join(PURPOSES)}.", "purpose")
    identifier, now = new_id("file"), int(time.time())
    key = f"files/{identifier}/content"
    server.storage.put(key, upload.path)
    row = {
        "id": identifier,
        "owner": caller.owner,
        "purpose": purpose,
        "filename": upload.filename,
        "bytes": upload.num_bytes,
        "key": key,
        "created_at": now,
    }
    try:
        with server.database.write() as connection:
            check_storage(connection, caller, upload.num_bytes)
            connection.execute(files.insert().values(**row))
    except BaseException:
        server.storage.remove(f"files/{identifier}")
        raise
    return _shown(row)


@router.get("/files")
def list_files(
    server: TheServer,
    caller: TheCaller,
    after: After = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 100,
    order: Literal["asc", "desc"] = "desc",
    purpose: str | None = None,
) -> dict[str, Any]:
    """The files of this key."""
    query = sa.select(files).where(files.c.owner == caller.owner)
    if purpose is not None:
        query = query.where(files.c.purpose == purpose)
    if after is not None:
        number = _find(server, caller, after)["number"]
        query = query.where(files.c.number > number if order == "asc" else files.c.number < number)
    query = query.order_by(files.c.number.asc() if order == "asc" else files.c.number.desc())
    with server.database.read() as connection:
        rows = list(connection.execute(query.limit(limit + 1)).mappings())
    shown = [_shown(row).model_dump() for row in rows[:limit]]
    return page(shown, len(rows) > limit)


@router.get("/files/{file_id}")
def retrieve_file(server: TheServer, caller: TheCaller, file_id: str) -> File:
    """A file's size and purpose."""
    return _shown(_find(server, caller, file_id))


@router.get("/files/{file_id}/content", response_class=Response)
def download_file(server: TheServer, caller: TheCaller, file_id: str) -> Response:
    """A file's bytes."""
    row = _find(server, caller, file_id)
    headers = {"content-length": str(row["bytes"]), "content-disposition": "attachment"}
    return StreamingResponse(server.storage.read(row["key"]), media_type="application/octet-stream", headers=headers)


@router.delete("/files/{file_id}")
def delete_file(server: TheServer, caller: TheCaller, file_id: str) -> Deleted:
    """Delete a file."""
    _find(server, caller, file_id)
    server.storage.remove(f"files/{file_id}")
    with server.database.write() as connection:
        connection.execute(files.delete().where(files.c.id == file_id))
    return Deleted(id=file_id, object="file")


@router.post("/batches", openapi_extra=takes(BatchCreate))
def create_batch(server: TheServer, caller: TheCaller, body: TheBody) -> dict[str, Any]:
    """Make a video for each line of a file."""
    return server.batches.accept(caller, body.parse(BatchCreate))


@router.get("/batches")
def list_batches(
    server: TheServer, caller: TheCaller, after: After = None, limit: Annotated[int, Query(ge=1, le=100)] = 20
) -> dict[str, Any]:
    """The batches of this key."""
    return page(*server.batches.page(caller, after, limit))


@router.get("/batches/{batch_id}")
def retrieve_batch(server: TheServer, caller: TheCaller, batch_id: str) -> dict[str, Any]:
    """A batch as it is now."""
    return server.batches.find(caller, batch_id)


@router.post("/batches/{batch_id}/cancel")
def cancel_batch(server: TheServer, caller: TheCaller, batch_id: str) -> dict[str, Any]:
    """Stop a batch and its videos; what is finished stays."""
    return server.batches.cancel(caller, batch_id)


def page(shown: list[dict[str, Any]], more: bool) -> dict[str, Any]:
    ends = (shown[0]["id"], shown[-1]["id"]) if shown else (None, None)
    return {"object": "list", "data": shown, "first_id": ends[0], "last_id": ends[1], "has_more": more}


def _find(server: Server, caller: Caller, identifier: str) -> Row:
    query = sa.select(files).where(files.c.id == identifier, files.c.owner == caller.owner)
    with server.database.read() as connection:
        row = connection.execute(query).mappings().first()
    if row is None:
        raise not_found("file", identifier)
    return row


def _shown(row: Any) -> File:
    return File(
        id=row["id"], bytes=row["bytes"], created_at=row["created_at"], filename=row["filename"], purpose=row["purpose"]
    )


__all__ = ["ApiError", "page", "router"]
