"""Decoding what users send, in a process of its own with limits on time, memory and pixels: a file can be made to attack
its reader. `decode` starts that process; `main` is what runs in it.

A picture becomes a png, a video an mp4 (or its first frame a png), at `target`: what goes on from here was written by langit.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from langit.types import InputError

Kind = Literal["image", "video", "frame"]
MOST_SIDE = 1920
FPS_RANGE = (1.0, 60.0)
_STARTS = (
    (b"\x89PNG\r\n\x1a\n", 0),
    (b"\xff\xd8\xff", 0),
    (b"GIF87a", 0),
    (b"GIF89a", 0),
    (b"RIFF", 0),  # webp, avi
    (b"BM", 0),
    (b"ftyp", 4),  # mp4, mov, avif
    (b"\x1a\x45\xdf\xa3", 0),  # webm, mkv
)
KNOWN = "png, jpeg, webp, gif, bmp or avif for a picture; mp4, mov, webm, mkv, avi or gif for a video"


@dataclass(frozen=True)
class Decoded:
    """What was in the file."""

    width: int
    height: int
    frames: int
    fps: float


@dataclass(frozen=True)
class Bounds:
    """What the process may use."""

    seconds: float
    memory_mb: int
    megapixels: float
    frames: int


def decode(kind: Kind, source: Path, target: Path, bounds: Bounds) -> Decoded:
    """Read `source`, write `target` (png or mp4). `InputError` in a sentence that names no path of this machine."""
    with source.open("rb") as opened:
        head = opened.read(16)
    if not any(head[at : at + len(start)] == start for start, at in _STARTS):
        raise InputError(f"The file is not one that can be read; send {KNOWN}.")
    arguments = [kind, str(source), str(target), json.dumps(asdict(bounds))]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "langit.server.decoding", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=bounds.seconds,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise InputError(
            f"The file could not be decoded within {bounds.seconds:g} seconds; send a smaller one."
        ) from error
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        raise InputError(
            "The file could not be decoded: it is damaged, or needs more memory than it may have."
        ) from None
    if "error" in answer:
        raise InputError(str(answer["error"]).replace(str(source), "The file").replace(str(target), "The file"))
    return Decoded(**answer)


def main() -> None:
    """python -m langit.server.decoding KIND SOURCE TARGET BOUNDS"""
    kind, source, target = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    bounds = Bounds(**json.loads(sys.argv[4]))
    _confine(bounds)
    sys.stdout.write(json.dumps(decode_here(kind, source, target, bounds)))


def decode_here(kind: str, source: Path, target: Path, bounds: Bounds) -> dict[str, object]:
    """What `Decoded` holds, or an "error"; in this process, without a limit on time and memory."""
    warnings.simplefilter("ignore")  # of a file that is cut short, what is there is used
    try:
        return asdict({"image": _image, "video": _video, "frame": _frame}[kind](source, target, bounds))
    except InputError as error:
        return {"error": str(error)}
    except Exception as error:  # whatever a decoder makes of a file that was made to break it
        return {"error": f"The file could not be decoded ({type(error).__name__})."}


def _confine(bounds: Bounds) -> None:
    import resource

    memory = bounds.memory_mb * 1_000_000
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    processor = max(1, round(bounds.seconds))
    resource.setrlimit(resource.RLIMIT_CPU, (processor, processor))
    resource.setrlimit(resource.RLIMIT_FSIZE, (4_000_000_000, 4_000_000_000))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _image(source: Path, target: Path, bounds: Bounds) -> Decoded:
    from PIL import Image

    from langit.media import read_image

    _check_pixels(source, bounds)
    pixels = read_image(source)
    height, width = pixels.shape[:2]
    picture = Image.fromarray(pixels)
    picture.thumbnail((MOST_SIDE, MOST_SIDE))
    picture.save(target, "PNG", compress_level=1)
    return Decoded(width, height, 1, 1.0)


def _frame(source: Path, target: Path, bounds: Bounds) -> Decoded:
    from PIL import Image

    from langit.media import open_frames

    _check_pixels(source, bounds)
    with open_frames(source) as stream:
        _check_size(stream.width, stream.height, bounds)
        picture = Image.fromarray(next(stream))
    picture.thumbnail((MOST_SIDE, MOST_SIDE))
    picture.save(target, "PNG", compress_level=1)
    return Decoded(*picture.size, 1, 1.0)


def _check_pixels(source: Path, bounds: Bounds) -> None:
    """By the header, before anything is decoded."""
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None
    try:
        with Image.open(source) as picture:
            width, height = picture.size
    except Exception:  # no picture: footage, or nothing at all; told when it is read
        return
    _check_size(width, height, bounds)


def _check_size(width: int, height: int, bounds: Bounds) -> None:
    if width * height > bounds.megapixels * 1e6:
        raise InputError(f"The file has {width}x{height} pixels; at most {bounds.megapixels:g} million are read.")


def _video(source: Path, target: Path, bounds: Bounds) -> Decoded:
    from langit.media import VideoWriter, fit, open_frames

    _check_pixels(source, bounds)
    with open_frames(source) as stream:
        _check_size(stream.width, stream.height, bounds)
        fps = min(max(stream.fps, FPS_RANGE[0]), FPS_RANGE[1])
        scale = min(1.0, MOST_SIDE / max(stream.width, stream.height))
        size = tuple(max(2, round(side * scale / 2) * 2) for side in (stream.height, stream.width))
        count = 0
        with VideoWriter(target, fps, (size[0], size[1]), overwrite=True, crf=8) as writer:
            for frame in stream:
                count += 1
                if count > bounds.frames:
                    raise InputError(f"The video has more than {bounds.frames} frames; send a shorter one.")
                writer.write(fit(frame, (size[0], size[1])))
    return Decoded(size[1], size[0], count, fps)


if __name__ == "__main__":
    main()
