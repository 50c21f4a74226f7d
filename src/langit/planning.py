"""A request, and the plan that it becomes: nothing left open, and what the user should know about it.

`plan` decides what a request left to the model, and refuses in a sentence what the model cannot do.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from langit.catalog import Bundle
from langit.conditioning import Condition, FramesCondition
from langit.media import read_image
from langit.patches import nearest_multiple
from langit.sampling import SCHEDULES, SOLVERS
from langit.tokenizer.base import legal_frames
from langit.types import ClipShape, InputError

DISTILLED = "distilled"
"""The solver that stands for a model's quick weights on their own course: few evaluations, no guidance."""
QUALITIES = ("fast", "best")
"""fast: the quick weights. best: the model itself, by any solver."""
MAX_PROMPT_CHARACTERS = 4000
NUM_SEEDS = 2**32
"""torch's generator on the CPU reads no more than 32 bits: beyond them two seeds would make the same clip."""
MAX_SECONDS = 3600.0
"""Of one request. Windows have no end of their own; a slip of the keyboard should."""


@dataclass(frozen=True)
class Request:
    """Everything that decides a clip, given a model. None means the model's own choice."""

    prompt: str
    seconds: float | None = None
    frames: int | None = None  # instead of seconds
    size: tuple[int, int] | None = None  # (width, height) in pixels
    fps: float | None = None
    seed: int | None = None  # a random one when None
    steps: int | None = None
    guidance: float | None = None
    solver: str | None = None
    schedule: str | None = None
    conditions: tuple[Condition, ...] = ()
    quality: str | None = None  # fast or best


@dataclass(frozen=True)
class Plan:
    """A request with nothing left open: what will be made, and what the user should know about it."""

    prompt: str
    shape: ClipShape  # what is made: legal for the tokenizer
    frames: int  # what is kept of it
    fps: float
    seed: int
    steps: int
    guidance: float
    solver: str
    schedule: str
    conditions: tuple[Condition, ...]
    notices: tuple[str, ...]


def animate(bundle: Bundle, request: Request, image: str | Path) -> Request:
    """The request with a picture as its first frame, in the picture's own aspect unless a size is given."""
    size = request.size
    if size is None:
        picture = read_image(image)
        size = native_size(bundle, picture.shape[1], picture.shape[0])
    _, width, height = _rounded(bundle, size)
    first = read_image(image, size=(height, width))
    # A size that the user gave stays as given, so that `plan` says what became of it.
    conditions = (*request.conditions, FramesCondition({0: first}))
    return replace(request, size=request.size or (width, height), conditions=conditions)


def native_size(bundle: Bundle, width: int, height: int) -> tuple[int, int]:
    """The (width, height) of the model's own area in this aspect, as near as the model goes; `plan` rounds it."""
    native = bundle.config.native
    area = native.height * native.width
    aspect = min(max(width / height, 1 / native.max_aspect), native.max_aspect)
    return round((area * aspect) ** 0.5), round((area / aspect) ** 0.5)


def legal_size(bundle: Bundle, width: int, height: int) -> tuple[int, int]:
    """The (width, height) at which footage of this size is worked on: its own where the model makes that, or the native area
    in its aspect."""
    try:
        _, *own = _rounded(bundle, (width, height))
    except InputError:
        own = []
    if own == [width, height]:
        return width, height
    _, width, height = _rounded(bundle, native_size(bundle, width, height))
    return width, height


def plan(bundle: Bundle, request: Request) -> Plan:
    """Decide what a request left open; `InputError` for what the model cannot do."""
    native = bundle.config.native
    notices: list[str] = []
    if not request.prompt.strip() and not request.conditions:
        raise InputError("The prompt is empty; describe the clip, for example: a red ball bounces on the grass.")
    if len(request.prompt) > MAX_PROMPT_CHARACTERS:
        raise InputError(
            f"The prompt has {len(request.prompt)} characters; at most {MAX_PROMPT_CHARACTERS} are read. Shorten it."
        )
    if unknown := bundle.text.unread(request.prompt):
        notices.append(unknown)

    rounded, width, height = _rounded(bundle, request.size or (native.width, native.height))
    notices += rounded
    fps = request.fps if request.fps is not None else native.fps
    if not 1 <= fps <= 60:
        raise InputError(f"An fps of {fps:g} was asked for; give one from 1 to 60.")
    frames = _frames(request, native.frames, fps, round(MAX_SECONDS * fps))
    if frames > native.max_frames:
        notices.append(f"{frames} frames are made as windows of {native.frames}, each going on from the one before")
    shape = ClipShape(legal_frames(bundle.tokenizer, frames), height, width)
    bundle.refuse_what_does_not_fit(replace(shape, frames=min(shape.frames, native.max_frames)))

    solver, schedule, steps, guidance = _course(bundle, request)
    seed = request.seed if request.seed is not None else secrets.randbelow(2**31)
    if not 0 <= seed < NUM_SEEDS:
        raise InputError(f"A seed of {seed} was given; give a whole number from 0 to {NUM_SEEDS - 1}.")
    return Plan(
        request.prompt,
        shape,
        frames,
        fps,
        seed,
        steps,
        guidance,
        solver,
        schedule,
        request.conditions,
        tuple(notices),
    )


