"""The six families of Wan at small size: diffusers' own classes with random weights, saved by diffusers' own hand."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
import transformers
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from torch import Tensor

assert diffusers.__version__ == "0.42.1", "what langit's open weights are proven equal to"

PROMPTS = ("a red ball", "Two  cats &amp; a dog, running over the hill at dusk", "x")
NEGATIVE = "blurry, static"


@dataclass(frozen=True)
class Family:
    """What tells one family of Wan from another."""

    transformer: dict[str, Any]
    vae: dict[str, Any]
    picture: bool = False
    experts: int = 1
    boundary: float | None = None
    per_patch: bool = False
    ends: bool = False  # first and last picture
    shift: float = 3.0


SHAPE = {
    "num_attention_heads": 2,
    "attention_head_dim": 12,
    "text_dim": 16,
    "freq_dim": 16,
    "ffn_dim": 40,
    "num_layers": 2,
}
CLIP_WIDTH, CLIP_TOKENS = 20, 5
_MEAN, _DEVIATION = [0.1, -0.2, 0.3, 0.0], [1.5, 0.7, 2.0, 1.1]
VAE = {"2.1": {"base_dim": 6, "z_dim": 4, "num_res_blocks": 1, "latents_mean": _MEAN, "latents_std": _DEVIATION}}
VAE["2.2"] = {
    "base_dim": 6, "decoder_base_dim": 8, "z_dim": 6, "num_res_blocks": 1, "latents_mean": [0.1, -0.2, 0.3, 0.0, 0.5, -0.4],
    "latents_std": [1.5, 0.7, 2.0, 1.1, 0.9, 0.6], "is_residual": True, "in_channels": 12, "out_channels": 12, "patch_size": 2,
    "scale_factor_spatial": 16,
}  # fmt: skip


def _beside(**more: Any) -> dict[str, Any]:
    return dict(in_channels=12, out_channels=4, **more)


_CLIP = {"image_dim": CLIP_WIDTH, "added_kv_proj_dim": 24}
FAMILIES = {
    "2.1 T2V": Family({"in_channels": 4, "out_channels": 4}, VAE["2.1"]),
    "2.1 I2V": Family(_beside(**_CLIP), VAE["2.1"], picture=True, shift=5.0),
    "2.1 FLF2V": Family(
        _beside(**_CLIP, pos_embed_seq_len=2 * CLIP_TOKENS), VAE["2.1"], picture=True, ends=True, shift=16.0
    ),
    "2.2 TI2V": Family({"in_channels": 6, "out_channels": 6}, VAE["2.2"], per_patch=True, shift=5.0),
    "2.2 T2V": Family({"in_channels": 4, "out_channels": 4}, VAE["2.1"], experts=2, boundary=0.875, shift=12.0),
    "2.2 I2V": Family(_beside(), VAE["2.1"], picture=True, experts=2, boundary=0.9, shift=5.0),
}


def lively(module: torch.nn.Module, seed: int) -> torch.nn.Module:
    """Random weights of a size that lets every one of them count: fresh layers are near zero, norms exactly one."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        fan_in = parameter[0].numel() if parameter.ndim > 1 else 100
        parameter.data = noise * fan_in**-0.5 + (1.0 if parameter.ndim == 1 and (parameter == 1).all() else 0.0)
    return module.eval().requires_grad_(False)


@cache
def transformer(family: str, expert: int = 0) -> Any:
    torch.manual_seed(expert)
    return lively(diffusers.WanTransformer3DModel(**SHAPE, **FAMILIES[family].transformer), expert)


@cache
def autoencoder(family: str) -> Any:
    vae = diffusers.AutoencoderKLWan(**FAMILIES[family].vae)
    for name, parameter in vae.named_parameters():  # its norms multiply: keep the size of what flows
        if name.endswith("bias"):
            parameter.data = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(len(name))) * 0.1
    return vae.eval().requires_grad_(False)


def prompt_tokenizer() -> Any:
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ,.&"
    vocabulary = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", -9.0), ("▁", -2.0), *((letter, -4.0) for letter in letters)]
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=2))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )


@cache
def text_encoder() -> Any:
    config = transformers.UMT5Config(vocab_size=64, d_model=16, d_kv=6, d_ff=24, num_layers=2, num_heads=2)
    return lively(transformers.UMT5EncoderModel(config), 5)


@cache
def image_encoder() -> Any:
    config = transformers.CLIPVisionConfig(
        hidden_size=CLIP_WIDTH,
        intermediate_size=32,
        num_hidden_layers=3,
        num_attention_heads=2,
        image_size=28,
        patch_size=14,
        hidden_act="gelu",
    )
    return lively(transformers.CLIPVisionModel(config), 6)


def image_processor() -> Any:
    return transformers.CLIPImageProcessorPil(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28})


def scheduler(shift: float) -> Any:
    return diffusers.UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, num_train_timesteps=1000, flow_shift=shift
    )


def pipeline(name: str) -> Any:
    """diffusers' own pipeline of a family."""
    family = FAMILIES[name]
    parts = {
        "tokenizer": prompt_tokenizer(), "text_encoder": text_encoder(), "vae": autoencoder(name),
        "scheduler": scheduler(family.shift),
        "transformer": transformer(name), "transformer_2": transformer(name, 1) if family.experts == 2 else None,
        "boundary_ratio": family.boundary, "expand_timesteps": family.per_patch,
    }  # fmt: skip
    if family.picture:
        clip = "image_dim" in family.transformer
        return diffusers.WanImageToVideoPipeline(
            **parts,
            image_encoder=image_encoder() if clip else None,
            image_processor=image_processor() if clip else None,
        )
    return diffusers.WanPipeline(**parts)


def save(name: str, folder: Path) -> Path:
    """The family in a folder as diffusers writes it, the transformer in several shards."""
    folder = folder / name.replace(" ", "-")
    if not folder.exists():
        pipeline(name).save_pretrained(folder, max_shard_size="20KB")
    return folder


def frame(height: int, width: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def picture(height: int, width: int, seed: int) -> Image.Image:
    return Image.fromarray(frame(height, width, seed))


def relative(ours: Tensor, reference: Tensor) -> float:
    """The error's norm over the reference's."""
    return float((ours.double() - reference.double()).norm() / reference.double().norm())
