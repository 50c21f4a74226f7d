"""The casts of clips: who is in each and where, made from noise before the pictures, on the same path, and drawn beside them.

Read `make_casts`, then `_Making`. `conditioning.cast` says what a cast is, `conditioning.drawing` how it is drawn.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from itertools import pairwise

import torch
from torch import Tensor

from langit.catalog import Bundle
from langit.conditioning import Held
from langit.conditioning.cast import CAST, NAMED, NUM_NAMES, ROWS, THINGS, Cast, CastCode, cast_layout, settled
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
from langit.packing import Layout, layout_of, unpack
from langit.patches import Grid
from langit.planning import NUM_SEEDS
from langit.sampling import SCHEDULES, SOLVERS, Denoise, guided, levels_of
from langit.sight import Sight, sight_of
from langit.text.expansion import other_words
from langit.text.lexicon import camera_moves, counts_in, names_in, sizes_in, stands_still, things_in

CASTS = 0x5EE7C4
"""A clip's cast has noise of its own: that of its seed with these bits turned."""
CASTINGS, OTHER_CASTING = 16, 0x9E37
"""How often a clip's cast is begun where something is amiss with it, and how far apart the seeds are."""
KNOWN_CASTINGS = 4
"""How often one is of which frames are known: these say more than the prompt."""
LOOKING = 6
"""Steps of sampling after which who is in a cast is decided, and things that are seen in known frames are where they are seen, and
the others follow them."""
FINISHED = 4
"""How many casts of a clip are finished, at most, where things are in one another."""
NAMING = 12
"""Castings after which things are given their names from the first step on. All that is asked for is there then, and does more
seldom what is said of it."""
OUT_OF_SIZE = 0.1
"""What is wrong with a cast for two things of which the one said to be larger is smaller: not enough to insist, but for other
words."""
LARGER = 1.3
"""How many times as broad as a small thing a large one is, at least: of those of the simulator, as they are cast, 1.8 to 2.7."""
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
    all: in other words, by insisting, and with its things named. The best goes further, by its own prompt and no longer insisted
    on. One whose things end up in one another is left for another, too.
    `shown` (N, (C + 1) * cells) is what is known of their pictures, of which `layout` is.
    """
    if [len(clip.known) for clip in clips] == [grid.t * ROWS for grid in layout.grids]:
        return [clip.known for clip in clips]
    pictures = [shown[start:end] for start, end in pairwise(layout.bounds)]
    known = zip(clips, held, layout.grids, pictures, strict=True)
    searches = [_Search(clip, one, grid, picture) for clip, one, grid, picture in known]

    @cache
    def making_of(*which: tuple[int, int]) -> _Making:
        """Of the searches of these numbers, each told in these words of its own."""
        return _making(bundle, [searches[number] for number, _ in which], [words for _, words in which])

    for _ in range(FINISHED):
        for one in searches:
            one.go_on()
        while wanting := [number for number, one in enumerate(searches) if one.wants_another]:
            told = [(number, searches[number].words) for number in wanting]
            making_of(*told).begin([searches[number] for number in wanting])
        still_open = [number for number, one in enumerate(searches) if one.is_open]
        making_of(*((number, 0) for number in still_open)).finish([searches[number] for number in still_open])
        if not any(one.is_open for one in searches):
            break
    return [one.rows for one in searches]


@dataclass
class _Search:
    """What was tried so far for the cast of one clip."""

    clip: Casting
    held: Held
    grid: Grid  # of its picture
    shown: Tensor  # (N, (C + 1) * cells): what is known of that
    tried: int = 0
    failed: int = 0  # of these those in which something was amiss
    begun: _Begun = field(default_factory=lambda: _Begun(torch.zeros(0, CAST), torch.zeros(0, CAST)))
    wrong: float = math.inf  # how much is amiss with it
    rows: Tensor = field(default_factory=lambda: torch.zeros(0, CAST))
    faults: tuple[float, float] = (math.inf, math.inf)  # the same of these, and how far things are in one another
    is_open: bool = True  # whether another is to be finished

    @property
    def told(self) -> str:
        """All that it is prompted by."""
        return " ".join(dict.fromkeys(self.held.prompts or (self.clip.prompt,)))

    @cached_property
    def wordings(self) -> list[tuple[str, ...]]:
        """What it may be begun by: its prompts, and the same in other words."""
        own = self.held.prompts or (self.clip.prompt,) * self.grid.t
        others = {prompt: other_words(prompt) for prompt in set(own)}
        return list(dict.fromkeys([own, *zip(*(others[prompt] for prompt in own), strict=True)]))

    @property
    def words(self) -> int:
        """By which of them the next one is; known frames are heard in any."""
        return 0 if self.known_frames.any() else self.tried % len(self.wordings)

    @cached_property
    def from_words(self) -> bool:
        """Whether nothing of its picture is known."""
        return self.held.start == 1 and not self.held.mask.any()

    @property
    def names(self) -> Tensor:
        """(f * ROWS, NUM_NAMES): what the things of the next one are called, NaN where that is open.

        It is where little else helped, of a prompt that tells colour and kind of all its things."""
        asked = things_in(self.told)
        names = torch.full((self.grid.t, ROWS, NUM_NAMES), math.nan)
        if self.tried >= NAMING and self.from_words and len(asked) <= THINGS and tells_all_of(self.told):
            names[:] = 0.0
            for row, thing in enumerate(sorted(asked, key=sorted)):
                names[:, row, list(thing)] = NAMED
        return names.flatten(0, 1)

    @property
    def known_frames(self) -> Tensor:
        """(f,) bool: the latent frames of which the picture is known whole."""
        return self.held.mask.reshape(self.grid.t, -1).all(1)

    @property
    def tries(self) -> int:
        """How often it may be begun."""
        return KNOWN_CASTINGS if self.known_frames.any() else CASTINGS

    @property
    def wants_another(self) -> bool:
        tries = self.tries if self.wrong >= 1 else len(self.wordings)
        return self.is_open and self.wrong > 0 and self.tried < tries

    @property
    def seed(self) -> int:
        """Of the next one to be begun."""
        return (self.clip.seed + self.tried * OTHER_CASTING) % NUM_SEEDS

    def go_on(self) -> None:
        """What was begun is behind us; the next one is to be begun."""
        if self.is_open:
            self.wrong = math.inf

    def begin(self, begun: _Begun, things: Sequence[tuple[frozenset[int], float]]) -> None:
        """One that was begun, and who will be in it: kept where less is amiss than with those since the last that was finished."""
        wrong: float = amiss(self.told, [names for names, _ in things], self.from_words)
        wrong += OUT_OF_SIZE * out_of_size(self.told, dict(things)) if self.from_words else 0.0
        self.tried, self.failed = self.tried + 1, self.failed + (wrong > 0)
        if wrong < self.wrong:
            self.begun, self.wrong = begun, wrong

    def finish(self, rows: Tensor, cast: Cast) -> None:
        """One that was finished: kept where less is amiss, or as much and things are less in one another."""
        faults = (self.wrong, depth_of_contact(cast, self.known_frames))
        if faults < self.faults:
            self.rows, self.faults = rows, faults
        self.is_open = self.faults[1] > DEEP and self.tried < self.tries

    def guidance(self, usual: float) -> float:
        """How far the next one is led towards the prompt, farther once it failed in all its wordings; where frames are known that
        would be away from them, so there it begins with the third."""
        if self.known_frames.any():
            return max(1.0, float(self.failed))
        return min(1.0 + self.failed // len(self.wordings), INSISTING) * usual


def amiss(prompt: str, things: Sequence[frozenset[int]], from_words: bool) -> int:
    """How much is wrong with a cast, given the names of its things: colours and kinds that the prompt names and it lacks, or has in
    other things than the prompt; and, in clips that are made `from_words` alone, things that it does not tell of, or that are there
    twice though it counts none.

    What is lacking counts more than what is too much.
    """
    asked, told = names_in(prompt), things_in(prompt)
    had = frozenset[int]().union(*things)
    swapped = sum(thing <= had and thing not in things for thing in told)
    lacking = len(asked - had) + swapped
    if not from_words or not asked:
        return lacking
    others = [names for names in things if not names_in(HANGS_BY) & names]
    if tells_all_of(prompt):
        unasked = sum(names not in told for names in others)
    else:
        unasked = sum(not asked & names for names in others)
    again = 0 if counts_in(prompt) else len(things) - len(set(things))
    return lacking * (THINGS + 1) + unasked + again


def tells_all_of(prompt: str) -> bool:
    """Whether a prompt tells both colour and kind of all things that it names, each of which is one."""
    told = things_in(prompt)
    return bool(told) and frozenset[int]().union(*told) == names_in(prompt) and not counts_in(prompt)


def out_of_size(prompt: str, breadths: Mapping[frozenset[int], float]) -> int:
    """How many pairs of things the prompt tells as smaller and larger whose breadths are the other way round, or about the same
    where one is said to be small and the other large."""
    told = [(size, breadths[thing]) for thing, size in sizes_in(prompt).items() if thing in breadths]
    return sum(a < b and small * LARGER ** (b - a - 1) > large for a, small in told for b, large in told)


def sketched(bundle: Bundle, casts: Sequence[Cast | Turning], layout: Layout) -> tuple[Beside, Tensor, list[Tensor]]:
    """The sketches of clips with these casts, how far the camera carries their patches (N, 2), and their drafts (C, F, h, w)."""
    _, rows, columns = bundle.config.patch
    sketches = [
        sketch(cast, grid.y * rows, grid.x * columns, bundle.tokenizer, bundle.config.patch)
        for cast, grid in zip(casts, layout.grids, strict=True)
    ]
    drawn, cells = torch.cat(sketches), rows * columns
    drafts = unpack(drawn[:, : bundle.tokenizer.channels * cells], layout, bundle.config.patch)
    drawn = drawn.to(bundle.device)
    return Beside(noisy_channels(drawn, drawn.new_zeros(len(drawn)), cells)), drift_of(drawn, cells), drafts


@dataclass(frozen=True)
class _Begun:
    """A cast after its first steps."""

    x: Tensor  # (n, CAST) at the level that it has reached
    foreseen: Tensor  # (n, CAST): what it will be


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

    def begin(self, searches: Sequence[_Search]) -> None:
        """The first `LOOKING` steps of another cast of each clip."""
        noise = noise_of([one.seed ^ CASTS for one in searches], self.layout.grids, CAST)
        x = add_noise(self.content, noise, self.levels[0]).to(self.bundle.device)
        usual = self.bundle.config.sampling.cast_guidance
        names = torch.cat([one.names for one in searches]).to(self.bundle.device)
        x, foreseen = self._steps(x, self.levels[: LOOKING + 1], [one.guidance(usual) for one in searches], names)
        parts = zip(*(self._of_clips(rows) for rows in (x, foreseen, self.settled(foreseen))), strict=True)
        for one, (mine, foreseen, told) in zip(searches, parts, strict=True):
            one.begin(_Begun(mine, foreseen), self.casting.decode(told).things)

    def finish(self, searches: Sequence[_Search]) -> None:
        """What was begun of each clip to its end: who is who is decided by now, and where they go from where they are is not."""
        x, foreseen = (torch.cat([getattr(one.begun, part) for one in searches]) for part in ("x", "foreseen"))
        names = self.settled(foreseen)[:, :NUM_NAMES].to(self.bundle.device)
        found = traced_rows(foreseen, self.traces, self.layout)
        usual = self.bundle.config.sampling.cast_guidance
        guidance = [1.0 if one.known_frames.any() else usual for one in searches]
        levels = self.levels[LOOKING:].masked_fill(found.cpu(), 0.0)
        x, _ = self._steps(torch.where(found[:, None], foreseen, x), levels, guidance, names)
        parts = (self._of_clips(rows) for rows in (self.settled(x), self.mask | found.cpu()))
        for one, rows, is_known in zip(searches, *parts, strict=True):
            made = led_on(rows, is_known, self.casting, stands_still(one.told), camera_moves(one.told))
            one.finish(made, self.casting.decode(made))

    def settled(self, rows: Tensor) -> Tensor:
        """Rows (N, CAST) whose things are what they mostly are, and those that are known as they are."""
        told = torch.cat([settled(one) for one in self._of_clips(rows.cpu())])
        return torch.where(self.mask[:, None], self.content, told)

    @property
    def casting(self) -> CastCode:
        assert self.bundle.casting is not None
        return self.bundle.casting

    def _of_clips(self, rows: Tensor) -> list[Tensor]:
        return list(rows.split([grid.num_patches for grid in self.layout.grids]))

    def _steps(self, x: Tensor, levels: Tensor, guidance: Sequence[float], names: Tensor) -> tuple[Tensor, Tensor]:
        """x (N, CAST) from the first of the levels (s + 1, N) to the last, each clip led by its guidance, and what it will be;
        `names` (N, NUM_NAMES) are those that are decided, NaN where they are not."""
        sampling, device = self.bundle.config.sampling, self.bundle.device
        paths, backdrops = (code.to(str(device)) for code in (self.casting.paths, self.casting.backdrops))
        led = self.layout.spread(torch.tensor(guidance, device=device))
        denoise = guided(self.told, self.untold, led, sampling.cast_interval)
        last = x

        def placed(x: Tensor, sigma: Tensor) -> Tensor:
            nonlocal last
            last = behind(traced(denoise(x, sigma), self.traces, self.layout, paths), self.sight.bands, backdrops)
            last = torch.cat([torch.where(names.isnan(), last[:, :NUM_NAMES], names), last[:, NUM_NAMES:]], 1)
            return last

        return SOLVERS[sampling.solver](placed, x, levels.to(device), lambda step: None), last


def _making(bundle: Bundle, searches: Sequence[_Search], words: Sequence[int]) -> _Making:
    assert bundle.cast is not None
    sampling, held = bundle.config.sampling, [one.held for one in searches]
    pictures = layout_of([one.grid for one in searches]).to(bundle.device)
    sight = sight_of(bundle, held, pictures, torch.cat([one.shown for one in searches]))
    rows = cast_layout([one.grid.t for one in searches], bundle.device)
    mask, content = torch.zeros(rows.num_patches, dtype=torch.bool), torch.zeros(rows.num_patches, CAST)
    for start, one in zip(rows.bounds, searches, strict=False):
        known = one.clip.known
        mask[start : start + len(known)], content[start : start + len(known)] = True, known
    told = [one.wordings[which] for one, which in zip(searches, words, strict=True)]
    in_words = [replace(one, prompts=said if one.prompts else ()) for one, said in zip(held, told, strict=True)]
    prompts, governs = governed([said[0] for said in told], in_words, rows.grids)

    def seeing(where: Tensor) -> Beside:
        return Beside(looked_up=lambda x, sigma: looked_up(x, sigma, where, rows))

    schedule = SCHEDULES[sampling.schedule](sampling.cast_steps, sampling.shift)
    nothing, negatives = torch.zeros_like(sight.seen), [sampling.negative] * len(searches)
    return _Making(
        bundle,
        rows,
        sight,
        sight.traces.except_for(mask.unflatten(0, (-1, ROWS)).all(1).to(bundle.device)),
        mask,
        content,
        levels_of(schedule, mask, torch.ones(len(mask))),
        denoiser(bundle, rows, prompts, governs, seeing(sight.seen), bundle.cast),
        denoiser(bundle, rows, negatives, None, seeing(nothing), bundle.cast),
    )
