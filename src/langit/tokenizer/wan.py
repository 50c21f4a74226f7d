"""Wan's video autoencoders (2.1: 4x8x8, 16 channels; 2.2: 4x16x16, 48 channels) behind the tokenizer protocol.

Both directions stream in time, and both can go through a large frame tile by tile without a seam. What looks at the whole
frame (attention) stands at its small end and is never cut; the layers at the large end see no further than `_reach_up` and
`_reach_down`, and by so much the tiles overlap, so that each place gets the numbers that it gets when nothing is cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor

from langit.tokenizer.wan_autoencoder import Memory, WanAutoencoder

SMALLEST_TILE = 256
"""Pixels along a side: below it tiles would be mostly overlap."""
_OVERLAP = 20
"""Pixels that a tile of Wan's decoder looks at on every side."""

Layers = Callable[[Tensor, Memory], Tensor]


@dataclass(frozen=True)
class WanTokenizer:
    """Frames (F, H, W, 3) in [-1, 1] <-> latents (C, f, h, w), normalised by the statistics in the model's own files."""

    vae: WanAutoencoder
    tile: int | None = None
    """About how many pixels along a side are worked on at once; None is the most that fits into `free()` bytes."""
    free: Callable[[], int] | None = None

    @property
    def channels(self) -> int:
        return self.vae.config.z_dim

    @property
    def stride(self) -> tuple[int, int, int]:
        spatial = self.vae.config.scale_factor_spatial
        return self.vae.config.scale_factor_temporal, spatial, spatial

    @torch.inference_mode()
    def encode_stream(self, frames: Iterable[Tensor]) -> Iterator[Tensor]:
        """Frames (H, W, 3) -> latent frames (C, 1, h, w): the mean of what the encoder says, normalised."""
        mean, deviation = self._statistics()
        encoder, memory = self.vae.encoder, Memory()
        fine = self._whole_or_tiled(encoder.fine, self._reach_down, (1, 4), self.vae.config.patch_size or 1)
        group: list[Tensor] = []
        first = True
        for frame in frames:
            group.append(frame)
            if first or len(group) == self.stride[0]:
                clip = rearrange(torch.stack(group), "f h w c -> 1 c f h w").to(mean)
                group, first = [], False
                moments = self.vae.quant_conv(encoder.coarse(fine(self._laid(self._folded(clip))), memory))
                yield ((moments[0].chunk(2)[0] - mean) / deviation).float().cpu()
        if group:
            raise ValueError(f"{len(group)} frames are left over; a clip has 1 + a multiple of {self.stride[0]} frames")

    @torch.inference_mode()
    def decode_stream(self, latents: Iterable[Tensor]) -> Iterator[Tensor]:
        """Latent frames (C, 1, h, w) -> groups of frames (1 or 4, H, W, 3) in [-1, 1]."""
        mean, deviation = self._statistics()
        decoder, memory = self.vae.decoder, Memory()
        fine = self._whole_or_tiled(decoder.fine, self._reach_up, (2, 1), self.stride[1] // 4)
        for latent in latents:
            z = self.vae.post_quant_conv(self._laid((latent.to(mean) * deviation + mean)[None]))
            decoded = fine(decoder.coarse(z, memory))
            yield rearrange(self._unfolded(decoded)[0].clamp(-1, 1), "c f h w -> f h w c").float().cpu()

    @property
    def _reach_up(self) -> int:
        """How far the decoder's fine layers see, in rows of what enters them: 10 for Wan."""
        return 3 * (self.vae.config.num_res_blocks + 1) + 1

    @property
    def _reach_down(self) -> int:
        """How far the encoder's fine layers see, in rows of what enters them: 19 for Wan."""
        return 6 * self.vae.config.num_res_blocks + 7

    def _whole_or_tiled(
        self, layers: Layers, reach: int, scale: tuple[int, int], pixels: int
    ) -> Callable[[Tensor], Tensor]:
        """`layers` with a memory; `scale` is their size of a side out to in, and `pixels` the side of what enters them."""
        memories: dict[tuple[Span, Span], Memory] = {}

        chosen: list[int | None] = []

        def run(x: Tensor) -> Tensor:
            if not chosen:  # once a stream, so that every group is cut alike
                rows, columns = (size * pixels for size in x.shape[3:])
                chosen.append(self._tile(rows, columns))
            tile = chosen[0]
            if tile is None:
                sides = [[Span(0, size, 0, size)] for size in x.shape[3:]]
            else:
                sides = [spans(size, max(1, tile // pixels), reach, scale[1]) for size in x.shape[3:]]
            whole: Tensor | None = None
            for place in ((row, column) for row in sides[0] for column in sides[1]):
                part = x[..., place[0].cut, place[1].cut]
                kept = {layer: seen.to(x.device) for layer, seen in memories.get(place, {}).items()}
                made = layers(part, kept)
                if place[0].covers(x.shape[3]) and place[1].covers(x.shape[4]):
                    memories[place] = kept
                    return made
                memories[place] = {
                    layer: seen.cpu() for layer, seen in kept.items()
                }  # a tile's rests beside the device
                if whole is None:
                    rows, columns = (size * scale[0] // scale[1] for size in x.shape[3:])
                    whole = self._laid(made.new_empty(*made.shape[:3], rows, columns))
                inner = made[..., place[0].inner(scale), place[1].inner(scale)]
                whole[..., place[0].outer(scale), place[1].outer(scale)] = inner
            assert whole is not None
            return whole

        return run

    def _tile(self, height: int, width: int) -> int | None:
        """Pixels along a tile's side, None for the whole frame: the largest that fits."""
        if self.tile is not None or self.free is None:
            return self.tile
        each, free = self.vae.weight.element_size(), self.free()
        for tile in (max(height, width), 1024, 768, 512, 384, SMALLEST_TILE):
            if tile <= max(height, width) and decoding_bytes(height, width, each, tile) <= free:
                return tile if tile < max(height, width) else None
        return SMALLEST_TILE

    def _laid(self, x: Tensor) -> Tensor:
        """On the CPU with the channels last in memory."""
        return x.contiguous(memory_format=torch.channels_last_3d) if x.device.type == "cpu" else x

    def _statistics(self) -> tuple[Tensor, ...]:
        values = (self.vae.config.latents_mean, self.vae.config.latents_std)
        return tuple(self.vae.weight.new_tensor(value)[:, None, None, None] for value in values)

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


def decoding_bytes(height: int, width: int, each: int, tile: int) -> int:
    """What the decoder holds of one group of four frames: about 96 channels at full size, 36 times (6 layers look back two
    frames and the next layer's group is there beside this one's); what is remembered is of the frame, the rest of a tile."""
    seen = min(height, tile + 2 * _OVERLAP) * min(width, tile + 2 * _OVERLAP)
    return each * 96 * (20 * height * width + 36 * seen)


@dataclass(frozen=True)
class Span:
    """Rows (or columns) that a tile gives, and those that it looks at."""

    start: int
    end: int
    low: int
    high: int

    @property
    def cut(self) -> slice:
        return slice(self.low, self.high)

    def covers(self, size: int) -> bool:
        return (self.start, self.end) == (0, size)

    def inner(self, scale: tuple[int, int]) -> slice:
        """Its own part of what comes out of its tile."""
        return slice(*((place - self.low) * scale[0] // scale[1] for place in (self.start, self.end)))

    def outer(self, scale: tuple[int, int]) -> slice:
        """Where that belongs in the whole."""
        return slice(*(place * scale[0] // scale[1] for place in (self.start, self.end)))


def spans(size: int, tile: int, reach: int, step: int) -> list[Span]:
    """`size` rows in equal tiles of at most about `tile`, that look `reach` further; all places multiples of `step`."""
    count = max(1, -(-size // max(tile, step)))
    each = -(-size // count // step) * step
    reach = -(-reach // step) * step
    starts = range(0, size, each)
    return [
        Span(start, min(start + each, size), max(0, start - reach), min(size, start + each + reach)) for start in starts
    ]
