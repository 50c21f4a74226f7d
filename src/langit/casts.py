"""The casts of clips: who is in each and where, made from noise before the pictures, on the same path, and drawn beside them.

Read `make_casts`, then `_Making`. `conditioning.cast` says what a cast is, `conditioning.drawing` how it is drawn.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
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
KNOWN_CASTINGS = 3
"""How often one is of which frames are known: these say more than the prompt."""
LOOKING = 6
"""Steps of sampling after which who is in a cast is decided, and things that are seen in known frames are where they are seen, and
the others follow them."""
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
    """The casts of clips as rows, made unless they are known: of up to `CASTINGS` the first in which least is `amiss`.

    Who is in a cast is decided in its first steps, so of those that are made again and again only the best goes further, no longer
    insisted on.
    `shown` (N, (C + 1) * cells) is what is known of their pictures, of which `layout` is.
    """
    known, rows = [clip.known for clip in clips], cast_layout([grid.t for grid in layout.grids], bundle.device)
    lengths = [end - start for start, end in pairwise(rows.bounds)]
    if [len(one) for one in known] == lengths:
        return known
    assert bundle.casting is not None
    making = _making(bundle, clips, held, layout, rows, shown)
    knowing = [not bool(bands.isnan().all()) for bands in making.sight.bands.split([grid.t for grid in layout.grids])]
    tries = [KNOWN_CASTINGS if one else CASTINGS for one in knowing]
    told = [" ".join(dict.fromkeys(one.prompts or (clip.prompt,))) for clip, one in zip(clips, held, strict=True)]
    from_words = [one.start == 1 and not one.mask.any() for one in held]
    best, least = [_Begun.nothing()] * len(clips), [math.inf] * len(clips)
    for attempt in range(max(tries)):
        seeds = [(clip.seed + attempt * OTHER_CASTING) % NUM_SEEDS for clip in clips]
        guidance = torch.tensor([_guidance(bundle, attempt, one) for one in knowing], device=bundle.device)
        begun = making.begin(seeds, rows.spread(guidance))
        foreseen = making.settled(begun.foreseen).split(lengths)
        for which, (one, cast) in enumerate(zip(begun.split(lengths), foreseen, strict=True)):
            wrong = amiss(told[which], bundle.casting.things_of(cast), from_words[which])
            if attempt < tries[which] and wrong < least[which]:
                best[which], least[which] = one, wrong
        if not any(wrong and attempt + 1 < most for wrong, most in zip(least, tries, strict=True)):
            break
    usual = torch.tensor([_guidance(bundle, 0, one) for one in knowing], device=bundle.device)
    return list(making.finish(_Begun.joined(best), rows.spread(usual)).split(lengths))


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


def _guidance(bundle: Bundle, attempt: int, knowing: bool) -> float:
    """How far a cast is led towards the prompt, farther with every attempt; where frames are known (`knowing`) that would be away
    from them, so there it begins with the third."""
    if knowing:
        return max(1.0, float(attempt))
    return min(1.0 + attempt, INSISTING) * bundle.config.sampling.cast_guidance


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
    def nothing(cls) -> _Begun:
        return cls(torch.zeros(0, CAST), torch.zeros(0, CAST))

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
