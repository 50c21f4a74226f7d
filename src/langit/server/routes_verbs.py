"""/v1/videos/loop, blend, recut, inpaint, outpaint, storyboard: the editing verbs that OpenAI's API never had."""

from __future__ import annotations

from fastapi import APIRouter, Response

from langit.server.context import TheBody, TheCaller, TheServer
from langit.server.openapi import takes
from langit.server.routes_videos import IdempotencyKey, accept
from langit.server.schema import (
    Video,
    VideoBlend,
    VideoInpaint,
    VideoLoop,
    VideoOutpaint,
    VideoRecut,
    VideoStoryboard,
)

router = APIRouter(prefix="/v1", tags=["editing"])


@router.post("/videos/loop", response_model=Video, openapi_extra=takes(VideoLoop, "video"))
async def loop_video(server: TheServer, caller: TheCaller, body: TheBody, key: IdempotencyKey = None) -> Response:
    """Make a video that leads from its end to its beginning."""
    return await accept(
        server, caller, body, key, "loop",
        lambda: server.intake.loop(caller, body.parse(VideoLoop, ("video",)), body.given),
    )  # fmt: skip


@router.post("/videos/blend", response_model=Video, openapi_extra=takes(VideoBlend, "video", "second"))
async def blend_videos(server: TheServer, caller: TheCaller, body: TheBody, key: IdempotencyKey = None) -> Response:
    """Make a video turn into another."""
    return await accept(
        server, caller, body, key, "blend",
        lambda: server.intake.blend(caller, body.parse(VideoBlend, ("video", "second")), body.given),
    )  # fmt: skip


@router.post("/videos/recut", response_model=Video, openapi_extra=takes(VideoRecut, "video"))
async def recut_video(server: TheServer, caller: TheCaller, body: TheBody, key: IdempotencyKey = None) -> Response:
    """Keep segments of a video; the rest is made anew, bridged or cut."""
    return await accept(
        server, caller, body, key, "recut",
        lambda: server.intake.recut(caller, body.parse(VideoRecut, ("video",)), body.given),
    )  # fmt: skip


@router.post("/videos/inpaint", response_model=Video, openapi_extra=takes(VideoInpaint, "video", "mask"))
async def inpaint_video(server: TheServer, caller: TheCaller, body: TheBody, key: IdempotencyKey = None) -> Response:
    """Make a part of every frame anew."""
    return await accept(
        server, caller, body, key, "inpaint",
        lambda: server.intake.inpaint(caller, body.parse(VideoInpaint, ("video", "mask")), body.given),
    )  # fmt: skip


@router.post("/videos/outpaint", response_model=Video, openapi_extra=takes(VideoOutpaint, "video"))
async def outpaint_video(server: TheServer, caller: TheCaller, body: TheBody, key: IdempotencyKey = None) -> Response:
    """Make what surrounds a video."""
    return await accept(
        server, caller, body, key, "outpaint",
        lambda: server.intake.outpaint(caller, body.parse(VideoOutpaint, ("video",)), body.given),
    )  # fmt: skip


@router.post("/videos/storyboard", response_model=Video, openapi_extra=takes(VideoStoryboard))
async def storyboard_video(server: TheServer, caller: TheCaller, body: TheBody, key: IdempotencyKey = None) -> Response:
    """Make one video of cards on a timeline."""
    return await accept(
        server, caller, body, key, "storyboard",
        lambda: server.intake.storyboard(caller, body.parse(VideoStoryboard)),
    )  # fmt: skip
