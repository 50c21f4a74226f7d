"""What lies still in a clip is one world, over which the camera passes.

A model makes the ground of every latent frame by itself, a little otherwise each time. Under a camera that moves its pattern
would boil in its place, and nobody could see where the camera goes. But a cast says how the camera's motion carries the world
over the screen (`drift`). So the pattern of what was shown is shown again where it has come to, and only what comes into sight is
new. Light is that of each frame; things are as they were made, and so is what is in the shade.

Lengths in pixels of frames of about 64.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from langit.conditioning.cast import Cast
from langit.conditioning.drawing import drift_at, seen
from langit.conditioning.stillness import NO_DRIFT, falling
from langit.conditioning.turning import Turning

COVERED = 0.02
"""Share of a pixel that a thing fills from which on it is the thing's."""
ABOUT, FARTHER = 2, 1
"""Pixels about things that are left as they are made; and so many more that are not remembered."""
MAGNIFIED = (1.3, 2.0)
"""How much larger than it was remembered a pattern may be shown: fully up to the first, not at all from the second on."""
REGION = (3, 21)
"""Pixels down and across in which light is compared: of ground and sky it is the same along a row."""
LIT = (0.06, 0.14)
"""How far the mean of a region may be from what is made there, of -1 to 1: up to the first it is the same, from the second on it is
lit otherwise."""
PLAIN = (2.5, 4.0)
"""How many times as far from the middle of its row as is usual there something may be, to be remembered as ground, or sky."""
FAINT = 0.02
"""What is added to what is usual: of snow it is next to nothing."""
NEW = 0.05
"""Share of a frame that is clear and shows nothing that is remembered, from which on the frame is remembered too."""
MOST = 8
"""Frames that are remembered: the last ones."""


class World:
    """What was shown of a clip's ground and sky, frame after frame."""

    def __init__(self) -> None:
        self.pictures = torch.empty(0)  # (R, 3, H, W) the frames that are remembered
        self.clear = torch.empty(0)  # (R, 1, H, W) share of each pixel that may be shown again
        self.places = torch.empty(0)  # (R, 2, H, W) across and down: where the last frame's pixels are in each of them
        self.has_moved = False

    def shown(self, frames: Tensor, cast: Cast | Turning) -> Tensor:
        """The frames (F, H, W, 3) of one latent frame with this cast, in which what was shown before is as it was."""
        cast = cast if isinstance(cast, Cast) else cast.cast
        made = frames.movedim(-1, 1)
        things = seen(cast, *made.shape[2:]).sum(1).flatten(0, 1)[-len(made) :, None]
        free = _eroded((things <= COVERED).float(), ABOUT)
        self.has_moved |= bool(cast.drift.abs().mean() > NO_DRIFT)
        if not self.has_moved or not len(
            self.places
        ):  # nothing is carried; what rests is one picture already (`stillness`)
            self.pictures = self.clear = self.places = torch.empty(0)
            self._remember(made[-1:], free[-1:], torch.ones_like(free[-1:]))
            return frames
        places = self._places_now(cast, len(made))
        told = _at(self.pictures, places, "bicubic")  # (R, F, 3, H, W)
        share, light = self._share(told, places, made, free)
        told = told + light
        left = torch.cat([torch.ones_like(share[:1]), (1 - share).cumprod(0)])  # after the first of them, and so on
        whole = (left[:-1] * share * told).sum(0) + left[-1] * made
        whole = made.lerp(whole, _mean(free, 3, 3) * free)
        self.places = places[:, -1]
        self._remember(whole[-1:], free[-1:], left[-1, -1:])
        return whole.movedim(1, -1)

    def _remember(self, frame: Tensor, free: Tensor, new: Tensor) -> None:
        """Keep a frame (1, 3, H, W) if enough of it that may be shown again is `new` (1, 1, H, W)."""
        clear = _eroded(free, FARTHER) * _plain(frame, free)
        if (clear * new).mean() < NEW:
            return
        kept = (frame, clear, _here(*frame.shape[2:])[None])
        both = zip((self.pictures, self.clear, self.places), kept, strict=True)
        self.pictures, self.clear, self.places = (torch.cat([old, one])[-MOST:] for old, one in both)

    def _places_now(self, cast: Cast, frames: int) -> Tensor:
        """(R, F, 2, H, W): where the pixels of the next frames are in those that are remembered."""
        height, width = self.places.shape[2:]
        here = _here(height, width)
        carried = drift_at(cast, height, width)[:, 0].flip(0)  # (2, H, W) since the last frame of the latent one before
        shares = torch.arange(1, frames + 1).view(-1, 1, 1, 1) / frames
        before = (here - shares * carried).expand(len(self.places), -1, -1, -1, -1)
        return _at(self.places - here, before) + before

    def _share(self, told: Tensor, places: Tensor, made: Tensor, free: Tensor) -> tuple[Tensor, Tensor]:
        """How much of what is remembered holds in frames (R, F, 1, H, W), and how much lighter these are (R, F, 3, H, W)."""
        height, width = made.shape[2:]
        inside = torch.minimum(places, places.new_tensor([width - 1, height - 1]).view(2, 1, 1) - places)
        share = (1 + inside.amin(2, keepdim=True)).clamp(0, 1) * free
        share = share * _at(self.clear, places, padding="zeros") * falling(_magnified(places), MAGNIFIED)
        apart = torch.cat([(made - told) * share, share], 2)
        summed = _mean(apart.flatten(0, 1), *REGION).view_as(apart)
        light = summed[:, :, :3] / (summed[:, :, 3:] + 1e-3)
        return share * falling(light.abs().amax(2, keepdim=True), LIT), light


