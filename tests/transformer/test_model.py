"""The transformer: clips in a pack are strangers, noise levels count per patch, Wan 2.1 is a configuration of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from langit.packing import concatenate_text, layout_of
from langit.patches import Grid
from langit.transformer import Transformer, TransformerConfig
from langit.transformer.model import level_features
from tests.conftest import random_text, tiny_transformer

GRIDS = [Grid(3, 2, 3), Grid(1, 4, 4), Grid(3, 2, 3), Grid(3, 1, 5)]
WORDS = [4, 1, 7, 4]


@pytest.fixture(scope="module")
def transformer():
    return tiny_transformer()


def clip_of(grid: Grid, seed: int):
    generator = torch.Generator().manual_seed(seed)
    patches = torch.randn(grid.num_patches, 12, generator=generator)
    return patches, torch.rand(grid.t, generator=generator)


def run(transformer, members):
    """The outputs of clips (by number) in one pack."""
    clips = [clip_of(GRIDS[member], member) for member in members]
    patches = torch.cat([patches for patches, _ in clips])
    sigma = torch.cat([GRIDS[member].box(levels) for member, (_, levels) in zip(members, clips, strict=True)])
    text = concatenate_text([random_text([WORDS[member]], 10, member) for member in members])
    layout = layout_of([GRIDS[member] for member in members])
    return transformer(patches, sigma, layout, text).split([GRIDS[member].num_patches for member in members])


@pytest.mark.parametrize("prediction", ["x", "velocity"])
def test_a_clip_does_not_depend_on_its_neighbours_or_their_order(prediction):
    transformer = tiny_transformer(prediction=prediction)
    alone = [run(transformer, [member])[0] for member in range(4)]
    for order in ([0, 1, 2, 3], [3, 1, 0, 2], [2, 0], [1, 1, 3]):
        for member, packed in zip(order, run(transformer, order), strict=True):
            torch.testing.assert_close(packed, alone[member], atol=1e-5, rtol=1e-5)


def test_equal_levels_given_per_patch_equal_a_single_level(transformer):
    grid = Grid(2, 3, 3)
    patches, text, layout = clip_of(grid, 0)[0], random_text([5], 10), layout_of([grid])
    one = transformer(patches, torch.full((18,), 0.4), layout, text)
    # A second clip at another level makes the pack take the path of levels per patch.
    pair = layout_of([grid, grid])
    sigma = torch.tensor([0.4, 0.9]).repeat_interleave(18)
    both = transformer(patches.repeat(2, 1), sigma, pair, concatenate_text([text, text]))
    torch.testing.assert_close(both[:18], one, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(both[18:], one, atol=1e-3)


def test_the_level_of_one_patch_changes_that_patch_and_its_neighbours(transformer):
    grid = Grid(2, 3, 3)
    patches, text, layout = clip_of(grid, 0)[0], random_text([5], 10), layout_of([grid])
    sigma = torch.full((18,), 0.4)
    before = transformer(patches, sigma, layout, text)
    sigma[7] = 0.0
    change = (transformer(patches, sigma, layout, text) - before).abs().amax(1)
    assert change[7] > 1e-3
    assert (change[:7] > 1e-7).all()
    assert change[7] > 3 * change[:7].max()


def test_the_prompt_counts_and_its_length_may_be_anything(transformer):
    grid = Grid(1, 2, 2)
    patches, layout, sigma = clip_of(grid, 0)[0], layout_of([grid]), torch.full((4,), 0.5)
    outputs = [
        transformer(patches, sigma, layout, random_text([length], 10, seed))
        for length, seed in ((1, 0), (1, 1), (30, 0))
    ]
    assert not torch.allclose(outputs[0], outputs[1], atol=1e-4)
    assert not torch.allclose(outputs[0], outputs[2], atol=1e-4)


def test_absolute_places_are_seen_only_where_the_configuration_asks(transformer):
    """Rotary positions see differences alone; with one patch to a clip only an absolute place could tell them apart."""
    wan = tiny_transformer(place_frequencies=0)
    assert wan.place_in is None
    patches, text, sigma = torch.ones(1, 12), random_text([3], 10), torch.tensor([0.5])
    layout = layout_of([Grid(1, 1, 1)])
    moved = replace(layout, places=layout.places + 0.3)
    assert torch.equal(wan(patches, sigma, layout, text), wan(patches, sigma, moved, text))
    assert not torch.allclose(transformer(patches, sigma, layout, text), transformer(patches, sigma, moved, text))


def test_gradients_reach_every_weight():
    transformer = tiny_transformer().requires_grad_(True)
    patches, levels = clip_of(GRIDS[0], 0)
    layout = layout_of([GRIDS[0]])
    transformer(patches, GRIDS[0].box(levels), layout, random_text([4], 10)).square().sum().backward()
    lacking = [name for name, weight in transformer.named_parameters() if weight.grad is None or not weight.grad.any()]
    # A key's bias adds the same number to all scores of a query were it not for the norm behind it, so none is exempt.
    assert lacking == []


def test_level_features_tell_levels_apart():
    features = level_features(torch.tensor([0.0, 0.001, 0.5, 1.0]), 64)
    assert features.shape == (4, 64)
    assert torch.equal(features[0], torch.cat([torch.ones(32), torch.zeros(32)]))
    distances = torch.cdist(features, features) + 9 * torch.eye(4)
    assert distances.min() > 0.5


def test_wan_2_1_of_1_3_billion_is_a_configuration():
    """Wan-AI/Wan2.1-T2V-1.3B-Diffusers, transformer/config.json: in_channels 16, out_channels 16, patch_size (1, 2, 2),
    num_layers 30, num_attention_heads 12, attention_head_dim 128, ffn_dim 8960, text_dim 4096, freq_dim 256."""
    config = TransformerConfig(
        patch_dim=16 * 4,
        out_dim=16 * 4,
        width=12 * 128,
        depth=30,
        num_heads=12,
        ffn_width=8960,
        text_width=4096,
        time_frequencies=256,
    )
    with torch.device("meta"):
        wan = Transformer(config)
    count = sum(weight.numel() for weight in wan.parameters())
    assert count == pytest.approx(1.42e9, rel=0.01)
    assert wan.blocks[0].table.shape == (6, 1536)
    assert wan.head_table.shape == (2, 1536)
    assert wan.patch_out.weight.shape == (64, 1536)


@pytest.mark.parametrize(("width", "heads"), [(24, 5), (18, 6)])
def test_a_width_that_does_not_divide_into_even_heads_is_refused(width, heads):
    with pytest.raises(ValueError, match="change one of them"):
        TransformerConfig(4, 4, width=width, depth=1, num_heads=heads, ffn_width=8, text_width=8)


def test_counted_operations_are_those_that_run(monkeypatch):
    monkeypatch.setattr("langit.transformer.linear._PRODUCT", None)  # what runs in oneDNN is not counted
    transformer = Transformer(TransformerConfig(12, 12, width=48, depth=3, num_heads=2, ffn_width=64, text_width=10))
    grids, words = [Grid(4, 8, 8), Grid(1, 16, 16)], [9, 20]
    lengths = [grid.num_patches for grid in grids]
    # Nor is the fused kernel of the CPU; the plain one is.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        transformer(torch.randn(sum(lengths), 12), torch.ones(sum(lengths)), layout_of(grids), random_text(words, 10))
    assert transformer.num_flop(lengths, words) == pytest.approx(counter.get_total_flops(), rel=0.03)


def test_levels_by_runs_are_levels_by_patch():
    """Whole frames at one level are modulated together; scattered patches one by one. Training takes the latter way."""
    transformer = tiny_transformer()
    layout, text = layout_of([Grid(4, 2, 2), Grid(2, 2, 2)]), random_text([5, 3], 10)
    patches = torch.randn(layout.num_patches, transformer.config.patch_dim)
    for held in (torch.arange(layout.num_patches) < 8, torch.arange(layout.num_patches) % 3 == 0):
        sigma = torch.where(held, 0.0, 0.7)
        with torch.no_grad():
            by_runs = transformer(patches, sigma, layout, text)
        torch.testing.assert_close(by_runs, transformer(patches, sigma, layout, text).detach(), rtol=1e-4, atol=1e-5)
