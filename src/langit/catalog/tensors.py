"""Tensors from and to files: what is missing, damaged or of another shape is told in a sentence."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from langit.types import InputError


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a safetensors file; `InputError` when it is missing, damaged or cut short."""
    try:
        return load_file(path)
    except FileNotFoundError as error:
        raise InputError(f"The model in {path.parent} lacks {path.name}. Fetch the model again.") from error
    except SafetensorError as error:
        raise InputError(
            f"The weights file {path} is damaged or cut short ({error}). Fetch the model again."
        ) from error


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """A safetensors file that appears whole, written aside and renamed, with the permissions of any new file."""
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    aside.touch()
    permissions = aside.stat().st_mode & 0o777  # as the umask has it; safetensors' own are its owner's alone
    stored = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    save_file(stored, aside, None if metadata is None else dict(metadata))
    aside.chmod(permissions)
    aside.rename(path)


def check_shapes(tensors: dict[str, Tensor], expected: Mapping[str, tuple[int, ...]], folder: Path) -> None:
    """`InputError` unless every expected tensor is there in its shape."""
    for name, shape in expected.items():
        if name not in tensors:
            raise InputError(f"The weights in {folder} lack the tensor {name}. Fetch the model again.")
        if tensors[name].shape != shape:
            raise InputError(
                f"The tensor {name} in {folder} is {tuple(tensors[name].shape)} where config.json says {shape}. "
                "Fetch the model again."
            )
