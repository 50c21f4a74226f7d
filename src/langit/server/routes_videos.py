"""/v1/videos: OpenAI's ten operations, and cancelling and watching beyond them."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import FileResponse, StreamingResponse
from starlette.concurrency import run_in_threadpool

from langit.server.answers import answer
from langit.server.body import Body
from langit.server.characters import create_character, find_character
from langit.server.context import Server, TheBody, TheCaller, TheServer
from langit.server.errors import ApiError, invalid
from langit.server.jobs import ACTIVE, NewVideo, Once, Row
from langit.server.keys import Caller
from langit.server.openapi import takes
from langit.server.schema import (
    Character,
    CharacterCreate,
    Deleted,
    Video,
    VideoCreate,
    VideoEdit,
    VideoExtend,
    VideoPage,
    VideoRemix,
)

router = APIRouter(prefix="/v1", tags=["videos"])
IdempotencyKey = Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=255)]
_RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")
_NAMES = {"video": "mp4", "thumbnail": "webp", "spritesheet": "jpg"}


@router.post("/videos", response_model=Video, openapi_extra=takes(VideoCreate, "input_reference"))
async def create_video(server: TheServer, caller: TheCaller, body: TheBody, key: IdempotencyKey = None) -> Response:
    """Queue a video of what the prompt says."""

    def prepare() -> NewVideo:
        parsed = body.parse(VideoCreate, ("input_reference",))
        return server.intake.create(caller, parsed, body.given.get("input_reference"))

    return await accept(server, caller, body, key, "create", prepare)


@router.get("/videos", response_model=VideoPage)
def list_videos(
    server: TheServer,
    caller: TheCaller,
    after: Annotated[str | None, Query(max_length=100)] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    order: Literal["asc", "desc"] = "desc",
) -> Response:
    """The videos of this key."""
    rows, more = server.jobs.page(caller, after, limit, order)
    shown = [Video.of(row) for row in rows]
    ends = (shown[0].id, shown[-1].id) if shown else (None, None)
    return answer(VideoPage(data=shown, first_id=ends[0], last_id=ends[1], has_more=more))


@router.post("/videos/edits", response_model=Video, openapi_extra=takes(VideoEdit, "video"))
async def edit_video(server: TheServer, caller: TheCaller, body: TheBody, key: IdempotencyKey = None) -> Response:
    """Make a video anew from another, as the prompt says."""

    def prepare() -> NewVideo:
        return server.intake.edit(caller, body.parse(VideoEdit, ("video",)), body.given)

    return await accept(server, caller, body, key, "edit", prepare)


@router.post("/videos/extensions", response_model=Video, openapi_extra=takes(VideoExtend, "video"))
async def extend_video(server: TheServer, caller: TheCaller, body: TheBody, key: IdempotencyKey = None) -> Response:
    """Make what happens after a video, and answer both as one."""

    def prepare() -> NewVideo:
        return server.intake.extend(caller, body.parse(VideoExtend, ("video",)), body.given)

    return await accept(server, caller, body, key, "extend", prepare)


@router.post("/videos/characters", openapi_extra=takes(CharacterCreate, "video"))
async def create_a_character(server: TheServer, caller: TheCaller, body: TheBody) -> Character:
    """Remember who is seen in a video, for videos to come."""
    parsed = body.parse(CharacterCreate, ("video",))
    upload = body.given.get("video")
    if upload is None:
        raise invalid("Missing required parameter: 'video': a video file.", "video", "missing_required_parameter")
    return await server.make(lambda: create_character(server.references, caller, parsed.name, upload))


@router.get("/videos/characters/{character_id}")
def get_character(server: TheServer, caller: TheCaller, character_id: str) -> Character:
    """A character of this key."""
    return find_character(server.references, caller, character_id)


@router.get("/videos/{video_id}", response_model=Video)
def retrieve_video(server: TheServer, caller: TheCaller, video_id: str) -> Response:
    """A video as it is now; `openai-poll-after-ms` says when it pays to ask again."""
    return _shown(server.jobs.find(caller, video_id))


@router.delete("/videos/{video_id}")
def delete_video(server: TheServer, caller: TheCaller, video_id: str) -> Deleted:
    """Delete a completed or failed video and its files."""
    server.jobs.delete(caller, video_id)
    return Deleted(id=video_id, object="video.deleted")


@router.post("/videos/{video_id}/cancel")
def cancel_video(server: TheServer, caller: TheCaller, video_id: str) -> Video:
    """Stop a video; it ends as failed with the error code "cancelled"."""
    return Video.of(server.jobs.cancel(caller, video_id))


@router.post("/videos/{video_id}/remix", response_model=Video, openapi_extra=takes(VideoRemix))
async def remix_video(
    server: TheServer, caller: TheCaller, video_id: str, body: TheBody, key: IdempotencyKey = None
) -> Response:
    """Make a completed video again under another prompt."""

    def prepare() -> NewVideo:
        return server.intake.remix(caller, video_id, body.parse(VideoRemix))

    return await accept(server, caller, body, key, f"remix {video_id}", prepare)


@router.get(
    "/videos/{video_id}/content",
    response_class=Response,
    responses={200: {"content": {"video/mp4": {}, "image/webp": {}, "image/jpeg": {}}}, 206: {}},
)
def download_content(
    server: TheServer,
    caller: TheCaller,
    video_id: str,
    request: Request,
    variant: Literal["video", "thumbnail", "spritesheet"] = "video",
) -> Response:
    """The video's file, its thumbnail, or its frames on one sheet."""
    row = server.jobs.find(caller, video_id)
    if row["status"] == "failed":
        raise ApiError(404, f"The video failed: {row['error']['message']}", code="video_failed")
    if row["files"] is None:
        raise ApiError(
            404, "The video is not ready yet; GET /v1/videos/{video_id} shows its status.", code="video_not_ready"
        )
    file = row["files"][variant]
    name = f"{video_id}.{_NAMES[variant]}"
    path = server.storage.local_path(file["key"])
    if path is None:
        return _from_elsewhere(server, file, name, request.headers.get("range"))
    if not path.is_file():
        raise ApiError(404, "The video has just been deleted.", code="not_found")
    return FileResponse(path, media_type=file["type"], filename=name)


