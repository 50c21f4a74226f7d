"""The one path from a request to frames. Every verb of langit is a list of conditions and a call of this.

    request -> shape, conditions, prompt states -> noise at the free patches -> solver over denoise -> latents -> frames
"""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from torch import Tensor

from langit.catalog import EMBEDDED, Bundle, load
from langit.conditioning import Condition, FramesCondition, Held
from langit.flow import add_noise, predicted_x
from langit.media import read_image, write
from langit.packing import Layout, Text, layout_of, unpack
from langit.patches import Grid, grid_of, nearest_multiple
from langit.sampling import SCHEDULES, SOLVERS, Denoise, guided, levels_of
from langit.text.lexicon import describe_unknown, read
from langit.tokenizer import decode
from langit.tokenizer.base import latent_shape, legal_frames
from langit.types import ClipShape, InputError, Video

MAX_PROMPT_CHARACTERS = 4000
NUM_SEEDS = 2**32
"""torch's generator on the CPU reads no more than 32 bits: beyond them two seeds would make the same clip."""


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


@dataclass(frozen=True)
class Clip:
    """A generated video and how it came to be."""

    video: Video
    plan: Plan
    model: str
    elapsed: float  # seconds of generation, without loading the model

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write mp4, gif, png (one frame) or a folder of frames, by the path's ending; see `langit.media.write`."""
        note = f"langit {self.model} seed={self.plan.seed} steps={self.plan.steps} guidance={self.plan.guidance:g}"
        metadata = {"title": self.plan.prompt, "comment": note}
        return Path(write(self.video, path, overwrite=overwrite, metadata=metadata))


OnStep = Callable[[int, int], None]
"""(steps done, steps in all)."""


def generate(
    prompt: str,
    *,
    model: str = EMBEDDED,
    seconds: float | None = None,
    frames: int | None = None,
    size: tuple[int, int] | None = None,
    fps: float | None = None,
    seed: int | None = None,
    image: str | Path | None = None,
    steps: int | None = None,
    guidance: float | None = None,
    on_step: OnStep | None = None,
) -> Clip:
    """Make a clip of what the prompt says.

    `seconds` or `frames` long, `size` (width, height) in pixels, `image` a picture that becomes the first frame. What is
    None is the model's own choice. `InputError` says in a sentence what the model cannot do.
    """
    bundle = load(model)
    request = Request(prompt, seconds, frames, size, fps, seed, steps, guidance)
    if image is not None:
        request = animate(bundle, request, image)
    return replace(generate_all(bundle, [plan(bundle, request)], on_step)[0], model=model)


def animate(bundle: Bundle, request: Request, image: str | Path) -> Request:
    """The request with a picture as its first frame, in the picture's own aspect unless a size is given."""
    size = request.size
    if size is None:
        picture = read_image(image)
        height, width = picture.shape[:2]
        area = bundle.config.native.height * bundle.config.native.width
        aspect = min(max(width / height, 1 / bundle.config.native.max_aspect), bundle.config.native.max_aspect)
        size = (round((area * aspect) ** 0.5), round((area / aspect) ** 0.5))
    _, width, height = _rounded(bundle, size)
    first = read_image(image, size=(height, width))
    # A size that the user gave stays as given, so that `plan` says what became of it.
    conditions = (*request.conditions, FramesCondition({0: first}))
    return replace(request, size=request.size or (width, height), conditions=conditions)


def plan(bundle: Bundle, request: Request) -> Plan:
    """Decide what a request left open; `InputError` for what the model cannot do."""
    native, defaults = bundle.config.native, bundle.config.sampling
    notices: list[str] = []
    if not request.prompt.strip() and not request.conditions:
        raise InputError("The prompt is empty; describe the clip, for example: a red ball bounces on the grass.")
    if len(request.prompt) > MAX_PROMPT_CHARACTERS:
        raise InputError(
            f"The prompt has {len(request.prompt)} characters; at most {MAX_PROMPT_CHARACTERS} are read. Shorten it."
        )
    if unknown := describe_unknown(read(request.prompt)):
        notices.append(unknown)

    rounded, width, height = _rounded(bundle, request.size or (native.width, native.height))
    notices += rounded
    fps = request.fps if request.fps is not None else native.fps
    if not 1 <= fps <= 60:
        raise InputError(f"An fps of {fps:g} was asked for; give one from 1 to 60.")
    frames = _frames(request, native.frames, fps, native.max_frames)
    shape = ClipShape(legal_frames(bundle.tokenizer, frames), height, width)

    steps = request.steps if request.steps is not None else defaults.steps
    if not 1 <= steps <= 1000:
        raise InputError(f"{steps} sampling steps were asked for; give 1 to 1000.")
    guidance = request.guidance if request.guidance is not None else defaults.guidance
    if not 0 <= guidance <= 30:
        raise InputError(f"A guidance of {guidance:g} was asked for; give 0 to 30 (1 is none).")
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
        _choice("solver", request.solver or defaults.solver, SOLVERS),
        _choice("schedule", request.schedule or defaults.schedule, SCHEDULES),
        request.conditions,
        tuple(notices),
    )


