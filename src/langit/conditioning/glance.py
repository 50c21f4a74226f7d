"""A glance at what is known of a picture: where in it each colour and each kind of thing is, told to the cast.

A small network of convolutions names the latent cells of known frames (clean, or as noisy as a source enters). Of each latent frame
and each name that is seen there it tells where: area, middle and spread. So a cast finds its things in a picture by their names,
as words are looked up, and need not learn to see by itself. It is trained beside the cast, on what truly fills the cells.
"""

from __future__ import annotations

from itertools import groupby

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from langit.conditioning.cast import NUM_COLOURS, NUM_KINDS, NUM_NAMES
from langit.packing import Layout, Text, bounds_of
from langit.transformer.model import place_features

WIDTH = 96
OCTAVES = 5
"""Of the time of a latent frame."""
GLANCE = NUM_NAMES + 7 + 2 * OCTAVES
"""Numbers of what is told of a name in a latent frame."""
DOUBT = 0.05
"""Share of a cell up to which a name is not told of it."""
LEAST_AREA = 0.02
"""Of what is told, in half shorter sides squared: a ball of three pixels of 64."""


class Glance(nn.Module):
    """Known channels (N, (C + 1) * cells) of clips' patches -> what stands for their pictures beside the prompts."""

    def __init__(self, channels: int, side: int):
        super().__init__()
        self.side = side  # a patch is that many cells high and wide, and one latent frame long
        self.first = nn.Conv2d(channels + 1, WIDTH, 3, padding=1)
        self.second = nn.Conv2d(WIDTH, WIDTH, 3, padding=1)
        self.names = nn.Conv2d(WIDTH, NUM_NAMES + 2, 1)  # and one for nothing, of colours and of kinds

    def forward(self, known: Tensor, layout: Layout) -> tuple[Text, Tensor]:
        """What is told of each clip, one state (GLANCE,) of nothing first; and logits (N, names + 2, cells) of all patches."""
        told: list[Tensor] = []
        lengths: list[int] = []
        logits = []
        start = 0
        for grid, run in groupby(layout.grids):
            clips = sum(1 for _ in run)
            end = start + clips * grid.num_patches
            sizes = {"b": clips, "t": grid.t, "y": grid.y, "x": grid.x, "h": self.side, "w": self.side}
            frames = rearrange(known[start:end], "(b t y x) (c h w) -> (b t) c (y h) (x w)", **sizes)
            said = self.names(F.silu(self.second(F.silu(self.first(frames)))))
            logits.append(rearrange(said, "(b t) n (y h) (x w) -> (b t y x) n (h w)", **sizes))
            states, counts = _told(said.detach(), frames[:, -1] < 1, grid.t)
            told.append(states)
            lengths += counts
            start = end
        return Text(torch.cat(told), bounds_of(lengths)), torch.cat(logits)


def naming_loss(logits: Tensor, fills: Tensor) -> Tensor:
    """Logits (N, names + 2, cells) and what truly fills the cells (N, names * cells) -> cross-entropy of each patch, (N,)."""
    true = fills.unflatten(1, (NUM_NAMES, -1))
    loss = logits.new_zeros(len(logits))
    parts = zip(logits.split([NUM_COLOURS + 1, NUM_KINDS + 1], 1), true.split([NUM_COLOURS, NUM_KINDS], 1), strict=True)
    for said, share in parts:
        whole = torch.cat([share, (1 - share.sum(1, keepdim=True)).clamp(min=0)], 1)
        loss = loss - (whole * said.float().log_softmax(1)).sum(1).mean(1)
    return loss


def _told(logits: Tensor, known: Tensor, num_frames: int) -> tuple[Tensor, list[int]]:
    """Logits (B * t, names + 2, h, w), which cells are known (B * t, h, w) -> states (n, GLANCE), how many to each clip."""
    colours, kinds = (part.softmax(1)[:, :-1] for part in logits.split([NUM_COLOURS + 1, NUM_KINDS + 1], 1))
    shares = (torch.cat([colours, kinds], 1) - DOUBT).clamp(min=0) * known[:, None]  # (B * t, names, h, w)
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
    whole = known.float().mean((1, 2))[:, None].expand_as(area)
    where = torch.stack([torch.ones_like(area), area.sqrt(), middle_x, middle_y, spread_x, spread_y, whole], -1)
    frame = torch.arange(len(shares), device=shares.device) % num_frames
    time = place_features(F.pad((frame / 8.0)[:, None], (0, 2)), OCTAVES)[:, : 2 * OCTAVES]
    names = torch.eye(NUM_NAMES, device=shares.device).expand(len(shares), -1, -1)
    states = torch.cat([2 * names, 2 * where, time[:, None].expand(-1, NUM_NAMES, -1)], -1)
    seen = (area > LEAST_AREA).unflatten(0, (-1, num_frames))
    states = states.unflatten(0, (-1, num_frames))
    parts = [torch.cat([one.new_zeros(1, GLANCE), one[some]]) for one, some in zip(states, seen, strict=True)]
    return torch.cat(parts), [len(part) for part in parts]
