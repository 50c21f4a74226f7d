"""The casts of clips: who is in each and where, made from noise before the pictures, on the same path, and drawn beside them.

Read `make_casts`, then `_made`. `conditioning.cast` says what a cast is, `conditioning.drawing` how it is drawn.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

import torch
from torch import Tensor

from langit.catalog import Bundle
from langit.conditioning import Held
from langit.conditioning.cast import CAST, ROWS, THINGS, Cast, cast_layout, settled
from langit.conditioning.channels import Beside, noisy_channels
from langit.conditioning.drawing import sketch
from langit.conditioning.drift import drift_of
from langit.conditioning.glance import behind, looked_up
from langit.conditioning.onward import led_on
from langit.conditioning.tracing import traced, traced_rows
from langit.conditioning.turning import Turning
from langit.denoising import denoiser, governed, noise_of
from langit.flow import add_noise
from langit.packing import Bounds, Layout
from langit.planning import NUM_SEEDS
from langit.sampling import SCHEDULES, SOLVERS, guided, levels_of
from langit.sight import Sight, sight_of
from langit.text.lexicon import counts_in, names_in, things_in

CASTS = 0x5EE7C4
"""A clip's cast has noise of its own: that of its seed with these bits turned."""
CASTINGS, OTHER_CASTING = 8, 0x9E37
"""How often a clip is cast where something is amiss in its cast, and how far apart the seeds are."""
KNOWN_CASTINGS = 3
"""How often one is of which frames are known: these say more than the prompt."""
OTHER_SCENE = 0x9E3779B1
"""How far apart the seeds of a clip's scenes are."""
LOOKING = 6
"""Steps of sampling after which things that are seen in known frames are where they are seen, and the others follow them."""
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

    Each of a clip's scenes has a cast of its own. `shown` (N, (C + 1) * cells) is what is known of their pictures, of which
    `layout` is.
    """
    known, whole = [clip.known for clip in clips], cast_layout([grid.t for grid in layout.grids])
    lengths = [end - start for start, end in pairwise(whole.bounds)]
    if [len(one) for one in known] == lengths:
        return known
    assert bundle.casting is not None
    prompts, governs = governed([clip.prompt for clip in clips], held, whole.grids)
    by_clip = scenes_by_clip([clip.prompt for clip in clips], held, layout)
    scenes = [scene for of_clip in by_clip for scene in of_clip]
    sight = sight_of(bundle, held, layout, shown, [[scene.frames for scene in of_clip] for of_clip in by_clip])
    rows = cast_layout([scene.frames for scene in scenes], bundle.device)
    begun = [rows for one, of_clip in zip(known, by_clip, strict=True) for rows in _shared(one, of_clip)]
    first_seeds = [
        clip.seed + number * OTHER_SCENE
        for clip, of_clip in zip(clips, by_clip, strict=True)
        for number in range(len(of_clip))
    ]
    from_words = [
        one.start == 1 and not one.mask.any() for one, of_clip in zip(held, by_clip, strict=True) for _ in of_clip
    ]
    knowing = _knowing(sight, rows)
    best, least = [torch.zeros(0)] * len(scenes), [math.inf] * len(scenes)
    for attempt in range(CASTINGS):
        seeds = [(seed + attempt * OTHER_CASTING) % NUM_SEEDS for seed in first_seeds]
        guidance = _guidance(bundle, attempt, knowing)
        made = _made(bundle, rows, seeds, prompts, governs, sight, begun, guidance)
        for which, cast in enumerate(made.split([scene.frames * ROWS for scene in scenes])):
            wrong = amiss(scenes[which].prompt, bundle.casting.things_of(cast), from_words[which])
            if wrong < least[which]:
                best[which], least[which] = cast, wrong
        if not any(least) or (attempt + 1 == KNOWN_CASTINGS and bool(knowing.all())):
            break
    return list(torch.cat(best).split(lengths))


@dataclass(frozen=True)
class CastScene:
    """Latent frames of a clip in which the same things are."""

    frames: int
    prompt: str  # all that is said of them


def scenes_by_clip(prompts: Sequence[str], held: Sequence[Held], layout: Layout) -> list[list[CastScene]]:
    """The scenes of clips with these prompts, of which so much is `held`."""
    clips = zip(prompts, held, layout.grids, strict=True)
    return [scenes_of(one.prompts or (prompt,) * grid.t) for prompt, one, grid in clips]


def scenes_of(prompts: Sequence[str]) -> list[CastScene]:
    """The scenes of a clip whose latent frames have these prompts: where a prompt names other things, another one begins.

    One that names some of the things before it, or these and more, or none, goes on with them.
    """
    scenes: list[tuple[int, list[str], frozenset[int]]] = []
    for prompt, run in groupby(prompts):
        frames, names = len(list(run)), names_in(prompt)
        if scenes and (names <= scenes[-1][2] or scenes[-1][2] <= names):
            before, told, named = scenes[-1]
            scenes[-1] = (before + frames, [*told, prompt], named | names)
        else:
            scenes.append((frames, [prompt], names))
    return [CastScene(frames, " ".join(told)) for frames, told, _ in scenes]


def _shared(known: Tensor, scenes: Sequence[CastScene]) -> list[Tensor]:
    """The first rows of a clip's cast, as far as they are known, by its scenes."""
    found = []
    for scene in scenes:
        found.append(known[: scene.frames * ROWS])
        known = known[scene.frames * ROWS :]
    return found


