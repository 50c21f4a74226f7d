"""Footage for provenance: the simulated world at the embedded model's size, and scenes that cost nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from langit.media import read_video, write
from langit.provenance import Identity
from langit.simulator.export import export_clips
from langit.types import Frames, Video


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> list[Frames]:
    """Four clips of 32 frames of 64x64."""
    folder = tmp_path_factory.mktemp("world")
    export_clips(folder, count=4, seed=11, height=64, width=64, seconds=4, fps=8.0, overwrite=True)
    return [read_video(path).frames for path in sorted(folder.glob("*.mp4"))]


@pytest.fixture(scope="session")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return Identity.load_or_create(tmp_path_factory.mktemp("instance") / "identity")


def scene(seed: int, frames: int = 16, height: int = 64, width: int = 64) -> Frames:
    """A gradient, a texture and two moving discs, from quiet to busy as the seed has it."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:height, 0:width] / max(height, width)
    corners = random.uniform(20, 235, (2, 3))
    picture = corners[0] + rows[..., None] * (corners[1] - corners[0])
    for _ in range(int(random.integers(0, 12))):
        angle, waves = random.uniform(0, np.pi), random.uniform(1, 24)
        wave = np.cos(2 * np.pi * waves * (np.cos(angle) * rows + np.sin(angle) * columns) + random.uniform(0, 6))
        picture = picture + random.uniform(0, 12) * wave[..., None]
    picture = picture + random.normal(0, random.uniform(0, 4), picture.shape)
    clip = np.repeat(picture[None], frames, axis=0)
    for _ in range(2):
        centre, speed = random.uniform(0.2, 0.8, 2), random.uniform(-0.03, 0.03, 2)
        colour, radius = random.uniform(0, 255, 3), random.uniform(0.05, 0.2)
        for index in range(frames):
            y, x = centre + index * speed
            clip[index][np.hypot(rows - y, columns - x) < radius] = colour
    return np.clip(np.rint(clip), 0, 255).astype(np.uint8)


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """A small mp4 that nobody has signed."""
    return write(Video(scene(3, frames=8), 8.0), tmp_path / "sample.mp4", metadata={"title": "a red ball"})
