"""The casts of clips: who is in each and where, made from noise before the pictures, on the same path, and drawn beside them.

Read `make_casts`, then `_Making`. `conditioning.cast` says what a cast is, `conditioning.drawing` how it is drawn.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import torch
from torch import Tensor

from langit.catalog import Bundle
from langit.conditioning import Held
from langit.conditioning.cast import CAST, NUM_NAMES, ROWS, THINGS, Cast, cast_layout, settled
from langit.conditioning.channels import Beside, noisy_channels
from langit.conditioning.drawing import sketch
from langit.conditioning.drift import drift_of
from langit.conditioning.glance import behind, looked_up
from langit.conditioning.onward import led_on
from langit.conditioning.solid import DEEP, depth_of_contact
from langit.conditioning.tracing import Traces, traced, traced_rows
from langit.conditioning.turning import Turning
from langit.denoising import denoiser, governed, noise_of
from langit.flow import add_noise
from langit.packing import Layout
from langit.planning import NUM_SEEDS
from langit.sampling import SCHEDULES, SOLVERS, Denoise, guided, levels_of
from langit.sight import Sight, sight_of
from langit.text.lexicon import counts_in, names_in, things_in

CASTS = 0x5EE7C4
"""A clip's cast has noise of its own: that of its seed with these bits turned."""
CASTINGS, OTHER_CASTING = 16, 0x9E37
"""How often a clip is cast where something is amiss in its cast, and how far apart the seeds are."""
KNOWN_CASTINGS = 4
"""How often one is of which frames are known: these say more than the prompt."""
LOOKING = 6
"""Steps of sampling after which who is in a cast is decided, and things that are seen in known frames are where they are seen, and
the others follow them."""
FINISHED = 4
"""How many casts of a clip are finished, at most, where things are in one another."""
HANGS_BY = "a rod"
"""What comes along with a thing that swings, unasked."""
INSISTING = 5.0
"""What guidance is multiplied by, at most, when a clip is cast again and again: the prompt is heard better then, and outlines are
worse."""


@dataclass(frozen=True)
class Casting:
    """What a clip is cast by."""

    prompt: str
    seed: int
    known: Tensor  # (n, CAST): the first rows of its cast, as far as they are known


def make_casts(
    bundle: Bundle, clips: Sequence[Casting], held: Sequence[Held], layout: Layout, shown: Tensor
) -> list[Tensor]:
    """The casts of clips as rows, made unless they are known.

    Who is in a cast is decided in its first steps, so one in which something is `amiss` is begun again, up to `CASTINGS` times in
    all, and the best goes further, no longer insisted on. One whose things end up in one another is left for another, too.
    `shown` (N, (C + 1) * cells) is what is known of their pictures, of which `layout` is.
    """
    known, rows = [clip.known for clip in clips], cast_layout([grid.t for grid in layout.grids], bundle.device)
    lengths = [end - start for start, end in pairwise(rows.bounds)]
    if [len(one) for one in known] == lengths:
        return known
    casting, device = bundle.casting, bundle.device
    assert casting is not None
    making = _making(bundle, clips, held, layout, rows, shown)
    knowing = [not bool(bands.isnan().all()) for bands in making.sight.bands.split([grid.t for grid in layout.grids])]
    told = [" ".join(dict.fromkeys(one.prompts or (clip.prompt,))) for clip, one in zip(clips, held, strict=True)]
    shown_whole = [one.mask.reshape(grid.t, -1).all(1) for one, grid in zip(held, layout.grids, strict=True)]
    from_words = [one.start == 1 and not one.mask.any() for one in held]
    usual = rows.spread(torch.tensor([_guidance(bundle, 0, one) for one in knowing], device=device))
    searches = [_Search(KNOWN_CASTINGS if one else CASTINGS) for one in knowing]
    for _ in range(FINISHED):
        for one in searches:
            one.go_on()
        while any(one.wants_another for one in searches):
            seeds = [
                (clip.seed + one.tried * OTHER_CASTING) % NUM_SEEDS for clip, one in zip(clips, searches, strict=True)
            ]
            led = [_guidance(bundle, one.failed, knows) for one, knows in zip(searches, knowing, strict=True)]
            begun = making.begin(seeds, rows.spread(torch.tensor(led, device=device)))
            foreseen = making.settled(begun.foreseen).split(lengths)
            for which, (one, start, cast) in enumerate(zip(searches, begun.split(lengths), foreseen, strict=True)):
                if one.wants_another:
                    one.begin(start, amiss(told[which], casting.things_of(cast), from_words[which]))
        made = making.finish(_Begun.joined([one.begun for one in searches]), usual)
        for one, cast, known_frames in zip(searches, made.split(lengths), shown_whole, strict=True):
            if one.is_open:
                one.finish(cast, depth_of_contact(casting.decode(cast), known_frames))
        if not any(one.is_open for one in searches):
            break
    return [one.rows for one in searches]


