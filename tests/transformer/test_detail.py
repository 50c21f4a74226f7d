"""Detail: windows, independence of the pack, and a beginning as nothing."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from langit.packing import Text, bounds_of, layout_of
from langit.patches import Grid
from langit.training.loop import initialise
from langit.transformer import Transformer, TransformerConfig
from langit.transformer.windows import cell_positions, windows

GRIDS = (Grid(3, 2, 3), Grid(1, 2, 2), Grid(2, 4, 2))
CONFIG = TransformerConfig(
    patch_dim=16, out_dim=16, width=32, depth=1, num_heads=2, ffn_width=48, text_width=8, detail_width=32
)


WORDS = torch.randn(2, 8, generator=torch.Generator().manual_seed(3))


def run(model: Transformer, grids: tuple[Grid, ...], patches: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    text = Text(WORDS.repeat(len(grids), 1), bounds_of([2] * len(grids)))
    with torch.no_grad():
        return model(patches, sigma, layout_of(grids), text)


@pytest.fixture(scope="module")
def model() -> Transformer:
    torch.manual_seed(0)
    return Transformer(CONFIG).eval()


@pytest.mark.parametrize("shift", [0, 2])
def test_windows_hold_all_times_of_a_square_of_cells(shift):
    order, back, bounds = windows(GRIDS, 2, 4, shift)
    assert torch.equal(order[back], torch.arange(len(order)))
    at = cell_positions(layout_of(GRIDS).positions, 2)[order]
    clip = torch.arange(3).repeat_interleave(torch.tensor([grid.num_patches * 4 for grid in GRIDS]))[order]
    squares = torch.cat([clip[:, None], (at[:, 1:].long() + shift) // 4], 1)
    assert len(squares.unique(dim=0)) == len(bounds) - 1
    for start, end in pairwise(bounds):
        (square,) = squares[start:end].unique(dim=0)
        assert at[start:end, 0].unique().tolist() == list(range(GRIDS[square[0]].t))


def test_a_clip_does_not_feel_its_neighbours(model):
    torch.manual_seed(1)
    patches, sigma = torch.randn(sum(g.num_patches for g in GRIDS), 16), torch.rand(sum(g.num_patches for g in GRIDS))
    together = run(model, GRIDS, patches, sigma)
    start = 0
    for grid in GRIDS:
        end = start + grid.num_patches
        alone = run(model, (grid,), patches[start:end], sigma[start:end])
        torch.testing.assert_close(together[start:end], alone, atol=1e-5, rtol=1e-5)
        start = end


def test_cells_of_other_frames_are_seen_and_far_ones_are_not(model):
    grid = Grid(2, 4, 4)  # 8 x 8 cells: four windows of 4 x 4, and shifted ones across their borders
    patches = torch.randn(grid.num_patches, 16, generator=torch.Generator().manual_seed(2))
    states, embedded = torch.zeros(grid.num_patches, 32), torch.randn(1, 32)
    detail = model.detail
    with torch.no_grad():
        before = detail(patches, states, embedded, None, layout_of([grid]))
        patches[0] += 1  # the first frame's upper left patch
        moved = (detail(patches, states, embedded, None, layout_of([grid])) - before).abs().amax(1).view(2, 4, 4) > 1e-6
    assert moved[1, 0, 0]
    assert not moved[:, 3, 3].any()


def test_it_begins_as_nothing():
    torch.manual_seed(0)
    model = Transformer(CONFIG)
    initialise(model)
    patches = torch.randn(4, 16)
    assert not run(model, (Grid(1, 2, 2),), patches, torch.full((4,), 0.5)).any()
    torch.nn.init.normal_(model.patch_out.weight)
    torch.nn.init.normal_(model.patch_out.bias)
    plain = Transformer(TransformerConfig(**{**vars(CONFIG), "detail_width": 0}))
    plain.load_state_dict({name: t for name, t in model.state_dict().items() if not name.startswith("detail.")})
    at = (Grid(1, 2, 2),), patches, torch.full((4,), 0.5)
    torch.testing.assert_close(run(model, *at), run(plain, *at), rtol=0, atol=0)


def test_of_a_draft_that_stands_beside_the_noise_a_share_is_kept():
    """It begins as nothing; what is kept goes by channel, and into the same cells."""
    torch.manual_seed(0)
    config = TransformerConfig(**{**vars(CONFIG), "patch_dim": 2 * CONFIG.out_dim + 4, "detail_draft": True})
    model = Transformer(config)
    initialise(model)
    grid, channels = (Grid(1, 2, 2),), CONFIG.out_dim // 4
    patches, sigma = torch.randn(4, config.patch_dim), torch.full((4,), 0.5)
    assert not run(model, grid, patches, sigma).any()
    share = torch.rand(channels)
    with torch.no_grad():
        model.detail.keep_out[1].bias[channels:] = share
    expected = patches[:, CONFIG.out_dim : 2 * CONFIG.out_dim].unflatten(1, (channels, 4)) * share[:, None]
    torch.testing.assert_close(run(model, grid, patches, sigma), expected.flatten(1))
