"""One encoder per kind of file: frames in, one at a time and in constant memory, bytes at a given path out."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import av
import av.filter
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation
from PIL import Image, PngImagePlugin

from langit.types import Audio, Frames, InputError

# What the iTunes tag atoms of mp4 know, so that players and file managers show it. Other keys need the newer "mdta"
# atoms, which hold any key but are read by fewer programs; FFmpeg writes one kind or the other.
_ITUNES_TAGS = frozenset(
    {"title", "artist", "album_artist", "album", "comment", "composer", "copyright", "date", "description", "genre"}
    | {"grouping", "lyrics", "synopsis", "show", "network", "keywords"}
)
_AAC_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000)
_LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1", 8: "7.1"}
_INTERPOLATION = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
_GIF_TICKS = 100  # a gif counts time in hundredths of a second
_BT709 = 1  # ITU-T H.273, for primaries, transfer and matrix alike


class Encoder(Protocol):
    """``write`` each frame, uint8 (H, W, 3); ``finish`` writes what is left; ``abandon`` lets go of the file."""

    def write(self, frame: Frames) -> None: ...

    def finish(self) -> None: ...

    def abandon(self) -> None: ...


class Mp4Encoder:
    """H.264 in mp4: yuv420p, BT.709 in limited range and tagged so, index first; sound as AAC, interleaved."""

    def __init__(
        self,
        path: Path,
        fps: Fraction,
        size: tuple[int, int],
        metadata: Mapping[str, str],
        crf: int,
        audio: Audio | None,
    ) -> None:
        self._count, self._fps = 0, fps
        self._height, self._width = size[0] + size[0] % 2, size[1] + size[1] % 2
        flags = "+faststart" if _ITUNES_TAGS.issuperset(metadata) else "+faststart+use_metadata_tags"
        self._container: Any = av.open(f"file:{path}", "w", format="mp4", options={"movflags": flags})
        self._container.metadata.update(metadata)
        options = {"crf": str(crf), **_without_avx512()}
        self._video: Any = self._container.add_stream("libx264", rate=fps, options=options)
        self._video.height, self._video.width, self._video.pix_fmt = self._height, self._width, "yuv420p"
        context = self._video.codec_context
        context.color_range = int(ColorRange.MPEG)
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        self._sound = None if audio is None else _AacTrack(self._container, audio)
        try:
            self._container.start_encoding()
        except av.FFmpegError as error:
            if isinstance(error, OSError):
                raise
            raise InputError(
                f"H.264 cannot encode frames of {size[1]}x{size[0]} with crf {crf}: sides may be up to 16384 pixels."
            ) from error

    def write(self, frame: Frames) -> None:
        even = np.pad(frame, ((0, self._height - frame.shape[0]), (0, self._width - frame.shape[1]), (0, 0)), "edge")
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(even), format="rgb24").reformat(
            format="yuv420p",
            dst_colorspace=Colorspace.ITU709,
            src_color_range=ColorRange.JPEG,
            dst_color_range=ColorRange.MPEG,
            interpolation=_INTERPOLATION,
        )
        picture.pts, picture.time_base = self._count, 1 / self._fps
        self._container.mux(self._video.encode(picture))
        self._count += 1
        if self._sound is not None:
            self._sound.encode_until(float(self._count / self._fps))

    def finish(self) -> None:
        self._container.mux(self._video.encode(None))
        if self._sound is not None:
            self._sound.finish()
        self._container.close()

    def abandon(self) -> None:
        self._container.close()


@cache
def _without_avx512() -> dict[str, str]:
    """x264's macroblock tree on AVX-512 reads what nobody wrote where a width is no multiple of 128: the same frames would
    be another file each time. AVX2, which every such processor has too, is as quick within a percent."""
    try:
        flags = Path("/proc/cpuinfo").read_text(errors="replace")
    except OSError:  # no Linux
        return {}
    return {"x264-params": "asm=avx2"} if "avx512f" in flags else {}


class _AacTrack:
    """A sound stream fed in step with the pictures, so that neither waits in memory for the other."""

    def __init__(self, container: Any, audio: Audio) -> None:
        layout = _LAYOUTS.get(audio.num_channels)
        if layout is None:
            raise InputError(f"Sound of {audio.num_channels} channels cannot be written; 1 to 6 or 8 can.")
        self._container, self._audio, self._layout, self._position = container, audio, layout, 0
        rate = next((rate for rate in _AAC_RATES if rate <= audio.rate), _AAC_RATES[-1])
        self._stream: Any = container.add_stream("aac", rate=rate, layout=layout)
        self._stream.bit_rate = 96_000 * audio.num_channels

    def encode_until(self, seconds: float) -> None:
        end = min(round(seconds * self._audio.rate), self._audio.num_samples)
        if end <= self._position:
            return
        chunk = np.ascontiguousarray(self._audio.samples[:, self._position : end].clip(-1.0, 1.0))
        frame = av.AudioFrame.from_ndarray(chunk, format="fltp", layout=self._layout)
        frame.sample_rate = self._audio.rate
        frame.pts, frame.time_base = self._position, Fraction(1, self._audio.rate)
        self._container.mux(self._stream.encode(frame))
        self._position = end

    def finish(self) -> None:
        step = 1.0
        while self._position < self._audio.num_samples:
            self.encode_until(self._position / self._audio.rate + step)
        self._container.mux(self._stream.encode(None))


class GifEncoder:
    """A gif with one palette of 255 colours made for the whole clip, dithered, storing only what changes.

    The palette needs every frame before the first is written, so the frames wait uncompressed in an unnamed file
    beside the output: memory stays constant.
    """

    def __init__(self, path: Path, fps: Fraction, size: tuple[int, int], metadata: Mapping[str, str]) -> None:
        if fps > 50:
            raise InputError(f"A gif plays at most 50 frames per second, not {float(fps):g}; write .mp4 instead.")
        self._path, self._fps, self._size, self._metadata = path, fps, size, metadata
        self._count = 0
        self._waiting = tempfile.TemporaryFile(dir=path.parent)  # noqa: SIM115 (closed in finish or abandon)
        self._histogram = av.filter.Graph()
        source = self._buffer(self._histogram, size, "bgra")
        generate = self._histogram.add("palettegen", "stats_mode=full")
        sink = self._histogram.add("buffersink")
        source.link_to(generate)
        generate.link_to(sink)
        self._histogram.configure()

    def write(self, frame: Frames) -> None:
        self._waiting.write(np.ascontiguousarray(frame).data)
        self._histogram.push(self._picture(frame, self._count))
        with suppress(av.BlockingIOError):  # nothing comes before the end, but asking is what makes the graph run
            self._histogram.pull()
        self._count += 1

    def finish(self) -> None:
        self._histogram.push(None)
        palette = self._histogram.pull()
        graph = av.filter.Graph()
        pictures, colours = self._buffer(graph, self._size, "bgra"), self._buffer(graph, (16, 16), "bgra")
        use, sink = graph.add("paletteuse", "dither=sierra2_4a:diff_mode=rectangle"), graph.add("buffersink")
        pictures.link_to(use, 0, 0)
        colours.link_to(use, 0, 1)
        use.link_to(sink)
        graph.configure()
        palette.pts, palette.time_base = 0, Fraction(1, _GIF_TICKS)
        colours.push(palette)
        colours.push(None)
        with av.open(f"file:{self._path}", "w", format="gif") as container:
            stream: Any = container.add_stream("gif", rate=self._fps)
            stream.height, stream.width, stream.pix_fmt = *self._size, "pal8"
            stream.codec_context.time_base = Fraction(1, _GIF_TICKS)
            self._waiting.seek(0)
            for index in range(self._count):
                pixels = np.frombuffer(self._waiting.read(self._size[0] * self._size[1] * 3), np.uint8)
                pictures.push(self._picture(pixels.reshape(*self._size, 3), index))
                self._encode_ready(graph, container, stream)
            pictures.push(None)
            self._encode_ready(graph, container, stream)
            container.mux(stream.encode(None))
        self._waiting.close()
        if self._metadata:
            _insert_gif_comment(self._path, json.dumps(dict(self._metadata), ensure_ascii=False).encode())

    def abandon(self) -> None:
        self._waiting.close()

    def _encode_ready(self, graph: Any, container: Any, stream: Any) -> None:
        while True:
            try:
                picture = graph.pull()
            except (av.BlockingIOError, av.EOFError):
                return
            container.mux(stream.encode(picture))

    def _tick(self, index: int) -> int:
        return round(index * _GIF_TICKS / self._fps)

    def _picture(self, frame: Frames, index: int) -> Any:
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24").reformat(format="bgra")
        picture.pts, picture.time_base = self._tick(index), Fraction(1, _GIF_TICKS)
        picture.duration = self._tick(index + 1) - self._tick(index)
        return picture

    @staticmethod
    def _buffer(graph: Any, size: tuple[int, int], pixel_format: str) -> Any:
        return graph.add_buffer(
            width=size[1], height=size[0], format=av.VideoFormat(pixel_format), time_base=Fraction(1, _GIF_TICKS)
        )


def _insert_gif_comment(path: Path, comment: bytes) -> None:
    """Put a comment extension (GIF89a, section 24) after the screen descriptor and the global colour table."""
    content = path.read_bytes()
    table = 3 * 2 ** ((content[10] & 7) + 1) if content[10] & 0x80 else 0
    blocks = b"".join(
        bytes([len(part)]) + part for part in (comment[at : at + 255] for at in range(0, len(comment), 255))
    )
    header = 13 + table
    path.write_bytes(content[:header] + b"\x21\xfe" + blocks + b"\x00" + content[header:])


class PngEncoder:
    """One frame as a png file."""

    def __init__(self, path: Path, metadata: Mapping[str, str]) -> None:
        self._path, self._metadata = path, metadata

    def write(self, frame: Frames) -> None:
        text = PngImagePlugin.PngInfo()
        for key, value in self._metadata.items():
            text.add_itxt(key, value)
        Image.fromarray(frame).save(self._path, format="PNG", pnginfo=text)

    def finish(self) -> None: ...

    def abandon(self) -> None: ...


class FolderEncoder:
    """Every frame as ``000000.png``, ``000001.png``, ... in a folder."""

    def __init__(self, folder: Path, metadata: Mapping[str, str]) -> None:
        self._folder, self._metadata, self._count = folder, metadata, 0
        folder.mkdir()

    def write(self, frame: Frames) -> None:
        PngEncoder(self._folder / f"{self._count:06d}.png", self._metadata).write(frame)
        self._count += 1

    def finish(self) -> None: ...

    def abandon(self) -> None: ...
