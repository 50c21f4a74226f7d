"""Wan's own layout: config.json of a WanModel with its weights, the autoencoder and the encoders as .pth beside them."""

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path
from typing import Any

import torch

from langit.catalog.shards import fill, read_json, shapes_of, shards_of, tensors_of
from langit.catalog.wan import Parts, largest_dtype, optional, wan_config
from langit.catalog.wan_layout import transformer_config
from langit.transformer import TransformerConfig
from langit.types import InputError

_UMT5 = {
    "vocab_size": 256384, "d_model": 4096, "d_kv": 64, "d_ff": 10240, "num_layers": 24, "num_heads": 64,
    "relative_attention_num_buckets": 32,
    "feed_forward_proj": "gated-gelu", "dense_act_fn": "gelu_new", "is_gated_act": True, "tie_word_embeddings": False,
}  # fmt: skip
_UMT5_NAMES = {
    "norm1": "layer.0.layer_norm",
    "attn": "layer.0.SelfAttention",
    "norm2": "layer.1.layer_norm",
    "ffn.gate.0": "layer.1.DenseReluDense.wi_0",
    "ffn.fc1": "layer.1.DenseReluDense.wi_1",
    "ffn.fc2": "layer.1.DenseReluDense.wo",
    "pos_embedding.embedding": "layer.0.SelfAttention.relative_attention_bias",
}
_VAE_22 = {
    "base_dim": 160, "decoder_base_dim": 256, "z_dim": 48, "is_residual": True, "in_channels": 12, "out_channels": 12,
    "patch_size": 2, "scale_factor_spatial": 16,
}  # fmt: skip


def own_parts(folder: Path) -> Parts:
    """The parts of a folder in Wan's own layout."""
    two = (folder / "high_noise_model").is_dir()
    roots = [folder / "high_noise_model", folder / "low_noise_model"] if two else [folder]
    if lacking := [root.name for root in roots if not (root / "config.json").is_file()]:
        raise InputError(f"{folder} lacks {lacking[0]}/config.json. Fetch the model again.")
    values = [read_json(root / "config.json") for root in roots]
    experts = tuple(tuple(shards_of(root, "diffusion_pytorch_model")) for root in roots)
    configs = [
        _with_pictures(transformer_config(value, f"{root}/config.json"), list(paths))
        for value, root, paths in zip(values, roots, experts, strict=True)
    ]
    if len(set(configs)) != 1:
        raise InputError(f"The two transformers in {folder} have different shapes. Fetch the model again.")
    config = configs[0]
    beside = config.patch_dim > config.out_dim
    if config.image_width:
        raise InputError(
            f"{folder} is Wan 2.1's picture to video in Wan's own layout, whose image encoder langit does not read; "
            "use the same model in diffusers' layout (its name ends in -Diffusers)."
        )
    new = config.out_dim == 48 * 4  # 2.2's autoencoder
    boundary = (0.9 if beside else 0.875) if two else None
    shift = 5.0 if new or beside else 12.0 if two else 5.0
    vae = folder / ("Wan2.2_VAE.pth" if new else "Wan2.1_VAE.pth")
    spatial = 16 if new else 8
    return Parts(
        wan_config(folder.name, config, (4, spatial, spatial), shift, boundary, new, experts),
        experts,
        partial(_own_vae, vae, new),
        partial(_own_umt5, folder),
        None,
    )


def _with_pictures(config: TransformerConfig, paths: list[Path]) -> TransformerConfig:
    """Whether the transformer looks at a picture is told by its weights alone in this layout."""
    shapes = shapes_of(paths)
    width = shapes.get("img_emb.proj.0.weight", (0,))[0]
    return dataclasses.replace(config, image_width=width, image_places=shapes.get("img_emb.emb_pos", (0, 0))[1])


def _own_vae(path: Path, new: bool, device: torch.device) -> Any:
    diffusers = optional("diffusers")
    from diffusers.loaders.single_file_utils import convert_wan_vae_to_diffusers

    if not path.is_file():
        raise InputError(f"{path.parent} lacks {path.name}. Fetch the model again.")
    if new:
        raise InputError(
            f"{path.name} in Wan's own layout is not read; use the same model in diffusers' layout (-Diffusers)."
        )
    convert: Any = convert_wan_vae_to_diffusers
    converted = convert(dict(tensors_of(path)))
    with torch.device("meta"):
        vae = diffusers.AutoencoderKLWan(**(_VAE_22 if new else {}))
    expected = vae.state_dict()
    for name, tensor in expected.items():
        if name not in converted or converted[name].shape != tensor.shape:
            raise InputError(f"The tensor {name} lacks in {path} or has another shape. Fetch the model again.")
    dtype = torch.float32 if device.type == "cpu" else torch.bfloat16
    vae.load_state_dict({name: converted[name].to(device, dtype) for name in expected}, assign=True)
    return vae.requires_grad_(False).eval()


def _own_umt5(folder: Path, device: torch.device) -> tuple[Any, Any]:
    transformers = optional("transformers")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder / "google" / "umt5-xxl", local_files_only=True)
    paths = sorted(folder.glob("models_t5_*.pth"))
    if not paths:
        raise InputError(f"{folder} lacks models_t5_umt5-xxl-enc-bf16.pth. Fetch the model again.")
    kept = largest_dtype(paths, device)
    with torch.device("meta"):
        encoder = transformers.UMT5EncoderModel(transformers.UMT5Config(**_UMT5))
    encoder.encoder.embed_tokens = encoder.shared
    fill(encoder.encoder, paths, lambda name, tensor: (umt5_name(name), tensor), lambda _: kept, str(device))
    return tokenizer, encoder.encoder.requires_grad_(False).eval()


def umt5_name(name: str) -> str:
    """A tensor of Wan's own text encoder as transformers calls it."""
    if name.startswith("blocks."):
        _, number, rest = name.split(".", 2)
        stem, _, kind = rest.rpartition(".")
        for own, theirs in _UMT5_NAMES.items():
            if stem == own or stem.startswith(own + "."):
                return f"block.{number}.{theirs}{stem[len(own) :]}.{kind}"
    return {"token_embedding.weight": "embed_tokens.weight", "norm.weight": "final_layer_norm.weight"}.get(name, name)
