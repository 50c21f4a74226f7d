"""What requests may hold, and what the answers are: pydantic models, from which /openapi.json is made."""

from __future__ import annotations

import json
import math
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from langit.server.fitting import parse_size
from langit.server.jobs import Row

MOST_PROMPT = 4000  # langit.planning.MAX_PROMPT_CHARACTERS, without importing torch; a test holds them together
Quality = Literal["fast", "draft", "standard", "high"]
QUALITY_STEPS: dict[str, float] = {"draft": 0.5, "standard": 1.0, "high": 2.0}  # fast: a model's quick weights


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=(), allow_inf_nan=False)


def _size(value: Any) -> Any:
    if isinstance(value, str):
        try:
            parse_size(value)
        except Exception as error:
            raise ValueError(str(getattr(error, "message", error))) from None
    return value


def _seconds(value: Any) -> Any:
    """The client sends "4"; 4 and 4.5 mean something too."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError('seconds is a length such as "4"')
    try:
        number = float(value)
    except ValueError:
        raise ValueError(f'seconds is a length such as "4", not {str(value)[:40]!r}') from None
    if not math.isfinite(number) or number <= 0:
        raise ValueError("seconds is a number above 0")
    return str(value)


Prompt = Annotated[str, Field(min_length=1, max_length=MOST_PROMPT, description="What the video shows.")]
Size = Annotated[str, BeforeValidator(_size), Field(description="Width x height in pixels, such as 1280x720.")]
Seconds = Annotated[str, BeforeValidator(_seconds), Field(description='The length, such as "4".')]


class ImageReference(_Body):
    """A picture by the id of an uploaded file, or by a data URL or an address."""

    file_id: str | None = None
    image_url: str | None = None


class VideoReference(_Body):
    """A completed video."""

    id: str


class CharacterReference(_Body):
    """A character made with POST /videos/characters."""

    id: str


class Course(_Body):
    """What decides how a video is sampled; all beyond OpenAI's API."""

    seed: Annotated[int, Field(ge=0, lt=2**32)] | None = None
    guidance: Annotated[float, Field(ge=0, le=30)] | None = None
    quality: Quality | None = None
    steps: Annotated[int, Field(ge=1, le=1000)] | None = None


class VideoCreate(Course):
    """POST /videos."""

    prompt: Prompt
    model: str | None = None
    input_reference: ImageReference | str | None = None
    size: Size | None = None
    seconds: Seconds | None = None
    fps: Annotated[float, Field(ge=1, le=60)] | None = None
    characters: Annotated[list[CharacterReference], Field(max_length=1)] | None = None


class VideoRemix(Course):
    """POST /videos/{id}/remix."""

    prompt: Prompt
    strength: Annotated[float, Field(gt=0, le=1)] | None = None


class VideoEdit(Course):
    """POST /videos/edits."""

    prompt: Prompt
    video: VideoReference | str | None = None  # or a file of that name
    strength: Annotated[float, Field(gt=0, le=1)] | None = None
    model: str | None = None


class VideoExtend(Course):
    """POST /videos/extensions."""

    prompt: Prompt
    seconds: Seconds
    video: VideoReference | str | None = None  # or a file of that name
    model: str | None = None


def _listed(value: Any) -> Any:
    """A form has no lists of lists: there they are JSON."""
    if isinstance(value, str):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            raise ValueError("write it as JSON") from None
    return value


Segment = tuple[Annotated[float, Field(ge=0)], Annotated[float, Field(gt=0)]]
MaybePrompt = Annotated[str, Field(max_length=MOST_PROMPT, description="What the new parts show.")]
Stretch = Annotated[float, Field(gt=0)]


class VideoLoop(Course):
    """POST /videos/loop: a video without end; `seconds` adds a bridge of that length, else its last second is made anew."""

    prompt: MaybePrompt = ""
    video: VideoReference | str | None = None
    seconds: Stretch | None = None
    model: str | None = None


class VideoBlend(Course):
    """POST /videos/blend: a video that turns into a second one over `seconds`."""

    prompt: MaybePrompt = ""
    video: VideoReference | str | None = None
    second: VideoReference | str | None = None
    seconds: Stretch | None = None
    curve: Literal["linear", "ease", "late", "early"] | None = None
    model: str | None = None


class VideoRecut(Course):
    """POST /videos/recut: segments that stay, in seconds; the rest is made anew, bridged or cut."""

    prompt: MaybePrompt = ""
    video: VideoReference | str | None = None
    keep: Annotated[list[Segment], BeforeValidator(_listed), Field(min_length=1, max_length=100)]
    rest: Literal["remake", "bridge", "cut"] | None = None
    seconds: Stretch | None = None
    model: str | None = None


