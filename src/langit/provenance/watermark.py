"""An invisible mark of 16 bits in the luma of frames, which survives re-encoding and scaling down.

**Where.** The cosine coefficients of a whole frame between 4 and 16 half waves, 201 of them, averaged over 8 frames:
low enough for H.264 and a smaller picture to keep, slow enough for motion compensation to keep, and the same
coefficients at every size.

**How.** Each coefficient is moved to the nearest point of a lattice, shifted by half a step for a 1 (quantisation index
modulation, Chen and Wooten 2001, equation 5): so the footage itself is no noise to the reader, whatever it shows. The
chips are a word of a random linear code [201, 16]; the reader correlates with all 65,536 words at once by a Hadamard
transform and takes the best (maximum likelihood).

**When it counts.** For a random code and any footage, P(c . y >= t |y|) <= exp(-t^2 / 2) (Hoeffding). `THRESHOLD` is
the t at which all words, steps and offsets together come to one false find in a million clips.

The lattice is no secret: whoever reads this file can find the mark, remove it or forge it. It tells where a clip comes
from that lost its credentials on the way; it proves nothing against someone who wants to deceive.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from langit.types import Frames, InputError

Floats = npt.NDArray[np.float32]

BITS = 16
MIN_SIDE, MIN_FRAMES, STILL_SIDE = 64, 8, 128  # from STILL_SIDE on one frame is enough
_WINDOW = 8  # frames whose average carries the mark
_STEPS = {64: 0.64, 128: 0.40, 256: 0.24}
"""The lattice's step in grey levels (of a coefficient's mean square), from the shorter side on that it is used at."""
_BAND = 17  # cosines 0 to 16 in each direction
_FALSE_FINDS = 1e-6
THRESHOLD = math.sqrt(2 * math.log(2**BITS * _WINDOW * len(_STEPS) / _FALSE_FINDS))
_SPAN = 32  # frames that are looked at alone, to tell footage that carries the mark in parts
_SPAN_THRESHOLD = math.sqrt(2 * math.log(_WINDOW / 1e-4))
_BT709 = np.array([0.2126, 0.7152, 0.0722], np.float32)


@dataclass(frozen=True)
class Payload:
    """What the mark says: the instance that made the clip, a number from 0 to 65535 (`Identity.mark`)."""

    instance: int

    def __post_init__(self) -> None:
        if not 0 <= self.instance < 2**BITS:
            raise InputError(f"A watermark carries a number from 0 to {2**BITS - 1}, not {self.instance}.")


@dataclass(frozen=True)
class FoundMark:
    """A mark that was read: how sure (`score`, from `THRESHOLD` to 14.2), and in what share of the footage it is."""

    payload: Payload
    score: float
    share: float


def can_mark(shape: tuple[int, ...]) -> bool:
    """Whether `mark` takes frames of this shape (F, H, W, 3)."""
    return min(shape[1:3]) >= (MIN_SIDE if shape[0] >= MIN_FRAMES else STILL_SIDE)


def mark(frames: Frames, payload: Payload) -> Frames:
    """Frames uint8 (F, H, W, 3) with the mark in them, at 39 dB and more from what they were.

    A mark that was there is replaced. `InputError` below 64 pixels a side (128 for less than 8 frames), where it would
    not last. Footage that is all black or all white has no room for it.
    """
    if not can_mark(frames.shape):
        count, height, width = frames.shape[:3]
        raise InputError(
            f"A clip of {count} frames of {width}x{height} is too small for a watermark that lasts; "
            f"it takes {MIN_FRAMES} frames of {MIN_SIDE}x{MIN_SIDE}, or one of {STILL_SIDE}x{STILL_SIDE}, at least."
        )
    step = next(size for side, size in reversed(_STEPS.items()) if min(frames.shape[1:3]) >= side)
    target = _code().dither + 0.5 * (_chips(payload.instance) < 0)
    marked = np.empty_like(frames)
    starts = list(range(0, len(frames), _WINDOW))
    for start in starts:
        window = slice(start, start + _WINDOW)
        marked[window] = _mark_window(frames[window], target, step)
    return marked


def read_mark(frames: Frames) -> Payload | None:
    """The mark in frames uint8 (F, H, W, 3), or None. Also after H.264, at half the size, and from a part of a clip."""
    found = find_mark(frames)
    return None if found is None else found.payload


def find_mark(frames: Iterable[Frames]) -> FoundMark | None:
    """`read_mark` of frames as they come, in constant memory, with how sure it is and where the mark is missing."""
    read = [_coefficients(frame) for frame in frames]
    if not read:
        return None
    values = np.stack(read)
    best, instance, step = 0.0, 0, 0.0
    for tried in _STEPS.values():
        for offset in range(min(_WINDOW, len(values))):
            evidence = _evidence(values, tried, offset)
            scores = _correlations(evidence) / (float(np.linalg.norm(evidence)) + 1e-9)
            at = int(scores.argmax())
            if scores[at] > best:
                best, instance, step = float(scores[at]), at, tried
    if best < THRESHOLD:
        return None
    return FoundMark(Payload(instance), best, _share(values, instance, step))


def chip_errors(frames: Frames, payload: Payload) -> float:
    """The share of the 201 chips that are read wrongly, before the code corrects them; 0.5 where there is no mark."""
    values = np.stack([_coefficients(frame) for frame in frames])
    chips = _chips(payload.instance)
    tried = [_evidence(values, step, offset) for step in _STEPS.values() for offset in range(min(_WINDOW, len(values)))]
    return float(min((evidence * chips < 0).mean() for evidence in tried))


def _mark_window(frames: Frames, target: Floats, step: float) -> Frames:
    """Up to 8 frames, moved by one still pattern; twice, because rounding and clipping move them too."""
    height, width = frames.shape[1:3]
    band, rows, columns = _band(), _cosines(height), _cosines(width)
    pattern = np.zeros((height, width), np.float32)
    marked = frames
    for _ in range(2):
        now = np.mean([_coefficients(frame) for frame in marked], axis=0)
        missing = ((np.rint(now / step - target) + target) * step - now) * math.sqrt(height * width)
        grid = np.zeros(band.shape, np.float32)
        grid[band] = missing
        pattern += rows.T @ grid @ columns
        marked = np.stack([np.clip(np.rint(frame + pattern[..., None]), 0, 255).astype(np.uint8) for frame in frames])
    return marked


def _coefficients(frame: Frames) -> Floats:
    """The coefficients of the band, (201,), in grey levels: the same at every size of the same picture."""
    height, width = frame.shape[:2]
    luma = frame.astype(np.float32) @ _BT709
    grid = _cosines(height) @ luma @ _cosines(width).T
    return np.asarray(grid[_band()] / math.sqrt(height * width), np.float32)


def _evidence(values: Floats, step: float, offset: int) -> Floats:
    """(201,): above 0 for a chip of +1, over windows of 8 frames of which the first begins `offset` frames earlier."""
    window = (np.arange(len(values)) + offset) // _WINDOW
    counts = np.bincount(window)
    means = np.zeros((len(counts), values.shape[1]), np.float32)
    np.add.at(means, window, values)
    means /= counts[:, None]
    weights = np.sqrt(counts, dtype=np.float32)[:, None]
    return np.asarray((np.cos(2 * np.pi * (means / step - _code().dither)) * weights).sum(0), np.float32)


def _share(values: Floats, instance: int, step: float) -> float:
    """The share of spans of 32 frames that carry this mark; a remainder belongs to the last span."""
    chips, found = _chips(instance), []
    for start in range(0, max(1, len(values) // _SPAN) * _SPAN, _SPAN):
        last = start + 2 * _SPAN > len(values)
        span = values[start:] if last else values[start : start + _SPAN]
        tried = [_evidence(span, step, offset) for offset in range(min(_WINDOW, len(span)))]
        found.append(max(float(chips @ one / (np.linalg.norm(one) + 1e-9)) for one in tried) >= _SPAN_THRESHOLD)
    return sum(found) / len(found)


@dataclass(frozen=True, eq=False)
class _Code:
    """`columns` of the generator matrix as numbers of 16 bits, the `signs` of word 0, and each chip's `dither`."""

    columns: npt.NDArray[np.int64]
    signs: Floats
    dither: Floats


