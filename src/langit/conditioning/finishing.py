"""What comes out of the decoder is finished beside its cast, drawn pixel by pixel: the one knows light and texture, the other where
every thing is in every frame.

A latent cell holds four frames of eight by eight pixels in a few numbers, and what moves fast through it leaves a halo that no
decoder can tell from the thing. The cast can.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from langit.conditioning.cast import NUM_NAMES, Cast
from langit.conditioning.drawing import flat_colours, seen
from langit.conditioning.turning import Turning

BESIDE = 3 + NUM_NAMES + 1
"""Numbers of a pixel of a drawn cast: its flat colour, its share of each name, its share of things."""
WIDTHS = (24, 48, 64)
"""Of the network at whole, half and quarter size."""


class Finish(nn.Module):
    """Frames (n, 3, H, W) in [-1, 1] beside their casts (n, BESIDE, H, W) -> frames; untrained, the same ones."""

    def __init__(self) -> None:
        super().__init__()
        fine, middle, coarse = WIDTHS
        self.fine = nn.Conv2d(3 + BESIDE, fine, 3, padding=1)
        self.middle = nn.Conv2d(fine, middle, 3, stride=2, padding=1)
        self.coarse = nn.Conv2d(middle, coarse, 3, stride=2, padding=1)
        self.coarser = nn.Conv2d(coarse, coarse, 3, padding=2, dilation=2)
        self.to_middle = nn.Conv2d(coarse + middle, middle, 3, padding=1)
        self.to_fine = nn.Conv2d(middle + fine, fine, 3, padding=1)
        self.finer = nn.Conv2d(fine, fine, 3, padding=1)
        self.change = nn.Conv2d(fine, 3, 3, padding=1)
        nn.init.zeros_(self.change.weight)
        assert self.change.bias is not None
        nn.init.zeros_(self.change.bias)

    def forward(self, frames: Tensor, beside: Tensor) -> Tensor:
        fine = F.silu(self.fine(torch.cat([frames, beside], 1)))
        middle = F.silu(self.middle(fine))
        coarse = F.silu(self.coarser(F.silu(self.coarse(middle))))
        middle = F.silu(self.to_middle(torch.cat([F.interpolate(coarse, size=middle.shape[2:]), middle], 1)))
        fine = F.silu(self.to_fine(torch.cat([F.interpolate(middle, size=fine.shape[2:]), fine], 1)))
        finished: Tensor = frames + self.change(F.silu(self.finer(fine)))
        return finished


def pixels_of(cast: Cast | Turning, height: int, width: int) -> Tensor:
    """(f, t, BESIDE, height, width): a cast drawn in every frame of its latent frames."""
    turning = cast if isinstance(cast, Turning) else None
    cast = cast if isinstance(cast, Cast) else cast.cast
    shares = seen(cast, height, width)
    colours = flat_colours(cast, shares)
    names = torch.einsum("fkthw,fkn->ftnhw", shares, cast.names)
    if turning is not None:
        share = turning.share[..., None, None, None]
        colours = colours.lerp(flat_colours(turning.into, shares), share)
        names = names.lerp(torch.einsum("fkthw,fkn->ftnhw", shares, turning.into.names), share)
    return torch.cat([colours, names, shares.sum(1)[:, :, None]], 2)


@torch.no_grad()
def finished(network: Finish, frames: Tensor, cast: Cast | Turning) -> Tensor:
    """Frames (F, H, W, 3) as they come from the decoder, and their cast -> frames as they are shown.

    The first of the cast's latent frames may have fewer frames than the others. One by one, in the memory of one."""
    groups: Sequence[Cast | Turning] = cast.frames
    device = next(network.parameters()).device
    of = groups[0].share.shape[1] if isinstance(groups[0], Turning) else groups[0].centres.shape[2]
    first = len(frames) - (len(groups) - 1) * of
    shown = []
    for group, some in zip(groups, frames.split([first, *[of] * (len(groups) - 1)]), strict=True):
        beside = pixels_of(group, *frames.shape[1:3])[0, of - len(some) :]
        told = network(some.clamp(-1, 1).movedim(-1, 1).to(device), beside.to(device))
        shown.append(told.movedim(1, -1).cpu())
    return torch.cat(shown)
