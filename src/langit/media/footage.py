"""Footage through PyAV: decoding with its timestamps, upright, with square pixels and the right colours; its sound."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation

from langit.media.pictures import flatten
from langit.media.source import TimedFrame, cut_short, not_a_video
from langit.types import Audio, Frames, InputError

# Without a list FFmpeg opens whatever the content asks for: play lists that name other files or addresses, text as
# "ansi art". These are the demuxers of recordings.
_DEMUXERS = (
    "mov,mp4,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,h264,hevc,m4v,mjpeg,mxf,yuv4mpegpipe,ivf,obu,av1,"
    "nut,dv,rm,wav,w64,mp3,flac,aac,aiff,amr,ac3,caf,au,wv"
)
_INTERPOLATION = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
_MATRICES = {1: Colorspace.ITU709, 5: Colorspace.ITU601, 6: Colorspace.ITU601, 7: Colorspace.SMPTE240M}
_MATRICES |= {9: Colorspace.BT2020, 10: Colorspace.BT2020}
_HDR_TRANSFERS = (16, 18)  # ITU-T H.273: PQ and HLG
_UNKNOWN_RATE = 25.0
_AUDIO_JUMP_SECONDS = 0.05  # smaller differences between timestamps and samples are rounding, not gaps


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """The container in ``path``; ``InputError`` if FFmpeg finds none."""
    try:
        # "file:" keeps a name with a colon from being taken for a protocol.
        container = av.open(f"file:{path}", options={"format_whitelist": _DEMUXERS, "protocol_whitelist": "file"})
    except (av.FFmpegError, UnicodeDecodeError) as error:
        raise not_a_video(path) from error
    with container:
        yield container


def video_stream(container: Any, path: Path) -> Any:
    """The first stream of moving pictures (cover art is none); ``InputError`` if there is none."""
    for stream in container.streams.video:
        if not stream.disposition & av.stream.Disposition.attached_pic and stream.codec_context is not None:
            return stream
    if container.streams.audio:
        raise InputError(f"{path} holds sound only, no pictures; give a video or image file.")
    raise not_a_video(path)


def frame_rate(stream: Any) -> float:
    """The constant rate that suits the stream: its nominal rate where nearly all frames are there, else the mean."""
    mean, nominal = float(stream.average_rate or 0), float(stream.base_rate or 0)
    if mean <= 0 or mean > 1000:
        return nominal if 0 < nominal <= 1000 else _UNKNOWN_RATE
    return nominal if abs(nominal - mean) < 0.05 * mean else mean


class FootageSource:
    """A video file as a source of frames. What can be decoded of a damaged file comes, then one warning."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with opened(path) as container:
            self.rate = frame_rate(video_stream(container, path))

    def frames(self) -> Iterator[TimedFrame]:
        with opened(self.path) as container:
            stream = video_stream(container, self.path)
            stream.thread_type = "AUTO"
            count, previous, end, damaged = 0, 0.0, 0.0, False
            start: float | None = None
            for frame in decoded(container, stream):
                if frame is None or frame.is_corrupt:
                    damaged = True
                    continue
                if count == 0 and frame.color_trc in _HDR_TRANSFERS:
                    warnings.warn(f"{self.path} is HDR; it is read without tone mapping and looks pale.", stacklevel=4)
                seconds = frame.time if frame.time is not None else end
                seconds = max(seconds, previous) if count else seconds
                start = seconds if start is None else start
                duration = float(frame.duration * frame.time_base) if frame.duration else 1.0 / self.rate
                yield TimedFrame(to_rgb(frame, stream.sample_aspect_ratio), seconds, duration)
                count, previous, end = count + 1, seconds, seconds + duration
            if count == 0 or start is None:
                raise not_a_video(self.path)
            if damaged or _stated_seconds(container, stream) - (end - start) > 1.5 / self.rate:
                warnings.warn(cut_short(self.path, count), stacklevel=4)


def packets(container: Any, stream: Any) -> Iterator[Any]:
    """The stream's packets, the empty one that flushes the decoder last; None, and the end, where reading fails."""
    demuxed = container.demux(stream)
    while True:
        try:
            packet = next(demuxed, None)
        except (av.FFmpegError, OSError):
            yield None
            return
        if packet is None:
            return
        yield packet


def decoded(container: Any, stream: Any) -> Iterator[Any]:
    """The stream's frames; None where something could not be decoded."""
    for packet in packets(container, stream):
        if packet is None or packet.is_corrupt:
            yield None
        if packet is None:
            return
        try:
            yield from packet.decode()
        except av.EOFError:
            return
        except av.FFmpegError:
            yield None


