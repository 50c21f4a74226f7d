"""Tokenizers in folders: as a part of a model (which knows their kind and shape), and on their own, as training leaves them.

On its own: tokenizer.safetensors, whose header says kind, stride, channels and how it was trained.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open

from langit.catalog.tensors import check_shapes, read_tensors, write_tensors
from langit.tokenizer.stored import TOKENIZERS, StoredTokenizer, kind_of
from langit.types import InputError

FILE = "tokenizer.safetensors"
HEADER = "tokenizer"


def read_tokenizer(folder: Path, kind: str, stride: tuple[int, int, int], channels: int) -> StoredTokenizer:
    """The tokenizer of a folder that says its kind and shape elsewhere; `InputError` where the file does not fit them."""
    if kind not in TOKENIZERS:
        raise InputError(f"The model in {folder} has a {kind!r} tokenizer; langit knows {', '.join(TOKENIZERS)}.")
    of_kind = TOKENIZERS[kind]
    tensors = read_tensors(folder / FILE) if of_kind.has_tensors else {}
    try:
        expected = of_kind.shapes(stride, channels, tensors)
    except ValueError as error:
        raise InputError(f"The tokenizer in {folder} is impossible ({error}). Fetch the model again.") from error
    check_shapes(tensors, expected, folder)
    return of_kind.from_tensors(stride, channels, tensors)


def save_tokenizer(folder: Path, tokenizer: StoredTokenizer, training: Mapping[str, object] | None = None) -> None:
    """Write a tokenizer on its own, aside and then renamed."""
    folder.mkdir(parents=True, exist_ok=True)
    told = {
        "kind": kind_of(tokenizer),
        "stride": tokenizer.stride,
        "channels": tokenizer.channels,
        "training": dict(training or {}),
    }
    write_tensors(folder / FILE, tokenizer.tensors(), {HEADER: json.dumps(told)})


def load_tokenizer(folder: Path) -> StoredTokenizer:
    """A tokenizer that stands on its own; `InputError` when the folder holds none."""
    path = folder / FILE
    try:
        with safe_open(path, "pt") as file:
            told = json.loads((file.metadata() or {})[HEADER])
        kind, stride, channels = str(told["kind"]), tuple(int(step) for step in told["stride"]), int(told["channels"])
    except FileNotFoundError as error:
        raise InputError(
            f"There is no tokenizer in {folder}; name a folder that `langit train recipes/tokenizer.py` wrote."
        ) from error
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} does not hold a tokenizer on its own ({error!r}); train it again.") from error
    if len(stride) != 3:
        raise InputError(f"{path} tells of a stride of {stride}; it is three whole numbers. Train it again.")
    return read_tokenizer(folder, kind, stride, channels)
