"""What the autoencoder is shown at each step, as a function of (recipe, step) alone: pieces of clips where much happens.

Clips are simulated and kept as pixels (`PixelCorpus`, beside the latents that a generator's corpus keeps); real footage is
decoded once, scaled, and kept in short runs (`RealFootage`).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor

from langit.catalog.tensors import write_tensors
from langit.media import open_frames, probe
from langit.training.batches import drawn_ahead
from langit.training.config import CorpusConfig
from langit.training.corpus import Corpus
from langit.training.footage import make_clip
from langit.training.parallel import ALONE, Team
from langit.training.tokenizer_config import PieceConfig, TokenizerTraining
from langit.types import Frames, InputError

STREAM = 0x71EC35
ENDINGS = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".gif")
STILL = 0.3  # weight of a place's edges beside its motion, where a piece is chosen


class PixelCorpus(Corpus):
    """The simulated clips of a configuration as pixels."""

    def __init__(self, folder: Path, config: CorpusConfig):
        super().__init__(folder, config)
        self._opened: dict[int, Any] = {}

    def fit(self) -> None:
        """The linear tokenizer, unless it is there."""
        _ = self.tokenizer

    def chunk_path(self, chunk: int) -> Path:
        return self.folder / f"pixels-{chunk:05d}.safetensors"

    def make_chunk(self, chunk: int) -> None:
        """Simulate, render and write one chunk, unless it is there."""
        path = self.chunk_path(chunk)
        if path.exists():
            return
        write_tensors(path, {f"{k}": torch.from_numpy(make_clip(self.config, k)[1]) for k in self.clips_of(chunk)})

    def frames(self, index: int) -> Frames:
        """Clip `index`, (F, H, W, 3)."""
        chunk = index // self.config.chunk
        if chunk not in self._opened:
            self._opened[chunk] = safe_open(self.chunk_path(chunk), "pt")
        frames: Frames = self._opened[chunk].get_tensor(f"{index}").numpy()
        return frames


class RealFootage:
    """Runs of frames of all videos of a folder, scaled, one .npy file each under `kept`."""

    def __init__(self, config: PieceConfig, kept: Path):
        videos = Path(config.footage)
        if not videos.is_dir():
            raise InputError(f"There is no folder {videos}; name a folder of videos to train on, or none.")
        if not (kept / "whole").exists():
            kept.mkdir(parents=True, exist_ok=True)
            for number, path in enumerate(sorted(p for p in videos.iterdir() if p.suffix.lower() in ENDINGS)):
                _keep_runs(config, path, kept, number)
            (kept / "whole").touch()
        self.paths = sorted(kept.glob("*.npy"))
        if not self.paths:
            raise InputError(
                f"{videos} holds no video of {config.frames} frames or more; put videos there ({ENDINGS})."
            )

    def frames(self, index: int) -> Frames:
        """Run `index`, (F, H, W, 3)."""
        run: Frames = np.load(self.paths[index])
        return run


def _keep_runs(config: PieceConfig, path: Path, kept: Path, number: int) -> None:
    """Runs spread over the whole video."""
    told = probe(path)
    height, width = (
        max(config.scale, round(side * config.scale / min(told.height, told.width)))
        for side in (told.height, told.width)
    )
    with open_frames(path, size=(height, width)) as stream:
        apart = max(1, (told.frames or 0) // (config.frames * config.runs))
        for run in range(config.runs * apart):
            frames = list(itertools.islice(stream, config.frames))
            if len(frames) < config.frames:
                return
            if run % apart == 0:
                np.save(kept / f"{number:04d}-{run:06d}.npy", np.stack(frames))


def draw_pieces(
    config: TokenizerTraining, corpus: PixelCorpus, real: RealFootage | None, step: int, team: Team = ALONE
) -> Tensor:
    """A process's share of the pieces of a step, (B, F, H, W, 3) in [-1, 1]; waits for the clips that it needs."""
    pool = min(config.corpus.clips, int(config.first_clips + config.growth * step))
    corpus.wait_for(pool)
    pieces = []
    for number in range(team.rank, config.batch, team.size):
        rng = np.random.default_rng(np.random.SeedSequence((config.seed, step, STREAM, number)))
        if real is not None and rng.random() < config.pieces.share:
            frames = real.frames(int(rng.integers(len(real.paths))))
        else:
            frames = corpus.frames(int(rng.integers(pool)))
        pieces.append(cut(frames, config.pieces, rng))
    if not pieces:
        return torch.empty(0, config.pieces.frames, config.pieces.side, config.pieces.side, 3)
    return torch.from_numpy(np.stack(pieces)).float() / 127.5 - 1


def cut(clip: Frames, config: PieceConfig, rng: np.random.Generator) -> Frames:
    """A piece of a clip: of some places the one where most happens, as it is or mirrored."""
    begin = int(rng.integers(len(clip) - config.frames + 1))
    clip = clip[begin : begin + config.frames]
    happens = _happens(clip)
    best, piece = -1.0, clip
    for _ in range(config.candidates):
        top, left = (int(rng.integers(side - config.side + 1)) for side in clip.shape[1:3])
        place = np.s_[top : top + config.side, left : left + config.side]
        if (much := float(happens[place].mean())) > best:
            best, piece = much, clip[:, place[0], place[1]]
    return piece[:, :, :: -1 if rng.random() < 0.5 else 1]


def _happens(clip: Frames) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """(H, W): how much a place changes from frame to frame, and how steep it is in the first one."""
    levels = clip.astype(np.int16)
    moves = np.abs(np.diff(levels, axis=0)).mean((0, 3)) if len(clip) > 1 else np.zeros(clip.shape[1:3])
    steep = np.abs(np.diff(levels[0], axis=0, prepend=levels[0, :1])).mean(-1)
    return np.asarray(moves + STILL * steep)


def pieces_ahead(
    config: TokenizerTraining, corpus: PixelCorpus, real: RealFootage | None, steps: range, team: Team, ahead: int = 4
) -> Iterator[Tensor]:
    """The pieces of these steps, drawn by a thread that stays `ahead`."""
    return drawn_ahead(lambda step: draw_pieces(config, corpus, real, step, team), steps, ahead)
