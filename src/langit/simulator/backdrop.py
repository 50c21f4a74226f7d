"""The sky and the ground, where no thing is: light by time of day, ground patterns, fog.

The camera never rolls, so height above the horizon, distance to the ground along the camera's axis, sky colour and fog
depend on the row alone; only the ground pattern varies along a row. A pixel is `base[row] + swing[row] * pattern`,
which makes a moving camera's backdrop a handful of operations. Patterns are fixed in the world and filtered by the
pixel's footprint on the ground; rows are averaged over sub-rows; so nothing flickers when the camera moves.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

Floats = NDArray[np.float64]
Colour = tuple[float, float, float]

FOG_DISTANCE = 34.0
"""Metres along the camera's axis at which the fog takes half."""
_SUB_ROWS = 4


@dataclass(frozen=True)
class Palette:
    """Linear radiance of the sky by elevation, and the light on things: radiance of a white surface facing it."""

    horizon: Colour
    middle: Colour
    zenith: Colour
    direct: Colour
    ambient: Colour
    glow: Colour
    """Added to the sky around the sun or moon."""


PALETTES: dict[str, Palette] = {
    "noon": Palette(
        horizon=(0.60, 0.76, 0.90),
        middle=(0.22, 0.48, 0.88),
        zenith=(0.10, 0.28, 0.72),
        direct=(0.90, 0.86, 0.79),
        ambient=(0.26, 0.30, 0.36),
        glow=(0.0, 0.0, 0.0),
    ),
    "sunset": Palette(
        horizon=(0.95, 0.42, 0.14),
        middle=(0.50, 0.21, 0.36),
        zenith=(0.16, 0.11, 0.36),
        direct=(1.18, 0.78, 0.50),
        ambient=(0.36, 0.31, 0.36),
        glow=(1.3, 0.85, 0.40),
    ),
    "night": Palette(
        horizon=(0.050, 0.075, 0.17),
        middle=(0.016, 0.026, 0.085),
        zenith=(0.006, 0.010, 0.04),
        direct=(0.44, 0.47, 0.58),
        ambient=(0.12, 0.135, 0.185),
        glow=(0.16, 0.18, 0.24),
    ),
}

GROUND_COLOURS: dict[str, tuple[Colour, Colour]] = {
    "grass": ((0.13, 0.29, 0.06), (0.034, 0.060, 0.014)),
    "sand": ((0.62, 0.47, 0.28), (0.055, 0.048, 0.036)),
    "tiles": ((0.44, 0.43, 0.41), (0.085, 0.083, 0.080)),
    "wood": ((0.34, 0.185, 0.085), (0.075, 0.045, 0.022)),
    "snow": ((0.80, 0.83, 0.88), (0.035, 0.028, 0.018)),
}
"""Albedo of each ground, and how far its pattern swings it either way."""


def sky(palette: Floats, elevation: Floats) -> Floats:
    """Radiance (3, V, ...) of the sky at sines of elevation (V, ...), by palettes (3 or more, 3, V, 1)."""
    up = np.maximum(elevation, 0)
    horizon, middle, zenith = palette[:3]
    colour: Floats = horizon + (middle - horizon) * (up / (up + 0.12))
    colour += (zenith - middle) * (up * up / (up * up + 0.2))
    return colour


@dataclass(frozen=True)
class View:
    """Cameras that stand still for a frame, and the light that they see by. V views, float64."""

    position: Floats  # (V, 3)
    right: Floats  # (V, 3) from the middle of the image plane at distance 1 to its edge
    up: Floats  # (V, 3) likewise
    forward: Floats  # (V, 3) unit
    half_height: Floats  # (V,) length of `up`
    half_width: Floats  # (V,) length of `right`
    height: int
    width: int
    light: Floats  # (V, 3) towards the light
    palette: Floats  # (V, 6, 3) as in Palette
    ground: NDArray[np.intp]  # (V,) index into GROUND_COLOURS

    def select(self, views: NDArray[np.intp]) -> View:
        return View(
            self.position[views],
            self.right[views],
            self.up[views],
            self.forward[views],
            self.half_height[views],
            self.half_width[views],
            self.height,
            self.width,
            self.light[views],
            self.palette[views],
            self.ground[views],
        )


