"""Every component of a folder of Wan's weights, ours against diffusers' on the same weights: what `langit parity` prints."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from einops import rearrange
from torch import Tensor

from langit.catalog.shards import read_json
from langit.catalog.wan import find_parts, load_transformer, optional
from langit.packing import Text, pack, unpack
from langit.sampling import SCHEDULES, SOLVERS
from langit.tokenizer import decode, encode
from langit.tokenizer.wan import WanTokenizer
from langit.transformer import Transformer
from langit.types import InputError

TOLERANCE = 1e-5


@dataclass(frozen=True)
class Comparison:
    """One component: the norm of the difference over the reference's."""

    component: str
    error: float

    @property
    def equal(self) -> bool:
        return self.error <= TOLERANCE


@torch.inference_mode()
def compare(folder: Path, device: str = "cpu") -> Iterator[Comparison]:
    """Block by block, then autoencoder and scheduler, in float32; one transformer in memory twice at a time."""
    diffusers = optional("diffusers")
    diffusers.utils.logging.set_verbosity_error()
    diffusers.utils.logging.disable_progress_bar()
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder. Name the folder that holds model_index.json.")
    if not (folder / "model_index.json").is_file():
        raise InputError(
            f"{folder} is not in diffusers' layout, so diffusers cannot be compared with; give one that is."
        )
    parts = find_parts(folder)
    config = parts.config.transformer
    for number, paths in enumerate(parts.experts):
        name = "transformer" if number == 0 else "transformer_2"
        ours = load_transformer(config, list(paths), torch.float32, device)
        reference = diffusers.WanTransformer3DModel.from_pretrained(folder / name, torch_dtype=torch.float32)
        reference = reference.to(device).eval()
        yield from _transformer(name, ours, reference)
        del ours, reference
    vae = diffusers.AutoencoderKLWan.from_pretrained(folder / "vae", torch_dtype=torch.float32).to(device).eval()
    generator = torch.Generator().manual_seed(0)
    tokenizer = WanTokenizer(parts.vae(torch.device(device)).float())
    side = 2 * tokenizer.stride[1]
    frames = torch.rand(5, side, side, 3, generator=generator) * 2 - 1
    shape = (-1, 1, 1, 1)
    mean, deviation = (torch.tensor(v).view(shape) for v in (vae.config.latents_mean, vae.config.latents_std))
    moments = vae.encode(rearrange(frames, "f h w c -> 1 c f h w").to(device)).latent_dist.mode()[0].cpu()
    latents = encode(tokenizer, frames)
    yield Comparison("autoencoder, encoding", _relative(latents, (moments - mean) / deviation))
    expected = vae.decode((latents * deviation + mean)[None].to(device)).sample[0].cpu()
    yield Comparison(
        "autoencoder, decoding", _relative(decode(tokenizer, latents), rearrange(expected, "c f h w -> f h w c"))
    )
    scheduler = diffusers.UniPCMultistepScheduler.from_config(read_json(folder / "scheduler" / "scheduler_config.json"))
    yield Comparison("scheduler, 10 steps", _scheduler(scheduler, parts.config.sampling.shift))


def _transformer(name: str, ours: Transformer, reference: Any) -> Iterator[Comparison]:
    settings = reference.config
    device = next(reference.parameters()).device
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, settings.in_channels, 2, 8, 8, generator=generator).to(device)
    text = torch.zeros(1, 512, settings.text_dim)
    text[0, :20] = torch.randn(20, settings.text_dim, generator=generator)
    text = text.to(device)
    pictures, picture = None, None
    if settings.image_dim:
        both = 2 if settings.pos_embed_seq_len else 1
        tokens = (settings.pos_embed_seq_len or 514) // 2
        picture = torch.randn(both, tokens, settings.image_dim, generator=generator).to(device)
        pictures = Text(picture.flatten(0, 1), (0, both * tokens))
    counts = torch.ones(21, device=device)
    counts[20] = 492
    patches, layout = pack(list(x), (1, 2, 2))
    expected: list[Tensor] = []
    found: list[Tensor] = []
    for module, kept in ((reference, expected), (ours, found)):
        for block in module.blocks:
            block.register_forward_hook(lambda _, __, out, kept=kept: kept.append(out.flatten(0, -2)))
    whole = reference(x, torch.tensor([700], device=device), text, picture, return_dict=False)[0][0]
    sigma = torch.full((len(patches),), 0.7, dtype=torch.float64, device=device)
    words = Text(text[0, :21], (0, 21), counts=counts, pictures=pictures)
    made = unpack(ours(patches, sigma, layout.to(device), words), layout, (1, 2, 2))[0]
    for index, (one, other) in enumerate(zip(found, expected, strict=True)):
        yield Comparison(f"{name}, block {index}", _relative(one, other))
    yield Comparison(f"{name}, whole", _relative(made, whole))


def _scheduler(scheduler: Any, shift: float) -> float:
    noise = torch.randn(4, 8, generator=torch.Generator().manual_seed(0))
    scheduler.set_timesteps(10)
    x = noise
    for sigma, timestep in zip(scheduler.sigmas, scheduler.timesteps, strict=False):
        x = scheduler.step(torch.tanh(x) + sigma * x.cos(), timestep, x, return_dict=False)[0]

    def denoise(x: Tensor, sigma: Tensor) -> Tensor:
        return x - sigma[:, None] * (torch.tanh(x) + sigma[:, None] * x.cos())

    levels = SCHEDULES["wan"](10, shift)[:, None].expand(-1, 4)
    return _relative(SOLVERS["unipc"](denoise, noise, levels, lambda step: None), x)


def _relative(ours: Tensor, reference: Tensor) -> float:
    return float((ours.double().cpu() - reference.double().cpu()).norm() / reference.double().cpu().norm())
