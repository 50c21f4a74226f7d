"""LoRA files (arXiv 2106.09685) merged into the weights: weight += strength * scale * up @ down.

Read are PEFT's and diffusers' layout (`transformer.blocks.0.attn1.to_q.lora_A.weight`), the same with Wan's own names
(`diffusion_model.blocks.0.self_attn.q.lora_down.weight`), and Kohya's (`lora_unet_blocks_0_self_attn_q.lora_down.weight`).
Where a file has an alpha, scale is alpha / rank; otherwise 1.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from langit.catalog.shards import tensors_of
from langit.catalog.wan_layout import our_name
from langit.transformer import Transformer
from langit.transformer.experts import Experts
from langit.types import InputError

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
        if not path.is_file():
            raise InputError(f"There is no LoRA file {path}; write file.safetensors or file.safetensors:0.8.")
        if not -10 <= strength <= 10:
            raise InputError(f"A LoRA strength of {strength:g} was given for {path}; give -10 to 10, mostly 0 to 1.")
        return cls(path, strength)


def apply_loras(transformer: Transformer | Experts, loras: Sequence[Lora]) -> int:
    """Merge the files into the weights, into both of two experts; returns how many layers changed.

    `InputError` for a file that does not fit, with the tensor's name; then nothing has been changed.
    """
    experts = list(transformer.experts) if isinstance(transformer, Experts) else [transformer]
    layers = {name: module for name, module in experts[0].named_modules() if isinstance(module, nn.Linear)}
    changes: dict[str, Tensor] = {}
    for lora in loras:
        for name, change in read_lora(lora.path, layers).items():
            weighted = lora.strength * change
            changes[name] = changes[name] + weighted if name in changes else weighted
    for expert in experts:
        parameters = dict(expert.named_parameters())
        with torch.no_grad():
            for name, change in changes.items():
                parameter = parameters[name]
                parameter.copy_(parameter.float() + change.to(parameter.device))
    return len(changes)


def read_lora(path: Path, layers: dict[str, nn.Linear]) -> dict[str, Tensor]:
    """What a file adds to each parameter, by our names, in float32."""
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
    changes = {}
    for layer, part in parts.items():
        weight = layers[layer].weight
        if "down" in part or "up" in part:
            if "down" not in part or "up" not in part:
                raise InputError(f"The LoRA {path} has one half of {layer} alone. Fetch it again.")
            changes[f"{layer}.weight"] = _product(part, layer, weight, path)
        if "diff" in part:
            changes[f"{layer}.weight"] = _fitting(part["diff"].float(), weight, layer, path)
        if "diff_b" in part:
            changes[f"{layer}.bias"] = _fitting(part["diff_b"].float(), layers[layer].bias, layer, path)
    if not changes:
        raise InputError(f"{path} holds no LoRA.")
    return changes


def _product(part: dict[str, Tensor], layer: str, weight: Tensor, path: Path) -> Tensor:
    down, up = part["down"].float().flatten(1), part["up"].float().flatten(1)
    if up.shape[1] != down.shape[0] or (up.shape[0], down.shape[1]) != tuple(weight.shape):
        raise InputError(
            f"The LoRA {path} multiplies {tuple(up.shape)} by {tuple(down.shape)} for {layer}, which is "
            f"{tuple(weight.shape)}; it is for another model."
        )
    scale = float(part["alpha"]) / down.shape[0] if "alpha" in part else 1.0
    return scale * (up @ down)


def _fitting(change: Tensor, parameter: Tensor, layer: str, path: Path) -> Tensor:
    if change.shape != parameter.shape:
        raise InputError(
            f"The LoRA {path} changes {layer} by {tuple(change.shape)}, which is {tuple(parameter.shape)}; "
            "it is for another model."
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
