"""Content credentials: a signed C2PA manifest inside mp4, png and gif. Nothing goes over the network."""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from langit.provenance.certificate import Identity
from langit.types import InputError

if TYPE_CHECKING:
    import c2pa

SEALABLE = {".mp4": "video/mp4", ".png": "image/png", ".gif": "image/gif"}
_READABLE = SEALABLE | {
    ".mov": "video/quicktime",
    ".m4v": "video/mp4",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".avif": "image/avif",
}
_MADE_BY_AI = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
_TRACES = (b"c2pa.claim", b"c2pa.signature", b"jumdc2pa", b"caBX", b"\xd8\xfe\xc3\xd6\x1b\x0e\x48\x3c")
"""What manifests leave in a file: names of their parts, png's chunk, the beginning of the uuid in mp4."""
_PADDING = b"\xa1cpadY"
"""CBOR: a map of one entry, "pad", whose value is bytes with a length of two bytes (COSE's unprotected header)."""
_HARMLESS = {"signingCredential.untrusted", "signingCredential.ocsp.skipped"}

State = Literal["valid", "altered", "nothing"]


@dataclass(frozen=True)
class Credentials:
    """What a file's manifest says: its signer, the program, model, prompt and sources, and what failed if altered.

    `trusted` is true if the signer's chain leads to one of the certificates that the reader was given.
    """

    state: State
    signer: str = ""
    trusted: bool = False
    made_by_ai: bool = False
    program: str = ""
    model: str = ""
    prompt: str = ""
    sources: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()


def can_seal(path: Path) -> bool:
    """Whether the file's kind holds credentials: mp4, png and gif do, folders of frames do not."""
    return Path(path).suffix.lower() in SEALABLE


def seal(path: Path, *, identity: Identity, prompt: str, model: str, sources: Sequence[Path] = ()) -> None:
    """Embed a signed manifest in the mp4, png or gif at `path`: made by AI, by which model, from which sources.

    An empty prompt stays out. Sources become ingredients, with their own credentials where they have some. What a
    file held before is replaced; the file is complete at every moment. `InputError` for kinds that hold no manifest.
    """
    import c2pa

    path, sources = Path(path), [Path(source) for source in sources]
    if not can_seal(path):
        raise InputError(f"{path} cannot hold content credentials; {', '.join(SEALABLE)} files can.")
    kind = SEALABLE[path.suffix.lower()]
    aside = path.parent / f".{path.name}.{secrets.token_hex(4)}.part"
    try:
        with (
            _context() as context,
            c2pa.Builder(_manifest(path.name, prompt, model, sources), context) as builder,
            c2pa.Signer.from_info(_signer(identity)) as signer,
        ):
            for index, source in enumerate(sources):
                if _kind_of(source) is not None:
                    with source.open("rb") as file:
                        builder.add_ingredient(_ingredient(index, source), _kind_of(source), file)
            with path.open("rb") as file, aside.open("w+b") as out:
                builder.sign(signer, kind, file, out)
        shutil.copymode(path, aside)
        os.replace(aside, path)
    except c2pa.C2paError as error:
        raise InputError(
            f"{path} could not be signed as {identity.name}: {error}. If you put certificates of your own in its "
            "place, look at what docs/provenance.md asks of them."
        ) from error
    except OSError as error:
        raise OSError(
            error.errno, f"{path} is left without content credentials: {error.strerror or error} ({error.filename})."
        ) from error
    finally:
        aside.unlink(missing_ok=True)


def read_credentials(path: Path, trusted: Sequence[bytes] = ()) -> Credentials:
    """What the manifest in a file says and whether the file is still as it was signed.

    `trusted` are PEM chains: the reader's own, or those of instances whose word it takes. A manifest that is there but
    cannot be read counts as altered.
    """
    import c2pa

    path = Path(path)
    kind = _kind_of(path)
    if kind is None:
        return Credentials("nothing")
    try:
        with _context(trusted) as context, path.open("rb") as file, c2pa.Reader(kind, file, context=context) as reader:
            report = json.loads(reader.json())
    except c2pa.C2paError as error:
        if isinstance(error, c2pa.C2paError.ManifestNotFound) and not _has_traces(path):
            return Credentials("nothing")
        if isinstance(error, c2pa.C2paError.ManifestNotFound):
            return Credentials("altered", failures=("the manifest is damaged",))
        return Credentials("altered" if _has_traces(path) else "nothing", failures=("the manifest cannot be read",))
    if report.get("active_manifest") not in report.get("manifests", {}):
        return Credentials("altered", failures=("the manifest is damaged",))
    told = _told(report)
    if told.state == "valid" and told.program.startswith("langit ") and not _is_padding_blank(path):
        return replace(told, state="altered", failures=("the signature's padding is not blank",))
    return told


