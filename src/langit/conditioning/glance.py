"""A glance at what is known of a picture: where in it each colour and each kind of thing is, told to the cast.

A small network of convolutions names the latent cells of known frames (clean, or as noisy as a source enters). Of each latent
frame and each name it tells where that is seen: area, middle and spread. A row of a cast looks up its own names there
(`looked_up`), so it finds its thing in the picture and need not learn to see by itself: states of patches or of names beside the
prompt were not read after a thousand steps (dev/LOG.md). The network is trained beside the cast, on what truly fills the cells.
"""

from __future__ import annotations

from itertools import groupby, pairwise

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from langit.conditioning.cast import (
    CAST,
    CODED,
    CODES,
    NAMED,
    NUM_COLOURS,
    NUM_KINDS,
    NUM_NAMES,
    ROWS,
    THINGS,
    Code,
)
from langit.conditioning.tracing import Tracing
from langit.packing import Layout

WIDTH = 96
WHERE = 6
"""Numbers that tell where a name is seen: square root of its area, middle and spread, across and down, and whether it is."""
LOOKED_UP = 2 * WHERE
"""Of a row of a cast: where its colour is, and where its kind."""
DOUBT = 0.05
"""Share of a cell up to which a name is not told of it."""
LEAST_AREA = 0.02
"""Of what is told, in half shorter sides squared: a ball of three pixels of 64."""
SUREST = 0.05
"""Noise level below which a row's names are no surer."""


class Glance(nn.Module):
    """Known channels (N, (C + 1) * cells) of clips' patches -> where each name is seen."""

    def __init__(self, channels: int, side: int):
        super().__init__()
        self.side = side  # a patch is that many cells high and wide, and one latent frame long
        self.first = nn.Conv2d(channels + 1, WIDTH, 3, padding=1)
        self.second = nn.Conv2d(WIDTH, WIDTH, 3, padding=1)
        self.names = nn.Conv2d(WIDTH, NUM_NAMES + 2, 1)  # and one for nothing, of colours and of kinds
        self.tracing = Tracing()

    def forward(self, known: Tensor, layout: Layout) -> tuple[Tensor, Tensor]:
        """Of all latent frames, clip after clip, (f, NUM_NAMES, WHERE); and logits (N, names + 2, cells) of all patches."""
        seen, logits, start = [], [], 0
        for grid, run in groupby(layout.grids):
            clips = sum(1 for _ in run)
            end = start + clips * grid.num_patches
            sizes = {"b": clips, "t": grid.t, "y": grid.y, "x": grid.x, "h": self.side, "w": self.side}
            frames = rearrange(known[start:end], "(b t y x) (c h w) -> (b t) c (y h) (x w)", **sizes)
            said = self.names(F.silu(self.second(F.silu(self.first(frames)))))
            logits.append(rearrange(said, "(b t) n (y h) (x w) -> (b t y x) n (h w)", **sizes))
            seen.append(_where(said.detach(), frames[:, -1] < 1))
            start = end
        return torch.cat(seen), torch.cat(logits)


def looked_up(rows: Tensor, sigma: Tensor, seen: Tensor, layout: Layout) -> Tensor:
    """Noisy rows of casts (N, CAST) at levels (N,), where names are `seen` (f, NUM_NAMES, WHERE) -> (N, LOOKED_UP).

    A thing is likely what its rows in all frames say that it is, by how noisy they are; the backdrop looks nothing up. What
    is found counts by the square of the level: a row with little noise knows better.
    """
    noise = sigma.clamp(min=SUREST)
    evidence = rows[:, :NUM_NAMES] * ((1 - noise) * NAMED / noise.square())[:, None]
    named = evidence.unflatten(0, (-1, ROWS))[:, :THINGS]  # (f, things, names)
    frames = torch.tensor([(end - start) // ROWS for start, end in pairwise(layout.bounds)], device=rows.device)
    clip = torch.arange(len(frames), device=rows.device).repeat_interleave(frames)
    whole = named.new_zeros(len(frames), *named.shape[1:]).index_add(0, clip, named)[clip]
    found = []
    for likely, where in zip(
        whole.split([NUM_COLOURS, NUM_KINDS], -1), seen.split([NUM_COLOURS, NUM_KINDS], 1), strict=True
    ):
        found.append(torch.einsum("fkn,fns->fks", likely.softmax(-1), where))
    told = F.pad(torch.cat(found, -1), (0, 0, 0, ROWS - THINGS)).flatten(0, 1)
    return told * sigma.square()[:, None]


def behind(rows: Tensor, bands: Tensor, backdrops: Code) -> Tensor:
    """Predicted rows of casts (N, CAST) with backdrops of the colours `bands` (f, BANDS, 3); NaN where they are not known."""
    codes = rows.unflatten(0, (-1, ROWS))[:, THINGS, -CODES:]
    told = backdrops.decode(codes / CODED)
    away = bands.flatten(1) - told[:, : bands[0].numel()]
    shift = F.pad(away.nan_to_num(0.0), (0, told.shape[-1] - away.shape[-1]))
    change = shift @ (backdrops.components / backdrops.scale) * CODED
    return rows + F.pad(change[:, None], (CAST - CODES, 0, THINGS, 0)).flatten(0, 1)


def naming_loss(logits: Tensor, fills: Tensor) -> Tensor:
    """Logits (N, names + 2, cells) and what truly fills the cells (N, names * cells) -> cross-entropy of each patch, (N,)."""
    true = fills.unflatten(1, (NUM_NAMES, -1))
    loss = logits.new_zeros(len(logits))
    parts = zip(logits.split([NUM_COLOURS + 1, NUM_KINDS + 1], 1), true.split([NUM_COLOURS, NUM_KINDS], 1), strict=True)
    for said, share in parts:
        whole = torch.cat([share, (1 - share.sum(1, keepdim=True)).clamp(min=0)], 1)
        loss = loss - (whole * said.float().log_softmax(1)).sum(1).mean(1)
    return loss


def _where(logits: Tensor, known: Tensor) -> Tensor:
    """Logits (f, names + 2, h, w), which cells are known (f, h, w) -> (f, NUM_NAMES, WHERE), 0 where a name is not seen."""
    colours, kinds = (part.softmax(1)[:, :-1] for part in logits.split([NUM_COLOURS + 1, NUM_KINDS + 1], 1))
    shares = (torch.cat([colours, kinds], 1) - DOUBT).clamp(min=0) * known[:, None]  # (f, names, h, w)
    height, width = shares.shape[2:]
    half = min(height, width) / 2
    y = (torch.arange(height, device=shares.device) + 0.5 - height / 2) / half
    x = (torch.arange(width, device=shares.device) + 0.5 - width / 2) / half
    cells = shares.sum((2, 3))
    weights = shares / cells.clamp(min=1e-6)[..., None, None]
    middle_x, middle_y = (weights * x).sum((2, 3)), (weights * y[:, None]).sum((2, 3))
    spread_x = (weights * (x - middle_x[..., None, None]).square()).sum((2, 3)).sqrt()
    spread_y = (weights * (y[:, None] - middle_y[..., None, None]).square()).sum((2, 3)).sqrt()
    area = cells / half**2
    where = torch.stack([area.sqrt(), middle_x, middle_y, spread_x, spread_y, torch.ones_like(area)], -1)
    return where * (area > LEAST_AREA)[..., None]
