"""The causal autoencoder as a tokenizer: streaming both ways, and what a model folder keeps of it.

Trained by `langit train recipes/tokenizer.py`; the network is in `autoencoder.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from langit.tokenizer.autoencoder import (
    Autoencoder,
    AutoencoderConfig,
    Memory,
    fold_groups,
    unfold_groups,
)

SHAPE = "shape"
"""The tensor that keeps the components, the width and the numbers of blocks; a folder knows stride and channels anyway."""


@dataclass(frozen=True)
class CausalTokenizer:
    """Frames (F, H, W, 3) in [-1, 1] <-> latents (C, f, h, w), a group of frames at a time."""

    network: Autoencoder
    has_tensors: ClassVar[bool] = True

    @property
    def channels(self) -> int:
        return self.network.config.channels

    @property
    def stride(self) -> tuple[int, int, int]:
        return self.network.config.stride

    @torch.no_grad()
    def encode_stream(self, frames: Iterable[Tensor]) -> Iterator[Tensor]:
        """Frames (H, W, 3) -> latent frames (C, 1, h, w)."""
        per_group, like = self.stride[0], self.network.mean
        memory: Memory | None = None
        group: list[Tensor] = []
        for frame in frames:
            group = [frame] * per_group if memory is None and not group else [*group, frame]
            if len(group) == per_group:
                folded = fold_groups(torch.stack(group).to(like)[None], self.stride)
                latents, memory = self.network.encode(folded, memory)
                yield latents[0].transpose(0, 1).float().cpu()
                group = []
        if group:
            raise ValueError(f"{len(group)} frames are left over; a clip has 1 + a multiple of {per_group} frames")

    @torch.no_grad()
    def decode_stream(self, latents: Iterable[Tensor]) -> Iterator[Tensor]:
        """Latent frames (C, 1, h, w) -> groups of frames (1 or t, H, W, 3)."""
        memory: Memory | None = None
        for index, latent in enumerate(latents):
            groups, memory = self.network.decode(latent.to(self.network.mean).transpose(0, 1)[None], memory)
            frames = unfold_groups(groups, self.stride)[0].float().cpu()
            yield frames.mean(0, keepdim=True) if index == 0 else frames

    def tensors(self) -> dict[str, Tensor]:
        """What a folder keeps: what was learned in half precision."""
        config = self.network.config
        shape = torch.tensor([config.components, config.width, config.encoder_blocks, config.decoder_blocks])
        learned = {name for name, _ in self.network.named_parameters()}
        kept = {name: x.half() if name in learned else x for name, x in self.network.state_dict().items()}
        return {SHAPE: shape, **kept}

    @classmethod
    def shapes(
        cls, stride: tuple[int, int, int], channels: int, tensors: dict[str, Tensor]
    ) -> dict[str, tuple[int, ...]]:
        """What `tensors` must be; ValueError when they tell of no autoencoder."""
        with torch.device("meta"):
            network = Autoencoder(_config(stride, channels, tensors))
        return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}

    @classmethod
    def from_tensors(cls, stride: tuple[int, int, int], channels: int, tensors: dict[str, Tensor]) -> CausalTokenizer:
        """The tokenizer of which `tensors` were kept, in fp32."""
        with torch.device("meta"):
            network = Autoencoder(_config(stride, channels, tensors))
        kept = {name: tensors[name].float() for name in network.state_dict()}
        network.load_state_dict(kept, assign=True)
        return cls(network.requires_grad_(False).eval())

    def to(self, device: str) -> CausalTokenizer:
        """The same, computing there; frames and latents stay on the CPU."""
        return CausalTokenizer(self.network.to(device))


def _config(stride: tuple[int, int, int], channels: int, tensors: dict[str, Tensor]) -> AutoencoderConfig:
    if SHAPE not in tensors:
        raise ValueError(f"the tensor {SHAPE} is missing")
    if tensors[SHAPE].numel() != 4:
        raise ValueError(f"the tensor {SHAPE} is four whole numbers, not {tensors[SHAPE].numel()}")
    return AutoencoderConfig(channels, stride, *(int(count) for count in tensors[SHAPE].flatten()))
