"""Names and shapes of Wan's transformer in its three layouts: ours, diffusers' and Wan's own.

A checkpoint becomes ours tensor by tensor: `our_name` says what a tensor is called here, `ours` gives it the shape that it
has here. The patches' numbers come in our order (channel, frame, row, column); Wan's last layer has the channel last.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from einops import rearrange
from torch import Tensor

from langit.patches import PatchSize
from langit.transformer import TransformerConfig
from langit.types import InputError

_ROOT = (
    # ours, diffusers', Wan's own
    ("patch_in", "patch_embedding", "patch_embedding"),
    ("text_in.0", "condition_embedder.text_embedder.linear_1", "text_embedding.0"),
    ("text_in.2", "condition_embedder.text_embedder.linear_2", "text_embedding.2"),
    ("level_in.0", "condition_embedder.time_embedder.linear_1", "time_embedding.0"),
    ("level_in.2", "condition_embedder.time_embedder.linear_2", "time_embedding.2"),
    ("level_out.1", "condition_embedder.time_proj", "time_projection.1"),
    ("image_in.norm_in", "condition_embedder.image_embedder.norm1", "img_emb.proj.0"),
    ("image_in.linear_in", "condition_embedder.image_embedder.ff.net.0.proj", "img_emb.proj.1"),
    ("image_in.linear_out", "condition_embedder.image_embedder.ff.net.2", "img_emb.proj.3"),
    ("image_in.norm_out", "condition_embedder.image_embedder.norm2", "img_emb.proj.4"),
    ("image_in.places", "condition_embedder.image_embedder.pos_embed", "img_emb.emb_pos"),
    ("head_table", "scale_shift_table", "head.modulation"),
    ("patch_out", "proj_out", "head.head"),
)
_BLOCK = (
    ("table", "scale_shift_table", "modulation"),
    ("cross_norm", "norm2", "norm3"),
    ("ffn_in", "ffn.net.0.proj", "ffn.0"),
    ("ffn_out", "ffn.net.2", "ffn.2"),
    *(
        (f"{ours}.{part}", f"{theirs}.{their_part}", f"{own}.{own_part}")
        for ours, theirs, own in (("self_attention", "attn1", "self_attn"), ("cross_attention", "attn2", "cross_attn"))
        for part, their_part, own_part in (
            ("query", "to_q", "q"),
            ("key", "to_k", "k"),
            ("value", "to_v", "v"),
            ("out", "to_out.0", "o"),
            ("query_norm", "norm_q", "norm_q"),
            ("key_norm", "norm_k", "norm_k"),
            ("image_key", "add_k_proj", "k_img"),
            ("image_value", "add_v_proj", "v_img"),
            ("image_key_norm", "norm_added_k", "norm_k_img"),
        )
    ),
)
_ROOT_NAMES = {other: row[0] for row in _ROOT for other in row}
_BLOCK_NAMES = {other: row[0] for row in _BLOCK for other in row}
_DIFFUSERS_ROOT = {row[0]: row[1] for row in _ROOT}
_DIFFUSERS_BLOCK = {row[0]: row[1] for row in _BLOCK}
_PREFIXES = ("model.diffusion_model.", "diffusion_model.", "transformer.", "module.")

PATCH: PatchSize = (1, 2, 2)


def our_name(name: str) -> str | None:
    """What a tensor of diffusers' or Wan's own layout is called here; None for one that we have no place for."""
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    stem, _, kind = name.rpartition(".")
    if kind not in ("weight", "bias"):  # a table, not a layer
        stem, kind = name, ""
    block = re.fullmatch(r"blocks\.(\d+)\.(.+)", stem)
    found = _BLOCK_NAMES.get(block[2]) if block else _ROOT_NAMES.get(stem)
    if found is None:
        return None
    found = f"blocks.{block[1]}.{found}" if block else found
    return f"{found}.{kind}" if kind else found


def diffusers_name(name: str) -> str:
    """The other way: what our tensor is called in diffusers' layout."""
    stem, _, kind = name.rpartition(".")
    if kind not in ("weight", "bias"):
        stem, kind = name, ""
    block = re.fullmatch(r"blocks\.(\d+)\.(.+)", stem)
    found = f"blocks.{block[1]}.{_DIFFUSERS_BLOCK[block[2]]}" if block else _DIFFUSERS_ROOT[stem]
    return f"{found}.{kind}" if kind else found


def ours(name: str, tensor: Tensor, patch: PatchSize = PATCH) -> Tensor:
    """A tensor of diffusers' or Wan's own layout in the shape and order that `name` has here."""
    t, h, w = patch
    if name == "patch_in.weight" and tensor.ndim == 5:
        return tensor.flatten(1)  # a convolution whose kernel is one patch
    if name.startswith("patch_out."):
        return rearrange(tensor, "(t h w c) ... -> (c t h w) ...", t=t, h=h, w=w)
    if name.endswith(("table", "places")) and tensor.ndim == 3:
        return tensor.squeeze(0)
    return tensor