@torch.inference_mode()
def generate_all(bundle: Bundle, plans: Sequence[Plan], on_step: OnStep | None = None) -> list[Clip]:
    """Several clips in one packed sequence; they must agree on steps, guidance, solver and schedule, and on nothing else.

    A clip's frames do not depend on the others: its noise comes from its own seed and its patches see only each other.
    """
    started = time.perf_counter()
    first = plans[0]
    if any((p.steps, p.guidance, p.solver, p.schedule) != (first.steps, first.guidance, first.solver, first.schedule) for p in plans):
        raise ValueError("clips that are made together share steps, guidance, solver and schedule; make them apart")
    config, device = bundle.config, bundle.device
    grids = [grid_of(latent_shape(bundle.tokenizer, p.shape), config.patch) for p in plans]
    layout = layout_of(grids).to(device)
    held = [_held(bundle, p, grid) for p, grid in zip(plans, grids, strict=True)]
    noise = torch.cat([_noise(p.seed, grid, config.transformer.out_dim) for p, grid in zip(plans, grids, strict=True)])
    content = torch.cat([one.content for one in held])
    mask = torch.cat([one.mask for one in held])
    start = layout.spread(torch.tensor([one.start for one in held], device=device)).cpu()

    schedule = SCHEDULES[first.schedule](first.steps, config.sampling.shift)
    levels = levels_of(schedule, mask, start)  # (S + 1, N)
    x = add_noise(content, noise, levels[0])
    denoise = guided(
        denoiser(bundle, layout, [p.prompt for p in plans]),
        denoiser(bundle, layout, ["" for _ in plans]),
        first.guidance,
        config.sampling.guidance_interval,
    )
    report = partial(_report, on_step, first.steps)
    x = SOLVERS[first.solver](denoise, x.to(device), levels.to(device), report).cpu()

    clips = []
    for latent, p in zip(unpack(x, layout, config.patch), plans, strict=True):
        frames = decode(bundle.tokenizer, latent)[: p.frames]
        clips.append(Clip(Video.from_float(frames.numpy(), p.fps), p, config.name, 0.0))
    elapsed = time.perf_counter() - started
    return [replace(clip, elapsed=elapsed) for clip in clips]


def denoiser(bundle: Bundle, layout: Layout, prompts: Sequence[str]) -> Denoise:
    """The transformer under these prompts as `denoise(x, sigma) -> x0`."""
    text: Text = bundle.text.encode(prompts)

    def denoise(x: Tensor, sigma: Tensor) -> Tensor:
        prediction = bundle.transformer(x, sigma, layout, text)
        return predicted_x(x, prediction, sigma, bundle.config.transformer.prediction)

    return denoise


def _held(bundle: Bundle, p: Plan, grid: Grid) -> Held:
    held = Held.nothing(grid, bundle.config.transformer.out_dim)
    for condition in p.conditions:
        held = held | condition.hold(bundle.tokenizer, p.shape, bundle.config.patch)
    return held


def _noise(seed: int, grid: Grid, patch_dim: int) -> Tensor:
    """A clip's noise, from its own seed and by position; always drawn on the CPU, so that every device starts alike."""
    return torch.randn(grid.num_patches, patch_dim, generator=torch.Generator().manual_seed(seed))


def _report(on_step: OnStep | None, steps: int, step: int) -> None:
    if on_step is not None:
        on_step(step + 1, steps)


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
    said = [] if (width, height) == tuple(size) else [
        f"{size[0]}x{size[1]} became {width}x{height}: sides are multiples of {steps[1]} and {steps[0]} pixels"
    ]
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


def _choice(what: str, name: str, known: Mapping[str, object]) -> str:
    if name not in known:
        raise InputError(f"There is no {what} {name!r}; the {what}s are {', '.join(known)}.")
    return name


class _CallableModule(ModuleType):
    """This module, called: `langit.generate(...)` is both the file that DESIGN's map names and the function in it."""

    __call__ = staticmethod(generate)


sys.modules[__name__].__class__ = _CallableModule