@dataclass
class _Search:
    """What was tried so far for the cast of one clip."""

    tries: int  # how often it may be begun
    tried: int = 0
    failed: int = 0  # of these those in which something was amiss
    begun: _Begun = field(default_factory=lambda: _Begun(torch.zeros(0, CAST), torch.zeros(0, CAST)))
    wrong: float = math.inf  # how much is amiss with it
    rows: Tensor = field(default_factory=lambda: torch.zeros(0, CAST))
    faults: tuple[float, float] = (math.inf, math.inf)  # the same of these, and how far things are in one another
    is_open: bool = True  # whether another is to be finished

    @property
    def wants_another(self) -> bool:
        return self.is_open and self.wrong > 0 and self.tried < self.tries

    def go_on(self) -> None:
        """What was begun is behind us; the next one is to be begun."""
        if self.is_open:
            self.wrong = math.inf

    def begin(self, begun: _Begun, wrong: int) -> None:
        """One that was begun: kept where less is amiss with it than with those since the last that was finished."""
        self.tried, self.failed = self.tried + 1, self.failed + (wrong > 0)
        if wrong < self.wrong:
            self.begun, self.wrong = begun, wrong

    def finish(self, rows: Tensor, contact: float) -> None:
        """One that was finished: kept where less is amiss, or as much and things are less in one another."""
        faults = (self.wrong, contact)
        if faults < self.faults:
            self.rows, self.faults = rows, faults
        self.is_open = self.faults[1] > DEEP and self.tried < self.tries


def _guidance(bundle: Bundle, failed: int, knowing: bool) -> float:
    """How far a cast is led towards the prompt, farther with every one before that failed; where frames are known (`knowing`) that
    would be away from them, so there it begins with the third."""
    if knowing:
        return max(1.0, float(failed))
    return min(1.0 + failed, INSISTING) * bundle.config.sampling.cast_guidance


def _making(
    bundle: Bundle, clips: Sequence[Casting], held: Sequence[Held], layout: Layout, rows: Layout, shown: Tensor
) -> _Making:
    assert bundle.cast is not None
    sampling, sight = bundle.config.sampling, sight_of(bundle, held, layout, shown)
    mask, content = torch.zeros(rows.num_patches, dtype=torch.bool), torch.zeros(rows.num_patches, CAST)
    for start, clip in zip(rows.bounds, clips, strict=False):
        known = clip.known
        mask[start : start + len(known)], content[start : start + len(known)] = True, known
    prompts, governs = governed([clip.prompt for clip in clips], held, rows.grids)

    def seeing(where: Tensor) -> Beside:
        return Beside(looked_up=lambda x, sigma: looked_up(x, sigma, where, rows))

    schedule = SCHEDULES[sampling.schedule](sampling.cast_steps, sampling.shift)
    return _Making(
        bundle,
        rows,
        sight,
        sight.traces.except_for(mask.unflatten(0, (-1, ROWS)).all(1).to(bundle.device)),
        mask,
        content,
        levels_of(schedule, mask, torch.ones(len(mask))),
        denoiser(bundle, rows, prompts, governs, seeing(sight.seen), bundle.cast),
        denoiser(
            bundle, rows, [sampling.negative] * len(clips), None, seeing(torch.zeros_like(sight.seen)), bundle.cast
        ),
    )


def amiss(prompt: str, things: Sequence[frozenset[int]], from_words: bool) -> int:
    """How much is wrong with a cast, given the names of its things: colours and kinds that the prompt names and it lacks, or has in
    other things than the prompt; and, in clips that are made `from_words` alone, things of which the prompt names nothing, or that
    are there twice though it counts none.

    What is lacking counts more than what is too much.
    """
    asked = names_in(prompt)
    had = frozenset[int]().union(*things)
    swapped = sum(thing <= had and thing not in things for thing in things_in(prompt))
    lacking = len(asked - had) + swapped
    if not from_words or not asked:
        return lacking
    unasked = sum(not (asked | names_in(HANGS_BY)) & names for names in things)
    again = 0 if counts_in(prompt) else len(things) - len(set(things))
    return lacking * (THINGS + 1) + unasked + again


