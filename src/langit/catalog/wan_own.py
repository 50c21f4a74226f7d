"""Wan's own layout: config.json of a WanModel with its weights, the autoencoder and the encoders as .pth beside them."""

from __future__ import annotations

import dataclasses
import re
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from langit.catalog.shards import fill, read_json, shapes_of, shards_of, tensors_of
from langit.catalog.wan import Parts, largest_dtype, optional, wan_config
from langit.catalog.wan_autoencoder import own_autoencoder
from langit.catalog.wan_layout import transformer_config
from langit.transformer import TransformerConfig
from langit.types import InputError

_UMT5 = {
    "relative_attention_num_buckets": 32, "feed_forward_proj": "gated-gelu", "dense_act_fn": "gelu_new", "is_gated_act": True,
    "tie_word_embeddings": False,
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
_CLIP_NAMES = (
    # Wan's own, transformers'
    (r"^cls_embedding$", "embeddings.class_embedding"),
    (r"^patch_embedding\b", "embeddings.patch_embedding"),
    (r"^pos_embedding$", "embeddings.position_embedding.weight"),
    (r"^pre_norm\b", "pre_layrnorm"),
    (r"^post_norm\b", "post_layernorm"),
    (r"^transformer\.(\d+)\.", r"encoder.layers.\1."),
    (r"\.norm([12])\.", r".layer_norm\1."),
    (r"\.attn\.proj\.", ".self_attn.out_proj."),
    (r"\.attn\.to_([qkv])\.", r".self_attn.\1_proj."),
    (r"\.mlp\.0\.", ".mlp.fc1."),
    (r"\.mlp\.2\.", ".mlp.fc2."),
)
CLIP = "models_clip_open-clip-xlm-roberta-large-vit-huge-14.pth"


def own_parts(folder: Path) -> Parts:
    """The parts of a folder in Wan's own layout."""
    two = (folder / "high_noise_model").is_dir()
    roots = [folder / "high_noise_model", folder / "low_noise_model"] if two else [folder]
    if lacking := [root.name for root in roots if not (root / "config.json").is_file()]:
        raise InputError(f"{folder} lacks {lacking[0]}/config.json. Fetch the model again.")
    values = [read_json(root / "config.json") for root in roots]
    shapes = [transformer_config(value, f"{root}/config.json") for value, root in zip(values, roots, strict=True)]
    experts = tuple(tuple(shards_of(root, "diffusion_pytorch_model")) for root in roots)
    configs = [_with_pictures(shape, list(paths)) for shape, paths in zip(shapes, experts, strict=True)]
    if len(set(configs)) != 1:
        raise InputError(f"The two transformers in {folder} have different shapes. Fetch the model again.")
    config = configs[0]
    beside = config.patch_dim > config.out_dim
    new = values[0].get("model_type") == "ti2v" or config.out_dim == 48 * 4  # 2.2's autoencoder, a level to each patch
    boundary = (0.9 if beside else 0.875) if two else None
    shift = 16.0 if config.image_places else 12.0 if two and not beside else 5.0
    vae = folder / ("Wan2.2_VAE.pth" if new else "Wan2.1_VAE.pth")
    spatial = 16 if new else 8
    return Parts(
        wan_config(folder.name, config, (4, spatial, spatial), shift, boundary, new, experts),
        experts,
        partial(own_autoencoder, vae, new),
        partial(_own_umt5, folder),
        partial(own_clip, folder / CLIP) if config.image_width else None,
    )


def _with_pictures(config: TransformerConfig, paths: list[Path]) -> TransformerConfig:
    """Whether the transformer looks at a picture is told by its weights alone in this layout."""
    shapes = shapes_of(paths)
    width = shapes.get("img_emb.proj.0.weight", (0,))[0]
    return dataclasses.replace(config, image_width=width, image_places=shapes.get("img_emb.emb_pos", (0, 0))[1])


def _own_umt5(folder: Path, device: torch.device) -> tuple[Any, Any]:
    transformers = optional("transformers")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder / "google" / "umt5-xxl", local_files_only=True)
    paths = sorted(folder.glob("models_t5_*.pth"))
    if not paths:
        raise InputError(f"{folder} lacks models_t5_umt5-xxl-enc-bf16.pth. Fetch the model again.")
    kept = largest_dtype(paths, device)
    with torch.device("meta"):
        encoder = transformers.UMT5EncoderModel(transformers.UMT5Config(**_UMT5, **_umt5_shape(paths)))
    encoder.encoder.embed_tokens = encoder.shared
    fill(encoder.encoder, paths, lambda name, tensor: (umt5_name(name), tensor), lambda _: kept, str(device))
    return tokenizer, encoder.encoder.requires_grad_(False).eval()


