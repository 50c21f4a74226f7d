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


@router.post("/videos/loop", openapi_extra=takes(VideoLoop, "video"))
def loop_video(
    server: TheServer, caller: TheCaller, body: TheBody, response: Response, key: IdempotencyKey = None
) -> Video:
    """Make a video that leads from its end to its beginning."""
    return accept(
        server, caller, body, response, key, "loop",
        lambda: server.intake.loop(caller, body.parse(VideoLoop, ("video",)), body.given),
    )  # fmt: skip


@router.post("/videos/blend", openapi_extra=takes(VideoBlend, "video", "second"))
def blend_videos(
    server: TheServer, caller: TheCaller, body: TheBody, response: Response, key: IdempotencyKey = None
) -> Video:
    """Make a video turn into another."""
    return accept(
        server, caller, body, response, key, "blend",
        lambda: server.intake.blend(caller, body.parse(VideoBlend, ("video", "second")), body.given),
    )  # fmt: skip


@router.post("/videos/recut", openapi_extra=takes(VideoRecut, "video"))
def recut_video(
    server: TheServer, caller: TheCaller, body: TheBody, response: Response, key: IdempotencyKey = None
) -> Video:
    """Keep segments of a video; the rest is made anew, bridged or cut."""
    return accept(
        server, caller, body, response, key, "recut",
        lambda: server.intake.recut(caller, body.parse(VideoRecut, ("video",)), body.given),
    )  # fmt: skip


@router.post("/videos/inpaint", openapi_extra=takes(VideoInpaint, "video", "mask"))
def inpaint_video(
    server: TheServer, caller: TheCaller, body: TheBody, response: Response, key: IdempotencyKey = None
) -> Video:
    """Make a part of every frame anew."""
    return accept(
        server, caller, body, response, key, "inpaint",
        lambda: server.intake.inpaint(caller, body.parse(VideoInpaint, ("video", "mask")), body.given),
    )  # fmt: skip


@router.post("/videos/outpaint", openapi_extra=takes(VideoOutpaint, "video"))
def outpaint_video(
    server: TheServer, caller: TheCaller, body: TheBody, response: Response, key: IdempotencyKey = None
) -> Video:
    """Make what surrounds a video."""
    return accept(
        server, caller, body, response, key, "outpaint",
        lambda: server.intake.outpaint(caller, body.parse(VideoOutpaint, ("video",)), body.given),
    )  # fmt: skip


@router.post("/videos/storyboard", openapi_extra=takes(VideoStoryboard))
def storyboard_video(
    server: TheServer, caller: TheCaller, body: TheBody, response: Response, key: IdempotencyKey = None
) -> Video:
    """Make one video of cards on a timeline."""
    return accept(
        server, caller, body, response, key, "storyboard",
        lambda: server.intake.storyboard(caller, body.parse(VideoStoryboard)),
    )  # fmt: skip
