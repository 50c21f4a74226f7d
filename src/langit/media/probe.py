"""What a media file holds, without decoding more than its first frame."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from langit.media.footage import decoded, frame_rate, opened, packets, to_rgb, video_stream
from langit.media.pictures import PictureSource, open_picture
from langit.media.read import open_frames
from langit.media.source import PathLike, existing_file, not_a_video

_CONTAINER_TAGS = ("major_brand", "minor_version", "compatible_brands", "encoder")


@dataclass(frozen=True)
class MediaInfo:
    """What ``probe`` found. ``height`` and ``width`` are as shown; ``rotation`` is in degrees counterclockwise."""

    frames: int
    fps: float
    height: int
    width: int
    seconds: float
    codec: str
    pixel_format: str
    has_audio: bool
    rotation: int
    metadata: dict[str, str] = field(default_factory=dict)

    @property
    def size(self) -> tuple[int, int]:
        return self.height, self.width


def probe(path: PathLike) -> MediaInfo:
    """Size, rate, length, coding and tags of a video, gif or image file.

    ``frames`` is the header's count where it has one, else the number of coded frames. ``InputError`` if the file has
    no picture that can be decoded.
    """
    file = existing_file(path)
    picture = open_picture(file)
    if picture is None:
        return _probe_footage(file)
    with picture:
        return _probe_picture(file, picture)


def _probe_picture(path: Path, picture: Image.Image) -> MediaInfo:
    source = PictureSource(path, picture)
    with open_frames(path) as stream:
        height, width = stream.height, stream.width
    frames = getattr(picture, "n_frames", 1) if source.moving else 1
    return MediaInfo(
        frames=frames,
        fps=source.rate,
        height=height,
        width=width,
        seconds=frames / source.rate,
        codec=(picture.format or "").lower(),
        pixel_format=picture.mode,
        has_audio=False,
        rotation=0,
        metadata=_picture_metadata(picture),
    )


def _picture_metadata(picture: Image.Image) -> dict[str, str]:
    """The text chunks of a png; the comment of a gif, which langit writes as JSON."""
    if picture.format == "GIF":
        comment = picture.info.get("comment", b"").decode("utf-8", errors="replace")
        try:
            tags = json.loads(comment)
        except ValueError:
            tags = comment
        if isinstance(tags, dict):
            return {str(key): str(value) for key, value in tags.items()}
        return {"comment": comment} if comment else {}
    return {key: str(value) for key, value in getattr(picture, "text", {}).items()}


def _probe_footage(path: Path) -> MediaInfo:
    with opened(path) as container:
        stream = video_stream(container, path)
        count = stream.frames or sum(packet is not None and packet.size > 0 for packet in packets(container, stream))
    with opened(path) as container:
        stream = video_stream(container, path)
        fps = frame_rate(stream)
        first: Any = next((frame for frame in decoded(container, stream) if frame and not frame.is_corrupt), None)
        if first is None:
            raise not_a_video(path)
        height, width = to_rgb(first, stream.sample_aspect_ratio).shape[:2]
        return MediaInfo(
            frames=count,
            fps=fps,
            height=height,
            width=width,
            seconds=float(stream.duration * stream.time_base) if stream.duration else count / fps,
            codec=stream.codec_context.name,
            pixel_format=first.format.name,
            has_audio=bool(container.streams.audio),
            rotation=int(first.rotation),
            metadata={key: text for key, text in container.metadata.items() if key.lower() not in _CONTAINER_TAGS},
        )