def theirs(name: str, tensor: Tensor, patch: PatchSize = PATCH) -> Tensor:
    """Our tensor of that name in the shape and order of diffusers' and Wan's own layout."""
    t, h, w = patch
    if name == "patch_in.weight":
        return rearrange(tensor, "d (c t h w) -> d c t h w", t=t, h=h, w=w)
    if name.startswith("patch_out."):
        return rearrange(tensor, "(c t h w) ... -> (t h w c) ...", t=t, h=h, w=w)
    return tensor.unsqueeze(0) if name.endswith(("table", "places")) else tensor


def convert(tensors: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Every tensor of a checkpoint under our name and in our shape; `InputError` for one that belongs to no Wan."""
    for name, tensor in tensors.items():
        found = our_name(name)
        if found is None:
            raise InputError(f"The tensor {name} belongs to no Wan transformer that langit knows.")
        yield found, ours(found, tensor)


def to_diffusers(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our weights as diffusers' WanTransformer3DModel holds them."""
    return {diffusers_name(name): theirs(name, tensor).contiguous() for name, tensor in tensors.items()}


def transformer_config(values: Mapping[str, Any], where: str) -> TransformerConfig:
    """The shape that a transformer's config.json of either layout describes; `InputError` for what we cannot run."""
    kind = values.get("_class_name")
    if kind not in ("WanTransformer3DModel", "WanModel"):
        raise InputError(
            f"{where} describes a {kind or 'thing without _class_name'}; langit runs WanTransformer3DModel (diffusers' "
            "layout) and WanModel (Wan's own)."
        )
    try:
        config = _of_diffusers(values) if kind == "WanTransformer3DModel" else _of_wan(values)
        _check(config)
        return config
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise InputError(
            f"{where} is not a Wan transformer's configuration ({type(error).__name__}: {error})."
        ) from error


_SIZES = ("patch_dim", "out_dim", "width", "num_heads", "ffn_width", "text_width", "time_frequencies")
_MOST, _MOST_DEPTH = 1_000_000, 1000
"""Far above all that is published; what is beyond is a damaged file, and would take forever to find out."""


def _check(config: TransformerConfig) -> None:
    """ValueError for a size that no transformer has."""
    limits = dict.fromkeys(_SIZES, (1, _MOST)) | {"depth": (1, _MOST_DEPTH)}
    for name, (least, most) in (limits | {"image_width": (0, _MOST), "image_places": (0, _MOST)}).items():
        value = getattr(config, name)
        if not isinstance(value, int) or not least <= value <= most:
            raise ValueError(f"the {name.replace('_', ' ')} {value!r} is no whole number from {least} to {most}")
    if not isinstance(config.eps, float) or not 0 < config.eps < 1:
        raise ValueError(f"the eps {config.eps!r} is no number between 0 and 1")


def _of_diffusers(values: Mapping[str, Any]) -> TransformerConfig:
    if tuple(values["patch_size"]) != PATCH:
        raise ValueError(f"patches of {values['patch_size']}, where every Wan has {PATCH}")
    if not values.get("cross_attn_norm", True) or values.get("qk_norm", "") != "rms_norm_across_heads":
        raise ValueError("cross_attn_norm and rms_norm_across_heads are needed, as every published Wan has them")
    image_width = values.get("image_dim") or 0
    width = values["num_attention_heads"] * values["attention_head_dim"]
    if image_width and values.get("added_kv_proj_dim") != width:
        raise ValueError(f"added_kv_proj_dim {values.get('added_kv_proj_dim')} is not the width {width}")
    box = math.prod(PATCH)
    return TransformerConfig(
        patch_dim=values["in_channels"] * box,
        out_dim=(values.get("out_channels") or values["in_channels"]) * box,
        width=width,
        depth=values["num_layers"],
        num_heads=values["num_attention_heads"],
        ffn_width=values["ffn_dim"],
        text_width=values["text_dim"],
        time_frequencies=values.get("freq_dim", 256),
        eps=values.get("eps", 1e-6),
        image_width=image_width,
        image_places=values.get("pos_embed_seq_len") or 0,
    )


def _of_wan(values: Mapping[str, Any]) -> TransformerConfig:
    box = math.prod(PATCH)
    kind = values.get("model_type", "t2v")
    if kind not in ("t2v", "i2v", "flf2v", "ti2v"):
        raise ValueError(f"the model_type {kind!r} is none of t2v, i2v, flf2v, ti2v")
    # Wan 2.1's picture to video reads CLIP's states; Wan 2.2's has the same model_type without them in its code, so the
    # checkpoint decides: `with_pictures` below.
    return TransformerConfig(
        patch_dim=values["in_dim"] * box,
        out_dim=values["out_dim"] * box,
        width=values["dim"],
        depth=values["num_layers"],
        num_heads=values["num_heads"],
        ffn_width=values["ffn_dim"],
        text_width=values.get("text_dim", 4096),
        time_frequencies=values.get("freq_dim", 256),
        eps=values.get("eps", 1e-6),
    )
