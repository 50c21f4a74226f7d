"""One cast that turns into another: things go from where the ones are to where the others are, and become them on the way.

Each is cast by itself, the first from what is known before and the second from what is known after. Then things are paired, those
of one name and near one another first; what has no partner shrinks to nothing or grows from it. In between, paths and outlines are
those on the way from the one to the other, and so are colours, frame by frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from langit.conditioning.cast import NUM_COLOURS, THINGS, Cast, CastCondition
from langit.conditioning.frames import FramesCondition
from langit.conditioning.held import Condition, Held
from langit.conditioning.latents import LatentsCondition
from langit.patches import PatchSize, grid_of
from langit.tokenizer import Tokenizer
from langit.tokenizer.base import latent_shape
from langit.types import ClipShape

OTHER_COLOUR, OTHER_KIND = 1.0, 0.5
"""What pairing things of another colour, or kind, costs: as much as pairing those that are so far apart, in half shorter sides."""
NOTHING = -0.1
"""How far what is not there reaches."""


@dataclass(frozen=True)
class TurnCondition:
    """A clip whose things turn into others: in each frame (F,) by that `share`.

    The ones are made by the first of `prompts` and what is known before, the others by the second and what is known after;
    `first` and `second` is what else is known of each.
    """

    prompts: tuple[str, str]
    share: Tensor
    first: tuple[Condition, ...] = ()
    second: tuple[Condition, ...] = ()

    def hold(self, tokenizer: Tokenizer, shape: ClipShape, patch: PatchSize) -> Held:
        grid = grid_of(latent_shape(tokenizer, shape), patch)
        return Held.nothing(grid, tokenizer.channels * patch[0] * patch[1] * patch[2])

    def sides(self, conditions: Sequence[Condition]) -> tuple[tuple[Condition, ...], tuple[Condition, ...]]:
        """Of a clip's conditions, and of its own, those that tell of the ones and those that tell of the others."""
        before = [one for one in conditions if isinstance(one, FramesCondition | CastCondition) or _starts_at(one, 1)]
        after = [one for one in conditions if isinstance(one, LatentsCondition) and not _starts_at(one, 1)]
        return (*before, *self.first), (*after, *self.second)


def _starts_at(condition: Condition, frame: int) -> bool:
    return isinstance(condition, LatentsCondition) and condition.start == frame


@dataclass(frozen=True)
class Turning:
    """Two casts of the same paths and outlines, which look different, and how much of the second is in each frame."""

    cast: Cast
    into: Cast
    share: Tensor  # (f, t), from 0 to 1

    @property
    def frames(self) -> list[Turning]:
        """Each latent frame by itself."""
        parts = zip(self.cast.frames, self.into.frames, self.share.split(1), strict=True)
        return [Turning(*part) for part in parts]


def turned(one: Cast, other: Cast, share: Tensor) -> Turning:
    """One cast on its way to another, by `share` (F,); the first latent frame has a single frame."""
    of = one.centres.shape[2]
    by_frame = torch.cat([share[:1].expand(of - 1), share]).unflatten(0, (-1, of)).to(one.centres)
    ones, others = _paired(one, other)
    along = by_frame[:, None, :, None]  # over things and numbers
    by_group = by_frame.mean(1)
    way = {
        "centres": ones.centres.lerp(others.centres, along),
        "outlines": ones.outlines.lerp(others.outlines, along),
        "depths": ones.depths.lerp(others.depths, by_group[:, None]),
        "drift": ones.drift.lerp(others.drift, by_group[:, None, None, None]),
    }
    return Turning(replace(ones, **way), replace(others, **way), by_frame)


def _paired(one: Cast, other: Cast) -> tuple[Cast, Cast]:
    """Both with partners in the same rows; where there is no partner, the thing itself, of no extent."""
    mine, theirs = _things(one), _things(other)
    rows, columns = linear_sum_assignment([[_cost(one, a, other, b) for b in theirs] for a in mine] or [[]])
    pairs = [(mine[row], theirs[column]) for row, column in zip(rows, columns, strict=True)]
    pairs += [(a, None) for a in mine if a not in {pair[0] for pair in pairs}]
    pairs += [(None, b) for b in theirs if b not in {pair[1] for pair in pairs}]
    return _in_rows(one, other, pairs), _in_rows(other, one, [(b, a) for a, b in pairs])


def _things(cast: Cast) -> list[int]:
    told: list[int] = cast.names.sum((0, 2)).nonzero().flatten().tolist()
    return told


def _cost(one: Cast, a: int, other: Cast, b: int) -> float:
    apart = float((one.centres[:, a] - other.centres[:, b]).norm(dim=-1).mean())
    mine, theirs = one.names[:, a].mean(0), other.names[:, b].mean(0)
    colour = float((mine[:NUM_COLOURS] - theirs[:NUM_COLOURS]).abs().sum()) / 2
    kind = float((mine[NUM_COLOURS:] - theirs[NUM_COLOURS:]).abs().sum()) / 2
    return apart + OTHER_COLOUR * colour + OTHER_KIND * kind


def _in_rows(cast: Cast, partners: Cast, pairs: Sequence[tuple[int | None, int | None]]) -> Cast:
    """A cast with its things in the order of pairs (mine, partner's); what is not there is the partner, of no extent."""
    told = {name: getattr(cast, name).clone() for name in ("names", "colours", "centres", "outlines", "depths")}
    for row in range(THINGS):
        mine, partner = pairs[row] if row < len(pairs) else (None, None)
        for name, value in told.items():
            if mine is not None:
                value[:, row] = getattr(cast, name)[:, mine]
            elif partner is None:
                value[:, row] = 0.0
            else:
                value[:, row] = NOTHING if name == "outlines" else getattr(partners, name)[:, partner]
    return replace(cast, **told)
