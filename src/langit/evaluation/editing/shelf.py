"""The folder of an exam of editing: what was made stays there, so that a call that was stopped goes on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from langit.evaluation.exam import aside, claim_folder, write_aside
from langit.media import write
from langit.types import Frames, InputError, Video

CLAIM = "editing.json"


class Shelf:
    """Clips by name: a lossless picture of all frames, one below the other, and an mp4 to look at."""

    def __init__(self, folder: Path, fps: float):
        self.folder, self.fps = folder / "clips", fps

    def has(self, name: str) -> bool:
        return (self.folder / f"{name}.png").is_file()

    def frames(self, name: str, make: Callable[[], Frames]) -> Frames:
        """The clip of that name (F, H, W, 3), made where it is not there yet."""
        path, sizes = self.folder / f"{name}.png", self.folder / f"{name}.json"
        if not path.is_file() or not sizes.is_file():
            frames = make()
            self.folder.mkdir(parents=True, exist_ok=True)
            write(Video(frames, self.fps), path.with_suffix(".mp4"), overwrite=True)
            write_aside(sizes, json.dumps(list(frames.shape)))
            with aside(path) as part:
                Image.fromarray(frames.reshape(-1, *frames.shape[2:])).save(part)
        try:
            with Image.open(path) as picture:
                return np.array(picture.convert("RGB")).reshape(json.loads(sizes.read_text()))
        except (OSError, ValueError) as error:
            raise InputError(f"{path} is damaged; delete it and run the same command again.") from error


def claim(folder: Path, wanted: dict[str, Any]) -> None:
    """Mark the folder as this exam's; `InputError` for one that holds something else."""
    claim_folder(folder, CLAIM, wanted)
