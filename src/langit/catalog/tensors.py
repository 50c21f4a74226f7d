"""Tensors from files: what is missing, damaged or of another shape is told in a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
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