@dataclass(frozen=True)
class Backdrop:
    """V views without things. Coefficients of rows: base and swing in the light, base and swing in shade."""

    rows: Tensor  # (4, 3, V, H)
    pattern: Tensor  # (V, H, W) in about [-1, 1], zero in the sky
    glow: tuple[Tensor, Tensor, Tensor] | None  # colour (3, V, 1, 1), by row (V, H, 1), by column (V, 1, W)

    def radiance(self) -> Tensor:
        """Linear radiance in full light, (3, V, H, W)."""
        colour = self.rows[1, ..., None] * self.pattern
        colour += self.rows[0, ..., None]
        if self.glow is not None:
            tint, by_row, by_column = self.glow
            colour += tint * (by_row * by_column)
        return colour


def backdrop(view: View, device: torch.device) -> Backdrop:
    """The sky and the unshadowed ground of each view."""
    rows, by_row = _rows(view)
    return Backdrop(
        torch.from_numpy(rows).to(device, torch.float32), _pattern(view, device), _glow(view, by_row, device)
    )


def _rows(view: View) -> tuple[Floats, Floats]:
    """Row coefficients (4, 3, V, H), and how much of each row (V, H) is sky or fog."""
    fine = (np.arange(view.height * _SUB_ROWS) + 0.5) / (view.height * _SUB_ROWS) * 2 - 1
    drop = view.forward[:, 2:] - fine * view.up[:, 2:]  # (V, H * sub): height gained per metre along the axis
    elevation = drop / np.sqrt(1 + (fine * view.half_height[:, None]) ** 2)
    distance = np.where(drop < -1e-6, view.position[:, 2:] / np.maximum(-drop, 1e-6), np.inf)
    clear = np.where(np.isfinite(distance), 1 / (1 + (distance / FOG_DISTANCE) ** 3), 0.0)
    palette = view.palette.transpose(1, 2, 0)[..., None]  # (6, 3, V, 1)
    haze = sky(palette, elevation) * (1 - clear)  # (3, V, H * sub)
    colours = np.array(list(GROUND_COLOURS.values()))[view.ground].transpose(1, 2, 0)[..., None]  # (2, 3, V, 1)
    ambient = palette[4]
    lit = ambient + palette[3] * np.maximum(view.light[:, 2:], 0)
    rows = np.stack(
        [
            haze + clear * (colours[0] * lit),
            clear * (colours[1] * lit),
            haze + clear * (colours[0] * ambient),
            clear * (colours[1] * ambient),
        ]
    )  # (4, 3, V, H * sub)
    views = len(view.position)
    by_row = (1 - clear).reshape(views, view.height, _SUB_ROWS).mean(2)
    return np.ascontiguousarray(rows.reshape(4, 3, views, view.height, _SUB_ROWS).mean(4)), by_row


def _glow(view: View, by_row: Floats, device: torch.device) -> tuple[Tensor, Tensor, Tensor] | None:
    """A round glow about the sun or moon: in the image plane a Gaussian is one over rows times one over columns."""
    ahead = np.einsum("vc,vc->v", view.light, view.forward)
    tint = view.palette[:, 5] * np.clip(ahead, 0, 1)[:, None] ** 2
    if not np.any((tint > 0) & (ahead[:, None] > 0.3)):
        return None
    safe = np.maximum(ahead, 0.3)
    x = np.einsum("vc,vc->v", view.light, view.right) / view.half_width / safe
    y = -np.einsum("vc,vc->v", view.light, view.up) / view.half_height / safe
    columns = ((np.arange(view.width) + 0.5) / view.width * 2 - 1) * view.half_width[:, None]
    rows = ((np.arange(view.height) + 0.5) / view.height * 2 - 1) * view.half_height[:, None]
    radius = 0.16
    across = np.exp(-(((columns - x[:, None]) / radius) ** 2))
    down = np.exp(-(((rows - y[:, None]) / radius) ** 2)) * by_row**2

    def tensor(array: Floats) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(device, torch.float32)

    tint = np.where(ahead[:, None] > 0.3, tint, 0)
    return tensor(tint.T[:, :, None, None]), tensor(down[:, :, None]), tensor(across[:, None, :])


