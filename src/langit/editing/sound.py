"""Sound goes with its frames: kept where they are kept, cut where they are cut, silent where they are made, faded between.

The track is put together in a temporary file, a minute of a source at a time, so that a long clip's sound is never whole in
memory.
"""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from langit.media import open_frames, probe
from langit.media.footage import read_audio
from langit.types import Audio, Samples

FADE_SECONDS = 0.1
SECTION_SECONDS = 60.0


@dataclass(frozen=True)
class SoundPiece:
    """The sound of `seconds` of the output: of `path` from `start` on, or silence where there is no path."""

    seconds: float
    path: Path | None = None
    start: float = 0.0


class Sound:
    """A track on disk; `audio` reads from there. Close it when it is written."""

    def __init__(self, audio: Audio | None = None, mapped: mmap.mmap | None = None):
        self.audio, self._mapped = audio, mapped

    def copied(self) -> Audio | None:
        """The track in memory, which stays when this is closed."""
        return None if self.audio is None else Audio(np.array(self.audio.samples), self.audio.rate)

    def release(self) -> None:
        """Give back the memory of what was read or written; it is on disk, and comes back when it is asked for."""
        if self._mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
            self._mapped.madvise(mmap.MADV_DONTNEED)

    def close(self) -> None:
        self.audio, self._mapped = None, None


def sound_of(pieces: Sequence[SoundPiece], fps: float) -> Sound:
    """The track of the pieces in order; none where no source has sound."""
    heard = [piece.path for piece in pieces if piece.path is not None and probe(piece.path).has_audio]
    formats = [first for path in heard if (first := read_audio(path, 0.0, 0.1)) is not None]
    if not formats:
        return Sound()
    rate, channels = formats[0].rate, formats[0].num_channels
    total = round(sum(piece.seconds for piece in pieces) * rate)
    with tempfile.TemporaryFile() as file:  # it lives as long as it is mapped
        file.truncate(max(total, 1) * channels * 4)
        mapped = mmap.mmap(file.fileno(), 0)
    samples = np.frombuffer(mapped, np.float32).reshape(channels, max(total, 1))
    sound = Sound(Audio(samples, rate), mapped)
    position, time = 0, 0.0
    for index, piece in enumerate(pieces):
        time += piece.seconds
        stop = min(round(time * rate), total)
        if piece.path in heard and piece.path is not None:
            _copy(piece.path, piece.start, samples[:, position:stop], rate)
            _fade(
                samples[:, position:stop],
                round(FADE_SECONDS * rate),
                begins=index > 0 and not _goes_on(pieces[index - 1], piece, fps),
                ends=index + 1 < len(pieces) and not _goes_on(piece, pieces[index + 1], fps),
            )
            sound.release()
        position = stop
    return sound


def _goes_on(one: SoundPiece, other: SoundPiece, fps: float) -> bool:
    """Whether the second goes on in the same file where the first ends."""
    return one.path == other.path and one.path is not None and abs(one.start + one.seconds - other.start) < 0.5 / fps


def _copy(path: Path, start: float, target: Samples, rate: int) -> None:
    with open_frames(path) as stream:
        clock = stream.start
    section = round(SECTION_SECONDS * rate)
    for first in range(0, target.shape[1], section):
        part = target[:, first : first + section]
        audio = read_audio(path, clock + start + first / rate, part.shape[1] / rate)
        if audio is not None:
            part[:] = _converted(audio, rate, *part.shape)


def _converted(audio: Audio, rate: int, channels: int, count: int) -> Samples:
    """At another rate by straight lines between samples; mixed or spread to so many channels."""
    samples = audio.samples
    if audio.rate != rate:
        at = np.arange(count) * (audio.rate / rate)
        samples = np.stack([np.interp(at, np.arange(audio.num_samples), channel) for channel in samples]).astype(
            np.float32
        )
    if len(samples) != channels:
        samples = samples.mean(0, keepdims=True).repeat(channels, 0)
    missing = max(0, count - samples.shape[1])
    return np.pad(samples[:, :count], ((0, 0), (0, missing)))


def _fade(samples: Samples, length: int, *, begins: bool, ends: bool) -> None:
    length = min(length, samples.shape[1] // 2)
    if not length:
        return
    ramp = np.linspace(0, 1, length, dtype=np.float32)
    if begins:
        samples[:, :length] *= ramp
    if ends:
        samples[:, -length:] *= ramp[::-1]
