"""Pictures through Pillow: single images, and the moving ones (gif, animated png and webp)."""

from __future__ import annotations

import statistics
import struct
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from langit.media.source import PathLike, TimedFrame, check_size, cut_short, existing_file, not_a_video
from langit.types import Frames, InputError

_FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "PPM", "AVIF")
_MOVING_FORMATS = ("PNG", "GIF", "WEBP")  # the pages of a tiff or the second eye of a stereo jpeg are not time
_PILLOW_ERRORS = (OSError, SyntaxError, EOFError, ValueError, IndexError, TypeError, struct.error)
_DEFAULT_GIF_SECONDS = 0.1  # what browsers show for a frame that states 0


def open_picture(path: Path) -> Image.Image | None:
    """The Pillow image in ``path``, not yet decoded, or None if the file is no picture that langit reads."""
    Image.init()
    try:
        return Image.open(path, formats=[name for name in _FORMATS if name in Image.OPEN])
    except UnidentifiedImageError:
        return None
    except Image.DecompressionBombError as error:
        raise InputError(f"{path} has too many pixels to be opened safely; scale it down first.") from error
    except _PILLOW_ERRORS as error:
        raise not_a_video(path) from error


def read_image(path: PathLike, size: tuple[int, int] | None = None) -> Frames:
    """The picture in ``path`` as uint8 RGB (H, W, 3), upright, with transparency laid on black.

    ``size`` is (height, width): the picture is scaled to cover it and the overhang is cut off evenly (see ``fit``).
    Palette, grey, CMYK and 16-bit pictures become 8-bit RGB; of a moving picture the first frame is read.
    ``InputError`` for anything that is no picture.
    """
    check_size(size)
    file = existing_file(path)
    picture = open_picture(file)
    if picture is None:
        raise InputError(f"{file} is not an image that can be read; png, jpeg, gif, webp, bmp and tiff can.")
    with picture:
        pixels = _rgb(picture, file)
    return pixels if size is None else fit(pixels, size)


def fit(pixels: Frames, size: tuple[int, int]) -> Frames:
    """``pixels`` (H, W, 3) scaled (Lanczos, antialiased) to cover ``size`` = (height, width), overhang cut evenly."""
    height, width = size
    if pixels.shape[:2] == (height, width):
        return pixels
    scale = max(height / pixels.shape[0], width / pixels.shape[1])
    kept_height, kept_width = height / scale, width / scale
    top, left = (pixels.shape[0] - kept_height) / 2, (pixels.shape[1] - kept_width) / 2
    box = (
        max(left, 0.0),
        max(top, 0.0),
        min(left + kept_width, pixels.shape[1]),
        min(top + kept_height, pixels.shape[0]),
    )
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.LANCZOS, box=box))


def flatten(rgba: Frames) -> Frames:
    """uint8 (H, W, 4) laid on black: uint8 (H, W, 3)."""
    colour, alpha = rgba[..., :3].astype(np.uint16), rgba[..., 3:].astype(np.uint16)
    return ((colour * alpha + 127) // 255).astype(np.uint8)


class PictureSource:
    """A picture file as a source of frames; an image that does not move is one frame, shown for a second."""

    def __init__(self, path: Path, picture: Image.Image) -> None:
        self.path = path
        self.moving = picture.format in _MOVING_FORMATS and getattr(picture, "is_animated", False)
        self.rate = self._typical_rate() if self.moving else 1.0

    def frames(self) -> Iterator[TimedFrame]:
        with Image.open(self.path) as picture:
            if not self.moving:
                yield TimedFrame(_rgb(picture, self.path), 0.0, 1.0)
                return
            seconds, count, moving = 0.0, 0, _moving_frames(picture)
            while True:
                try:
                    pixels, duration = next(moving)
                except StopIteration:
                    return
                except _PILLOW_ERRORS as error:
                    if count == 0:
                        raise not_a_video(self.path) from error
                    warnings.warn(cut_short(self.path, count), stacklevel=4)
                    return
                yield TimedFrame(pixels, seconds, duration)
                seconds, count = seconds + duration, count + 1

    def _typical_rate(self) -> float:
        durations = []
        with Image.open(self.path) as picture:
            try:
                for _, duration in _moving_frames(picture):
                    durations.append(duration)
            except _PILLOW_ERRORS:  # told of when the frames are read
                pass
        if not durations:
            raise not_a_video(self.path)
        mean, median = statistics.fmean(durations), statistics.median(durations)
        # Gifs round to hundredths, so the mean is the truer rate, unless some frames are simply held longer.
        return 1.0 / (mean if abs(mean - median) < 0.2 * median else median)


def _moving_frames(picture: Image.Image) -> Iterator[tuple[Frames, float]]:
    index = 0
    while True:
        try:
            picture.seek(index)
        except EOFError:
            return
        pixels = flatten(np.asarray(picture.convert("RGBA")))
        yield pixels, picture.info.get("duration", 0) / 1000 or _DEFAULT_GIF_SECONDS
        index += 1


def _rgb(picture: Image.Image, path: Path) -> Frames:
    """The current frame, upright, 8-bit RGB, on black."""
    try:
        upright = ImageOps.exif_transpose(picture)
        if upright.mode == "F":
            raise InputError(f"{path} holds floating point pixels, whose white is unknown; save it as 8 or 16 bits.")
        if upright.mode == "I" or upright.mode.startswith("I;16"):
            grey = np.asarray(upright).astype(np.float32).clip(0, 65535)
            return np.rint(grey / 257).astype(np.uint8)[..., None].repeat(3, axis=-1)
        if upright.has_transparency_data:
            return flatten(np.asarray(upright.convert("RGBA")))
        return np.asarray(upright.convert("RGB"))
    except InputError:
        raise
    except _PILLOW_ERRORS as error:
        raise not_a_video(path) from error
