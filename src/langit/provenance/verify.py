"""What a file tells of its origin: its content credentials and its watermark, each valid, altered or not there."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from langit.provenance.credentials import Credentials, State, read_credentials
from langit.provenance.watermark import FoundMark, find_mark
from langit.types import InputError

EXIT_CODES: dict[State, int] = {"valid": 0, "altered": 1, "nothing": 3}
_MAX_FRAMES = 1024


@dataclass(frozen=True)
class Finding:
    """One thing that was looked for: its state and a sentence about it."""

    state: State
    sentence: str


@dataclass(frozen=True)
class Verification:
    """What was found in a file. `state` is altered if either is, else valid if either is, else nothing."""

    credentials: Finding
    watermark: Finding

    @property
    def state(self) -> State:
        states = {self.credentials.state, self.watermark.state}
        return "altered" if "altered" in states else "valid" if "valid" in states else "nothing"

    @property
    def exit_code(self) -> int:
        return EXIT_CODES[self.state]


def verify(path: Path, trusted: Sequence[bytes] = ()) -> Verification:
    """Look for credentials and a watermark in a file (the mark in its first 1,024 frames).

    `trusted` are PEM chains of instances whose signature you take for true, such as your own `Identity.chain`.
    `InputError` if there is no such file. A file whose frames cannot be read has no watermark to be found.
    """
    path = Path(path)
    if not path.is_file():
        what = "is a folder; name a file" if path.is_dir() else "does not exist; name a file to look into"
        raise InputError(f"{path} {what}, such as an mp4, gif or png.")
    return Verification(_credentials(read_credentials(path, trusted)), _watermark(path))


def _credentials(found: Credentials) -> Finding:
    if found.state == "nothing":
        return Finding("nothing", "Content credentials: none are in this file.")
    if found.state == "altered":
        why = f" ({', '.join(found.failures)})" if found.failures else ""
        return Finding("altered", f"Content credentials: altered; the file is not what was signed{why}.")
    what = "made by AI" if found.made_by_ai else "not said to be made by AI"
    if found.model:
        what += f" (model {_quoted(found.model)})"
    if found.sources:
        what += f" from {', '.join(map(_quoted, found.sources))}"
    whom = _quoted(found.signer)
    whom = f"{whom}, whom you trust" if found.trusted else f"someone who signs as {whom}, which anybody can"
    with_what = f" with {_quoted(found.program)}" if found.program else ""
    return Finding("valid", f"Content credentials: valid; {what}{with_what}, unchanged since it was signed by {whom}.")


def _quoted(text: str) -> str:
    """What a file says of itself may hold anything; terminals get one line of it."""
    return repr(text[:80])


def _watermark(path: Path) -> Finding:
    from langit.media import open_frames

    try:
        with warnings.catch_warnings(), open_frames(path) as frames:
            warnings.simplefilter("ignore")  # of damaged footage: what can be read of it is looked at
            found = find_mark(itertools.islice(frames, _MAX_FRAMES))
    except InputError:
        return Finding("nothing", "Watermark: none; this file holds no frames that can be read.")
    return _told(found)


def _told(found: FoundMark | None) -> Finding:
    if found is None:
        return Finding("nothing", "Watermark: none was found.")
    sentence = f"made with langit by instance {found.payload.instance:04x} (score {found.score:.1f})"
    if found.share < 1:
        return Finding("altered", f"Watermark: altered; {sentence}, but in {found.share:.0%} of the footage only.")
    return Finding("valid", f"Watermark: valid; {sentence}.")
