"""A source as an edit sees it: at one size and one rate, frame by frame, never whole in memory.

The rule, the same for every verb: the model works at its own size and rate, so the whole output is at these. A source whose
size the model makes keeps it; another is scaled to the model's native area in its own aspect (as far as the model's aspects
go) and what hangs over is cut evenly. A clip that langit made keeps its frames one for one; other footage is read at the
model's rate. `langit edit upscale` makes the result larger.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from langit.catalog import Bundle
from langit.conditioning import Known
from langit.editing.film import frames_of
from langit.editing.store import Store
from langit.media import fit, open_frames, probe
from langit.media.record import Record, SourceFile, find_record, sha256_of
from langit.planning import legal_size
from langit.tokenizer import encode
from langit.types import Frames, InputError


@dataclass(frozen=True, eq=False)
class Footage:
    """A source at `size` (height, width) and `fps`; `num_frames` is what its header promises."""

    path: Path
    size: tuple[int, int]
    fps: float
    num_frames: int
    file: SourceFile
    record: Record | None = None  # how it was made, where langit made it
    exact: Path | None = None  # the film of the frames before the codec, where it is kept
    end: Known | None = None  # its last latents, where they are kept
    has_sound: bool = False
    original: tuple[int, int] = (0, 0)  # its own (height, width)

    @property
    def seconds(self) -> float:
        return self.num_frames / self.fps

    @property
    def prompt(self) -> str:
        return self.record.prompt if self.record else ""

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[Frames]:
        """Frames (H, W, 3) from `start` up to `stop`, or to the end."""
        if self.exact is not None:
            for frame in islice(frames_of(self.exact), start, stop):
                yield frame if frame.shape[:2] == self.size else fit(frame, self.size)
            return
        with open_frames(self.path, fps=self.fps, size=self.size) as stream:
            yield from islice(stream, start, stop)

    def notices(self) -> list[str]:
        """What the user should know about how the source is read."""
        if self.original == self.size:
            return []
        (height, width), (own_height, own_width) = self.size, self.original
        return [f"{self.path.name} is {own_width}x{own_height}; it is worked on at {width}x{height}, the model's size"]

    def at(self, seconds: float, what: str) -> int:
        """The frame at a time; `InputError` for a time outside the clip."""
        if not 0 <= seconds <= self.seconds + 0.5 / self.fps:
            raise InputError(
                f"{what} {seconds:g} s lies outside {self.path.name}, which is {self.seconds:g} s long; "
                f"give a time from 0 to {self.seconds:g}."
            )
        return min(round(seconds * self.fps), self.num_frames)


def open_footage(
    bundle: Bundle,
    path: str | Path,
    *,
    size: tuple[int, int] | None = None,
    fps: float | None = None,
) -> Footage:
    """A source by the rule; `size` (height, width) and `fps` where something else has decided them."""
    file, info = Path(path), probe(path)
    record = find_record(path)
    if size is None:
        width, height = legal_size(bundle, info.width, info.height)
        size = (height, width)
    if fps is None:
        fps = info.fps if record is not None and 1 <= info.fps <= 60 else bundle.config.native.fps
    still = info.frames == 1
    ours = record is not None and abs(fps - info.fps) < 1e-3
    count = info.frames if ours or still else max(1, round(info.seconds * fps))
    source = SourceFile(str(file), sha256_of(file))
    found = Footage(file, size, fps, count, source, record, has_sound=info.has_audio, original=info.size)
    return _with_what_is_kept(found, bundle) if ours else found


def _with_what_is_kept(footage: Footage, bundle: Bundle) -> Footage:
    """With the exact frames, and the latents of its end where this very model made them: another's mean something else."""
    store, key = Store.beside(footage.path), footage.file.sha256
    film, kept = store.film(key), store.get(key)
    if film is None or kept is None or "count" not in kept:
        return footage
    end = None
    record, whole = footage.record, "groups" in kept and footage.original == footage.size
    if whole and record is not None and record.model_hash == bundle.hash():
        end = Known(kept["picture"].numpy(), kept["groups"], int(kept["unshown"]), kept.get("cast"))
    file = replace(footage.file, exact=True)
    return replace(footage, file=file, exact=film, end=end, num_frames=int(kept["count"]))


def groups_of(bundle: Bundle, frames: Frames) -> Tensor:
    """The latent groups (C, g, h, w) that begin with the first of `frames` (F, H, W, 3); the last one is filled by repetition."""
    stride = bundle.tokenizer.stride[0]
    missing = -len(frames) % stride
    whole = np.concatenate([frames[:1], frames, frames[-1:].repeat(missing, 0)])
    return encode(bundle.tokenizer, torch.from_numpy(whole.astype(np.float32)) / 127.5 - 1)[:, 1:]
