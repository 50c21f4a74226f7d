"""The values every part of langit passes around, and the glossary of the code base.

Axes, one letter each, everywhere:

| letter | meaning |
|---|---|
| B | clips in a batch |
| C | channels |
| F, H, W | frames, height, width (``latent_`` in front where they count latents) |
| N | patches in a packed sequence (the only meaning of "sequence length") |
| D | transformer width |
| L | text tokens |

Units and directions:

- Pixels are ``uint8`` RGB in files and at the public edge, ``float32`` in [-1, 1] inside. ``y`` grows downward.
- Time is in seconds, rate in frames per second (``fps``); sound is ``float32`` in [-1, 1], ``rate`` in samples per
  second.
- ``sigma = 0`` is clean and ``sigma = 1`` is noise: ``x_sigma = (1 - sigma) * x + sigma * noise`` and
  ``velocity = noise - x``. The conversions live in ``flow.py`` and nowhere else.

Values are frozen and changed with ``dataclasses.replace``. Only numpy is imported here, so that importing is fast.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Frames = npt.NDArray[np.uint8]
Samples = npt.NDArray[np.float32]


class InputError(ValueError):
    """What the user gave cannot be used; the message is one or two sentences written for that user.

    It says what came, what is allowed and what to do. The command line prints it alone and exits with code 2.
    """


@dataclass(frozen=True, order=True)
class ClipShape:
    """Frames, height and width of a clip, in pixels. ``InputError`` unless all three are whole and at least 1."""

    frames: int
    height: int
    width: int

    def __post_init__(self) -> None:
        for name in ("frames", "height", "width"):
            count = getattr(self, name)
            if isinstance(count, bool) or not isinstance(count, int | np.integer):
                raise InputError(f"A clip's {name} must be a whole number, not {count!r}.")
            if count < 1:
                raise InputError(f"A clip's {name} must be at least 1, not {count}.")
            object.__setattr__(self, name, int(count))

    @property
    def num_pixels(self) -> int:
        return self.frames * self.height * self.width

    def __str__(self) -> str:
        return f"{self.frames} frames of {self.width}x{self.height}"


@dataclass(frozen=True, eq=False)
class Audio:
    """Sound: ``samples`` float32 (channels, n) in [-1, 1] at ``rate`` samples per second."""

    samples: Samples
    rate: int

    def __post_init__(self) -> None:
        if self.samples.ndim != 2 or self.samples.shape[0] < 1 or self.samples.dtype != np.float32:
            raise InputError(
                "Audio samples must be a float32 array of (channels, n), "
                f"not {self.samples.dtype} of {self.samples.shape}."
            )
        if self.rate < 1:
            raise InputError(f"An audio rate must be at least 1 sample per second, not {self.rate}.")

    @property
    def num_channels(self) -> int:
        return int(self.samples.shape[0])

    @property
    def num_samples(self) -> int:
        return int(self.samples.shape[1])

    @property
    def seconds(self) -> float:
        return self.num_samples / self.rate


@dataclass(frozen=True, eq=False)
class Video:
    """Moving pictures: ``frames`` uint8 (F, H, W, 3) RGB at a constant ``fps``, with sound or without.

    An image is a video of one frame.
    """

    frames: Frames
    fps: float
    audio: Audio | None = None

    def __post_init__(self) -> None:
        shape = self.frames.shape
        if len(shape) != 4 or shape[-1] != 3 or 0 in shape or self.frames.dtype != np.uint8:
            raise InputError(
                "A video's frames must be a uint8 array of (frames, height, width, 3) with none of them 0, "
                f"not {self.frames.dtype} of {shape}."
            )
        if not (math.isfinite(self.fps) and self.fps > 0):
            raise InputError(f"A video's fps must be a number above 0, not {self.fps}.")

    @classmethod
    def from_float(cls, array: npt.NDArray[np.floating], fps: float, audio: Audio | None = None) -> Video:
        """The video of ``array`` (F, H, W, 3) in [-1, 1]; values outside are clipped, then rounded to 8 bits.

        ``InputError`` if a value is not a number (NaN): it has no colour.
        """
        if np.isnan(array).any():
            raise InputError("The frames hold values that are not numbers (NaN); they cannot become pixels.")
        pixels = (np.clip(array, -1.0, 1.0).astype(np.float32) + 1.0) * 127.5
        return cls(np.rint(pixels).astype(np.uint8), fps, audio)

    def to_float(self) -> npt.NDArray[np.float32]:
        """The frames as float32 (F, H, W, 3) in [-1, 1]; ``from_float`` gives the same bytes back."""
        return self.frames.astype(np.float32) / np.float32(127.5) - np.float32(1.0)

    @property
    def num_frames(self) -> int:
        return int(self.frames.shape[0])

    @property
    def height(self) -> int:
        return int(self.frames.shape[1])

    @property
    def width(self) -> int:
        return int(self.frames.shape[2])

    @property
    def seconds(self) -> float:
        return self.num_frames / self.fps

    @property
    def shape(self) -> ClipShape:
        return ClipShape(self.num_frames, self.height, self.width)
