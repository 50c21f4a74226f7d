"""The one path from a request to frames. Every verb of langit is a list of conditions and a call of this.

    request -> shape, conditions, prompt states -> noise at the free patches -> solver over denoise -> latents -> frames

What is longer than one clip of the model, or goes on from something, is a passage: windows on this path that hand their
latents on (`make_passage`), as a stream of frames in the memory of a window.
"""

from __future__ import annotations

import math
import sys
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import tee
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from torch import Tensor

from langit.casts import Casting, make_casts, sketched
from langit.catalog import EMBEDDED, Bundle, load
from langit.conditioning import FramesCondition, Held, Known, Passage, TurnCondition
from langit.conditioning.cast import CAST, ROWS, Cast, CastCondition
from langit.conditioning.channels import Beside, known_frame_channels, known_frames, noisy_channels
from langit.conditioning.drift import anchored
from langit.conditioning.finishing import finished
from langit.conditioning.passages import CONTEXT_GROUPS, Window, windows_of
from langit.conditioning.stillness import know_the_beginning, steadied, stilled
from langit.conditioning.turning import Turning, turned
from langit.conditioning.world import World
from langit.denoising import denoiser, governed, noise_of, unguided
from langit.flow import add_noise
from langit.media import write
from langit.media.record import Record, SourceFile, sha256_of, write_sidecar
from langit.packing import Layout, Text, bounds_of, layout_of, unpack
from langit.patches import grid_of
from langit.planning import DISTILLED, Plan, Request, animate, plan
from langit.sampling import SCHEDULES, SOLVERS, guided, levels_of
from langit.tokenizer import encode
from langit.tokenizer.base import latent_shape
from langit.types import Frames, Video


