"""Where a video goes: the checks before long work, the temporary name beside the target, the rename at the end."""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

import av

from langit.media.source import PathLike
from langit.types import InputError

Kind = Literal["mp4", "gif", "png", "folder"]

_KINDS: dict[str, Kind] = {".mp4": "mp4", ".gif": "gif", ".png": "png"}
_FRAME_NAME = re.compile(r"\d{6,}\.png")
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def kind_of(path: PathLike) -> Kind:
    """What ``path`` asks for: by suffix, or "folder" if it ends in a slash, is a directory or has no suffix."""
    text = os.fspath(path)
    if not text:
        raise InputError("The output path is empty; name a .mp4, .gif or .png file, or a folder for frames.")
    file = Path(text)
    if text.endswith(("/", os.sep)) or file.is_dir() or not file.suffix:
        return "folder"
    kind = _KINDS.get(file.suffix.lower())
    if kind is None:
        raise InputError(
            f"{file} ends in {file.suffix}, which is not written. Name a .mp4, .gif or .png (one frame) file, "
            "or a folder (ending in /) for frames as png."
        )
    return kind


def check_output(path: PathLike, overwrite: bool = False, frames: int | None = None) -> Path:
    """The same checks as writing does, before long work starts; nothing is created. Returns the resolved path.

    ``frames`` is how many there will be, if known. ``InputError`` for a suffix that is not written, several frames
    for one png, an output that exists without ``overwrite``, a folder with other files in it, or a parent that is
    no folder or cannot be written to.
    """
    kind = kind_of(path)
    target = Path(path).resolve()
    if kind == "png" and frames is not None and frames > 1:
        raise several_frames(Path(path))
    if kind == "folder" and target.is_dir():
        _check_folder(target, overwrite)
    elif target.exists():
        if not target.is_file():
            raise InputError(f"{target} exists and is not a regular file; choose another output path.")
        if kind == "folder":
            raise InputError(f"{target} is a file, not a folder; end the output path in .mp4, .gif or .png.")
        if not overwrite:
            raise InputError(f"{target} exists already; choose another output path or pass --overwrite.")
    parent = next(folder for folder in target.parents if folder.exists())
    if not parent.is_dir():
        raise InputError(f"{target} cannot be written: {parent} is a file, not a folder.")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise InputError(f"{target} cannot be written: there is no permission to write in {parent}.")
    return target


def several_frames(path: Path) -> InputError:
    return InputError(
        f"{path} is one image and cannot hold several frames; write .mp4 or .gif, "
        f"or a folder of frames ({path.with_suffix('')}/)."
    )


def _check_folder(folder: Path, overwrite: bool) -> None:
    """Only a folder of frames may be replaced: --overwrite must never take someone's other files along."""
    names = [entry.name for entry in os.scandir(folder)]
    others = [name for name in names if not _FRAME_NAME.fullmatch(name)]
    if others:
        raise InputError(
            f"{folder} is a folder that holds other files ({others[0]}); name a file in it, such as "
            f"{folder / 'clip.mp4'}, or a new folder for frames."
        )
    if names and not overwrite:
        raise InputError(f"{folder} already holds frames; choose another folder or pass --overwrite.")


class StagedOutput:
    """A temporary name beside the target. ``commit`` renames it into place; ``discard`` leaves nothing behind."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.temporary = target.parent / f".{target.name}.{secrets.token_hex(4)}.part"
        self._new_parents = [folder for folder in target.parents if not folder.exists()]
        with clear_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)

    def commit(self) -> None:
        with clear_errors(self.target):
            if not (self.temporary.is_dir() and self.target.is_dir()):
                os.replace(self.temporary, self.target)
                return
            aside = self.temporary.with_suffix(".old")
            os.rename(self.target, aside)
            try:
                os.rename(self.temporary, self.target)
            except BaseException:
                os.rename(aside, self.target)
                raise
            shutil.rmtree(aside, ignore_errors=True)

    def discard(self) -> None:
        if self.temporary.is_dir():
            shutil.rmtree(self.temporary, ignore_errors=True)
        else:
            self.temporary.unlink(missing_ok=True)
        for folder in self._new_parents:
            with suppress(OSError):
                folder.rmdir()


@contextmanager
def clear_errors(target: Path) -> Iterator[None]:
    """Errors of the system as an ``OSError`` whose sentence names ``target`` and what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_SPACE:
            what = f"There is no room left to write {target}; nothing was kept. Free some space or write elsewhere."
        else:
            what = f"{target} could not be written: {os.strerror(error.errno) if error.errno else error}."
        raise OSError(error.errno or errno.EIO, what) from error
    except av.FFmpegError as error:
        raise OSError(errno.EIO, f"{target} could not be encoded: {error.strerror}.") from error