@cache
def _code() -> _Code:
    """From SHAKE-256 and not from a random generator, whose numbers may change with its version."""
    count = int(_band().sum())
    numbers = np.frombuffer(hashlib.shake_256(b"langit watermark 1").digest(6 * count), "<u2").reshape(3, count)
    return _Code(
        numbers[0].astype(np.int64),
        np.where(numbers[1] & 1, -1.0, 1.0).astype(np.float32),
        (numbers[2] / 65536).astype(np.float32),
    )


def _chips(instance: int) -> Floats:
    """The word of `instance`, (201,) of +1 and -1."""
    odd = np.bitwise_count(_code().columns & instance) & 1
    return np.asarray(_code().signs * np.where(odd, -1.0, 1.0), np.float32)


def _correlations(evidence: Floats) -> Floats:
    """The evidence's correlation with every word, (65536,): a Hadamard transform over 16 bits, as two of 8."""
    side = 2 ** (BITS // 2)
    grid = np.zeros(2**BITS, np.float32)
    np.add.at(grid, _code().columns, evidence * _code().signs)
    hadamard = _hadamard(side)
    return np.asarray((hadamard @ grid.reshape(side, side) @ hadamard).reshape(-1), np.float32)


@cache
def _hadamard(side: int) -> Floats:
    numbers = np.arange(side)
    return np.where(np.bitwise_count(numbers[:, None] & numbers) & 1, -1.0, 1.0).astype(np.float32)


@cache
def _band() -> npt.NDArray[np.bool_]:
    radius = np.hypot(*np.mgrid[0:_BAND, 0:_BAND])
    return np.asarray((radius >= 4) & (radius <= _BAND - 1))


@cache
def _cosines(size: int) -> Floats:
    """The orthonormal cosine basis (DCT-II) at `size` points, its first 17 rows: (17, size)."""
    angles = np.outer(np.arange(_BAND), (np.arange(size) + 0.5) / size)
    basis = np.cos(np.pi * angles) * math.sqrt(2 / size)
    basis[0] /= math.sqrt(2)
    return basis.astype(np.float32)
