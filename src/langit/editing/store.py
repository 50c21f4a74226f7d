"""What was made, kept beside the clips: content-addressed, limited in size, and never needed for being right.

`.langit/` beside an output holds two kinds of entries. The latents of every window, by a digest of all that decides them:
an interrupted edit goes on where it stopped, and a remake is quick. The exact frames (`film.py`) and last latents of each
output, by the file's SHA-256: the next edit begins with what was made and not with what the codec left of it.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from langit.catalog import Bundle
from langit.conditioning import CastCondition
from langit.generate import OnStep, Sampler, held_of, sample
from langit.planning import Plan

FOLDER = ".langit"
WAY = 10
"""Of sampling: one more whenever the same plan gives other latents than before, so that windows of two ways never meet."""
LIMIT_BYTES = 512 * 2**20
FORGOTTEN_SECONDS = 24 * 3600.0
"""After that, what a process that was killed left half-written goes, too."""


class Store:
    """A folder of entries. The least recently used go first when it is full. A disk that fails is no error: nothing is kept."""

    def __init__(self, folder: Path, limit: int = LIMIT_BYTES):
        self.folder, self.limit = folder, limit

    @classmethod
    def beside(cls, path: Path) -> Store:
        """The store of the folder that a clip is in."""
        return cls(path.resolve().parent / FOLDER)

    def get(self, key: str) -> dict[str, Tensor] | None:
        path = self._path(key)
        try:
            tensors = load_file(path)
            os.utime(path)
        except (OSError, SafetensorError):
            return None
        return tensors

    def put(self, key: str, tensors: dict[str, Tensor]) -> None:
        if sum(tensor.numel() * tensor.element_size() for tensor in tensors.values()) > self.limit:
            return
        path = self._path(key)
        aside = path.with_suffix(f".{secrets.token_hex(4)}.part")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, aside)
            os.replace(aside, path)
            self._make_room()
        except (OSError, SafetensorError):
            with suppress(OSError):
                aside.unlink(missing_ok=True)
                self.folder.rmdir()  # where nothing else is in it

    def film(self, key: str) -> Path | None:
        """The exact frames under that key, as a file of `film.py`."""
        path = self._path(key, "nut")
        try:
            os.utime(path)
        except OSError:
            return None
        return path

    def put_film(self, key: str, film: Path) -> None:
        """Take over a file; `OSError` where that fails."""
        path = self._path(key, "nut")
        aside = path.with_suffix(f".{secrets.token_hex(4)}.part")
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            shutil.move(film, aside)
            os.replace(aside, path)
        finally:
            with suppress(OSError):
                aside.unlink(missing_ok=True)
        self._make_room()

    def _path(self, key: str, kind: str = "safetensors") -> Path:
        return self.folder / f"{key[:32]}.{kind}"

    def _make_room(self) -> None:
        for part in self.folder.glob("*.part"):
            if time.time() - part.stat().st_mtime > FORGOTTEN_SECONDS:
                part.unlink(missing_ok=True)
        kept = [path for kind in ("safetensors", "nut") for path in self.folder.glob(f"*.{kind}")]
        entries = sorted((path.stat().st_mtime, path.stat().st_size, path) for path in kept)
        total = sum(size for _, size, _ in entries)
        for _, size, path in entries:
            if total <= self.limit:
                return
            path.unlink(missing_ok=True)
            total -= size

    # The seed of an edit that was not finished, so that the same words go on with it.

    def unfinished_seed(self, words: Sequence[str]) -> int | None:
        with suppress(OSError, ValueError, KeyError):
            return int(json.loads(self._unfinished(words).read_text())["seed"])
        return None

    def begin(self, words: Sequence[str], seed: int) -> None:
        with suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            self._unfinished(words).write_text(json.dumps({"seed": seed, "words": list(words)}))

    def finish(self, words: Sequence[str]) -> None:
        with suppress(OSError):
            self._unfinished(words).unlink(missing_ok=True)

    def _unfinished(self, words: Sequence[str]) -> Path:
        return self.folder / f"unfinished-{hashlib.sha256(repr(list(words)).encode()).hexdigest()[:16]}.json"


def remembering(store: Store, model_hash: str) -> Sampler:
    """`sample`, one clip at a time, that keeps what it makes and does not make what is kept."""

    def sampler(bundle: Bundle, plans: Sequence[Plan], on_step: OnStep | None = None) -> list[Tensor]:
        made = []
        for p in plans:
            key = _digest(bundle, p, model_hash)
            kept = store.get(key)
            if kept is None:
                kept = {"latents": sample(bundle, [p], on_step)[0]}
                store.put(key, kept)
            elif on_step is not None:
                on_step(p.steps, p.steps)
            made.append(kept["latents"])
        return made

    return sampler


def _digest(bundle: Bundle, p: Plan, model_hash: str) -> str:
    held = held_of(bundle, p)
    course = (
        WAY,
        model_hash,
        torch.__version__,
        p.prompt,
        str(p.shape),
        p.seed,
        p.steps,
        p.guidance,
        p.solver,
        p.schedule,
    )
    digest = hashlib.sha256(repr((course, held.start, held.prompts)).encode())
    digest.update(held.mask.numpy().tobytes())
    digest.update(held.content.contiguous().numpy().tobytes())
    for condition in p.conditions:
        if isinstance(condition, CastCondition):
            for told in (condition.rows, condition.into, condition.share):
                digest.update(b"" if told is None else told.numpy().tobytes())
    return digest.hexdigest()
