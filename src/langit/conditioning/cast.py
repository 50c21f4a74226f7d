"""The cast of a clip: who is in it and where each goes, and how the backdrop lies, as a few rows of numbers a latent frame.

A row is a thing: the paths of its centre and its outline over the latent frame's frames, seen or hidden, in the frame or out of
it, its depth and its colour, and what it is. The last row is the backdrop: its colours from top to bottom, and how the camera's
motion carries it. So a cast is a small clip of its own, `ROWS` high and one wide, and a transformer makes it from noise as
another makes pictures. In kin with blobs as a plan of a clip (BlobGEN-Vid, arXiv 2501.07647).

Here are the numbers; `drawing` makes a sketch of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from langit.conditioning.held import Held
from langit.packing import Layout, layout_of
from langit.patches import Grid, PatchSize, grid_of
from langit.tokenizer import Tokenizer
from langit.tokenizer.base import latent_shape
from langit.tokenizer.linear import half_whitened
from langit.types import ClipShape

THINGS = 4
"""Rows for things; fewer things leave rows empty."""
ROWS = THINGS + 1
NUM_COLOURS, NUM_KINDS, NUM_SHAPES = 10, 10, 7
"""Names of colours and of kinds of things; the kinds that come after the shapes are props."""
NUM_NAMES = NUM_COLOURS + NUM_KINDS
DIRECTIONS = 32
"""In which an outline is told: how far it reaches from the centre that way (the support function of a convex figure)."""
BANDS = 8
"""Rows of the backdrop whose colour and drift are told, from top to bottom."""
BACKDROP = BANDS * (3 + 4)  # colours, drift at the left and at the right
CODES = 32
"""Components that tell a path, or a backdrop."""
CAST = NUM_NAMES + 3 + CODES
"""Numbers of a row: names, colour, codes."""
FAINTEST = 0.02
"""Least scale of a component: fainter ones are not made louder than this."""
NAMED, TINTED, CODED = 3.0, 1.5, 1.5
"""What a name that applies is told by, a colour's scale, and the codes': large is decided while there is much noise."""
THERE = 0.5
"""Sum of what a thing is named from which on it is there."""


@dataclass(frozen=True)
class Cast:
    """The casts of a clip's f latent frames, of t frames each; the first one shows a single frame as often.

    Lengths in half the frame's shorter side, from its middle, right and down.
    """

    names: Tensor  # (f, THINGS, NUM_NAMES): 1 where one applies, all 0 for an empty row
    colours: Tensor  # (f, THINGS, 3) of what is seen, in [-1, 1]
    centres: Tensor  # (f, THINGS, t, 2) x, y
    outlines: Tensor  # (f, THINGS, t, DIRECTIONS)
    depths: Tensor  # (f, THINGS) logarithm of the distance; the nearer hides the farther
    bands: Tensor  # (f, BANDS, 3) colours of the backdrop
    drift: Tensor  # (f, 2 sides, BANDS, 2) down and across since the latent frame before

    def to(self, device: str) -> Cast:
        """On a device, where it is then drawn."""
        return Cast(*(tensor.to(device) for tensor in vars(self).values()))

    @property
    def things(self) -> list[tuple[frozenset[int], float]]:
        """Who is there in the end: the places of its names, and how broad it is, in half sides at distance 1."""
        breadths = (self.outlines.mean((2, 3)) * self.depths.exp()).median(0).values
        told = (frozenset(names.nonzero().flatten().tolist()) for names in self.names[-1])
        return [(names, float(breadth)) for names, breadth in zip(told, breadths, strict=True) if names]

    @property
    def frames(self) -> list[Cast]:
        """Each latent frame by itself."""
        parts = zip(*(tensor.split(1) for tensor in vars(self).values()), strict=True)
        return [Cast(*tensors) for tensors in parts]


@dataclass(frozen=True)
class CastCondition:
    """The cast of a clip's first latent frames is known: `rows` (frames * ROWS, CAST) of numbers. Its pictures are not.

    One that turns into another (`turning`) does so by `share` (F,), and `into` are the rows of that."""

    rows: Tensor
    into: Tensor | None = None
    share: Tensor | None = None

    def hold(self, tokenizer: Tokenizer, shape: ClipShape, patch: PatchSize) -> Held:
        grid = grid_of(latent_shape(tokenizer, shape), patch)
        return Held.nothing(grid, tokenizer.channels * math.prod(patch))


@dataclass(frozen=True)
class Code:
    """Principal components of rows, half whitened: code = (row - mean) @ components / scale."""

    mean: Tensor
    components: Tensor
    scale: Tensor

    @classmethod
    def fit(cls, rows: Tensor) -> Code:
        """Fit to rows (n, numbers)."""
        mean, components, scale = half_whitened(rows, CODES)
        return cls(mean, components, scale.clamp(min=FAINTEST))

    def to(self, device: str) -> Code:
        """On a device."""
        return Code(*(tensor.to(device) for tensor in vars(self).values()))

    def encode(self, rows: Tensor) -> Tensor:
        """(..., numbers) -> (..., CODES)."""
        return (rows - self.mean) @ (self.components / self.scale)

    def decode(self, codes: Tensor) -> Tensor:
        """(..., CODES) -> (..., numbers)."""
        return codes @ (self.components * self.scale).T + self.mean


@dataclass(frozen=True)
class CastCode:
    """A cast as numbers to be noised and made clean, and back; fitted to footage."""

    paths: Code
    backdrops: Code

    @classmethod
    def fit(cls, casts: list[Cast]) -> CastCode:
        """Fit to the things that are there, and to the backdrops."""
        there = [cast.names.sum(-1) > 0 for cast in casts]
        paths = torch.cat([_paths(cast)[some] for cast, some in zip(casts, there, strict=True)])
        return cls(Code.fit(paths), Code.fit(torch.cat([_backdrops(cast) for cast in casts])))

    def encode(self, cast: Cast) -> Tensor:
        """-> (f * ROWS, CAST)."""
        there = cast.names.sum(-1, keepdim=True) > 0
        codes = self.paths.encode(_paths(cast)) * there * CODED
        things = torch.cat([cast.names * NAMED, cast.colours * there * TINTED, codes], -1)
        backdrop = torch.zeros(len(things), 1, CAST)
        backdrop[:, 0, -CODES:] = self.backdrops.encode(_backdrops(cast)) * CODED
        return torch.cat([things, backdrop], 1).flatten(0, 1)

    def decode(self, rows: Tensor) -> Cast:
        """(f * ROWS, CAST) -> a cast; of rows that are made, `settled` ones, whose things are what they are in all frames."""
        told = rows.unflatten(0, (-1, ROWS))
        named, colours, codes = told.split([NUM_NAMES, 3, CODES], -1)
        names = _decided(named[:, :THINGS] / NAMED)
        paths = self.paths.decode(codes[:, :THINGS] / CODED)
        frames = paths.shape[-1] // (2 + DIRECTIONS)
        centres, outlines, depths = paths.split([frames * 2, frames * DIRECTIONS, 1], -1)
        backdrop = self.backdrops.decode(codes[:, THINGS] / CODED)
        bands, drift = backdrop.split([BANDS * 3, BANDS * 4], -1)
        return Cast(
            names,
            colours[:, :THINGS] / TINTED,
            centres.unflatten(-1, (frames, 2)),
            outlines.unflatten(-1, (frames, DIRECTIONS)),
            depths[..., 0],
            bands.unflatten(-1, (BANDS, 3)),
            drift.unflatten(-1, (2, BANDS, 2)),
        )

    def last_frames(self, rows: Tensor, groups: int) -> Tensor:
        """Of a cast's rows those of its last `groups` latent frames, and before them of the frame alone that precedes these: what a
        clip that goes on from there begins with. A cast of no more frames gives its first frame for it."""
        kept = rows[len(rows) - groups * ROWS :]
        before = self.decode(rows)
        at = max(0, len(before.depths) - groups - 1)
        picture = Cast(*(value[at : at + 1] for value in vars(before).values()))
        frozen = {name: getattr(picture, name)[:, :, -1:] for name in ("centres", "outlines")}
        still = {name: value.expand_as(getattr(picture, name)) for name, value in frozen.items()}
        return torch.cat([self.encode(replace(picture, **still)), kept])

    def tensors(self) -> dict[str, Tensor]:
        """What a bundle stores."""
        both = {"paths": self.paths, "backdrops": self.backdrops}
        return {f"{name}.{part}": tensor for name, code in both.items() for part, tensor in vars(code).items()}

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor]) -> CastCode:
        """The code of which `tensors` were stored."""
        parts = ("mean", "components", "scale")
        return cls(*(Code(*(tensors[f"{name}.{part}"].float() for part in parts)) for name in ("paths", "backdrops")))

    @staticmethod
    def shapes(frames: int) -> dict[str, tuple[int, ...]]:
        """Of what a bundle stores, for so many frames to a latent one."""
        sizes = {"paths": frames * (2 + DIRECTIONS) + 1, "backdrops": BACKDROP}
        parts = {"mean": (), "components": (CODES,)}
        shapes = {f"{name}.{part}": (size, *more) for name, size in sizes.items() for part, more in parts.items()}
        return shapes | {f"{name}.scale": (CODES,) for name in sizes}


def cast_layout(frames: Sequence[int], device: torch.device | str = "cpu") -> Layout:
    """Of the casts of clips of so many latent frames; a row's place is from -1/2 to 1/2."""
    layout = layout_of([Grid(length, ROWS, 1) for length in frames]).to(device)
    return replace(layout, places=layout.places * layout.places.new_tensor([1.0, 1 / ROWS, 1.0]))


