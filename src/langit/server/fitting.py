"""What a model can make, and the nearest to a request that it can."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

from langit.server.errors import invalid
from langit.server.settings import ServedModel

Fit = Literal["fit", "refuse"]
_SIZE = re.compile(r"([1-9][0-9]{0,5})x([1-9][0-9]{0,5})")


@dataclass(frozen=True)
class Reach:
    """What an installed model can make, as the process that holds it says."""

    width: int
    height: int
    seconds: float
    fps: float
    max_seconds: float
    max_pixels: int
    max_aspect: float
    step: tuple[int, int]  # pixels (across, down): sides are multiples of these
    steps: int
    has_quick_weights: bool = False
    name: str = ""
    licence: str = ""

    @classmethod
    def from_json(cls, values: dict[str, object]) -> Reach:
        step = values["step"]
        assert isinstance(step, list | tuple)
        return cls(**{**values, "step": tuple(step)})  # type: ignore[arg-type]


@dataclass(frozen=True)
class Fitted:
    """The size and length of a video to be made, and what the user should know of them."""

    size: tuple[int, int]  # (width, height)
    frames: int
    fps: float
    notices: tuple[str, ...]

    @property
    def seconds(self) -> float:
        return self.frames / self.fps


def fitted(
    served: ServedModel,
    reach: Reach,
    size: tuple[int, int] | None,
    seconds: float | None,
    fps: float | None,
) -> Fitted:
    """Size and length that the model can make; `ApiError` where it cannot and the configuration says to refuse."""
    notices: list[str] = []
    fitted_size = (reach.width, reach.height) if size is None else _fitted_size(served.size, reach, size, notices)
    rate = reach.fps if fps is None else fps
    if not 1 <= rate <= 60:
        raise invalid(f"fps is a number from 1 to 60, not {rate:g}.", "fps")
    wanted = reach.seconds if seconds is None else seconds
    if not (math.isfinite(wanted) and wanted > 0):
        raise invalid(f"seconds is a number above 0, not {wanted:g}.", "seconds")
    frames = max(1, round(min(wanted * rate, 1e9)))
    if frames > round(reach.max_seconds * rate):
        longest = reach.max_seconds
        told = f"this model makes up to {longest:g} seconds"
        if served.seconds == "refuse":
            raise invalid(f"{wanted:g} seconds were asked for; {told}.", "seconds")
        notices.append(f"{wanted:g} seconds became {longest:g}: {told}")
        frames = round(longest * rate)
    return Fitted(fitted_size, frames, rate, tuple(notices))


def parse_size(size: str) -> tuple[int, int]:
    """(width, height) of "1280x720"."""
    sides = _SIZE.fullmatch(size.strip().lower())
    if sides is None:
        raise invalid(f"size is width x height in pixels, such as 1280x720, not {size[:40]!r}.", "size")
    return int(sides[1]), int(sides[2])


def shown_seconds(seconds: float) -> str:
    """As the API writes a length: "4", or "2.125"."""
    return f"{seconds:.3f}".rstrip("0").rstrip(".")


def _fitted_size(mode: Fit, reach: Reach, size: tuple[int, int], notices: list[str]) -> tuple[int, int]:
    width, height = size
    aspect = width / height
    possible = width * height <= reach.max_pixels and max(aspect, 1 / aspect) <= reach.max_aspect
    if possible and width % reach.step[0] == 0 and height % reach.step[1] == 0:
        return size
    near = _nearest(reach, size, possible)
    why = (
        f"this model makes sides that are multiples of {reach.step[0]} and {reach.step[1]} pixels, up to "
        f"{reach.max_pixels} pixels a frame, with sides of at most {reach.max_aspect:g} to 1"
    )
    if mode == "refuse":
        raise invalid(f"A size of {width}x{height} was asked for; {why}. The nearest is {near[0]}x{near[1]}.", "size")
    notices.append(f"{width}x{height} became {near[0]}x{near[1]}: {why}")
    return near


def _nearest(reach: Reach, size: tuple[int, int], possible: bool) -> tuple[int, int]:
    """The same aspect as far as possible; of the area that the model does best, unless the size itself is possible."""
    aspect = min(max(size[0] / size[1], 1 / reach.max_aspect), reach.max_aspect)
    area = size[0] * size[1] if possible else reach.width * reach.height
    width, height = math.sqrt(area * aspect), math.sqrt(area / aspect)
    columns, rows = (
        max(1, math.floor(side / step + 0.5)) for side, step in zip((width, height), reach.step, strict=True)
    )
    while not _within(reach, columns * reach.step[0], rows * reach.step[1]):
        if columns * reach.step[0] >= rows * reach.step[1]:
            columns -= 1
        else:
            rows -= 1
        if min(columns, rows) < 1:  # a model whose limits leave nothing: its own size
            return reach.width, reach.height
    return columns * reach.step[0], rows * reach.step[1]


def _within(reach: Reach, width: int, height: int) -> bool:
    return width * height <= reach.max_pixels and max(width / height, height / width) <= reach.max_aspect
