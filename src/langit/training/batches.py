"""What each step trains on, as a function of (recipe, step) alone: resuming needs no saved state of any generator.

Read `draw_step`, which chooses all clips of a step at once, then `draw_batch`, which takes a process's share of them from the
pool. A clip's noise comes from a seed of its own, so it is the same whoever's share the clip is (`noise`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from queue import Queue
from threading import Thread
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from langit.conditioning.cast import CAST, NUM_NAMES, ROWS, cast_layout
from langit.conditioning.drawing import sketch_of
from langit.conditioning.drift import anchored, drift_of
from langit.conditioning.tasks import draw_noise_levels, draw_tasks
from langit.packing import Layout, bounds_of
from langit.patches import Grid, places, positions
from langit.text.encoder import tokens_of
from langit.training.config import Stage, TrainingConfig
from langit.training.footage import LANGUAGES, WORDINGS, prompt_number, tells_all
from langit.training.noise import position_noise
from langit.training.parallel import ALONE, Team, share_out
from langit.training.pool import Pool
from langit.training.sketching import beside_cast, beside_picture, held_rows

STREAM = 0x5EED
KINDS = ("picture", "short", "whole")
Drawn = TypeVar("Drawn")
Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Batch:
    """Clean patches, or rows of casts, the noise and levels to train at, and the prompts: one process's share of a step."""

    step: int
    patches: Tensor  # (N, P)
    noise: Tensor  # (N, P)
    sigma: Tensor  # (N,), 0 for held patches
    weight: Tensor  # (N,), of each patch in the loss; 0 for held patches
    fills: Tensor  # (patches, fills * cells): what fills each cell of a patch (`drawing.drawn`)
    beside: Tensor | None  # (N, channels): what the transformer sees beside the noisy patches (`sketching`)
    layout: Layout
    tokens: list[tuple[int, ...]]  # concept ids, a prompt to a clip
    seeds: list[int]  # of each clip's levels and noise
    part: float = 1.0  # of the step's patches that are in this batch
    known: Tensor | None = None  # (patches, channels): what is known of the pictures of casts
    pictures: Layout | None = None  # of these

    @property
    def num_clips(self) -> int:
        return len(self.tokens)

    def entering(self, noisy: Tensor) -> Tensor:
        """The noisy patches (N, P) with what stands beside them."""
        return noisy if self.beside is None else torch.cat([noisy, self.beside], 1)


@dataclass(frozen=True)
class Clips:
    """The clips of a step, a row to each."""

    index: Numbers  # in the corpus
    picture: Numbers  # which of its pictures, -1 for the clip itself
    frames: Numbers  # latent frames, from the first
    rows: Numbers  # patches
    prompt: Numbers  # which of its prompts (`footage.prompt_number`), -1 for none
    task: NDArray[np.str_]
    level: NDArray[np.float32]  # of noise, where the task has one for the clip and holds nothing
    seed: Numbers  # of its noise, and of what else its task draws

    def __len__(self) -> int:
        return len(self.index)

    def select(self, which: Numbers) -> Clips:
        return Clips(*(values[which] for values in vars(self).values()))


def draw_step(config: TrainingConfig, pool: Pool, step: int) -> Clips:
    """All clips of a step, from those that may be drawn by then; they are in the pool afterwards."""
    reach = min(config.corpus.clips, int(config.first_clips + config.growth * step))
    pool.reach(reach)
    stage, grids = config.stage_at(step), pool.grids[:reach]
    rng = np.random.default_rng(np.random.SeedSequence((config.seed, step, STREAM)))
    drawn = [_draw_kind(kind, share * stage.patches, pool, grids, rng) for kind, share in stage.shares.items()]
    index, picture, frames, rows = (np.concatenate(values) for values in zip(*drawn, strict=True))
    if not len(index):  # every kind's budget was smaller than its first clip
        index = rng.integers(reach, size=1)
        picture, frames, rows = np.array([-1]), grids[index, 0], grids[index].prod(1)
    prompts = _draw_prompts(config, stage, pool, index, picture, rng)
    tasks = np.array(draw_tasks(frames, rng, config.tasks))
    logits = stage.levels.mean + stage.levels.deviation * rng.standard_normal(len(index))
    levels = (1 / (1 + np.exp(-logits))).astype(np.float32)
    return Clips(index, picture, frames, rows, prompts, tasks, levels, rng.integers(2**62, size=len(index)))


