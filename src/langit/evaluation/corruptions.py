"""Deliberate damage to clips, at graded strength: what the measures of the exam must notice, each its own kind.

`corrupt(frames, kind, strength)` leaves a clip as it is at strength 0 and damages it fully at 1. (Damage that
is done to the scene, and rendered, is in `restaged`; what each kind may move, in `concerns`.) Damage to a thing needs
to know where it is: it takes the thing's mask from whoever has it, such as the simulator's truth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from langit.types import Frames, InputError

Kind = Literal[
    "teleport", "freeze", "reverse", "mirror", "shuffle", "flicker", "jitter", "blur", "noise", "drift", "seam",
]  # fmt: skip
Masks = NDArray[np.bool_]


@dataclass(frozen=True)
class Corruption:
    """What a kind of damage does."""

    apply: Callable[[NDArray[np.float32], Masks, float, np.random.Generator], NDArray[np.float32]]
    needs_masks: bool = False


def corrupt(
    frames: Frames, kind: Kind, strength: float, *, masks: Masks | None = None, seed: int = 0, at: int | None = None
) -> Frames:
    """`frames` (F, H, W, 3) damaged. `masks` (F, H, W) show the thing that is damaged, for the kinds that need it; `at` is
    the frame at which a seam lies, the middle one if None.

    Raises InputError for an unknown kind, a strength outside [0, 1] and missing masks.
    """
    if kind not in CORRUPTIONS:
        raise InputError(f"The kind of corruption is {kind!r}; it must be one of {', '.join(CORRUPTIONS)}.")
    if not 0 <= strength <= 1:
        raise InputError(f"A corruption's strength must be from 0 to 1, not {strength}.")
    corruption = CORRUPTIONS[kind]
    if corruption.needs_masks and masks is None:
        raise InputError(f"Corruption {kind!r} needs the masks (F, H, W) of the thing that it damages; give them.")
    if strength == 0:
        return frames
    given = np.zeros(frames.shape[:3], bool) if masks is None else masks
    pixels = (frames / 255).astype(np.float32)
    if kind == "seam":
        damaged = _seam(pixels, strength, len(frames) // 2 if at is None else at)
    else:
        damaged = corruption.apply(pixels, given, strength, np.random.default_rng(seed))
    return np.rint(np.clip(damaged, 0, 1) * 255).astype(np.uint8)


def _teleport(
    frames: NDArray[np.float32], masks: Masks, strength: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Moves the thing by up to 0.4 of the width from the middle frame on, to the side with more room."""
    clean = _without(frames, masks)
    width = frames.shape[2]
    columns = np.flatnonzero(masks.any((0, 1)))
    if not len(columns):
        return frames
    shift = round(0.4 * width * strength) * (1 if columns.mean() < width / 2 else -1)
    moved = frames.copy()
    for t in range(len(frames) // 2, len(frames)):
        mask, thing = (_shifted(each, shift) for each in (_grown(masks[t]), frames[t]))
        moved[t] = np.where(mask[..., None], thing, clean[t])
    return moved


def _freeze(
    frames: NDArray[np.float32], masks: Masks, strength: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Holds the first frame of the last `strength` of the clip."""
    first = len(frames) - round(len(frames) * strength)
    return frames[np.minimum(np.arange(len(frames)), max(first, 0))]


def _reverse(
    frames: NDArray[np.float32], masks: Masks, strength: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Runs the first `strength` of the clip backward."""
    count = max(round(len(frames) * strength), 1)
    return np.concatenate([frames[:count][::-1], frames[count:]])


def _mirror(
    frames: NDArray[np.float32], masks: Masks, strength: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Mirrors left and right; any strength above 0 does so to the whole clip."""
    return frames[:, :, ::-1]


def _shuffle(
    frames: NDArray[np.float32], masks: Masks, strength: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Exchanges frames over distances of up to `strength` of the clip."""
    order = np.argsort(np.arange(len(frames)) + rng.uniform(0, strength * len(frames), len(frames)), kind="stable")
    return frames[order]


def _flicker(
    frames: NDArray[np.float32], masks: Masks, strength: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Brightness that changes by up to 30% from frame to frame."""
    gain = 1 + 0.3 * strength * rng.uniform(-1, 1, len(frames))
    return np.asarray(frames * gain[:, None, None, None], np.float32)


def _jitter(
    frames: NDArray[np.float32], masks: Masks, strength: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Shakes the camera by up to 5% of the frame."""
    reach = 0.05 * strength * frames.shape[2]
    moves = rng.uniform(-reach, reach, (len(frames), 2))
    shifted = [
        ndimage.shift(frame, (*move, 0), order=1, mode="nearest") for frame, move in zip(frames, moves, strict=True)
    ]
    return np.stack(shifted)


def _blur(frames: NDArray[np.float32], masks: Masks, strength: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """A Gaussian of up to 1/16 of the frame."""
    size = strength * frames.shape[2] / 16
    return np.asarray(ndimage.gaussian_filter(frames, (0, size, size, 0)))


def _noise(frames: NDArray[np.float32], masks: Masks, strength: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Noise of each pixel and frame, of up to a quarter of the range."""
    return frames + 0.25 * strength * rng.standard_normal(frames.shape).astype(np.float32)


def _drift(frames: NDArray[np.float32], masks: Masks, strength: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Colours that go steadily, by up to a fifth of the range, towards a warm grey."""
    share = 0.4 * strength * np.linspace(0, 1, len(frames), dtype=np.float32)[:, None, None, None]
    return np.asarray(frames + share * (np.array([0.6, 0.5, 0.4], np.float32) - frames), np.float32)


def _seam(frames: NDArray[np.float32], strength: float, at: int) -> NDArray[np.float32]:
    """A join at which all becomes darker, by up to a quarter."""
    after = (np.arange(len(frames)) >= at)[:, None, None, None]
    return np.where(after, frames * np.float32(1 - 0.25 * strength), frames)


def _seam_in_the_middle(
    frames: NDArray[np.float32], masks: Masks, strength: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    return _seam(frames, strength, len(frames) // 2)


def _grown(mask: Masks) -> Masks:
    return np.asarray(ndimage.binary_dilation(mask, np.ones((3, 3), bool)))


def _shifted(picture: NDArray[np.generic], shift: int, axis: int = 1) -> NDArray[np.generic]:
    """Moved by whole pixels; what comes in is zero."""
    moved = np.roll(picture, shift, axis)
    freed = slice(0, shift) if shift >= 0 else slice(shift, None)
    moved[(slice(None),) * axis + (freed,)] = 0
    return moved


def _without(frames: NDArray[np.float32], masks: Masks) -> NDArray[np.float32]:
    """The thing's pixels filled from the same place at another time, or from the nearest free pixel beside it."""
    free = ~ndimage.binary_dilation(masks, np.ones((1, 5, 5), bool))
    count = free.sum(0)[..., None]
    background = (frames * free[..., None]).sum(0) / np.maximum(count, 1)
    if (count == 0).any():
        nearest = ndimage.distance_transform_edt(count[..., 0] == 0, return_distances=False, return_indices=True)
        background = background[tuple(nearest)]
    return np.where(free[..., None], frames, background[None]).astype(np.float32)


CORRUPTIONS: dict[str, Corruption] = {
    "teleport": Corruption(_teleport, needs_masks=True),
    "freeze": Corruption(_freeze),
    "reverse": Corruption(_reverse),
    "mirror": Corruption(_mirror),
    "shuffle": Corruption(_shuffle),
    "flicker": Corruption(_flicker),
    "jitter": Corruption(_jitter),
    "blur": Corruption(_blur),
    "noise": Corruption(_noise),
    "drift": Corruption(_drift),
    "seam": Corruption(_seam_in_the_middle),
}
