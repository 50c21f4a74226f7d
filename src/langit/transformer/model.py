"""The diffusion transformer, from 5 million to 14 billion parameters: the Wan 2.1/2.2 block on packed patches.

It sees noisy patches, each with its own noise level, and the prompt; it predicts the clean patches or the velocity
(`TransformerConfig.prediction`; `flow.py` converts). Read `Transformer.forward`, then `Block.forward`.
Papers: DiT (arXiv 2212.09748) for adaLN, PixArt-alpha (arXiv 2310.00426) for its shared form with a table per block,
Wan (arXiv 2503.20314) for the whole.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from langit.packing import Bounds, Layout, Text
from langit.transformer.attention import attend
from langit.transformer.linear import Linear
from langit.transformer.rotary import rotate, rotations
from langit.transformer.windows import cell_positions, reordered, windows

Prediction = Literal["x", "velocity"]

FEED_ROWS = 512
DETAIL_HEAD = 32  # channels of an attention head among cells


@dataclass(frozen=True)
class TransformerConfig:
    """The shape of a transformer. The defaults are those of Wan 2.1 where one value serves every size."""

    patch_dim: int  # P, numbers in a patch that enters
    out_dim: int  # numbers in a patch that leaves
    width: int  # D
    depth: int
    num_heads: int
    ffn_width: int
    text_width: int  # width of the prompt's states
    prediction: Prediction = "velocity"
    place_frequencies: int = 0  # absolute positions beside the rotary ones: this many octaves, 0 for none (Wan)
    time_frequencies: int = 256
    eps: float = 1e-6
    image_width: int = 0  # width of a picture's states beside the prompt (Wan 2.1 image to video), 0 for none
    image_places: int = 0  # learned places for that many of them (first and last picture together), 0 for none
    detail_width: int = 0  # of the blocks that work on a patch's cells (`Detail`), 0 for none
    detail_depth: int = 2
    detail_side: int = 2  # a patch is that many cells high and wide, and one latent frame long
    detail_window: int = 4  # cells on a side of the square in which cells attend to each other
    detail_draft: bool = False  # whether what stands beside the noise begins with a draft of what leaves

    def __post_init__(self) -> None:
        if self.width % self.num_heads or (self.width // self.num_heads) % 2:
            raise ValueError(
                f"width {self.width} does not divide into {self.num_heads} heads of an even size; change one of them"
            )


class Transformer(nn.Module):
    """denoise: patches (N, P) at levels (N,), prompts (L, text width) -> prediction (N, out_dim)."""

    def __init__(self, config: TransformerConfig):
        super().__init__()
        self.config = config
        width = config.width
        self.patch_in = Linear(config.patch_dim, width)
        self.place_in = Linear(6 * config.place_frequencies, width, bias=False) if config.place_frequencies else None
        self.text_in = nn.Sequential(Linear(config.text_width, width), nn.GELU("tanh"), Linear(width, width))
        self.level_in = nn.Sequential(Linear(config.time_frequencies, width), nn.SiLU(), Linear(width, width))
        self.level_out = nn.Sequential(nn.SiLU(), Linear(width, 6 * width))
        self.image_in = PictureStates(config) if config.image_width else None
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.head_table = _table(2, width)
        self.patch_out = Linear(width, config.out_dim)
        self.detail = Detail(config) if config.detail_width else None

    def forward(
        self, patches: Tensor, sigma: Tensor, layout: Layout, text: Text, states: list[Tensor] | None = None
    ) -> Tensor:
        """patches (N, P), sigma (N,) in [0, 1], layout of the same N, a prompt for every clip -> (N, out_dim).

        What leaves each block, (N, D), is added to `states` where a list is given.
        """
        x = self.patch_in(patches)  # (N, D)
        if self.place_in is not None:
            x = x + self.place_in(place_features(layout.places, self.config.place_frequencies).to(x.dtype))
        words = self.words(text)  # (L, D)

        # Levels repeat (one per clip or per frame, or one in all), so embed each distinct one once. U levels.
        levels, level_of_patch = torch.unique(sigma, return_inverse=True)
        features = level_features(levels, self.config.time_frequencies)
        precise = next(self.level_in.parameters()).dtype  # float32 also where the rest is bfloat16
        embedded = self.level_in(features.to(precise)).to(x.dtype)  # (U, D)
        modulation = self.level_out(embedded).unflatten(-1, (6, -1))  # (U, 6, D)
        at = None if len(levels) == 1 else level_of_patch
        runs = at if at is None or torch.is_grad_enabled() else _runs(at)

        rotation = rotations(layout.positions, self.config.width // self.config.num_heads)
        for block in self.blocks:
            x = block(x, modulation, runs, rotation, layout.bounds, words)
            if states is not None:
                states.append(x)

        shift, scale = _per_patch(self.head_table + embedded[:, None], runs)
        out: Tensor = self.patch_out(_modulate(x, scale, shift, self.config.eps))
        if self.detail is not None:
            out = out + self.detail(patches, x, embedded, at, layout)
        return out

    def words(self, text: Text) -> Text:
        """The prompts, and the pictures beside them, at the transformer's width."""
        pictures = None
        if self.image_in is not None:
            if text.pictures is None:
                raise ValueError("this transformer also looks at a picture beside the prompt, and none was given")
            pictures = replace(text.pictures, states=self.image_in(text.pictures.states))
        elif text.pictures is not None:
            raise ValueError("a picture was given beside the prompt to a transformer that reads the prompt alone")
        return replace(text, states=self.text_in(text.states), pictures=pictures)

    def num_flop(self, lengths: list[int], text_lengths: list[int]) -> float:
        """Floating point operations of one forward pass over clips of these many patches and text tokens."""
        width, ffn, n, words = self.config.width, self.config.ffn_width, sum(lengths), sum(text_lengths)
        linear = n * (6 * width**2 + 2 * width * ffn) + words * 2 * width**2
        pairs = sum(a * a + a * b for a, b in zip(lengths, text_lengths, strict=True))
        ends = n * width * (self.config.patch_dim + self.config.out_dim)
        detail = 0 if self.detail is None else self.detail.num_flop(n)
        return float(2 * self.config.depth * linear + 4 * self.config.depth * pairs * width + 2 * ends + detail)