def draw_batch(config: TrainingConfig, pool: Pool, step: int, team: Team = ALONE) -> Batch:
    """A process's share of the clips of a step."""
    everything = draw_step(config, pool, step)
    clips = everything.select(share_out(everything.rows, team))
    starts = pool.first[clips.index]
    frame = pool.grids[clips.index, 1] * pool.grids[clips.index, 2]
    first_frames = np.where(clips.picture < 0, 0, pool.grids[clips.index, 0] + clips.picture)  # of what is taken
    starts = starts + frame * first_frames
    # By grid, so that what is done by grid is done for all of them at once.
    order = np.lexsort((pool.grids[clips.index, 2], pool.grids[clips.index, 1], clips.frames))
    clips, starts, first_frames = clips.select(order), starts[order], first_frames[order]
    grids = [Grid(int(t), int(y), int(x)) for t, (_, y, x) in zip(clips.frames, pool.grids[clips.index], strict=True)]
    ends = np.cumsum(clips.rows)
    rows = np.arange(clips.rows.sum()) + np.repeat(starts - (ends - clips.rows), clips.rows)
    taken = torch.from_numpy(rows).to(pool.device)
    patches = pool.patches.index_select(0, taken).float()
    fills = pool.fills.index_select(0, taken).float()
    stage, layout = config.stage_at(step), layout_of(grids, pool.device)
    levels = _levels(clips, grids, ends, stage).to(pool.device)
    seeds, counts = torch.from_numpy(clips.seed).to(pool.device), torch.from_numpy(clips.rows).to(pool.device)

    def of_row(of_clip: Tensor) -> Tensor:
        return of_clip.repeat_interleave(counts, output_size=len(rows))

    seed_of_row = of_row(seeds)
    within = torch.from_numpy(rows - np.repeat(starts, clips.rows)).to(pool.device)
    noise = position_noise(seed_of_row, within, patches.shape[1])
    stands_out = standing_out(patches, layout, config.corpus.channels) if stage.salience else torch.zeros(len(patches))
    beside, known, pictures, cells = None, None, None, math.prod(config.patch)
    if config.learns == "cast":
        words, by_frame = (of_row(torch.from_numpy(clips.task == task).to(pool.device)) for task in ("text", "frames"))
        known = beside_cast(patches, noise, levels, by_frame, words, seed_of_row, cells)
        pictures = layout
        held = held_rows(levels, grids, seeds)
        counts = torch.from_numpy(clips.frames).to(pool.device) * ROWS
        layout = cast_layout(clips.frames.tolist(), pool.device)
        within = torch.cat([torch.arange(count, device=pool.device) for count in counts.tolist()])
        begins = torch.from_numpy(ROWS * (pool.first_frame[clips.index] + first_frames)).to(pool.device)
        patches = pool.casts.index_select(0, begins.repeat_interleave(counts) + within).float()
        noise = position_noise(seeds.repeat_interleave(counts) + 1, within, CAST)
        levels = torch.from_numpy(clips.level).to(pool.device).repeat_interleave(counts).masked_fill(held, 0.0)
        stands_out = (patches[:, :NUM_NAMES].sum(1) > 0).float()
    elif config.transformer.patch_dim > config.transformer.out_dim:
        beside = beside_picture(fills, seed_of_row, cells)
        told = beside[:, -1:] < 1
        layout = anchored(layout, drift_of(sketch_of(fills, cells), cells) * told, config.patch[1])
    prompts = zip(clips.index.tolist(), clips.prompt.tolist(), strict=True)
    return Batch(
        step,
        patches,
        noise,
        levels,
        (levels > 0) * (1 + stage.salience * stands_out.to(pool.device)),
        fills,
        beside,
        layout,
        [pool.tokens(index, prompt) if prompt >= 0 else _no_prompt() for index, prompt in prompts],
        clips.seed.tolist(),
        float(clips.rows.sum() / everything.rows.sum()),
        known,
        pictures,
    )


def batches(config: TrainingConfig, pool: Pool, steps: range, team: Team = ALONE, ahead: int = 2) -> Iterator[Batch]:
    """The batches of these steps, drawn by a thread that stays `ahead`."""
    return drawn_ahead(lambda step: draw_batch(config, pool, step, team), steps, ahead)


def drawn_ahead(draw: Callable[[int], Drawn], steps: range, ahead: int) -> Iterator[Drawn]:
    """What `draw` gives for each step, drawn by a thread that stays `ahead`; its errors are raised here."""
    queue: Queue[Drawn | BaseException] = Queue(ahead)

    def fill() -> None:
        try:
            for step in steps:
                queue.put(draw(step))
        except BaseException as error:
            queue.put(error)

    Thread(target=fill, daemon=True).start()
    for _ in steps:
        item = queue.get()
        if isinstance(item, BaseException):
            raise item
        yield item


