"""A model in a folder, and small footage made on the spot."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path

import numpy as np
import pytest

from langit.catalog import Bundle, save_bundle
from langit.conditioning import Known
from langit.editing import Course
from langit.media import write
from langit.types import Audio, Frames, Video


@pytest.fixture(scope="session")
def model(tiny_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The random model, for clips of 9 frames of 32x32, groups of 2."""
    folder, bundle = tmp_path_factory.mktemp("models") / "random", tiny_bundle
    save_bundle(folder, bundle.config, bundle.transformer.state_dict(), bundle.text.state_dict(), bundle.tokenizer)
    return str(folder)


@pytest.fixture
def course(model: str) -> Course:
    return Course(model, seed=5, steps=2)


def moving(frames: int, height: int = 32, width: int = 32, seed: int = 0) -> Frames:
    """Smooth colours that drift: footage that a codec keeps."""
    rng = np.random.default_rng(seed)
    phase, speed = rng.uniform(0, 6, (2, 3)), rng.uniform(0.05, 0.15, 3)
    t, y, x = np.mgrid[:frames, :height, :width][..., None]
    wave = np.sin(phase[0] + x / width * 3 + t * speed) + np.cos(phase[1] + y / height * 3)
    return ((wave + 2) / 4 * 255).astype(np.uint8)


def played(making: Generator[Frames, None, Known | None]) -> tuple[Frames, Known | None]:
    """All frames of a passage, and its end."""
    frames = []
    while True:
        try:
            frames.append(next(making))
        except StopIteration as done:
            return np.stack(frames), done.value


Maker = Callable[..., Path]


@pytest.fixture
def footage(tmp_path: Path) -> Maker:
    """`footage("a.mp4", frames=16, ...)` writes a file and returns its path; `sound` is seconds of a tone."""

    def make(
        name: str,
        frames: int = 16,
        height: int = 32,
        width: int = 32,
        fps: float = 8.0,
        seed: int = 0,
        sound: bool = False,
    ) -> Path:
        audio = None
        if sound:
            tone = np.sin(np.arange(round(frames / fps * 8000)) / 8000 * 2 * np.pi * 440).astype(np.float32)
            audio = Audio(tone[None] * 0.5, 8000)
        return write(Video(moving(frames, height, width, seed), fps, audio), tmp_path / name)

    return make
