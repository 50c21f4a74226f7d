"""Pictures to look at many clips at once: contact sheets, animated sheets, sprite sheets, thumbnails."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from langit.types import Frames, InputError, Video

_GAP = 6
_FONT_SIZE = 14
_LABEL_HEIGHT = 20
_BACKGROUND = 24
_INK = 235
_THUMBNAIL_SIDE = 160


def thumbnail(video: Video, side: int = 320) -> Frames:
    """The middle frame, uint8 (H, W, 3), scaled down so that its longer side is at most ``side`` pixels."""
    return _shrunk(video.frames[video.num_frames // 2], side)


def sprite_sheet(video: Video, columns: int | None = None, side: int = 160) -> Frames:
    """All frames left to right and top to bottom without gaps, each at most ``side`` pixels on its longer side.

    Cell ``i`` is at row ``i // columns`` and column ``i % columns``; ``columns`` defaults to a square sheet. Cells
    after the last frame are black. Returns uint8 (H, W, 3).
    """
    num_columns = _num_columns(columns, video.num_frames, math.ceil(math.sqrt(video.num_frames)))
    cells = [_shrunk(frame, side) for frame in video.frames]
    height, width = cells[0].shape[:2]
    sheet = np.zeros((math.ceil(len(cells) / num_columns) * height, num_columns * width, 3), np.uint8)
    for index, cell in enumerate(cells):
        top, left = index // num_columns * height, index % num_columns * width
        sheet[top : top + height, left : left + width] = cell
    return sheet


def contact_sheet(
    videos: Sequence[Video],
    labels: Sequence[str] | None = None,
    columns: int | None = None,
    frames_per_clip: int = 8,
) -> Frames:
    """Each clip as a strip of thumbnails spread from its first to its last frame, its label below.

    ``columns`` is how many strips stand side by side (default 1). A clip shorter than ``frames_per_clip`` shows each
    of its frames once. Returns uint8 (H, W, 3).
    """
    if frames_per_clip < 1:
        raise InputError(f"frames_per_clip must be at least 1, not {frames_per_clip}.")
    texts = _checked_labels(videos, labels)
    strips = []
    for video in videos:
        count = min(frames_per_clip, video.num_frames)
        chosen = np.linspace(0, video.num_frames - 1, count).round().astype(int)
        strips.append(_strip([_shrunk(video.frames[index], _THUMBNAIL_SIDE) for index in chosen]))
    return _grid(strips, texts, _num_columns(columns, len(strips), 1))


def animated_sheet(videos: Sequence[Video], labels: Sequence[str] | None = None, columns: int | None = None) -> Video:
    """The clips playing side by side, labels below: at their own size, at the highest fps among them.

    It lasts as long as the longest clip; shorter ones hold their last frame. ``columns`` defaults to a square grid.
    """
    texts = _checked_labels(videos, labels)
    fps = max(video.fps for video in videos)
    num_frames = max(1, round(max(video.seconds for video in videos) * fps))
    num_columns = _num_columns(columns, len(videos), math.ceil(math.sqrt(len(videos))))
    frames = []
    for index in range(num_frames):
        # The small slack keeps equal rates frame by frame in spite of rounding.
        moments = [min(int(index / fps * video.fps + 1e-6), video.num_frames - 1) for video in videos]
        cells = [video.frames[moment] for video, moment in zip(videos, moments, strict=True)]
        frames.append(_grid(cells, texts, num_columns))
    return Video(np.stack(frames), fps)


def _checked_labels(videos: Sequence[Video], labels: Sequence[str] | None) -> Sequence[str] | None:
    if not videos:
        raise InputError("A sheet needs at least 1 video; none was given.")
    if labels is not None and len(labels) != len(videos):
        raise InputError(f"{len(labels)} labels came for {len(videos)} videos; give one each, or none.")
    return labels


def _num_columns(columns: int | None, num_cells: int, default: int) -> int:
    if columns is not None and columns < 1:
        raise InputError(f"columns must be at least 1, not {columns}.")
    return min(columns or default, num_cells)


def _shrunk(frame: Frames, side: int) -> Frames:
    if side < 1:
        raise InputError(f"A thumbnail's side must be at least 1 pixel, not {side}.")
    scale = side / max(frame.shape[:2])
    if scale >= 1:
        return frame
    height, width = (max(1, round(length * scale)) for length in frame.shape[:2])
    return np.asarray(Image.fromarray(frame).resize((width, height), Image.Resampling.LANCZOS))


def _strip(cells: list[Frames]) -> Frames:
    height, width = cells[0].shape[:2]
    strip = np.full((height, len(cells) * (width + 2) - 2, 3), _BACKGROUND, np.uint8)
    for index, cell in enumerate(cells):
        strip[:, index * (width + 2) : index * (width + 2) + width] = cell
    return strip


def _grid(cells: Sequence[Frames], labels: Sequence[str] | None, columns: int) -> Frames:
    """Cells in rows as tall as their tallest and columns of one width, with gaps, and a line of text below each."""
    width = max(cell.shape[1] for cell in cells)
    rows = [cells[first : first + columns] for first in range(0, len(cells), columns)]
    heights = [max(cell.shape[0] for cell in row) for row in rows]
    steps = [height + _GAP + (_LABEL_HEIGHT if labels is not None else 0) for height in heights]
    sheet = np.full((sum(steps) + _GAP, columns * (width + _GAP) + _GAP, 3), _BACKGROUND, np.uint8)
    label_corners = []
    for index, cell in enumerate(cells):
        row, column = divmod(index, columns)
        top, left = _GAP + sum(steps[:row]), _GAP + column * (width + _GAP)
        sheet[top : top + cell.shape[0], left : left + cell.shape[1]] = cell
        label_corners.append((left, top + heights[row] + 2))
    if labels is None:
        return sheet
    page = Image.fromarray(sheet)
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(_FONT_SIZE)
    for corner, label in zip(label_corners, labels, strict=True):
        draw.text(corner, _shortened(label, font, width), fill=(_INK,) * 3, font=font)
    return np.asarray(page)


def _shortened(label: str, font: ImageFont.ImageFont | ImageFont.FreeTypeFont, width: int) -> str:
    """``label`` on one line of at most ``width`` pixels, with "..." where it was cut."""
    line = " ".join(label.split())
    if not isinstance(font, ImageFont.FreeTypeFont):  # Pillow without FreeType draws Latin-1 only
        line = line.encode("latin-1", errors="replace").decode("latin-1")
    if font.getlength(line) <= width:
        return line
    while line and font.getlength(line + "...") > width:
        line = line[:-1]
    return line.rstrip() + "..."
