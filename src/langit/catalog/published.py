"""The open weights that langit knows by name: shapes as published, licence, and what they take."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from langit.catalog.memory import Need, needed, num_parameters, passing_bytes
from langit.catalog.wan_layout import PATCH, transformer_config
from langit.transformer import TransformerConfig
from langit.types import ClipShape, InputError

UMT5_PARAMETERS = 5_680_910_336  # of the encoder of umt5-xxl
VAE_PARAMETERS = {8: 126_892_531, 16: 704_688_668}
CLIP_PARAMETERS = 630_766_080


@dataclass(frozen=True)
class Published:
    """One repository in diffusers' layout."""

    name: str
    family: str
    shape: dict[str, Any]  # what its transformer/config.json says beside the common values
    clip: ClipShape  # what it was made for
    fps: float
    experts: int = 1
    boundary: float | None = None
    shift: float = 3.0
    spatial: int = 8  # pixels to a latent, along a side
    licence: str = "Apache-2.0"

    @property
    def transformer(self) -> TransformerConfig:
        return transformer_config(self.diffusers, self.name)

    @property
    def diffusers(self) -> dict[str, Any]:
        """The whole of transformer/config.json."""
        return {**_COMMON, **self.shape}

    @property
    def parameters(self) -> int:
        """Of the transformers."""
        return self.experts * num_parameters(self.transformer)

    @property
    def download(self) -> int:
        """Bytes on disk, near enough to ask whether there is room: weights as they are published, in bfloat16 or float32."""
        others = 2 * UMT5_PARAMETERS + 4 * VAE_PARAMETERS[self.spatial]
        pictures = 2 * CLIP_PARAMETERS if self.transformer.image_width else 0
        return 2 * self.parameters + others + pictures

    def need(self, shape: ClipShape, bytes_each: float = 2, eight_bits: bool = False) -> Need:
        """Memory at a size and length; with eight bits the linear layers of the blocks are in them."""
        stride = (4, self.spatial, self.spatial)
        text = round(UMT5_PARAMETERS * 2)
        return needed(self.transformer, self.experts, stride, PATCH, shape, bytes_each, text, eight_bits)

    def streamed(self, shape: ClipShape, bytes_each: float = 2, eight_bits: bool = False) -> Need:
        """The same where the blocks are streamed."""
        passing = passing_bytes(self.transformer, self.experts, bytes_each, eight_bits)
        return replace(self.need(shape, bytes_each), transformer=passing)


_COMMON = {
    "_class_name": "WanTransformer3DModel", "patch_size": [1, 2, 2], "attention_head_dim": 128, "text_dim": 4096,
    "freq_dim": 256, "cross_attn_norm": True, "qk_norm": "rms_norm_across_heads", "eps": 1e-6, "in_channels": 16,
    "out_channels": 16, "added_kv_proj_dim": None, "image_dim": None, "pos_embed_seq_len": None, "rope_max_seq_len": 1024,
}  # fmt: skip
_14B = {"num_attention_heads": 40, "ffn_dim": 13824, "num_layers": 40}
_PICTURE = {**_14B, "in_channels": 36, "image_dim": 1280, "added_kv_proj_dim": 5120}
_480P, _720P = ClipShape(81, 480, 832), ClipShape(81, 720, 1280)

PUBLISHED = {
    model.name: model
    for model in (
        Published(
            "Wan-AI/Wan2.1-T2V-1.3B-Diffusers", "2.1 T2V",
            {"num_attention_heads": 12, "ffn_dim": 8960, "num_layers": 30}, _480P, 16.0,
        ),
        Published("Wan-AI/Wan2.1-T2V-14B-Diffusers", "2.1 T2V", _14B, _720P, 16.0),
        Published("Wan-AI/Wan2.1-I2V-14B-480P-Diffusers", "2.1 I2V", _PICTURE, _480P, 16.0),
        Published("Wan-AI/Wan2.1-I2V-14B-720P-Diffusers", "2.1 I2V", _PICTURE, _720P, 16.0, shift=5.0),
        Published(
            "Wan-AI/Wan2.1-FLF2V-14B-720P-diffusers", "2.1 FLF2V", {**_PICTURE, "pos_embed_seq_len": 514}, _720P, 16.0
        ),
        Published(
            "Wan-AI/Wan2.2-TI2V-5B-Diffusers", "2.2 TI2V",
            {"num_attention_heads": 24, "ffn_dim": 14336, "num_layers": 30, "in_channels": 48, "out_channels": 48},
            ClipShape(121, 704, 1280), 24.0, shift=5.0, spatial=16,
        ),
        Published("Wan-AI/Wan2.2-T2V-A14B-Diffusers", "2.2 T2V", _14B, _720P, 16.0, 2, 0.875),
        Published("Wan-AI/Wan2.2-I2V-A14B-Diffusers", "2.2 I2V", {**_14B, "in_channels": 36}, _720P, 16.0, 2, 0.9),
    )
}  # fmt: skip


def published(name: str) -> Published:
    """The model of that name, with or without its owner; `InputError` lists the known."""
    for known, model in PUBLISHED.items():
        if name.lower() in (known.lower(), known.partition("/")[2].lower()):
            return model
    raise InputError(f"There is no model {name!r} that langit knows by name; it knows {', '.join(PUBLISHED)}.")