def sketched(bundle: Bundle, casts: Sequence[Cast | Turning], layout: Layout) -> tuple[Beside, Tensor]:
    """The sketches of clips with these casts, and how far the camera carries their patches (N, 2)."""
    _, rows, columns = bundle.config.patch
    sketches = [
        sketch(cast, grid.y * rows, grid.x * columns, bundle.tokenizer, bundle.config.patch)
        for cast, grid in zip(casts, layout.grids, strict=True)
    ]
    drawn, cells = torch.cat(sketches).to(bundle.device), rows * columns
    return Beside(noisy_channels(drawn, drawn.new_zeros(len(drawn)), cells)), drift_of(drawn, cells)


@dataclass(frozen=True)
class _Begun:
    """Casts after their first steps."""

    x: Tensor  # (N, CAST) at the level that they have reached
    foreseen: Tensor  # (N, CAST): what they will be

    @classmethod
    def joined(cls, parts: Sequence[_Begun]) -> _Begun:
        return cls(*(torch.cat([getattr(part, name) for part in parts]) for name in cls.__annotations__))

    def split(self, lengths: Sequence[int]) -> list[_Begun]:
        fields = (getattr(self, name).split(lengths) for name in self.__annotations__)
        return [_Begun(*of_clip) for of_clip in zip(*fields, strict=True)]


@dataclass(frozen=True)
class _Making:
    """How casts are made from noise, as pictures are, and kept where things are seen: its first steps, and the others."""

    bundle: Bundle
    layout: Layout
    sight: Sight
    traces: Traces  # of what is not known as rows
    mask: Tensor  # (N,) bool: rows that are known
    content: Tensor  # (N, CAST)
    levels: Tensor  # (S + 1, N)
    told: Denoise  # under the prompts
    untold: Denoise  # without them

    def begin(self, seeds: Sequence[int], guidance: Tensor) -> _Begun:
        """The first `LOOKING` steps from these seeds' noise."""
        noise = noise_of([seed ^ CASTS for seed in seeds], self.layout.grids, CAST)
        x = add_noise(self.content, noise, self.levels[0]).to(self.bundle.device)
        return self._steps(x, self.levels[: LOOKING + 1], guidance)

    def finish(self, begun: _Begun, guidance: Tensor) -> Tensor:
        """The rows (N, CAST), from there: who is who is decided by now, and where they go from where they are is not."""
        names = self.settled(begun.foreseen)[:, :NUM_NAMES].to(self.bundle.device)
        found = traced_rows(begun.foreseen, self.traces, self.layout)
        x = torch.where(found[:, None], begun.foreseen, begun.x)
        ended = self._steps(x, self.levels[LOOKING:].masked_fill(found.cpu(), 0.0), guidance, names)
        casting, is_known = self.bundle.casting, self.mask | found.cpu()
        assert casting is not None
        lengths = [grid.num_patches for grid in self.layout.grids]
        clips = zip(self.settled(ended.x).split(lengths), is_known.split(lengths), strict=True)
        return torch.cat([led_on(one, where, casting.paths) for one, where in clips])

    def settled(self, rows: Tensor) -> Tensor:
        """Rows (N, CAST) whose things are what they mostly are, and those that are known as they are."""
        lengths = [grid.num_patches for grid in self.layout.grids]
        told = torch.cat([settled(one) for one in rows.cpu().split(lengths)])
        return torch.where(self.mask[:, None], self.content, told)

    def _steps(self, x: Tensor, levels: Tensor, guidance: Tensor, names: Tensor | None = None) -> _Begun:
        """From x (N, CAST) at the first of the levels (s + 1, N) to the last, led by guidance (N,); `names` (N, NUM_NAMES) where
        they are decided."""
        sampling, casting = self.bundle.config.sampling, self.bundle.casting
        assert casting is not None
        paths, backdrops = (code.to(str(self.bundle.device)) for code in (casting.paths, casting.backdrops))
        denoise = guided(self.told, self.untold, guidance, sampling.cast_interval)
        last = x

        def placed(x: Tensor, sigma: Tensor) -> Tensor:
            nonlocal last
            last = behind(traced(denoise(x, sigma), self.traces, self.layout, paths), self.sight.bands, backdrops)
            if names is not None:
                last = torch.cat([names, last[:, NUM_NAMES:]], 1)
            return last

        x = SOLVERS[sampling.solver](placed, x, levels.to(self.bundle.device), lambda step: None)
        return _Begun(x, last)
