"""Weights on disk to modules: shard by shard, never unpickling anything but tensors, every shape checked by name."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from langit.types import InputError

Rename = Callable[[str, Tensor], tuple[str, Tensor] | None]
"""A tensor's name and value in the file -> both in the module; None for one that the module does not need."""
Dtype = Callable[[str], torch.dtype]

WEIGHTS = ("*.safetensors", "*.bin", "*.pth", "*.pt")


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object; `InputError` where there is none."""
    try:
        values = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise InputError(f"{path.parent} lacks {path.name}. Fetch the model again.") from error
    except (ValueError, OSError, RecursionError) as error:
        raise InputError(f"{path} cannot be read ({type(error).__name__}). Fetch the model again.") from error
    if not isinstance(values, dict):
        raise InputError(f"{path} holds no JSON object. Fetch the model again.")
    return values


def shards_of(folder: Path, stem: str = "") -> list[Path]:
    """The weight files of a folder: those that its index names, or all there are whose names begin with `stem`."""
    for index in sorted(folder.glob(f"{stem}*.index.json")):
        files = read_json(index).get("weight_map", {})
        if not isinstance(files, dict) or not all(isinstance(f, str) and Path(f).name == f for f in files.values()):
            raise InputError(f"{index} names no files of its own folder. Fetch the model again.")
        names = sorted(set(files.values()))
        if lacking := [name for name in names if not (folder / name).is_file()]:
            raise InputError(
                f"The model in {folder} lacks {', '.join(lacking[:3])}{' and more' if len(lacking) > 3 else ''} of "
                f"{len(names)} weight files. Fetch the model again; what is there is kept."
            )
        if names:
            return [folder / name for name in names]
    for pattern in WEIGHTS:
        if found := sorted(path for path in folder.glob(f"{stem}{pattern}") if path.is_file()):
            return found
    raise InputError(f"{folder} holds no weights ({', '.join(WEIGHTS)}). Fetch the model again.")


def tensors_of(path: Path) -> Iterator[tuple[str, Tensor]]:
    """Every tensor of a file, one at a time; `InputError` for a damaged file and for a pickle that is not tensors."""
    if path.suffix == ".safetensors":
        try:
            with safe_open(path, "pt") as file:
                for name in file.keys():  # noqa: SIM118 (not a dict)
                    yield name, file.get_tensor(name)
        except SafetensorError as error:
            raise InputError(f"The weights file {path} is damaged or cut short ({error}). Fetch it again.") from error
        return
    try:
        values = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # pickle, zip and torch each raise their own
        raise InputError(
            f"{path} is not a file of tensors alone, so it is not opened: a pickle can run any code. "
            "Fetch the model as safetensors."
        ) from error
    for key in ("state_dict", "model", "module"):
        if isinstance(values, dict) and isinstance(values.get(key), dict):
            values = values[key]
    if not isinstance(values, dict) or not all(isinstance(value, Tensor) for value in values.values()):
        raise InputError(f"{path} holds something else than tensors by name; it is not the weights of a model.")
    yield from values.items()


def readers_of(paths: list[Path]) -> dict[str, Callable[[], Tensor]]:
    """How to read each tensor by itself, later and again; files are mapped, so what is not used takes no memory."""
    readers: dict[str, Callable[[], Tensor]] = {}
    for path in paths:
        if path.suffix == ".safetensors":
            file = safe_open(path, "pt")
            readers.update((name, partial(file.get_tensor, name)) for name in file.keys())  # noqa: SIM118 (not a dict)
        else:
            readers.update((name, partial(_itself, tensor)) for name, tensor in tensors_of(path))
    return readers


def _itself(tensor: Tensor) -> Tensor:
    return tensor


def shapes_of(paths: list[Path]) -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor, from the headers alone where the format has one."""
    shapes: dict[str, tuple[int, ...]] = {}
    for path in paths:
        if path.suffix != ".safetensors":
            shapes.update((name, tuple(tensor.shape)) for name, tensor in tensors_of(path))
            continue
        try:
            with safe_open(path, "pt") as file:
                shapes.update((name, tuple(file.get_slice(name).get_shape())) for name in file.keys())  # noqa: SIM118
        except SafetensorError as error:
            raise InputError(f"The weights file {path} is damaged or cut short ({error}). Fetch it again.") from error
    return shapes


def fill(module: nn.Module, paths: list[Path], rename: Rename, dtype: Dtype, device: str = "cpu") -> None:
    """Give a module made on the meta device its weights; `InputError` names the tensor that lacks or does not fit."""
    expected = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    where = paths[0].parent
    filled: dict[str, Tensor] = {}
    for path in paths:
        for name, tensor in tensors_of(path):
            found = rename(name, tensor)
            if found is None:
                continue
            ours, value = found
            if ours not in expected:
                raise InputError(f"The tensor {name} in {path} has no place in the model that {where} describes.")
            if tuple(value.shape) != expected[ours]:
                raise InputError(
                    f"The tensor {name} in {path} is {tuple(value.shape)} where {expected[ours]} belongs. Fetch the model again."
                )
            if not value.is_floating_point():
                raise InputError(f"The tensor {name} in {path} is {value.dtype}; weights are floating-point numbers.")
            filled[ours] = value.to(device, dtype(ours), copy=True).contiguous()
    if lacking := [name for name in expected if name not in filled]:
        raise InputError(
            f"The weights in {where} lack {len(lacking)} tensors, the first of them {lacking[0]}. Fetch the model again."
        )
    module.load_state_dict(filled, assign=True)
