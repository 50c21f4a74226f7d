"""Whether a folder of weights is whole: every file that an index names, every tensor in its place, checksums where known."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import torch

from langit.catalog.shards import shapes_of, shards_of
from langit.catalog.wan import find_parts, tensor_places
from langit.catalog.wan_own import CLIP
from langit.types import InputError

CHECKSUMS = "SHA256SUMS"


def verify(folder: Path, on_file: Callable[[str], None] = lambda name: None) -> list[str]:
    """What was found right, a line each; `InputError` for the first thing that is wrong."""
    parts = find_parts(folder)
    found = [f"family: Wan {parts.config.family}"]
    for paths in parts.experts:
        places = tensor_places(parts.config.transformer, list(paths))
        found.append(f"{paths[0].parent.name}: {len(places)} tensors in {len(paths)} files")
    parts.vae(torch.device("cpu"))
    found.append("autoencoder: whole")
    _check_encoders(folder, parts.pictures is not None)
    known = _checksums(folder)
    for path in sorted(path for path in folder.rglob("*") if path.suffix in (".safetensors", ".pth", ".bin")):
        name = str(path.relative_to(folder))
        on_file(name)
        digest = _sha256(path)
        wanted = known.get(name) or _hub_digest(path)
        if wanted is not None and wanted != digest:
            raise InputError(
                f"{path} has the checksum {digest[:16]}... where {wanted[:16]}... belongs. Fetch it again."
            )
        found.append(f"{name}: sha256 {digest}{' as it should be' if wanted else ''}")
    return found


def _check_encoders(folder: Path, pictures: bool) -> None:
    """That the encoders' files are there; their tensors are transformers' to check."""
    if not (folder / "model_index.json").is_file():
        for pattern in ("models_t5_*.pth", "google/umt5-xxl/*.json", *((CLIP,) if pictures else ())):
            if not list(folder.glob(pattern)):
                raise InputError(f"{folder} lacks {pattern}. Fetch the model again.")
        return
    for name in ("text_encoder", *(("image_encoder",) if pictures else ())):
        for path in shards_of(folder / name):
            shapes_of([path])
    for name in ("tokenizer", *(("image_processor",) if pictures else ())):
        if not list((folder / name).glob("*.json")):
            raise InputError(f"{folder} lacks {name}/. Fetch the model again.")


def _checksums(folder: Path) -> dict[str, str]:
    path = folder / CHECKSUMS
    lines = path.read_text().splitlines() if path.is_file() else []
    return {name.lstrip("*"): digest for digest, _, name in (line.partition("  ") for line in lines if line.strip())}


def _hub_digest(path: Path) -> str | None:
    """The hub keeps a file under its checksum and links to it by name."""
    target = path.resolve().name if path.is_symlink() else ""
    return target if len(target) == 64 else None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