@dataclass(frozen=True)
class Clip:
    """A generated video and how it came to be."""

    video: Video
    plan: Plan
    model: str
    elapsed: float  # seconds of generation, without loading the model
    bundle: Bundle = field(repr=False)
    image: Path | None = None  # the picture that it began with

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write mp4, gif, png (one frame) or a folder of frames, by the path's ending; see `langit.media.write`.

        How it was made is in the file and beside it: `langit remake` makes it again.
        """
        record = self.record()
        written = Path(write(self.video, path, overwrite=overwrite, metadata=record.metadata()))
        write_sidecar(written, record)
        return written

    def record(self) -> Record:
        """Everything that decides the clip."""
        from importlib.metadata import version

        p = self.plan
        course = {name: getattr(p, name) for name in ("seed", "steps", "guidance", "solver", "schedule")}
        size = [p.shape.width, p.shape.height]
        options = {"prompt": p.prompt, "frames": p.frames, "size": size, "fps": p.fps, "course": course}
        sources = () if self.image is None else (SourceFile(str(self.image), sha256_of(self.image)),)
        return Record("generate", p.prompt, options, self.model, self.bundle.hash(), sources, version("langit"))


OnStep = Callable[[int, int], None]
"""(steps done, steps in all)."""
Sampler = Callable[[Bundle, Sequence[Plan], OnStep | None], list[Tensor]]
"""`sample`, or something around it that remembers."""


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
    quality: str | None = None,
    on_step: OnStep | None = None,
    device: str = "cpu",
) -> Clip:
    """Make a clip of what the prompt says.

    `seconds` or `frames` long, `size` (width, height) in pixels, `image` a picture that becomes the first frame, `quality`
    fast or best. What is None is the model's own choice. `InputError` says in a sentence what the model cannot do.
    """
    bundle = load(model, device)
    request = Request(prompt, seconds, frames, size, fps, seed, steps, guidance, quality=quality)
    if image is not None:
        request = animate(bundle, request, image)
    clip = generate_all(bundle, [plan(bundle, request)], on_step)[0]
    return replace(clip, model=model, image=None if image is None else Path(image))


def generate_all(bundle: Bundle, plans: Sequence[Plan], on_step: OnStep | None = None) -> list[Clip]:
    """Several clips in one packed sequence; they must agree on steps, guidance, solver and schedule, and on nothing else.

    A clip's frames do not depend on the others: its noise comes from its own seed and its patches see only each other.
    Clips that are longer than the model's longest are made by themselves, window after window.
    """
    started = time.perf_counter()
    if any(is_long(bundle, p) for p in plans):
        videos = [Video(np.stack(list(stream(bundle, p, on_step))), p.fps) for p in plans]
    else:
        cast = with_casts(bundle, plans)
        videos = []
        for latents, p in zip(sample(bundle, cast, on_step), cast, strict=True):
            casts = [None] * latents.shape[1] if bundle.cast is None else cast_of(bundle, p).frames
            frames = torch.cat(
                list(_shown(bundle, latents.split(1, 1), deque(casts), know_the_beginning(p.conditions)))
            )
            videos.append(Video.from_float(frames[: p.frames].numpy(), p.fps))
    elapsed = time.perf_counter() - started
    return [Clip(video, p, bundle.config.name, elapsed, bundle) for video, p in zip(videos, plans, strict=True)]


def is_long(bundle: Bundle, p: Plan) -> bool:
    """Whether the clip takes more than one window."""
    return p.frames > bundle.config.native.max_frames


@torch.inference_mode()
def sample(bundle: Bundle, plans: Sequence[Plan], on_step: OnStep | None = None) -> list[Tensor]:
    """The latents (C, F, H, W) of several clips that are made in one packed sequence."""
    first = plans[0]
    if any(
        (p.steps, p.guidance, p.solver, p.schedule) != (first.steps, first.guidance, first.solver, first.schedule)
        for p in plans
    ):
        raise ValueError("clips that are made together share steps, guidance, solver and schedule; make them apart")
    config, device, quick = bundle.config, bundle.device, first.solver == DISTILLED
    entering = _enter(bundle, plans)
    held, layout, levels = entering.held, entering.layout, entering.levels
    prompts, governs = governed([p.prompt for p in plans], held, layout.grids)
    beside = _beside(bundle, plans)
    if bundle.cast is not None:
        casts = [cast_of(bundle, p) for p in with_casts(bundle, plans)]
        beside, drift, drafts = sketched(bundle, casts, layout)
        layout = anchored(layout, drift, config.patch[1])
    denoise = guided(
        denoiser(bundle, layout, prompts, governs, beside, bundle.quick if quick else None),
        unguided(bundle, layout, held, beside),
        first.guidance,
        config.sampling.guidance_interval,
        config.sampling.late_guidance if first.guidance == config.sampling.guidance else None,
    )
    bundle.text.release()
    report = partial(_report, on_step, first.steps)
    solver = SOLVERS["euler" if quick else first.solver]
    x = solver(denoise, entering.x.to(device), levels.to(device), report).cpu()
    clips = unpack(x, layout, config.patch)
    if bundle.cast is None:
        return clips
    parts = zip(clips, drafts, casts, plans, strict=True)
    return [stilled(clip, draft, cast, p.conditions, bundle.tokenizer) for clip, draft, cast, p in parts]


@dataclass(frozen=True)
class _Entering:
    """How the patches of clips enter sampling."""

    layout: Layout
    held: list[Held]
    levels: Tensor  # (S + 1, N)
    x: Tensor  # (N, P) at the first of them


def _enter(bundle: Bundle, plans: Sequence[Plan]) -> _Entering:
    config, first = bundle.config, plans[0]
    grids = [grid_of(latent_shape(bundle.tokenizer, p.shape), config.patch) for p in plans]
    layout = layout_of(grids).to(bundle.device)
    held = [held_of(bundle, p) for p in plans]
    noise = noise_of([p.seed for p in plans], grids, config.transformer.out_dim)
    content, mask = torch.cat([one.content for one in held]), torch.cat([one.mask for one in held])
    start = layout.spread(torch.tensor([one.start for one in held], device=bundle.device)).cpu()
    if first.solver == DISTILLED:
        schedule = torch.tensor(config.sampling.distilled)
    else:
        schedule = SCHEDULES[first.schedule](first.steps, config.sampling.shift)
    levels = levels_of(schedule, mask, start)
    return _Entering(layout, held, levels, add_noise(content, noise, levels[0]))


def stream(
    bundle: Bundle, p: Plan, on_step: OnStep | None = None, sampler: Sampler = sample
) -> Generator[Frames, None, Known | None]:
    """The frames (H, W, 3) of a clip of any length as they are made, in the memory of a window.

    The plan's conditions are those of the first window. Returns what a clip that goes on begins with.
    """
    return (yield from make_passage(bundle, p, Passage(p.frames), on_step, sampler))


def make_passage(
    bundle: Bundle, p: Plan, passage: Passage, on_step: OnStep | None = None, sampler: Sampler = sample
) -> Generator[Frames, None, Known | None]:
    """The frames (H, W, 3) of a passage as they are made, all latents in one stream through the decoder.

    Size, prompt, seed and course come from the plan, whose conditions hold in the first window. Returns the end, for
    whoever goes on from it, unless it leads up to something known.
    """
    latents = _PassageLatents(bundle, p, passage, on_step, sampler)
    shown = 0
    for group in _shown(bundle, latents, latents.casts, _is_all_made(p, passage)):
        for frame in Video.from_float(group.numpy(), p.fps).frames:
            latents.recent.append(frame)
            shown += 1
            if latents.skip < shown <= latents.skip + passage.frames:
                yield frame
    return None if passage.after is not None else latents.end(shown - latents.skip - passage.frames)


def _is_all_made(p: Plan, passage: Passage) -> bool:
    """Whether a passage knows nothing of its own frames, nor of what follows."""
    return know_the_beginning(p.conditions) and passage.around is None and passage.after is None


def _shown(
    bundle: Bundle, latents: Iterable[Tensor], casts: deque[Cast | Turning | None], one_world: bool
) -> Iterator[Tensor]:
    """Latent frames (C, 1, h, w) as they come, and their casts -> groups of frames (F', H, W, 3) as they are shown."""
    coming, decoded = tee(latents)
    world = World() if one_world else None
    before: Tensor | None = None
    for group, latent in zip(bundle.tokenizer.decode_stream(coming), decoded, strict=True):
        cast = casts.popleft()
        if cast is not None and bundle.finish is not None:
            group = finished(bundle.finish, group, cast)
        if cast is not None and world is not None:
            group = world.shown(group, cast)
        yield group if before is None else steadied(group, latent, before)
        before = latent


class _PassageLatents:
    """The latent frames (C, 1, h, w) of a passage, made window by window as the decoder asks for them."""

    def __init__(self, bundle: Bundle, p: Plan, passage: Passage, on_step: OnStep | None, sampler: Sampler):
        native, self.stride = bundle.config.native, bundle.tokenizer.stride[0]
        self.bundle, self.plan, self.passage, self.on_step, self.sampler = bundle, p, passage, on_step, sampler
        self.windows = windows_of(passage, self.stride, native.frames, native.max_frames)
        self.recent: deque[Frames] = deque(maxlen=1 + CONTEXT_GROUPS * self.stride)
        self.last: deque[Tensor] = deque(maxlen=CONTEXT_GROUPS)  # the groups that were made last
        self.cast: Tensor | None = None  # of the window that was made last, as rows
        self.casts: deque[Cast | Turning | None] = deque()  # of the latent frames that come, where they are finished
        before = passage.before
        if before is not None:  # frames that are decoded again for the decoder's sake, and not shown
            self.skip = 1 + before.groups.shape[1] * self.stride - before.unshown
        else:
            self.skip = max(0, -min((window.start for window in self.windows), default=0))

    def __iter__(self) -> Iterator[Tensor]:
        before = self.passage.before
        if before is not None:
            self.casts += self._casts_of(before)
            yield self._picture(before.picture)
            yield from self._told(before.groups)
        if self.passage.after is not None and self.passage.before is None:
            yield from self._backward()
            return
        known = before
        for window in self.windows:
            made, casts = self._make(window, known, self.passage.after if window.tail else None)
            self.casts += casts
            if window.head == 0:
                yield made[:, :1]
                made = made[:, 1:]
            yield from self._told(made)
            known = self.end()

    def _backward(self) -> Iterator[Tensor]:
        parts, tail = [], self.passage.after
        for window in self.windows:
            made, casts = self._make(window, None, tail)
            parts.append(made[:, 1:])
            self.casts.extendleft(reversed(casts[1:]))
            tail = made[:, 1 : 1 + CONTEXT_GROUPS]
        self.casts.appendleft(casts[0])
        yield made[:, :1]
        for part in reversed(parts):
            yield from part.split(1, 1) if part.shape[1] else ()

    def _make(
        self, window: Window, head: Known | None, tail: Tensor | None
    ) -> tuple[Tensor, Sequence[Cast | Turning | None]]:
        """The new latent frames of a window, and their casts."""
        shape = replace(self.plan.shape, frames=window.frames(self.stride))
        own = self.plan.conditions if window.number == 0 else ()
        conditions = (*own, *window.conditions(self.passage, head, tail, self.stride))
        seed = window.seed(self.plan.seed)
        p = replace(self.plan, shape=shape, frames=shape.frames, seed=seed, conditions=conditions)
        if self.bundle.cast is not None:
            p = with_casts(self.bundle, [p])[0]
            known = known_cast(p)
            assert known is not None
            self.cast = known.rows if known.into is None else known.into
        latents = self.sampler(self.bundle, [p], partial(self._on_step, window.number))[0]
        made = slice(window.head, latents.shape[1] - window.tail)
        if self.bundle.cast is None:
            return latents[:, made], [None] * (made.stop - made.start)
        return latents[:, made], cast_of(self.bundle, p).frames[made]

    def _casts_of(self, known: Known) -> Sequence[Cast | Turning | None]:
        """Of what is known: some of its frames may not have been shown yet."""
        if known.cast is None or self.bundle.casting is None:
            return [None] * (1 + known.groups.shape[1])
        return self.bundle.casting.decode(known.cast).frames

    def _on_step(self, number: int, done: int, of: int) -> None:
        if self.on_step is not None:
            self.on_step(number * of + done, of * len(self.windows))

    def _told(self, latents: Tensor) -> Iterator[Tensor]:
        for latent in latents.split(1, 1) if latents.shape[1] else ():
            self.last.append(latent)
            yield latent

    def _picture(self, picture: Frames) -> Tensor:
        return encode(self.bundle.tokenizer, torch.from_numpy(picture[None].astype(np.float32)) / 127.5 - 1)

    def end(self, unshown: int = 0) -> Known:
        """What was made last, for whoever goes on from here: all of it has been decoded."""
        picture = self.recent[-1 - len(self.last) * self.stride]
        channels, _, rows, columns = self._picture(picture).shape
        nothing = torch.zeros(channels, 0, rows, columns)
        cast = None
        if self.cast is not None and self.bundle.casting is not None:
            cast = self.bundle.casting.last_frames(self.cast, len(self.last))
        return Known(picture, torch.cat([nothing, *self.last], 1), unshown, cast)


def held_of(bundle: Bundle, p: Plan) -> Held:
    """What the plan's conditions know of its clip."""
    grid = grid_of(latent_shape(bundle.tokenizer, p.shape), bundle.config.patch)
    held = Held.nothing(grid, bundle.config.transformer.out_dim)
    for condition in p.conditions:
        if not (bundle.takes_frames_beside and isinstance(condition, FramesCondition)):
            held = held | condition.hold(bundle.tokenizer, p.shape, bundle.config.patch)
    return held


def _beside(bundle: Bundle, plans: Sequence[Plan]) -> Beside | None:
    """The known frames of clips whose model takes them beside the noise and the prompt."""
    if not bundle.takes_frames_beside:
        return None
    clips = [known_frames(p.conditions, p.shape) for p in plans]
    parts = [
        known_frame_channels(bundle.tokenizer, p.shape, bundle.config.patch, frames)
        for p, frames in zip(plans, clips, strict=True)
    ]
    channels = torch.cat(parts).to(bundle.device)
    if bundle.pictures is None:
        return Beside(channels)
    ends = (min, max) if bundle.config.transformer.image_places else (min,)  # some look at the last frame too
    states = [bundle.pictures.encode([clip[end(clip)] for end in ends]) for clip in clips]
    bundle.pictures.release()
    return Beside(channels, Text(torch.cat(states), bounds_of([len(state) for state in states])))


@torch.inference_mode()
def with_casts(bundle: Bundle, plans: Sequence[Plan]) -> list[Plan]:
    """The plans, each with the whole cast of its clip, which is made unless it is known; as they are where nothing is cast."""
    if bundle.cast is None or all(_is_cast(bundle, p) for p in plans):
        return list(plans)
    sides = [_sides(p) for p in plans]
    rows = iter(_casts(bundle, [side for of_clip in sides for side in of_clip]))
    return [_cast_as(p, [next(rows) for _ in of_clip]) for p, of_clip in zip(plans, sides, strict=True)]


def _is_cast(bundle: Bundle, p: Plan) -> bool:
    known = known_cast(p)
    frames = grid_of(latent_shape(bundle.tokenizer, p.shape), bundle.config.patch).t
    return known is not None and _turn_of(p) is None and len(known.rows) == frames * ROWS


def _sides(p: Plan) -> list[Plan]:
    """A plan whose things turn into others as two, of the ones and of the others; any other plan itself."""
    turn = _turn_of(p)
    if turn is None:
        return [p]
    told = zip(turn.prompts, turn.sides(p.conditions), strict=True)
    return [replace(p, prompt=prompt, conditions=conditions) for prompt, conditions in told]


def _cast_as(p: Plan, rows: Sequence[Tensor]) -> Plan:
    turn, known = _turn_of(p), known_cast(p)
    if turn is not None:
        cast = CastCondition(rows[0], rows[1], turn.share)
    else:
        cast = CastCondition(rows[0]) if known is None else replace(known, rows=rows[0])
    others = (c for c in p.conditions if not isinstance(c, CastCondition | TurnCondition))
    return replace(p, conditions=(*others, cast))


def _turn_of(p: Plan) -> TurnCondition | None:
    return next((c for c in p.conditions if isinstance(c, TurnCondition)), None)


def known_cast(p: Plan) -> CastCondition | None:
    """What is known of the cast of a plan's clip."""
    return next((c for c in p.conditions if isinstance(c, CastCondition)), None)


def cast_of(bundle: Bundle, p: Plan) -> Cast | Turning:
    """The cast of a plan that is whole."""
    known = known_cast(p)
    assert known is not None
    assert bundle.casting is not None
    cast = bundle.casting.decode(known.rows)
    if known.into is None or known.share is None:
        return cast
    return turned(cast, bundle.casting.decode(known.into), known.share)


def _casts(bundle: Bundle, plans: Sequence[Plan]) -> list[Tensor]:
    entering = _enter(bundle, plans)
    known = [known_cast(p) for p in plans]
    nothing = torch.zeros(0, CAST)
    clips = [
        Casting(p.prompt, p.seed, nothing if cast is None else cast.rows) for p, cast in zip(plans, known, strict=True)
    ]
    shown = noisy_channels(entering.x, entering.levels[0], math.prod(bundle.config.patch))
    return make_casts(bundle, clips, entering.held, entering.layout, shown.to(bundle.device))


def _report(on_step: OnStep | None, steps: int, step: int) -> None:
    if on_step is not None:
        on_step(step + 1, steps)


class _CallableModule(ModuleType):
    """This module, called: `langit.generate(...)` is both the file that DESIGN's map names and the function in it."""

    __call__ = staticmethod(generate)


sys.modules[__name__].__class__ = _CallableModule
