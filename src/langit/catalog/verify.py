"""Whether a folder of weights is whole: every file that an index names, every tensor in its place, checksums where known."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import torch

from langit.catalog.shards import shapes_of
from langit.catalog.wan import find_parts
from langit.catalog.wan_layout import our_name
from langit.transformer import Transformer
from langit.types import InputError

CHECKSUMS = "SHA256SUMS"


def verify(folder: Path, on_file: Callable[[str], None] = lambda name: None) -> list[str]:
    """What was found right, a line each; `InputError` for the first thing that is wrong."""
    parts = find_parts(folder)
    found = [f"family: Wan {parts.config.family}"]
    with torch.device("meta"):
        expected = {
            name: tuple(tensor.shape) for name, tensor in Transformer(parts.config.transformer).state_dict().items()
        }
    for paths in parts.experts:
        names = {our_name(name) for name in shapes_of(list(paths))}
        if lacking := [name for name in expected if name not in names]:
            raise InputError(
                f"The weights in {paths[0].parent} lack {len(lacking)} tensors, the first of them {lacking[0]}. "
                "Fetch the model again."
            )
        found.append(f"{paths[0].parent.name}: {len(expected)} tensors in {len(paths)} files")
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