def _knowing(sight: Sight, layout: Layout) -> Tensor:
    """(N,) bool: the rows of casts of scenes of which frames are known whole."""
    frames = [grid.t for grid in layout.grids]
    known = [not bool(bands.isnan().all()) for bands in sight.bands.split(frames)]
    return layout.spread(torch.tensor(known, device=sight.bands.device))


def _guidance(bundle: Bundle, attempt: int, knowing: Tensor) -> Tensor:
    """(N,): how far rows are led towards the prompt, farther with every attempt; where frames are known that would be away from
    them, so there it begins with the third."""
    usual = min(1.0 + attempt, INSISTING) * bundle.config.sampling.cast_guidance
    return torch.where(knowing, max(1.0, float(attempt)), usual)


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
    unasked = sum(not asked & names for names in things)
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


def _made(
    bundle: Bundle,
    layout: Layout,
    seeds: Sequence[int],
    prompts: Sequence[str],
    governs: Bounds | None,
    sight: Sight,
    known: Sequence[Tensor],
    guidance: Tensor,
) -> Tensor:
    """The casts of clips as rows (N, CAST), made from noise as pictures are, and kept where things are seen.

    Of each clip so much is `known`: its first rows (n, CAST), and what is in `sight`. `governs` are the bounds of the rows that
    each prompt governs, `guidance` (N,) how far each row is led towards its prompt.
    """
    sampling, caster = bundle.config.sampling, bundle.cast
    assert caster is not None
    noise = noise_of([seed ^ CASTS for seed in seeds], layout.grids, CAST)
    mask, content = torch.zeros(len(noise), dtype=torch.bool), torch.zeros_like(noise)
    for start, rows in zip(layout.bounds, known, strict=False):
        mask[start : start + len(rows)], content[start : start + len(rows)] = True, rows
    seen, traces = sight.seen, sight.traces.except_for(mask.unflatten(0, (-1, ROWS)).all(1).to(bundle.device))
    negatives = [sampling.negative] * len(seeds)

    def looking(where: Tensor) -> Beside:
        return Beside(looked_up=lambda x, sigma: looked_up(x, sigma, where, layout))

    denoise = guided(
        denoiser(bundle, layout, prompts, governs, looking(seen), caster),
        denoiser(bundle, layout, negatives, None, looking(torch.zeros_like(seen)), caster),
        guidance,
        sampling.cast_interval,
    )
    assert bundle.casting is not None
    paths, backdrops = (code.to(str(bundle.device)) for code in (bundle.casting.paths, bundle.casting.backdrops))
    last = torch.empty(0)  # what was predicted last

    def placed(x: Tensor, sigma: Tensor) -> Tensor:
        nonlocal last
        last = behind(traced(denoise(x, sigma), traces, layout, paths), sight.bands, backdrops)
        return last

    schedule = SCHEDULES[sampling.schedule](sampling.cast_steps, sampling.shift)
    levels = levels_of(schedule, mask, torch.ones(len(noise)))
    x, solver = add_noise(content, noise, levels[0]).to(bundle.device), SOLVERS[sampling.solver]
    x = solver(placed, x, levels[: LOOKING + 1].to(bundle.device), lambda step: None)
    # Who is who is decided by now, and where they go from where they are is not.
    found = traced_rows(last, traces, layout)
    x, levels = torch.where(found[:, None], last, x), levels[LOOKING:].masked_fill(found.cpu(), 0.0)
    rows = solver(placed, x, levels.to(bundle.device), lambda step: None).cpu()
    lengths = [grid.num_patches for grid in layout.grids]
    told = torch.cat([settled(one) for one in rows.split(lengths)])
    told = torch.where(mask[:, None], rows, told)
    is_known = (mask | found.cpu()).split(lengths)
    clips = zip(told.split(lengths), is_known, strict=True)
    return torch.cat([led_on(one, where, bundle.casting.paths) for one, where in clips])