def _pattern(view: View, device: torch.device) -> Tensor:
    """The ground pattern (V, H, W) at pixel centres."""
    rows = (np.arange(view.height) + 0.5) / view.height * 2 - 1
    columns = (np.arange(view.width) + 0.5) / view.width * 2 - 1
    drop = view.forward[:, 2:] - rows * view.up[:, 2:]  # (V, H)
    seen = drop < -1e-3
    distance = np.where(seen, view.position[:, 2:] / np.maximum(-drop, 1e-3), 0.0)
    pixel = distance * (2 * view.half_height[:, None] / view.height)
    along = pixel * np.sqrt(1 + (rows * view.half_height[:, None]) ** 2) / np.maximum(-drop, 1e-3)
    sideways = view.right / view.half_width[:, None]
    heading = np.cross(sideways, [0.0, 0.0, 1.0])  # (V, 3) horizontal, away from the camera
    pattern = torch.empty(len(view.position), view.height, view.width, device=device)
    for ground in np.unique(view.ground):
        chosen = np.nonzero(view.ground == ground)[0]
        place = []
        for axis in (0, 1):
            start = view.position[chosen, axis, None] + distance[chosen] * (
                view.forward[chosen, axis, None] - rows * view.up[chosen, axis, None]
            )
            slope = distance[chosen] * view.right[chosen, axis, None]
            width = pixel[chosen] * np.abs(sideways[chosen, axis, None]) + along[chosen] * np.abs(
                heading[chosen, axis, None]
            )
            place.append(_Axis(start, slope, np.maximum(width, 1e-4), columns, device))
        drawn = _PATTERNS[list(GROUND_COLOURS)[ground]](*place) * place[0].rows(seen[chosen])
        if len(chosen) == len(pattern):
            return drawn
        pattern[torch.from_numpy(chosen).to(device)] = drawn
    return pattern


class _Axis:
    """One world coordinate of the ground points of all pixels, affine along each row."""

    def __init__(self, start: Floats, slope: Floats, width: Floats, columns: Floats, device: torch.device) -> None:
        self.start, self.slope, self.width, self.device = start, slope, width, device
        self.columns = torch.from_numpy(columns).to(device, torch.float32)

    def rows(self, values: Floats | NDArray[np.bool_]) -> Tensor:
        """Row values (V, H) as a tensor (V, H, 1)."""
        return torch.from_numpy(np.ascontiguousarray(values[..., None])).to(self.device, torch.float32)

    def at(self, scale: float, offset: float = 0.0) -> Tensor:
        """coordinate * scale + offset, (V, H, W)."""
        return self.rows(self.slope * scale) * self.columns + self.rows(self.start * scale + offset)

    def fade(self, wavelength: float) -> Floats:
        """How much (V, H) of a pattern of this wavelength survives the pixel's footprint."""
        return 1 / (1 + (1.6 * self.width / wavelength) ** 4)


def _square_wave(axis: _Axis, size: float) -> Tensor:
    """+1 and -1 in turns of `size` metres, its steps as wide as the footprint."""
    turns = axis.at(0.5 / size, 0.25)
    turns = turns - turns.floor()
    wave = (turns - 0.5).abs_().mul_(4).sub_(1)  # a triangle between -1 and 1, zero at the steps
    steep = np.maximum(size / (2 * axis.width), 1.0)
    return (wave * axis.rows(steep)).clamp_(-1, 1) * axis.rows(axis.fade(2 * size))


def _tiles(x: _Axis, y: _Axis) -> Tensor:
    return _square_wave(x, 0.8) * _square_wave(y, 0.8)


