"""LoRA files (arXiv 2106.09685), merged into the weights (weight += strength * scale * up @ down) or live beside them.

Read are PEFT's and diffusers' layout (`transformer.blocks.0.attn1.to_q.lora_A.weight`), the same with Wan's own names
(`diffusion_model.blocks.0.self_attn.q.lora_down.weight`), and Kohya's (`lora_unet_blocks_0_self_attn_q.lora_down.weight`).
Where a file has an alpha, scale is alpha / rank; otherwise 1.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from langit.catalog.shards import tensors_of
from langit.catalog.wan_layout import our_name
from langit.transformer import Transformer
from langit.transformer.eight_bits import EightBitLinear
from langit.transformer.experts import Experts, transformers_of
from langit.transformer.linear import Linear
from langit.transformer.live_lora import Change, ChangedLinear
from langit.transformer.streaming import Source, StreamedBlocks
from langit.types import InputError

SUFFIXES = (".safetensors", ".pt", ".pth", ".bin")
_ROLES = {
    "lora_A.weight": "down",
    "lora_A.default.weight": "down",
    "lora_down.weight": "down",
    "lora.down.weight": "down",
    "lora_B.weight": "up",
    "lora_B.default.weight": "up",
    "lora_up.weight": "up",
    "lora.up.weight": "up",
    "alpha": "alpha",
    "diff": "diff",
    "diff_b": "diff_b",
    "lora_B.bias": "diff_b",
}
_KOHYA = re.compile(r"lora_(?:unet|transformer)_blocks_(\d+)_(self_attn|cross_attn|attn1|attn2|ffn)_(.+)")


@dataclass(frozen=True)
class Lora:
    """A file and how strongly it is applied."""

    path: Path
    strength: float = 1.0

    @classmethod
    def parse(cls, text: str) -> Lora:
        """file.safetensors or file.safetensors:0.8; `InputError` for what is neither."""
        name, colon, number = text.rpartition(":")
        path, strength = Path(text), 1.0
        if colon and name and not path.exists():
            try:
                path, strength = Path(name), float(number)
            except ValueError:
                raise InputError(
                    f"The LoRA {text!r} is not understood; write file.safetensors or file.safetensors:0.8."
                ) from None
        if path.suffix not in SUFFIXES:
            raise InputError(f"The LoRA {path} is none of {', '.join(SUFFIXES)}; name a file of one of these kinds.")
        if not path.is_file():
            raise InputError(f"There is no LoRA file {path}; write file.safetensors or file.safetensors:0.8.")
        if not -10 <= strength <= 10:
            raise InputError(f"A LoRA strength of {strength:g} was given for {path}; give -10 to 10, mostly 0 to 1.")
        return cls(path, strength)

    def identity(self) -> str:
        """What tells it, at its strength, from every other: for the fingerprint of a model that it is applied to."""
        with self.path.open("rb") as file:
            return f"lora {hashlib.file_digest(file, 'sha256').hexdigest()} {self.strength:g}"


def apply_loras(transformer: Transformer | Experts, loras: Sequence[Lora]) -> int:
    """Merge the files into the weights, into both of two experts; returns how many tensors changed.

    Where blocks are streamed they are merged into each as it is read, which gives the same weights. `InputError` for a file
    that does not fit, with the tensor's name; then nothing has been changed.
    """
    changes: dict[str, list[Change]] = defaultdict(list)
    for lora in loras:
        for layer, change in read_lora(lora.path, _layers(transformer)).items():
            changes[layer].append(change.times(lora.strength))
    parts = [
        (layer, part, values)
        for layer, each in changes.items()
        for part, values in (
            ("weight", [change for change in each if change.up is not None or change.weight is not None]),
            ("bias", [change for change in each if change.bias is not None]),
        )
        if values
    ]
    for expert in transformers_of(transformer):
        for layer, part, values in parts:
            if isinstance(expert.blocks, StreamedBlocks) and layer.startswith("blocks."):
                _, number, inner = f"{layer}.{part}".split(".", 2)
                sources = expert.blocks.sources[int(number)]
                sources[inner] = partial(_merged_as_read, sources[inner], part, values)
            else:
                parameter = getattr(expert.get_submodule(layer), part)
                parameter.data.copy_(_merged(parameter, part, values))
    return len(parts)


def _merged_as_read(source: Source, part: str, changes: Sequence[Change]) -> Tensor:
    tensor = source()
    return _merged(tensor, part, changes).to(tensor.dtype)


def _merged(tensor: Tensor, part: str, changes: Sequence[Change]) -> Tensor:
    """A weight or a bias with what the changes add to it, in float32."""
    added = [change.dense() if part == "weight" else change.bias for change in changes]
    whole: Tensor = sum(value for value in added if value is not None)  # type: ignore[assignment]
    return tensor.detach().float() + whole.to(tensor.device)


class LiveLoras:
    """LoRAs beside the weights of a transformer, or of both experts: each can be taken off again, and then all is as before.

    Where blocks are streamed they are put on each block as it comes. The weights may be in 8 bits; what is added is exact.
    """

    def __init__(self, transformer: Transformer | Experts):
        self._transformer = transformer
        self._files: dict[str, dict[str, Change]] = {}
        for expert in transformers_of(transformer):
            if isinstance(expert.blocks, StreamedBlocks):
                expert.blocks.prepare.append(self._put_on)

    @property
    def names(self) -> list[str]:
        return list(self._files)

    def add(self, lora: Lora) -> int:
        """Put a file on, again at another strength if it is on; returns how many layers it changes.

        `InputError` for a file that does not fit; then it is not on.
        """
        changes = read_lora(lora.path, _layers(self._transformer))
        self._files[str(lora.path)] = {layer: change.times(lora.strength) for layer, change in changes.items()}
        self._renew()
        return len(changes)

    def remove(self, path: Path | str) -> None:
        """Take a file off; `InputError` where it is not on."""
        if str(path) not in self._files:
            on = ", ".join(self._files) or "none"
            raise InputError(f"The LoRA {path} is not applied, so it cannot be taken off; applied are: {on}.")
        del self._files[str(path)]
        self._renew()

    def _renew(self) -> None:
        for expert in transformers_of(self._transformer):
            if not isinstance(expert.blocks, StreamedBlocks):
                _change(expert, self._files)

    def _put_on(self, number: int, block: nn.Module) -> None:
        prefix = f"blocks.{number}."
        _change(
            block,
            {
                file: {layer.removeprefix(prefix): one for layer, one in changes.items() if layer.startswith(prefix)}
                for file, changes in self._files.items()
            },
        )


def _change(root: nn.Module, files: Mapping[str, Mapping[str, Change]]) -> None:
    """Make the changes of these files, and no others, stand beside the layers of a module."""
    for name, module in list(root.named_modules()):
        if isinstance(module, ChangedLinear):
            root.set_submodule(name, module.base)
    for file, changes in files.items():
        for name, change in changes.items():
            layer = root.get_submodule(name)
            if isinstance(layer, Linear | EightBitLinear):
                layer = ChangedLinear(layer)
                root.set_submodule(name, layer)
            assert isinstance(layer, ChangedLinear)
            layer.changes[file] = change.to(layer.base.bias)


def _layers(transformer: Transformer | Experts) -> dict[str, tuple[int, int]]:
    """Rows and columns of every linear layer, from the configuration: where blocks are streamed the layers are not there."""
    with torch.device("meta"):
        whole = Transformer(transformers_of(transformer)[0].config)
    return {
        name: (module.out_features, module.in_features)
        for name, module in whole.named_modules()
        if isinstance(module, nn.Linear)
    }


def read_lora(path: Path, layers: Mapping[str, tuple[int, int]]) -> dict[str, Change]:
    """What a file does to each layer, by our names, in float32."""
    parts: dict[str, dict[str, Tensor]] = defaultdict(dict)
    for name, tensor in tensors_of(path):
        role = next((role for role in _ROLES if name.endswith("." + role)), None)
        layer = None if role is None else _layer(name.removesuffix("." + role))
        if role is None or layer is None:
            raise InputError(
                f"The tensor {name} in {path} is no part of a LoRA for a Wan transformer that langit knows."
            )
        if layer not in layers:
            if layer.endswith("norm") or _ROLES[role].startswith("diff"):  # written as zeros by some
                continue
            raise InputError(
                f"The LoRA {path} changes {name}, which this model does not have; it is for another model."
            )
        parts[layer][_ROLES[role]] = tensor
    changes = {layer: _change_of(part, layer, layers[layer], path) for layer, part in parts.items()}
    if not changes:
        raise InputError(f"{path} holds no LoRA.")
    return changes


def _change_of(part: dict[str, Tensor], layer: str, shape: tuple[int, int], path: Path) -> Change:
    weight = _fitting(part["diff"].float(), shape, layer, path) if "diff" in part else None
    bias = _fitting(part["diff_b"].float(), shape[:1], layer, path) if "diff_b" in part else None
    if "down" not in part and "up" not in part:
        return Change(weight=weight, bias=bias)
    if "down" not in part or "up" not in part:
        raise InputError(f"The LoRA {path} has one half of {layer} alone. Fetch it again.")
    down, up = part["down"].float().flatten(1), part["up"].float().flatten(1)
    if up.shape[1] != down.shape[0] or (up.shape[0], down.shape[1]) != shape:
        raise InputError(
            f"The LoRA {path} multiplies {tuple(up.shape)} by {tuple(down.shape)} for {layer}, which is "
            f"{shape}; it is for another model."
        )
    scale = float(part["alpha"]) / down.shape[0] if "alpha" in part else 1.0
    return Change(down, scale * up, weight, bias)


def _fitting(change: Tensor, shape: tuple[int, ...], layer: str, path: Path) -> Tensor:
    if tuple(change.shape) != shape:
        raise InputError(
            f"The LoRA {path} changes {layer} by {tuple(change.shape)}, which is {shape}; it is for another model."
        )
    return change


def _layer(name: str) -> str | None:
    """Our name of the layer that a LoRA names in any layout."""
    name = name.removeprefix("base_model.model.")
    if match := _KOHYA.fullmatch(name):
        number, part, rest = match.groups()
        rest = rest.replace("to_out_0", "to_out.0").replace("net_0_proj", "net.0.proj").replace("net_2", "net.2")
        name = f"blocks.{number}.{part}.{rest}"
    found = our_name(f"{name}.weight")
    return None if found is None else found.removesuffix(".weight")
