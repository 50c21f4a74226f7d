"""Wan's autoencoders from files: diffusers' layout (a folder with config.json) and Wan's own (one .pth)."""

from __future__ import annotations

import re
from pathlib import Path

import torch

from langit.catalog.shards import Rename, fill, read_json, shards_of
from langit.tokenizer.wan_autoencoder import WanAutoencoder, WanAutoencoderConfig, channels_last
from langit.types import InputError

WAN_21 = WanAutoencoderConfig(
    latents_mean=(
        -0.7571, -0.7089, -0.9113, 0.1075, -0.1745, 0.9653, -0.1517, 1.5508, 0.4134, -0.0715, 0.5517, -0.3632, -0.1922, -0.9497,
        0.2503, -0.2921,
    ),
    latents_std=(
        2.8184, 1.4541, 2.3275, 2.6558, 1.2196, 1.7708, 2.6052, 2.0743, 3.2687, 2.1526, 2.8652, 1.5579, 1.6382, 1.1253, 2.8251,
        1.9160,
    ),
)  # fmt: skip
WAN_22 = WanAutoencoderConfig(
    base_dim=160, decoder_base_dim=256, z_dim=48, is_residual=True, in_channels=12, out_channels=12, patch_size=2,
    scale_factor_spatial=16,
    latents_mean=(
        -0.2289, -0.0052, -0.1323, -0.2339, -0.2799, 0.0174, 0.1838, 0.1557, -0.1382, 0.0542, 0.2813, 0.0891, 0.1570, -0.0098,
        0.0375, -0.1825, -0.2246, -0.1207, -0.0698, 0.5109, 0.2665, -0.2108, -0.2158, 0.2502, -0.2055, -0.0322, 0.1109, 0.1567,
        -0.0729, 0.0899, -0.2799, -0.1230, -0.0313, -0.1649, 0.0117, 0.0723, -0.2839, -0.2083, -0.0520, 0.3748, 0.0152, 0.1957,
        0.1433, -0.2944, 0.3573, -0.0548, -0.1681, -0.0667,
    ),
    latents_std=(
        0.4765, 1.0364, 0.4514, 1.1677, 0.5313, 0.4990, 0.4818, 0.5013, 0.8158, 1.0344, 0.5894, 1.0901, 0.6885, 0.6165, 0.8454,
        0.4978, 0.5759, 0.3523, 0.7135, 0.6804, 0.5833, 1.4146, 0.8986, 0.5659, 0.7069, 0.5338, 0.4889, 0.4917, 0.4069, 0.4999,
        0.6866, 0.4093, 0.5709, 0.6065, 0.6415, 0.4944, 0.5726, 1.2042, 0.5458, 1.6887, 0.3971, 1.0600, 0.3943, 0.5537, 0.5444,
        0.4089, 0.7468, 0.7744,
    ),
)  # fmt: skip
"""As Wan's own code has them; its files hold the weights alone."""

_OWN_PARTS = (
    # Wan's own, diffusers'
    (r"^conv1\b", "quant_conv"),
    (r"^conv2\b", "post_quant_conv"),
    (r"^(\w+)\.conv1\b", r"\1.conv_in"),
    (r"^(\w+)\.head\.0\b", r"\1.norm_out"),
    (r"^(\w+)\.head\.2\b", r"\1.conv_out"),
    (r"\.middle\.0\b", ".mid_block.resnets.0"),
    (r"\.middle\.1\b", ".mid_block.attentions.0"),
    (r"\.middle\.2\b", ".mid_block.resnets.1"),
    (r"\.residual\.0\b", ".norm1"),
    (r"\.residual\.2\b", ".conv1"),
    (r"\.residual\.3\b", ".norm2"),
    (r"\.residual\.6\b", ".conv2"),
    (r"\.shortcut\b", ".conv_shortcut"),
)


def diffusers_autoencoder(folder: Path, device: torch.device) -> WanAutoencoder:
    """From vae/ of a folder in diffusers' layout."""
    return _filled(autoencoder_config(folder), shards_of(folder), lambda name, tensor: (name, tensor), device)


def own_autoencoder(
    path: Path, new: bool, device: torch.device, config: WanAutoencoderConfig | None = None
) -> WanAutoencoder:
    """From Wan2.1_VAE.pth, or Wan2.2_VAE.pth where it is `new`."""
    if not path.is_file():
        raise InputError(f"{path.parent} lacks {path.name}. Fetch the model again.")
    config = config or (WAN_22 if new else WAN_21)
    return _filled(config, [path], lambda name, tensor: (diffusers_name(name, config), tensor), device)


def diffusers_name(name: str, config: WanAutoencoderConfig) -> str:
    """What diffusers calls a tensor of Wan's own autoencoder."""
    for own, theirs in _OWN_PARTS:
        name = re.sub(own, theirs, name)
    count = config.num_res_blocks
    if config.is_residual:  # a level is a list of its own, whose last part changes the size
        name = re.sub(r"encoder\.downsamples\.(\d+)\.downsamples\.(\d+)", lambda m: _part("down", m, count), name)
        return re.sub(r"decoder\.upsamples\.(\d+)\.upsamples\.(\d+)", lambda m: _part("up", m, count + 1), name)
    name = name.replace("encoder.downsamples.", "encoder.down_blocks.")
    found = re.match(r"decoder\.upsamples\.(\d+)", name)
    if found is None:
        return name
    level, part = divmod(int(found[1]), count + 2)  # of each level, and what enlarges
    inside = f"resnets.{part}" if part <= count else "upsamplers.0"
    return f"decoder.up_blocks.{level}.{inside}{name[found.end() :]}"


def _part(way: str, found: re.Match[str], count: int) -> str:
    level, part = int(found[1]), int(found[2])
    coder = "encoder" if way == "down" else "decoder"
    return f"{coder}.{way}_blocks.{level}." + (f"resnets.{part}" if part < count else f"{way}sampler")


def autoencoder_config(folder: Path) -> WanAutoencoderConfig:
    """What vae/ of a folder in diffusers' layout says; `InputError` for what is no Wan's."""
    values = read_json(folder / "config.json")
    if values.get("_class_name", "AutoencoderKLWan") != "AutoencoderKLWan":
        raise InputError(f"{folder} holds a {values['_class_name']}; the autoencoder of a Wan is an AutoencoderKLWan.")
    try:
        return WanAutoencoderConfig.from_json(values)
    except (TypeError, ValueError) as error:
        raise InputError(f"{folder}/config.json is not the configuration of a Wan autoencoder ({error}).") from error


def _filled(config: WanAutoencoderConfig, paths: list[Path], rename: Rename, device: torch.device) -> WanAutoencoder:
    with torch.device("meta"):
        vae = WanAutoencoder(config)
    dtype = torch.float32 if device.type == "cpu" else torch.bfloat16
    fill(vae, paths, rename, lambda _: dtype, str(device))
    vae.requires_grad_(False).eval()
    return channels_last(vae) if device.type == "cpu" else vae
