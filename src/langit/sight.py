"""What casts are told of pictures that are known: where names are seen, how far things reach, what the backdrop looks like.

`conditioning.glance` and `conditioning.tracing` say how each is found.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from langit.catalog import Bundle
from langit.conditioning import Held
from langit.conditioning.cast import BANDS
from langit.conditioning.tracing import Traces, all_traces, no_traces, traces_of
from langit.packing import Layout
from langit.patches import Grid, from_patches
from langit.tokenizer import decode


@dataclass(frozen=True)
class Sight:
    """What casts are told of pictures that are known, of f latent frames in all."""

    seen: Tensor  # (f, NUM_NAMES, WHERE): where each name is (`glance`)
    traces: Traces
    bands: Tensor  # (f, BANDS, 3): colours of the backdrop, NaN where they are not known


def sight_of(bundle: Bundle, held: Sequence[Held], layout: Layout, shown: Tensor) -> Sight:
    """Of clips of which so much is `held`; `shown` (N, (C + 1) * cells) is known of their pictures, of which `layout` is."""
    assert bundle.glance is not None
    seen, _ = bundle.glance(shown, layout)
    traces, bands = [], []
    for one, grid in zip(held, layout.grids, strict=True):
        whole = _shown(bundle, one, grid)
        traces.append(_traces(bundle, whole, grid))
        bands.append(_bands(bundle, whole, grid.t))
    return Sight(seen, all_traces(traces), torch.cat(bands))


@dataclass(frozen=True)
class Shown:
    """A latent frame of a clip that is known whole: which one it is, and its frames (t, H, W, 3)."""

    at: int
    frames: Tensor


def _shown(bundle: Bundle, held: Held, grid: Grid) -> list[Shown]:
    """What is known whole of a clip. The first latent frame shows a single frame as often as the others have frames."""
    whole = held.mask.reshape(grid.t, -1).all(1).nonzero().flatten().tolist()
    rows, stride = held.content.unflatten(0, (grid.t, -1)), bundle.tokenizer.stride[0]
    found: list[Shown] = []
    for run in _runs(whole):
        patches = rows[run[0] : run[-1] + 1].flatten(0, 1)
        latents = from_patches(patches, replace(grid, t=len(run)), bundle.config.patch)
        if run[0]:  # nothing is known before: a frame that shows its middle stands there
            frames = decode(bundle.tokenizer, torch.cat([latents[:, :1], latents], 1))[1:]
        else:
            frames = decode(bundle.tokenizer, latents)
            frames = torch.cat([frames[:1].expand(stride - 1, -1, -1, -1), frames])
        found += map(Shown, run, frames.unflatten(0, (len(run), stride)))
    return found


def _runs(numbers: Sequence[int]) -> list[list[int]]:
    """Numbers in order, as runs without gaps."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return runs


def _traces(bundle: Bundle, shown: Sequence[Shown], grid: Grid) -> Traces:
    """Of all latent frames of a clip, what is traced in those that are shown."""
    assert bundle.glance is not None
    traces = no_traces(grid.t, bundle.tokenizer.stride[0], bundle.device)
    if shown:
        frames = torch.stack([one.frames for one in shown]).movedim(-1, 2).to(bundle.device)  # (k, t, 3, H, W)
        painted = torch.stack([bundle.glance.tracing(some) for some in frames])  # (k, t, colours, H, W)
        told, at = traces_of(painted.movedim(2, 1)), [one.at for one in shown]
        traces.reach[at], traces.read[at], traces.left[at] = told.reach, told.read, told.left
    return traces


def _bands(bundle: Bundle, shown: Sequence[Shown], frames: int) -> Tensor:
    """(frames, BANDS, 3) of as many latent frames: the middle colours, from top to bottom, of the first and of the last that is
    shown, and between them from one to the other; NaN where there is none."""
    if not shown:
        return torch.full((frames, BANDS, 3), math.nan, device=bundle.device)
    begin, end = shown[0], shown[-1]
    along = (torch.arange(frames) - begin.at) / max(1, end.at - begin.at)
    bands = _bands_of(begin.frames[-1]).lerp(_bands_of(end.frames[0]), along.clamp(0, 1)[:, None, None])
    return bands.to(bundle.device)


def _bands_of(frame: Tensor) -> Tensor:
    """(BANDS, 3) of a frame (H, W, 3): what is behind most of a row is behind things."""
    return F.interpolate(frame.median(1).values.T[None], BANDS, mode="area")[0].T
