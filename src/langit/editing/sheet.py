"""Variations on disk: a file each, and one contact sheet of all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from langit.editing.edit import Edit
from langit.media import check_output, contact_sheet, read_video, write
from langit.types import InputError, Video


def save_variations(
    edits: Sequence[Edit], folder: Path, *, overwrite: bool = False, on_clip: Callable[[int], None] = lambda done: None
) -> Path:
    """Write each edit to `folder` by its seed, and sheet.png; returns the sheet. Those that are there already are not made
    again, so that what was stopped goes on."""
    if folder.is_file():
        raise InputError(f"{folder} is a file; name a folder for the variations.")
    sheet = folder / "sheet.png"
    check_output(sheet, overwrite)
    strips, labels = [], []
    for done, edit in enumerate(edits, 1):
        path = folder / f"{edit.seed}.mp4"
        if overwrite or not path.exists():
            edit.save(path, overwrite=overwrite)
        # A strip shows eight frames: no more of a long clip stays in memory.
        video = read_video(path)
        shown = np.linspace(0, video.num_frames - 1, min(8, video.num_frames)).round().astype(int)
        strips.append(Video(video.frames[shown], video.fps))
        labels.append(f"seed {edit.seed}")
        on_clip(done)
    write(Video(contact_sheet(strips, labels)[None], 1.0), sheet, overwrite=overwrite)
    return sheet
