"""Wan's video autoencoders (2.1: 4x8x8, 16 channels; 2.2: 4x16x16, 48 channels) behind the tokenizer protocol.

The layers are diffusers' `AutoencoderKLWan`; the walk through time is ours, so that both directions stream.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from einops import rearrange
from torch import Tensor


@dataclass(frozen=True)
class WanTokenizer:
    """Frames (F, H, W, 3) in [-1, 1] <-> latents (C, f, h, w), normalised by the statistics in the model's own files."""

    vae: Any  # diffusers.AutoencoderKLWan

    @property
    def channels(self) -> int:
        return int(self.vae.config.z_dim)

    @property
    def stride(self) -> tuple[int, int, int]:
        spatial = int(self.vae.config.scale_factor_spatial)
        return int(self.vae.config.scale_factor_temporal), spatial, spatial

    @torch.inference_mode()
    def encode_stream(self, frames: Iterable[Tensor]) -> Iterator[Tensor]:
        """Frames (H, W, 3) -> latent frames (C, 1, h, w): the mean of what the encoder says, normalised."""
        mean, deviation = self._statistics()
        memory: list[Tensor | None] = [None] * _num_convolutions(self.vae.encoder)
        group: list[Tensor] = []
        first = True
        for frame in frames:
            group.append(frame)
            if first or len(group) == self.stride[0]:
                clip = rearrange(torch.stack(group), "f h w c -> 1 c f h w").to(mean)
                group, first = [], False
                encoded = self.vae.encoder(self._folded(clip), feat_cache=memory, feat_idx=[0])
                moments = self.vae.quant_conv(encoded)
                yield ((moments[0].chunk(2)[0] - mean) / deviation).float().cpu()
        if group:
            raise ValueError(f"{len(group)} frames are left over; a clip has 1 + a multiple of {self.stride[0]} frames")

    @torch.inference_mode()
    def decode_stream(self, latents: Iterable[Tensor]) -> Iterator[Tensor]:
        """Latent frames (C, 1, h, w) -> groups of frames (1 or 4, H, W, 3) in [-1, 1]."""
        mean, deviation = self._statistics()
        memory: list[Tensor | None] = [None] * _num_convolutions(self.vae.decoder)
        for index, latent in enumerate(latents):
            z = self.vae.post_quant_conv((latent.to(mean) * deviation + mean)[None])
            decoded = self.vae.decoder(z, feat_cache=memory, feat_idx=[0], first_chunk=index == 0)
            yield rearrange(self._unfolded(decoded)[0].clamp(-1, 1), "c f h w -> f h w c").float().cpu()

    def _statistics(self) -> tuple[Tensor, Tensor]:
        weight = self.vae.post_quant_conv.weight
        values = (self.vae.config.latents_mean, self.vae.config.latents_std)
        return tuple(weight.new_tensor(value)[:, None, None, None] for value in values)

    def _folded(self, clip: Tensor) -> Tensor:
        """2.2 looks at pixels by twos: (1, 3, f, h, w) -> (1, 3 * 4, f, h / 2, w / 2)."""
        size = self.vae.config.patch_size
        if size is None:
            return clip
        return rearrange(clip, "b c f (h q) (w r) -> b (c r q) f h w", q=size, r=size)

    def _unfolded(self, clip: Tensor) -> Tensor:
        size = self.vae.config.patch_size
        if size is None:
            return clip
        return rearrange(clip, "b (c r q) f h w -> b c f (h q) (w r)", q=size, r=size)


def _num_convolutions(module: torch.nn.Module) -> int:
    """How many layers remember the frames before."""
    return sum(type(layer).__name__ == "WanCausalConv3d" for layer in module.modules())
