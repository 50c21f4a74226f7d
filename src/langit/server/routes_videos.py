"""/v1/videos: OpenAI's ten operations, and cancelling and watching beyond them."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import FileResponse, StreamingResponse
from starlette.concurrency import run_in_threadpool

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
WATCH_SECONDS = 0.3
_NAMES = {"video": "mp4", "thumbnail": "webp", "spritesheet": "jpg"}


@router.post("/videos", openapi_extra=takes(VideoCreate, "input_reference"))
def create_video(
    server: TheServer, caller: TheCaller, body: TheBody, response: Response, key: IdempotencyKey = None
) -> Video:
    """Queue a video of what the prompt says."""

    def prepare() -> NewVideo:
        parsed = body.parse(VideoCreate, ("input_reference",))
        return server.intake.create(caller, parsed, body.given.get("input_reference"))

    return accept(server, caller, body, response, key, "create", prepare)


@router.get("/videos")
def list_videos(
    server: TheServer,
    caller: TheCaller,
    after: Annotated[str | None, Query(max_length=100)] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    order: Literal["asc", "desc"] = "desc",
) -> VideoPage:
    """The videos of this key."""
    rows, more = server.jobs.page(caller, after, limit, order)
    shown = [Video.of(row) for row in rows]
    ends = (shown[0].id, shown[-1].id) if shown else (None, None)
    return VideoPage(data=shown, first_id=ends[0], last_id=ends[1], has_more=more)


@router.post("/videos/edits", openapi_extra=takes(VideoEdit, "video"))
def edit_video(
    server: TheServer, caller: TheCaller, body: TheBody, response: Response, key: IdempotencyKey = None
) -> Video:
    """Make a video anew from another, as the prompt says."""

    def prepare() -> NewVideo:
        return server.intake.edit(caller, body.parse(VideoEdit, ("video",)), body.given)

    return accept(server, caller, body, response, key, "edit", prepare)


@router.post("/videos/extensions", openapi_extra=takes(VideoExtend, "video"))
def extend_video(
    server: TheServer, caller: TheCaller, body: TheBody, response: Response, key: IdempotencyKey = None
) -> Video:
    """Make what happens after a video, and answer both as one."""

    def prepare() -> NewVideo:
        return server.intake.extend(caller, body.parse(VideoExtend, ("video",)), body.given)

    return accept(server, caller, body, response, key, "extend", prepare)


@router.post("/videos/characters", openapi_extra=takes(CharacterCreate, "video"))
def create_a_character(server: TheServer, caller: TheCaller, body: TheBody) -> Character:
    """Remember who is seen in a video, for videos to come."""
    parsed = body.parse(CharacterCreate, ("video",))
    upload = body.given.get("video")
    if upload is None:
        raise invalid("Missing required parameter: 'video': a video file.", "video", "missing_required_parameter")
    return create_character(server.references, caller, parsed.name, upload)


@router.get("/videos/characters/{character_id}")
def get_character(server: TheServer, caller: TheCaller, character_id: str) -> Character:
    """A character of this key."""
    return find_character(server.references, caller, character_id)


@router.get("/videos/{video_id}")
def retrieve_video(server: TheServer, caller: TheCaller, video_id: str, response: Response) -> Video:
    """A video as it is now; `openai-poll-after-ms` says when it pays to ask again."""
    row = server.jobs.find(caller, video_id)
    _say_when(row, response)
    return Video.of(row)


@router.delete("/videos/{video_id}")
def delete_video(server: TheServer, caller: TheCaller, video_id: str) -> Deleted:
    """Delete a completed or failed video and its files."""
    server.jobs.delete(caller, video_id)
    return Deleted(id=video_id, object="video.deleted")


@router.post("/videos/{video_id}/cancel")
def cancel_video(server: TheServer, caller: TheCaller, video_id: str) -> Video:
    """Stop a video; it ends as failed with the error code "cancelled"."""
    return Video.of(server.jobs.cancel(caller, video_id))


@router.post("/videos/{video_id}/remix", openapi_extra=takes(VideoRemix))
def remix_video(
    server: TheServer, caller: TheCaller, video_id: str, body: TheBody, response: Response, key: IdempotencyKey = None
) -> Video:
    """Make a completed video again under another prompt."""

    def prepare() -> NewVideo:
        return server.intake.remix(caller, video_id, body.parse(VideoRemix))

    return accept(server, caller, body, response, key, f"remix {video_id}", prepare)


@router.get(
    "/videos/{video_id}/content",
    response_class=Response,
    responses={200: {"content": {"video/mp4": {}, "image/webp": {}, "image/jpeg": {}}}, 206: {}},
)
def download_content(
    server: TheServer,
    caller: TheCaller,
    video_id: str,
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
        headers = {"content-disposition": f'attachment; filename="{name}"', "content-length": str(file["bytes"])}
        return StreamingResponse(server.storage.read(file["key"]), media_type=file["type"], headers=headers)
    if not path.is_file():
        raise ApiError(404, "The video has just been deleted.", code="not_found")
    return FileResponse(path, media_type=file["type"], filename=name)


@router.get(
    "/videos/{video_id}/events",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}}},
)
async def watch_video(server: TheServer, caller: TheCaller, video_id: str, request: Request) -> Response:
    """Server-sent events: `video.progress` whenever something changed, and `video.completed` or `video.failed` at the end."""
    await run_in_threadpool(server.jobs.find, caller, video_id)  # 404 as an answer, not as an event
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(_events(server, video_id, request), media_type="text/event-stream", headers=headers)


async def _events(server: Server, video_id: str, request: Request) -> AsyncIterator[str]:
    told, spoke = None, time.monotonic()
    while not await request.is_disconnected():
        row = await run_in_threadpool(server.jobs.get, video_id)
        if row is None:
            return
        state = (row["status"], row["progress"])
        if state != told:
            told, spoke = state, time.monotonic()
            kind = "video.progress" if row["status"] in ACTIVE else f"video.{row['status']}"
            yield f"event: {kind}\ndata: {json.dumps(Video.of(row).model_dump())}\n\n"
            if row["status"] not in ACTIVE:
                return
        elif time.monotonic() - spoke > 15:
            spoke = time.monotonic()
            yield ": still here\n\n"
        await asyncio.sleep(WATCH_SECONDS)


def accept(
    server: Server,
    caller: Caller,
    body: Body,
    response: Response,
    key: str | None,
    operation: str,
    prepare: Callable[[], NewVideo],
) -> Video:
    """Accept what `prepare` makes of the request, once for each Idempotency-Key; leave nothing behind where it is refused."""
    once = Once(key, body.digest(operation)) if key is not None else None
    if once is not None and (earlier := server.jobs.earlier(caller, once)) is not None:
        return _replayed(earlier, response)
    new = prepare()
    try:
        row, replayed = server.jobs.accept(caller, new, once)
    except BaseException:
        server.storage.remove(f"videos/{new.id}")
        raise
    if replayed:
        server.storage.remove(f"videos/{new.id}")
        return _replayed(row, response)
    _say_when(row, response)
    return Video.of(row)


def _replayed(row: Row, response: Response) -> Video:
    response.headers["Idempotent-Replayed"] = "true"
    _say_when(row, response)
    return Video.of(row)


def _say_when(row: Any, response: Response) -> None:
    """By how fast it went so far."""
    if row["status"] not in ACTIVE:
        return
    wait = 500.0
    if row["status"] == "in_progress" and row["progress"] > 0 and row["started_at"]:
        elapsed = max(0.5, time.time() - row["started_at"])
        wait = 1000 * elapsed * (100 - row["progress"]) / row["progress"] / 2
    response.headers["openai-poll-after-ms"] = str(int(min(5000.0, max(250.0, wait))))