def _stated_seconds(container: Any, stream: Any) -> float:
    """How long the pictures last by the file's header; 0 where it does not say."""
    if stream.duration:
        return float(stream.duration * stream.time_base)
    if tag := stream.metadata.get("DURATION"):  # Matroska, as hours:minutes:seconds
        with suppress(ValueError):
            hours, minutes, seconds = (float(part) for part in tag.split(":"))
            return hours * 3600 + minutes * 60 + seconds
    alone = len(container.streams) == 1 and container.duration
    return container.duration / av.time_base if alone else 0.0


def to_rgb(frame: Any, pixel_aspect: Any = None) -> Frames:
    """A decoded frame as uint8 RGB (H, W, 3): its colour matrix and range, square pixels, upright, alpha on black.

    An untagged frame is BT.709 when it is larger than standard definition and BT.601 otherwise, as players have it.
    """
    components = frame.format.components
    has_alpha = frame.format.has_palette or any(component.is_alpha for component in components)
    is_yuv = not frame.format.is_rgb and not frame.format.has_palette and len(components) >= 3
    width = frame.width if not pixel_aspect else max(1, round(frame.width * float(pixel_aspect)))
    arguments: dict[str, Any] = {"width": width, "format": "rgba" if has_alpha else "rgb24"}
    if is_yuv:
        untagged = Colorspace.ITU709 if frame.width >= 1280 or frame.height > 576 else Colorspace.ITU601
        is_full = frame.color_range == ColorRange.JPEG or frame.format.name.startswith("yuvj")
        arguments["src_colorspace"] = _MATRICES.get(int(frame.colorspace), untagged)
        arguments["src_color_range"] = ColorRange.JPEG if is_full else ColorRange.MPEG
        arguments["dst_color_range"] = ColorRange.JPEG
    pixels = frame.reformat(interpolation=_INTERPOLATION, **arguments).to_ndarray()
    return upright(flatten(pixels) if has_alpha else pixels, display_matrix(frame))


def display_matrix(frame: Any) -> tuple[int, int, int, int] | None:
    """(a, b, c, d) of the frame's display matrix: shown x' = a x + c y and y' = b x + d y. None if it has none."""
    side_data = frame.side_data.get("DISPLAYMATRIX")
    if side_data is None:
        return None
    a, b, _, c, d = np.frombuffer(bytes(side_data), np.int32)[:5].tolist()
    return a, b, c, d


def upright(pixels: Frames, matrix: tuple[int, int, int, int] | None) -> Frames:
    """``pixels`` (H, W, 3) turned and mirrored in quarters as the display matrix says."""
    if matrix is None:
        return pixels
    a, b, c, d = matrix
    if abs(b) > abs(a):  # x' follows y: a quarter turn
        pixels = pixels.transpose(1, 0, 2)
        a, d = c, b
    return np.ascontiguousarray(pixels[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])


def read_audio(path: Path, start: float, seconds: float) -> Audio | None:
    """The file's first sound stream from ``start`` (on the file's clock) for ``seconds``, or None if it has none.

    Silence fills what the stream lacks, so that sound and pictures begin and end together.
    """
    with opened(path) as container:
        if not container.streams.audio or container.streams.audio[0].codec_context is None:
            return None
        stream = container.streams.audio[0]
        rate = int(stream.rate or 0)
        if rate < 1 or (num_samples := round(seconds * rate)) < 1:
            return None
        samples: np.ndarray[Any, np.dtype[np.float32]] | None = None
        position: int | None = None
        resampler: Any = None
        for frame in decoded(container, stream):
            if frame is None:
                continue
            if resampler is None:
                resampler = av.AudioResampler(format="fltp", layout=frame.layout, rate=rate)
                samples = np.zeros((len(frame.layout.channels), num_samples), np.float32)
            stated = None if frame.time is None else round((frame.time - start) * rate)
            if position is None or (stated is not None and abs(stated - position) > _AUDIO_JUMP_SECONDS * rate):
                position = stated or 0
            for chunk in resampler.resample(frame):
                block = chunk.to_ndarray()
                first, last = max(position, 0), min(position + block.shape[1], num_samples)
                if samples is not None and first < last:
                    samples[:, first:last] = block[:, first - position : last - position]
                position += block.shape[1]
            if position >= num_samples:
                break
    return None if samples is None else Audio(samples.clip(-1.0, 1.0), rate)