def _wood(x: _Axis, y: _Axis) -> Tensor:
    """Boards along y: a tone of its own for each, a dark seam between, and grain."""
    board = 0.42
    place = x.at(1 / board)
    index = place.floor()
    step = place - index - 0.5  # the seam is where this is zero
    tones = torch.from_numpy(_random(11).uniform(-0.9, 0.9, 64)).to(x.device, torch.float32)
    number = index.to(torch.int64)
    before, after = tones[number & 63], tones[(number + 1) & 63]
    blur = np.maximum(x.width / board, 0.02)
    share = (step * x.rows(1 / blur) + 0.5).clamp_(0, 1)
    tone = before + (after - before) * share
    seam = (1 - step.abs() * x.rows(1 / np.maximum(blur, 0.05))).clamp_(min=0)
    grain = _noise(x, y, 0.30, 0.03)[0]
    seam_depth, grain_depth = 1.5 * 0.05 / np.maximum(blur, 0.05), 0.22 * x.fade(0.6) * y.fade(6)
    return (tone - seam * x.rows(seam_depth)) * x.rows(x.fade(board)) + grain * x.rows(grain_depth)


def _grass(x: _Axis, y: _Axis) -> Tensor:
    coarse, fine = _noise(x, y, 0.09, 0.09)
    return coarse * x.rows(0.55 * y.fade(1.6) * x.fade(1.6)) + fine * x.rows(0.75 * y.fade(0.4) * x.fade(0.4))


def _sand(x: _Axis, y: _Axis) -> Tensor:
    """Dunes' ripples across the y axis, bent by noise."""
    coarse = _noise(x, y, 0.05, 0.05)[0]
    turns = y.at(1 / 0.9) + x.at(0.25) + 0.35 * coarse
    turns = turns - turns.floor()
    side = (turns - 0.5) * 2  # a smooth wave of two parabolas
    wave = 4 * side * (1 - side.abs())
    return wave * x.rows(0.55 * y.fade(0.9)) + coarse * x.rows(0.40 * y.fade(2.5))


def _snow(x: _Axis, y: _Axis) -> Tensor:
    coarse, fine = _noise(x, y, 0.06, 0.06)
    return coarse * x.rows(0.8 * y.fade(2.0) * x.fade(2.0)) + fine * x.rows(0.25 * y.fade(0.5) * x.fade(0.5))


_PATTERNS = {"grass": _grass, "sand": _sand, "tiles": _tiles, "wood": _wood, "snow": _snow}


def _noise(x: _Axis, y: _Axis, scale_x: float, scale_y: float) -> tuple[Tensor, Tensor]:
    """Two smooth random fields, (V, H, W) each, of unit variance: one turn is 1 / scale metres and holds about 7 blots
    of the coarse field and 28 of the fine."""
    u, v = x.at(scale_x), y.at(scale_y)
    u -= u.floor()
    v -= v.floor()
    grid = torch.stack([u, v], -1).mul_(2).sub_(1)
    views, height, width = u.shape
    fields = functional.grid_sample(
        _noise_texture(x.device), grid.view(1, views * height, width, 2), align_corners=True
    ).view(2, views, height, width)
    return fields[0], fields[1]


@functools.cache
def _noise_texture(device: torch.device) -> Tensor:
    """A coarse and a fine random field, periodic: (1, 2, S + 1, S + 1), the last row and column repeating the first."""
    size = 192
    spectrum = np.fft.fft2(_random(7).standard_normal((size, size)))
    frequency = np.fft.fftfreq(size, 1 / size)
    radius = np.hypot(frequency[:, None], frequency[None])
    fields = []
    for centre in (7.0, 28.0):
        field = np.fft.ifft2(spectrum * np.exp(-(((radius - centre) / (0.35 * centre)) ** 2))).real
        fields.append(np.pad(field / field.std(), ((0, 1), (0, 1)), mode="wrap"))
    return torch.from_numpy(np.stack(fields)[None]).to(device, torch.float32)


def _random(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def palette_rows(names: Sequence[str]) -> Floats:
    """Palettes (V, 6, 3) by time of day."""
    table = {
        name: np.array(
            [value.horizon, value.middle, value.zenith, value.direct, value.ambient, value.glow], dtype=np.float64
        )
        for name, value in PALETTES.items()
    }
    return np.stack([table[name] for name in names])