def _context(trusted: Sequence[bytes] = ()) -> c2pa.Context:
    import c2pa

    settings: dict[str, Any] = {
        "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False, "verify_trust": True},
        "builder": {"thumbnail": {"enabled": False}},
    }
    if trusted:
        settings["trust"] = {"user_anchors": "\n".join(chain.decode() for chain in trusted)}
    return c2pa.Context(c2pa.Settings.from_dict(settings))


def _signer(identity: Identity) -> c2pa.C2paSignerInfo:
    import c2pa

    return c2pa.C2paSignerInfo(identity.algorithm, identity.chain, identity.key, None)  # no timestamp authority


def _manifest(title: str, prompt: str, model: str, sources: Sequence[Path]) -> dict[str, Any]:
    from langit import __version__

    program = {"name": "langit", "version": __version__}
    parameters: dict[str, Any] = {"langit.model": model}
    if prompt:
        parameters["langit.prompt"] = prompt
    if sources:
        parameters["ingredientIds"] = [_name_of(index) for index in range(len(sources))]
    created = {
        "action": "c2pa.created",
        "digitalSourceType": _MADE_BY_AI,
        "softwareAgent": program,
        "parameters": parameters,
    }
    return {
        "claim_generator_info": [program],
        "title": title,
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [created]}}],
        "ingredients": [_by_digest(*one) for one in enumerate(sources) if _kind_of(one[1]) is None],
    }


def _kind_of(path: Path) -> str | None:
    """The media type, of the kinds whose own credentials are looked at."""
    return _READABLE.get(path.suffix.lower())


def _name_of(index: int) -> str:
    return f"langit:source:{index}"


def _by_digest(index: int, source: Path) -> dict[str, str]:
    """An ingredient of a kind that C2PA does not know: by its SHA-256 alone."""
    with source.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {**_ingredient(index, source), "description": f"SHA-256 {digest}"}


def _ingredient(index: int, source: Path) -> dict[str, str]:
    return {
        "title": source.name,
        "relationship": "inputTo",
        "instance_id": _name_of(index),
        "label": _name_of(index),
    }


def _told(report: dict[str, Any]) -> Credentials:
    manifest = report["manifests"][report["active_manifest"]]
    created = [
        action
        for assertion in manifest.get("assertions", ())
        if assertion["label"].startswith("c2pa.actions")
        for action in assertion["data"].get("actions", ())
    ]
    said: list[dict[str, Any]] = [action.get("parameters", {}) for action in created]
    parameters = next((one for one in said if "langit.model" in one), {})
    statuses = report.get("validation_results", {}).get("activeManifest", {})
    failures = [found["code"] for found in statuses.get("failure", ()) if found["code"] not in _HARMLESS]
    state = report.get("validation_state")
    program = manifest.get("claim_generator_info", [{}])[0]
    signature = manifest.get("signature_info", {})
    return Credentials(
        "valid" if state in ("Valid", "Trusted") and not failures else "altered",
        signer=signature.get("common_name") or signature.get("issuer") or "",
        trusted=state == "Trusted",
        made_by_ai=any(action.get("digitalSourceType", "").endswith("lgorithmicMedia") for action in created),
        program=f"{program.get('name', '')} {program.get('version', '')}".strip(),
        model=str(parameters.get("langit.model", "")),
        prompt=str(parameters.get("langit.prompt", "")),
        sources=tuple(str(source.get("title", "")) for source in manifest.get("ingredients", ())),
        failures=tuple(failures),
    )


def _has_traces(path: Path) -> bool:
    with _mapped(path) as content:
        return any(content.find(trace) >= 0 for trace in _TRACES)


def _is_padding_blank(path: Path) -> bool:
    """Whether the room that langit's signatures leave is there and all zeros: nothing that is signed covers it.

    A gif cuts its manifest into blocks of 255 bytes, and is not looked at.
    """
    if path.suffix.lower() == ".gif":
        return True
    with _mapped(path) as content:
        at = content.find(_PADDING)
        if at < 0:
            return False
        while at >= 0:
            start = at + len(_PADDING) + 2
            length = int.from_bytes(content[start - 2 : start], "big")
            if content[start : start + length] != bytes(length):
                return False
            at = content.find(_PADDING, start)
        return True


@contextmanager
def _mapped(path: Path) -> Iterator[mmap.mmap | bytes]:
    with path.open("rb") as file:
        if path.stat().st_size == 0:
            yield b""
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            yield content