def _rounded(bundle: Bundle, size: tuple[int, int]) -> tuple[list[str], int, int]:
    """Notices, width and height, the sides rounded to what the patches tile."""
    native = bundle.config.native
    steps = [stride * patch for stride, patch in zip(bundle.config.stride[1:], bundle.config.patch[1:], strict=True)]
    height, width = (nearest_multiple(side, step) for side, step in zip((size[1], size[0]), steps, strict=True))
    if min(size) < 1:
        raise InputError(f"A size of {size[0]}x{size[1]} was asked for; both sides are at least 1 pixel.")
    if height * width > native.max_pixels or max(height / width, width / height) > native.max_aspect:
        raise InputError(
            f"A size of {size[0]}x{size[1]} was asked for; this model makes up to {native.max_pixels} pixels a frame "
            f"with sides of at most {native.max_aspect:g} to 1, and does best at {native.width}x{native.height}."
        )
    said = (
        []
        if (width, height) == tuple(size)
        else [f"{size[0]}x{size[1]} became {width}x{height}: sides are multiples of {steps[1]} and {steps[0]} pixels"]
    )
    return said, width, height


def _frames(request: Request, native: int, fps: float, most: int) -> int:
    if request.frames is not None and request.seconds is not None:
        raise InputError("Both seconds and frames were given; give one of them.")
    frames = request.frames
    if request.seconds is not None:
        if not np.isfinite(request.seconds) or request.seconds <= 0:
            raise InputError(f"A length of {request.seconds:g} seconds was asked for; give more than 0.")
        frames = max(1, round(min(request.seconds * fps, 1e9)))
    if frames is None:
        frames = native - 1 if native > 1 else 1
    if not 1 <= frames <= most:
        raise InputError(
            f"{frames} frames ({frames / fps:g} s at {fps:g} fps) were asked for; this model makes 1 to {most} frames "
            f"({most / fps:g} s)."
        )
    return frames


def _course(bundle: Bundle, request: Request) -> tuple[str, str, int, float]:
    """Solver, schedule, steps and guidance; the distilled course has its own, and leaves no choice."""
    defaults = bundle.config.sampling
    own = {"solver": DISTILLED, "schedule": DISTILLED, "steps": len(defaults.distilled) - 1, "guidance": 1.0}
    chosen = {name: getattr(request, name) for name in own if getattr(request, name) is not None}
    quality = _choice("quality", request.quality or (defaults.quality if not chosen else "best"), QUALITIES)
    if quality == "fast" or request.solver == DISTILLED:
        if bundle.quick is None:
            raise InputError(f"The model {bundle.config.name} has no quick weights: it makes the best quality alone.")
        if other := [name for name, value in chosen.items() if value != own[name]]:
            raise InputError(
                f"The fast quality has its own {' and '.join(other)}; leave {'it' if len(other) == 1 else 'them'} out, "
                "or ask for the best."
            )
        return DISTILLED, DISTILLED, len(defaults.distilled) - 1, 1.0
    solver = _choice("solver", request.solver or defaults.solver, SOLVERS)
    steps = request.steps if request.steps is not None else defaults.steps
    if not 1 <= steps <= 1000:
        raise InputError(f"{steps} sampling steps were asked for; give 1 to 1000.")
    guidance = request.guidance if request.guidance is not None else defaults.guidance
    if not 0 <= guidance <= 30:
        raise InputError(f"A guidance of {guidance:g} was asked for; give 0 to 30 (1 is none).")
    return solver, _choice("schedule", request.schedule or defaults.schedule, SCHEDULES), steps, guidance


def _choice(what: str, name: str, known: Collection[str]) -> str:
    if name not in known:
        raise InputError(f"There is no {what} {name!r}; choose {', '.join(known)}.")
    return name