def _here(height: int, width: int) -> Tensor:
    """(2, H, W): across and down of every pixel."""
    down, across = torch.meshgrid(torch.arange(height).float(), torch.arange(width).float(), indexing="ij")
    return torch.stack([across, down])


def _at(pictures: Tensor, places: Tensor, mode: str = "bilinear", padding: str = "border") -> Tensor:
    """Pictures (R, C, H, W) at places (R, F, 2, H, W) in each of them -> (R, F, C, H, W)."""
    height, width = pictures.shape[2:]
    size = places.new_tensor([width, height])
    grid = (2 * places.movedim(2, -1) + 1) / size - 1
    each = pictures.repeat_interleave(places.shape[1], 0)
    found = F.grid_sample(each, grid.flatten(0, 1), mode=mode, padding_mode=padding, align_corners=False)
    each_place: Tensor = found.unflatten(0, places.shape[:2])
    return each_place


def _magnified(places: Tensor) -> Tensor:
    """(R, F, 1, H, W): how much larger than in the remembered frame everything is shown, in the direction in which it is most."""
    (by_column,), (by_row,) = torch.gradient(places, dim=4), torch.gradient(places, dim=3)
    summed = (by_column.square() + by_row.square()).sum(2, keepdim=True)
    area = by_column[:, :, :1] * by_row[:, :, 1:] - by_column[:, :, 1:] * by_row[:, :, :1]
    least = (summed - (summed.square() - 4 * area.square()).clamp(min=0).sqrt()) / 2  # square of a singular value
    magnified: Tensor = least.clamp(min=1e-3).rsqrt()
    return magnified


def _plain(frame: Tensor, free: Tensor) -> Tensor:
    """(1, 1, H, W): where a frame (1, 3, H, W) is about as bright as its row is where it is `free`, and not in the shade."""
    bright = _mean((frame * free).mean(1, keepdim=True), 3, 3) / (_mean(free, 3, 3) + 1e-3)
    bright = bright.where(free > 0, torch.nan)
    away = (bright - bright.nanmedian(3, keepdim=True).values).abs()
    usual = away.nanmedian(3, keepdim=True).values + FAINT
    return _eroded(falling((away / usual).nan_to_num(PLAIN[1]), PLAIN), ABOUT)


def _eroded(share: Tensor, pixels: int) -> Tensor:
    """The least share within so many pixels."""
    return -F.max_pool2d(-share, 2 * pixels + 1, 1, pixels)


def _mean(values: Tensor, high: int, wide: int) -> Tensor:
    """Of rectangles of so many pixels, what lies outside being 0."""
    across = F.avg_pool2d(values, (1, wide), 1, (0, wide // 2))
    return F.avg_pool2d(across, (high, 1), 1, (high // 2, 0))
