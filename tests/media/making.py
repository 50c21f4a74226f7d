"""Real files for the media tests, made with PyAV directly, so that langit's reader is not tested by its own writer."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np


def numbered(index: int, height: int = 48, width: int = 64) -> np.ndarray:
    """A grey frame whose brightness is its number (10 steps of brightness per frame, from 20)."""
    return np.full((height, width, 3), 20 + 10 * index, np.uint8)


def number_of(frame: np.ndarray) -> int:
    return round((float(frame.mean()) - 20) / 10)


def quarters(height: int = 48, width: int = 64) -> np.ndarray:
    """Red top left, green top right, blue bottom left, white bottom right."""
    frame = np.full((height, width, 3), 255, np.uint8)
    frame[: height // 2, : width // 2] = (255, 0, 0)
    frame[: height // 2, width // 2 :] = (0, 255, 0)
    frame[height // 2 :, : width // 2] = (0, 0, 255)
    return frame


def smooth(num_frames: int, height: int, width: int) -> np.ndarray:
    """Slow waves of colour, (F, H, W, 3)."""
    t, y, x = np.meshgrid(np.arange(num_frames), np.arange(height), np.arange(width), indexing="ij")
    waves = [np.sin(x / 17 + t / 9), np.sin(y / 13 - t / 7), np.sin((x + y) / 23 + t / 5)]
    return np.rint(127.5 + 110 * np.stack(waves, axis=-1)).astype(np.uint8)


def encode(
    path: Path,
    frames: Sequence[np.ndarray],
    *,
    ticks: Sequence[int] | None = None,
    rate: int = 24,
    codec: str = "libx264",
    rotation: int | None = None,
    pixel_aspect: Fraction | None = None,
    tone: np.ndarray | None = None,
    flags: str = "",
) -> Path:
    """Frames at ``ticks`` of 1/600 s (or at ``rate``), with options that the tests need."""
    with av.open(str(path), "w", options={"movflags": flags} if flags else {}) as container:
        stream = container.add_stream(codec, rate=rate, options={"crf": "4"} if codec == "libx264" else {})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv444p" if frames[0].shape[0] % 2 or frames[0].shape[1] % 2 else "yuv420p"
        if pixel_aspect is not None:
            stream.codec_context.sample_aspect_ratio = pixel_aspect
        if rotation is not None:
            stream.set_display_rotation(rotation)
        if ticks is not None:
            stream.codec_context.time_base = Fraction(1, 600)
        sound = None
        if tone is not None:
            sound = container.add_stream("aac", rate=16000, layout="stereo" if tone.shape[0] == 2 else "mono")
        for index, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            picture.pts = index if ticks is None else ticks[index]
            picture.time_base = Fraction(1, rate if ticks is None else 600)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
        if sound is not None and tone is not None:
            container.mux(sound.encode(_audio_frame(tone)))
            container.mux(sound.encode(None))
    return path


def encode_sound(path: Path, tone: np.ndarray) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        container.mux(stream.encode(_audio_frame(tone)))
        container.mux(stream.encode(None))
    return path


def sine(seconds: float, hertz: float = 440.0, rate: int = 16000) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)[None]


def _audio_frame(tone: np.ndarray) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(tone, format="fltp", layout="stereo" if tone.shape[0] == 2 else "mono")
    frame.sample_rate, frame.pts, frame.time_base = 16000, 0, Fraction(1, 16000)
    return frame