@router.get(
    "/videos/{video_id}/events",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}}},
)
async def watch_video(server: TheServer, caller: TheCaller, video_id: str, previews: bool = True) -> Response:
    """Server-sent events: `video.progress` whenever something changed, `video.preview` with a small picture of what the video
    will be, and `video.completed` or `video.failed` at the end."""
    await run_in_threadpool(server.jobs.find, caller, video_id)  # 404 as an answer, not as an event
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    events = server.watching.events(video_id, previews)
    return StreamingResponse(events, media_type="text/event-stream", headers=headers)


def _from_elsewhere(server: Server, file: Mapping[str, Any], name: str, asked: str | None) -> Response:
    """A file of a storage that is not a folder here: all of it, or the bytes that a Range header asks for."""
    size, part = int(file["bytes"]), _RANGE.fullmatch(asked.strip()) if asked else None
    start, end = 0, size
    if part is not None and (part[1] or part[2]):
        start = int(part[1]) if part[1] else max(0, size - int(part[2]))
        end = min(size, int(part[2]) + 1) if part[1] and part[2] else size
        if start >= end:
            raise ApiError(
                416, f"The file has {size} bytes.", code="invalid_range", headers={"Content-Range": f"bytes */{size}"}
            )
    headers = {
        "content-disposition": f'attachment; filename="{name}"',
        "content-length": str(end - start),
        "accept-ranges": "bytes",
    }
    whole = (start, end) == (0, size)
    if not whole:
        headers["content-range"] = f"bytes {start}-{end - 1}/{size}"
    content = server.storage.read(file["key"], start, end)
    return StreamingResponse(content, 200 if whole else 206, headers, media_type=file["type"])


async def accept(
    server: Server, caller: Caller, body: Body, key: str | None, operation: str, prepare: Callable[[], NewVideo]
) -> Response:
    """Accept what `prepare` makes of the request, once for each Idempotency-Key; leave nothing behind where it is refused."""
    return await server.make(lambda: _accepted(server, caller, body, key, operation, prepare))


def _accepted(
    server: Server, caller: Caller, body: Body, key: str | None, operation: str, prepare: Callable[[], NewVideo]
) -> Response:
    once = Once(key, body.digest(operation)) if key is not None else None
    if once is not None and (earlier := server.jobs.earlier(caller, once)) is not None:
        return _shown(earlier, replayed=True)
    new = prepare()
    try:
        row, replayed = server.jobs.accept(caller, new, once)
    except BaseException:
        server.storage.remove(f"videos/{new.id}")
        raise
    if replayed:
        server.storage.remove(f"videos/{new.id}")
    return _shown(row, replayed)


def _shown(row: Row, replayed: bool = False) -> Response:
    """A video, and while it is not finished, when it pays to ask again: by how fast it went so far."""
    headers = {"Idempotent-Replayed": "true"} if replayed else {}
    if row["status"] in ACTIVE:
        wait = 500.0
        if row["status"] == "in_progress" and row["progress"] > 0 and row["started_at"]:
            elapsed = max(0.5, time.time() - row["started_at"])
            wait = 1000 * elapsed * (100 - row["progress"]) / row["progress"] / 2
        headers["openai-poll-after-ms"] = str(int(min(5000.0, max(250.0, wait))))
    return answer(Video.of(row), headers)