class Block(nn.Module):
    """Self-attention among a clip's patches, cross-attention to its prompt, feed-forward."""

    def __init__(self, config: TransformerConfig):
        super().__init__()
        self.eps = config.eps
        self.table = _table(6, config.width)
        self.self_attention = Attention(config)
        self.cross_norm = nn.LayerNorm(config.width, config.eps)
        self.cross_attention = Attention(config, config.image_width > 0)
        self.ffn_in = Linear(config.width, config.ffn_width)
        self.ffn_out = Linear(config.ffn_width, config.width)

    def forward(
        self,
        x: Tensor,
        modulation: Tensor,
        at: Tensor | None,
        rotation: Tensor,
        bounds: Bounds,
        words: Text,
    ) -> Tensor:
        """x (N, D), modulation (U, 6, D) of the distinct levels, `at` the level of each patch, or of each of as many equal
        runs of them -> (N, D)."""
        shift_1, scale_1, gate_1, shift_2, scale_2, gate_2 = _per_patch(self.table + modulation, at)
        seen = attend(*self.begin(x, scale_1, shift_1, rotation), bounds, bounds)
        x, query = self.turn(x, seen, gate_1)
        read = self.cross_attention.read(query, bounds, words)
        return self.end(x, read, scale_2, shift_2, gate_2)

    def begin(self, x: Tensor, scale: Tensor, shift: Tensor, rotation: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x (N, D) -> queries, keys and values (N, heads, dim) of the self-attention."""
        return self.self_attention.asked(_modulate(x, scale, shift, self.eps), rotation)

    def turn(self, x: Tensor, seen: Tensor, gate: Tensor) -> tuple[Tensor, Tensor]:
        """x (N, D) and what it saw of the clip (N, heads, dim) -> x, and what it asks its prompt (N, heads, dim)."""
        x = _added(x, gate, self.self_attention.out(seen.flatten(1)))
        return x, self.cross_attention.query_of(self.cross_norm(x))

    def end(self, x: Tensor, read: Tensor, scale: Tensor, shift: Tensor, gate: Tensor) -> Tensor:
        """x (N, D) and what it read in its prompt (N, heads, dim) -> (N, D)."""
        x = x + self.cross_attention.out(read.flatten(1))
        return _added(x, gate, self.feed(_modulate(x, scale, shift, self.eps)))

    def feed(self, x: Tensor) -> Tensor:
        """The feed-forward layers, (N, D) -> (N, D)."""
        if x.device.type != "cpu" or torch.is_grad_enabled():
            return self.ffn_out(self.ffn_in.gelu(x))  # type: ignore[no-any-return]
        # A few rows at a time, so that the hidden numbers never leave the processor's cache.
        return torch.cat([self.ffn_out(self.ffn_in.gelu(rows)) for rows in x.split(FEED_ROWS)])


class Attention(nn.Module):
    """Multi-head attention with RMS-normalised queries and keys (over the full width, as Wan does)."""

    def __init__(self, config: TransformerConfig, pictures: bool = False):
        super().__init__()
        self.num_heads = config.num_heads
        self.query, self.key, self.value, self.out = (Linear(config.width, config.width) for _ in range(4))
        self.query_norm = nn.RMSNorm(config.width, config.eps)
        self.key_norm = nn.RMSNorm(config.width, config.eps)
        self.image_key, self.image_value = (Linear(config.width, config.width) if pictures else None for _ in range(2))
        self.image_key_norm = nn.RMSNorm(config.width, config.eps) if pictures else None

    def asked(self, x: Tensor, rotation: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x (N, D) at the positions that `rotation` stands for -> queries, keys and values (N, heads, dim) among itself."""
        query, key = self.query_of(x), self._heads(self.key_norm(self.key(x)))
        return rotate(query, rotation), rotate(key, rotation), self._heads(self.value(x))

    def query_of(self, x: Tensor) -> Tensor:
        """x (N, D) -> queries (N, heads, dim)."""
        return self._heads(self.query_norm(self.query(x)))

    def read(self, query: Tensor, bounds: Bounds, words: Text) -> Tensor:
        """Queries (N, heads, dim) attend to their prompt, and to the picture beside it -> (N, heads, dim)."""
        key, value = self._heads(self.key_norm(self.key(words.states))), self._heads(self.value(words.states))
        seen = attend(query, key, value, words.governs or bounds, words.bounds, words.counts)
        if self.image_key is not None and self.image_value is not None and self.image_key_norm is not None:
            assert words.pictures is not None
            states = words.pictures.states
            key, value = self._heads(self.image_key_norm(self.image_key(states))), self._heads(self.image_value(states))
            seen = seen + attend(query, key, value, bounds, words.pictures.bounds)
        return seen

    def _heads(self, x: Tensor) -> Tensor:
        heads: Tensor = x.unflatten(-1, (self.num_heads, -1))  # (N, heads, dim)
        return heads


class PictureStates(nn.Module):
    """States of a picture (its image encoder's) at the transformer's width: norm, two layers, norm."""

    def __init__(self, config: TransformerConfig):
        super().__init__()
        width = config.image_width
        self.places = nn.Parameter(torch.zeros(config.image_places, width)) if config.image_places else None
        self.norm_in = nn.LayerNorm(width)
        self.linear_in = Linear(width, width)
        self.linear_out = Linear(width, config.width)
        self.norm_out = nn.LayerNorm(config.width)

    def forward(self, states: Tensor) -> Tensor:
        """(tokens, image width) -> (tokens, D); with learned places, as many tokens to a clip as there are places."""
        if self.places is not None:
            states = (states.unflatten(0, (-1, len(self.places))) + self.places).flatten(0, 1)
        return self.norm_out(self.linear_out(F.gelu(self.linear_in(self.norm_in(states)))))  # type: ignore[no-any-return]


class Detail(nn.Module):
    """What a patch of several latent cells is too coarse for: a correction of its prediction, made cell by cell.

    A patch passes through the transformer as one state that is hardly wider than the patch; what is lost are sharp edges, and
    texture that stays the same from frame to frame. Here every noisy cell is looked at again beside the state of its patch, by
    narrow blocks whose attention goes over all of the clip's time and a few cells around, and what of the noisy cell itself, and
    of a draft beside it, is right is kept. In kin with PixelDiT (arXiv 2511.20645) and, for the last, with EDM's skip (arXiv
    2206.00364, eq. 7).
    """

    def __init__(self, config: TransformerConfig):
        super().__init__()
        self.side, self.window, self.eps = config.detail_side, config.detail_window, config.eps
        self.num_cells = config.detail_side**2
        width, channels = config.detail_width, config.out_dim // self.num_cells
        narrow = replace(config, width=width, num_heads=width // DETAIL_HEAD, ffn_width=3 * width, image_width=0)
        self.cell_in = Linear(config.patch_dim // self.num_cells, width)
        self.state_in = Linear(config.width, self.num_cells * width)
        self.level_out = nn.Sequential(nn.SiLU(), Linear(config.width, 8 * width))
        self.blocks = nn.ModuleList(DetailBlock(narrow) for _ in range(config.detail_depth))
        self.cell_out = Linear(width, channels)
        self.keep_out = nn.Sequential(nn.SiLU(), Linear(config.width, channels * (1 + config.detail_draft)))

    def forward(self, patches: Tensor, states: Tensor, embedded: Tensor, at: Tensor | None, layout: Layout) -> Tensor:
        """Patches (N, P) that entered, the transformer's last states (N, D), the distinct levels as in `Transformer`
        -> (N, out_dim)."""
        cells = rearrange(patches, "n (c k) -> n k c", k=self.num_cells)
        normed = F.layer_norm(states, states.shape[-1:], eps=self.eps)
        x = self.cell_in(cells) + self.state_in(normed).unflatten(-1, (self.num_cells, -1))  # (N, k, d)
        modulation = self.level_out(embedded).unflatten(-1, (8, -1))  # (U, 8, d)

        rotation = rotations(cell_positions(layout.positions, self.side), DETAIL_HEAD)
        for number, block in enumerate(self.blocks):
            shift = (number % 2) * self.window // 2  # every other block's windows lie across the borders of the others'
            order, back, bounds = windows(layout.grids, self.side, self.window, shift)
            x = block(x, modulation[:, :6], at, rotation, (order.to(x.device), back.to(x.device), bounds))

        shift_out, scale_out = _per_cell(modulation[:, 6:], at)
        x = _modulate(x, scale_out, shift_out, self.eps)
        found: Tensor = self.cell_out(x)
        (keep,) = _per_cell(self.keep_out(embedded)[:, None], at)
        kept = keep * cells[..., : keep.shape[-1]]  # of the noisy cell, and of the draft where there is one
        found = found + kept.unflatten(-1, (-1, found.shape[-1])).sum(-2)
        return rearrange(found, "n k c -> n (c k)")

    def num_flop(self, num_patches: int) -> float:
        """Floating point operations of one forward pass, without attention's scores."""
        layers = [self.cell_in, self.cell_out, *(m for block in self.blocks for m in block.modules())]
        each_cell = sum(layer.weight.numel() for layer in layers if isinstance(layer, Linear))
        return 2.0 * num_patches * (self.state_in.weight.numel() + self.num_cells * each_cell)


class DetailBlock(nn.Module):
    """Attention among the cells of a window, feed-forward; a block without a prompt."""

    def __init__(self, config: TransformerConfig):
        super().__init__()
        self.eps = config.eps
        self.table = _table(6, config.width)
        self.attention = Attention(config)
        self.ffn_in = Linear(config.width, config.ffn_width)
        self.ffn_out = Linear(config.ffn_width, config.width)

    def forward(
        self, x: Tensor, modulation: Tensor, at: Tensor | None, rotation: Tensor, parted: tuple[Tensor, Tensor, Bounds]
    ) -> Tensor:
        """x (N, k, d), modulation (U, 6, d) and `at` as in `Block`, `parted` by `windows` -> (N, k, d)."""
        shift_1, scale_1, gate_1, shift_2, scale_2, gate_2 = _per_cell(self.table + modulation, at)
        order, back, bounds = parted
        asked = self.begin(x, scale_1, shift_1, order, back, rotation)
        seen = attend(*asked, bounds, bounds)
        return self.end(x, reordered(seen, back, order), gate_1, scale_2, shift_2, gate_2)

    def begin(
        self, x: Tensor, scale: Tensor, shift: Tensor, order: Tensor, back: Tensor, rotation: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """x (N, k, d) -> queries, keys and values (N k, heads, dim) of the attention in windows, in their order."""
        seen = reordered(_modulate(x, scale, shift, self.eps).flatten(0, 1), order, back)
        return self.attention.asked(seen, rotation.index_select(0, order))

    def end(self, x: Tensor, seen: Tensor, gate_1: Tensor, scale: Tensor, shift: Tensor, gate_2: Tensor) -> Tensor:
        """x (N, k, d) and what its cells saw (N k, heads, dim), in the order of x -> (N, k, d)."""
        x = torch.addcmul(x, gate_1, self.attention.out(seen.flatten(1)).unflatten(0, (len(x), -1))).to(x.dtype)
        fed = self.ffn_out(self.ffn_in.gelu(_modulate(x, scale, shift, self.eps)))
        return torch.addcmul(x, gate_2, fed).to(x.dtype)


def _per_cell(modulation: Tensor, at: Tensor | None) -> tuple[Tensor, ...]:
    """As `_per_patch`, for tensors with an axis of cells between: (N, 1, D) each, or (D,)."""
    return tuple(part if part.ndim == 1 else part[:, None] for part in _per_patch(modulation, at))


def _table(rows: int, width: int) -> nn.Parameter:
    """A block's own part of the modulation, (rows, D); not drawn on the meta device, which would import half of torch."""
    table = torch.empty(rows, width)
    return nn.Parameter(table if table.is_meta else nn.init.normal_(table, std=width**-0.5))


def level_features(sigma: Tensor, num: int) -> Tensor:
    """Sinusoids of the noise level, (U,) -> (U, num): cosines then sines of 1000 * sigma."""
    frequencies = torch.exp(-math.log(10000.0) * torch.arange(num // 2, device=sigma.device) / (num // 2))
    angle = (1000.0 * sigma.double()).float()[:, None] * frequencies  # exact where 1000 * sigma is a whole number
    return torch.cat([angle.cos(), angle.sin()], -1)


def place_features(places: Tensor, octaves: int) -> Tensor:
    """Sinusoids of the place in the frame, (N, 3) -> (N, 6 * octaves)."""
    angle = places[:, :, None] * (math.pi / 2 * 2.0 ** torch.arange(octaves, device=places.device))
    return torch.cat([angle.sin(), angle.cos()], -1).flatten(1)


def _modulate(x: Tensor, scale: Tensor, shift: Tensor, eps: float) -> Tensor:
    """adaLN: LayerNorm(x) * (1 + scale) + shift, in float32 as Wan computes it."""
    if scale.ndim == 1:  # one level for all patches: the norm's own weight and bias
        return F.layer_norm(x.float(), x.shape[-1:], (1 + scale).float(), shift.float(), eps).to(x.dtype)
    normed = F.layer_norm(x.float(), x.shape[-1:], eps=eps)
    if scale.shape[0] == x.shape[0]:
        return torch.addcmul(shift, normed, 1 + scale).to(x.dtype)
    normed = normed.unflatten(0, (len(scale), -1))  # by runs of one level
    return torch.addcmul(shift[:, None], normed, 1 + scale[:, None]).flatten(0, 1).to(x.dtype)


def _added(x: Tensor, gate: Tensor, more: Tensor) -> Tensor:
    """x + gate * more, (N, D), for a gate of each patch, of each run of them, or of all."""
    if gate.ndim == 1 or len(gate) == len(x):
        return torch.addcmul(x, gate, more).to(x.dtype)
    parts, added = (tensor.unflatten(0, (len(gate), -1)) for tensor in (x, more))
    return torch.addcmul(parts, gate[:, None], added).flatten(0, 1).to(x.dtype)


def _runs(at: Tensor) -> Tensor:
    """The level of every patch, (N,) -> of every run of them, (M,): the fewest equal runs that have one level each.

    Where whole frames are held there are few, and what is the same in a run is made once.
    """
    begins = (at[1:] != at[:-1]).nonzero().flatten() + 1
    return at[:: math.gcd(len(at), *begins.tolist())]


def _per_patch(modulation: Tensor, at: Tensor | None) -> tuple[Tensor, ...]:
    """(U, k, D) of the distinct levels -> k tensors, of the length of `at` each, or (D,) where there is but one level."""
    if at is None:
        return modulation[0].unbind(0)
    return tuple(part.index_select(0, at) for part in modulation.unbind(1))