def layout_of(grids: list[Grid], device: str) -> Layout:
    """`packing.layout_of`, with one piece to each run of equal grids, made once."""
    where, place = [], []
    for grid, run in groupby(grids):
        count = sum(1 for _ in run)
        of_grid = _geometry(grid, device)
        where.append(of_grid[0].repeat(count, 1))
        place.append(of_grid[1].repeat(count, 1))
    empty = [torch.empty(0, 3, device=device)]
    bounds = bounds_of([grid.num_patches for grid in grids])
    return Layout(tuple(grids), bounds, torch.cat(where or empty), torch.cat(place or empty))


def standing_out(patches: Tensor, layout: Layout, channels: int, leading: int = 8) -> Tensor:
    """(N,) in [0, 1): how much a patch differs from the others of its row, in the strongest latent channels.

    Sky and ground are alike along a row; a thing is not. Things fill few patches and so weigh little in a mean over all of
    them, while the words of a prompt are mostly about things.
    """
    strongest = patches.unflatten(1, (channels, -1))[:, :leading].mean(-1)  # (N, leading)
    found, start = [], 0
    for grid, run in groupby(layout.grids):
        end = start + grid.num_patches * sum(1 for _ in run)
        rows = strongest[start:end].unflatten(0, (-1, grid.x))
        away = (rows - rows.median(1, keepdim=True).values).square().mean(-1)
        found.append(1 - torch.exp(-away.flatten()))
        start = end
    return torch.cat(found) if found else strongest.new_empty(0)


def _draw_kind(
    kind: str, budget: float, pool: Pool, grids: Numbers, rng: np.random.Generator
) -> tuple[Numbers, Numbers, Numbers, Numbers]:
    """Index, picture, latent frames and patches of clips of a kind, about as many as make `budget` patches."""
    if kind not in KINDS:
        raise ValueError(f"a stage has shares of {', '.join(KINDS)}, not of {kind!r}")
    fewest = int((grids[:, 1] * grids[:, 2]).min())
    most = int(budget // fewest) + 1
    index = rng.integers(len(grids), size=most)
    whole = grids[index, 0]
    frames, picture = whole, np.full(most, -1)
    if kind == "short":
        frames = np.minimum(whole, 2 + rng.integers(np.maximum(1, whole // 2 - 1)))
    is_picture = (whole == 1) | (kind == "picture")
    picture = np.where(is_picture, rng.integers(pool.num_stills, size=most), -1)
    frames = np.where(is_picture, 1, frames)
    rows = frames * grids[index, 1] * grids[index, 2]
    ends = np.cumsum(rows)
    count = int(np.searchsorted(ends, budget, side="right"))
    # The last clip of a kind is taken with the chance that keeps the expected number of patches.
    if count < most and rng.random() < (budget - (ends[count] - rows[count])) / rows[count]:
        count += 1
    return index[:count], picture[:count], frames[:count], rows[:count]


def _levels(clips: Clips, grids: list[Grid], ends: Numbers, stage: Stage) -> Tensor:
    """(N,): the noise level of every patch; 0 where the clip's task holds it."""
    levels = torch.from_numpy(np.repeat(clips.level, clips.rows))
    for clip in (clips.task != "text").nonzero()[0].tolist():
        generator = torch.Generator().manual_seed(int(clips.seed[clip]))
        drawn = draw_noise_levels(str(clips.task[clip]), grids[clip], stage.levels, generator)
        levels[ends[clip] - clips.rows[clip] : ends[clip]] = drawn
    return levels


def _draw_prompts(
    config: TrainingConfig, stage: Stage, pool: Pool, index: Numbers, picture: Numbers, rng: np.random.Generator
) -> Numbers:
    """A prompt of each clip, or -1.

    Most short ones that leave out a thing give way to dense ones: who asks for a ball means one ball and nothing else.
    """
    count = len(picture)
    language = rng.integers(len(LANGUAGES), size=count)
    detail = (rng.random(count) >= stage.dense_captions).astype(np.int64)  # `DETAILS`: dense, short
    wording = rng.integers(WORDINGS, size=count)
    number = prompt_number(picture, language, detail, wording)
    dense = prompt_number(picture, language, np.zeros_like(detail), wording)
    each = zip(index.tolist(), number.tolist(), dense.tolist(), strict=True)
    partial = np.array(
        [not tells_all(pool.tokens(clip, told), pool.tokens(clip, whole)) for clip, told, whole in each], bool
    )
    number = np.where(partial & (rng.random(count) >= stage.partial_captions), dense, number)
    return np.where(rng.random(count) < config.prompt_dropout, -1, number)


@cache
def _no_prompt() -> tuple[int, ...]:
    return tokens_of([""])[0]


@cache
def _geometry(grid: Grid, device: str) -> tuple[Tensor, Tensor]:
    return positions(grid).to(device), places(grid).to(device)