def _umt5_shape(paths: list[Path]) -> dict[str, int]:
    shapes = {umt5_name(name): shape for name, shape in shapes_of(paths).items()}
    try:
        vocabulary, width = shapes["embed_tokens.weight"]
        heads = shapes["block.0.layer.0.SelfAttention.relative_attention_bias.weight"][1]
        return {
            "vocab_size": vocabulary,
            "d_model": width,
            "d_kv": shapes["block.0.layer.0.SelfAttention.q.weight"][0] // heads,
            "d_ff": shapes["block.0.layer.1.DenseReluDense.wo.weight"][1],
            "num_layers": 1 + max(int(name.split(".")[1]) for name in shapes if name.startswith("block.")),
            "num_heads": heads,
        }
    except (KeyError, IndexError, ValueError) as error:
        raise InputError(f"{paths[0]} is not the text encoder of Wan (it lacks {error}). Fetch it again.") from error


def own_clip(path: Path, device: torch.device, heads: int = 16) -> tuple[Any, Any]:
    """The picture half of Wan's own CLIP, as transformers' class; its shape is that of its tensors."""
    transformers = optional("transformers")
    if not path.is_file():
        raise InputError(f"{path.parent} lacks {path.name}. Fetch the model again.")
    tensors = _visual(path)
    try:
        patch = tensors["embeddings.patch_embedding.weight"]
        places = len(tensors["embeddings.position_embedding.weight"]) - 1
        config = transformers.CLIPVisionConfig(
            hidden_size=len(patch),
            intermediate_size=len(tensors["encoder.layers.0.mlp.fc1.weight"]),
            num_hidden_layers=1 + max(int(name.split(".")[2]) for name in tensors if name.startswith("encoder.")),
            num_attention_heads=heads,
            image_size=round(places**0.5) * patch.shape[-1],
            patch_size=patch.shape[-1],
            hidden_act="gelu",
        )
        encoder = transformers.CLIPVisionModel(config)
        encoder.load_state_dict(tensors)
    except (KeyError, RuntimeError, ValueError) as error:
        raise InputError(f"{path} is not the image encoder of Wan ({str(error).splitlines()[0]}).") from error
    size = config.image_size
    processor = transformers.CLIPImageProcessorPil(
        size={"shortest_edge": size}, crop_size={"height": size, "width": size}
    )
    return processor, encoder.float().to(device).requires_grad_(False).eval()


def _visual(path: Path) -> dict[str, Tensor]:
    """The tensors of the picture half by transformers' names; query, key and value come as one and leave as three."""
    found: dict[str, Tensor] = {}
    for name, tensor in tensors_of(path):
        own = name.removeprefix("visual.")
        if own in (name, "head"):  # what reads text, and what compares it with pictures
            continue
        parts = {own: tensor}
        if ".to_qkv." in own:
            parts = {own.replace("to_qkv", f"to_{one}"): part for one, part in zip("qkv", tensor.chunk(3), strict=True)}
        for part, value in parts.items():
            for wan, theirs in _CLIP_NAMES:
                part = re.sub(wan, theirs, part)
            found[part] = value.float().squeeze(0) if part.endswith("position_embedding.weight") else value.float()
    if "embeddings.class_embedding" in found:
        found["embeddings.class_embedding"] = found["embeddings.class_embedding"].flatten()
    return found


def umt5_name(name: str) -> str:
    """A tensor of Wan's own text encoder as transformers calls it."""
    if name.startswith("blocks."):
        _, number, rest = name.split(".", 2)
        stem, _, kind = rest.rpartition(".")
        for own, theirs in _UMT5_NAMES.items():
            if stem == own or stem.startswith(own + "."):
                return f"block.{number}.{theirs}{stem[len(own) :]}.{kind}"
    return {"token_embedding.weight": "embed_tokens.weight", "norm.weight": "final_layer_norm.weight"}.get(name, name)