def settled(rows: Tensor) -> Tensor:
    """Rows of one cast (f * ROWS, CAST) whose things are what they mostly are, in all frames."""
    told = rows.unflatten(0, (-1, ROWS)).clone()
    told[:, :THINGS, :NUM_NAMES] = NAMED * _decided(told[:, :THINGS, :NUM_NAMES].mean(0) / NAMED)
    decided: Tensor = told.flatten(0, 1)
    return decided


def _paths(cast: Cast) -> Tensor:
    return torch.cat([cast.centres.flatten(2), cast.outlines.flatten(2), cast.depths[..., None]], -1)


def _backdrops(cast: Cast) -> Tensor:
    return torch.cat([cast.bands.flatten(1), cast.drift.flatten(1)], -1)


def _decided(named: Tensor) -> Tensor:
    """(..., NUM_NAMES) of any size -> one colour and one kind where there is a thing."""
    there = named[..., NUM_COLOURS:].sum(-1, keepdim=True) > THERE
    each = (part.argmax(-1) for part in named.split([NUM_COLOURS, NUM_KINDS], -1))
    one_hot = [F.one_hot(which, size) for which, size in zip(each, (NUM_COLOURS, NUM_KINDS), strict=True)]
    return torch.cat(one_hot, -1) * there.to(named.dtype)