class VideoInpaint(Course):
    """POST /videos/inpaint: a part of every frame made anew: the white of `mask` (a picture), or `box` (x, y, width, height)."""

    prompt: MaybePrompt = ""
    video: VideoReference | str | None = None
    mask: ImageReference | str | None = None
    box: Annotated[tuple[int, int, int, int], BeforeValidator(_listed)] | None = None
    start: Annotated[float, Field(ge=0)] | None = None
    stop: Stretch | None = None
    model: str | None = None


class VideoOutpaint(Course):
    """POST /videos/outpaint: the surrounding of a video, in a frame of `size`."""

    prompt: MaybePrompt = ""
    video: VideoReference | str | None = None
    size: Size
    model: str | None = None


class BoardCard(_Body):
    """What happens from `at` seconds on; `picture` is how that begins."""

    at: Annotated[float, Field(ge=0)]
    prompt: MaybePrompt = ""
    picture: ImageReference | str | None = None


class VideoStoryboard(Course):
    """POST /videos/storyboard: cards on a timeline, in one video."""

    prompt: MaybePrompt = ""
    seconds: Seconds
    cards: Annotated[list[BoardCard], BeforeValidator(_listed), Field(min_length=1, max_length=50)]
    size: Size | None = None
    fps: Annotated[float, Field(ge=1, le=60)] | None = None
    model: str | None = None


class CharacterCreate(_Body):
    """POST /videos/characters."""

    name: Annotated[str, Field(min_length=1, max_length=200)]


class BatchCreate(_Body):
    """POST /batches."""

    input_file_id: str
    endpoint: Literal["/v1/videos"]
    completion_window: Literal["24h"] = "24h"
    metadata: dict[str, str] | None = None


EventType = Literal["video.completed", "video.failed", "batch.completed", "batch.failed", "batch.cancelled"]
EndpointName = Annotated[str, Field(min_length=1, max_length=200)]
EndpointUrl = Annotated[str, Field(min_length=1, max_length=2000)]
EventTypes = Annotated[list[EventType], Field(min_length=1, max_length=20)]


class EndpointCreate(_Body):
    """POST /webhook_endpoints."""

    name: EndpointName
    url: EndpointUrl
    event_types: EventTypes


class EndpointUpdate(_Body):
    """POST /webhook_endpoints/{id}: what is to change."""

    name: EndpointName | None = None
    url: EndpointUrl | None = None
    event_types: EventTypes | None = None


class EndpointRotate(_Body):
    """POST /webhook_endpoints/{id}/rotate_secret."""

    keep_old_secret_active_for_24_hours: bool = False


class EndpointTest(_Body):
    """POST /webhook_endpoints/{id}/test."""

    event_type: EventType


class VideoError(BaseModel):
    """Why a video failed."""

    code: str
    message: str


class Video(BaseModel):
    """A video, as OpenAI's API shows it, and a few things more."""

    id: str
    object: Literal["video"] = "video"
    model: str
    status: Literal["queued", "in_progress", "completed", "failed"]
    progress: int
    created_at: int
    completed_at: int | None
    expires_at: int | None
    prompt: str
    size: str
    seconds: str
    remixed_from_video_id: str | None
    error: VideoError | None
    operation: str
    seed: int
    fps: float
    notices: list[str]

    @classmethod
    def of(cls, row: Row) -> Video:
        return cls(
            id=row["id"],
            model=row["model"],
            status=row["status"],
            progress=row["progress"],
            created_at=row["created_at"],
            completed_at=row["completed_at"],
            expires_at=row["expires_at"],
            prompt=row["prompt"],
            size=row["size"],
            seconds=row["seconds"],
            remixed_from_video_id=row["source_id"],
            error=row["error"],
            operation=row["operation"],
            seed=row["request"]["seed"],
            fps=row["request"]["fps"],
            notices=row["notices"],
        )


class VideoPage(BaseModel):
    """A page of videos, newest first unless asked otherwise."""

    object: Literal["list"] = "list"
    data: list[Video]
    first_id: str | None
    last_id: str | None
    has_more: bool


class Deleted(BaseModel):
    """What was deleted."""

    id: str
    object: str
    deleted: bool = True


class Character(BaseModel):
    """A character."""

    id: str
    object: Literal["character"] = "character"
    name: str
    created_at: int


class File(BaseModel):
    """An uploaded file, or a batch's output."""

    id: str
    object: Literal["file"] = "file"
    bytes: int
    created_at: int
    filename: str
    purpose: str
    status: Literal["processed"] = "processed"
    expires_at: int | None = None


class ServedModelInfo(BaseModel):
    """A model that requests may name."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str


class ErrorDetail(BaseModel):
    """What went wrong, for people and for programs."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorBody(BaseModel):
    """Every error of this API."""

    error: ErrorDetail
