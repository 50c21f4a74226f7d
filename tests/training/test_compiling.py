"""Compiled blocks are the plain ones, forwards and backwards, for packs of any length; without a compiler they stay plain."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor

from langit.packing import Text, bounds_of, layout_of
from langit.patches import Grid
from langit.training.compiling import compile_blocks
from langit.transformer import Transformer, TransformerConfig

CONFIG = TransformerConfig(
    patch_dim=16, out_dim=16, width=48, depth=2, num_heads=2, ffn_width=96, text_width=8, detail_width=32
)
PACKS = [(Grid(2, 2, 3), Grid(1, 2, 2), Grid(3, 4, 2)), (Grid(2, 2, 2), Grid(2, 2, 2)), (Grid(1, 3, 5),)]


def learned(model: Transformer, grids: tuple[Grid, ...]) -> list[Tensor]:
    """The prediction and the gradients of all weights."""
    generator = torch.Generator().manual_seed(len(grids))
    layout = layout_of(grids)
    patches, sigma = (
        torch.randn(layout.num_patches, 16, generator=generator),
        torch.rand(layout.num_patches, generator=generator),
    )
    words = list(range(2, len(grids) + 2))  # of one word nothing is chosen: gradients of rounding errors alone
    text = Text(torch.randn(sum(words), 8, generator=generator), bounds_of(words))
    model.zero_grad()
    found = model(patches, sigma, layout, text)
    found.square().sum().backward()
    return [found.detach(), *(p.grad for p in model.parameters() if p.grad is not None)]


@pytest.mark.filterwarnings("ignore")  # torch's own, while it traces
def test_compiled_blocks_equal_the_plain_ones():
    torch.manual_seed(0)
    plain = Transformer(CONFIG)
    compiled = copy.deepcopy(plain)
    reason = compile_blocks(compiled)
    if reason is not None:
        pytest.skip(reason)
    torch._dynamo.utils.counters.clear()
    for grids in PACKS:
        for one, other in zip(learned(compiled, grids), learned(plain, grids), strict=True):
            assert (one - other).norm() <= 1e-5 * other.norm()
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 5, "of two kinds of blocks, three and two methods"


def test_where_nothing_can_be_compiled_the_blocks_stay_plain(monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no C++ compiler\nand more")

    monkeypatch.setattr(torch, "compile", fail)
    model = Transformer(CONFIG)
    assert compile_blocks(model) == "no C++ compiler"
    assert "begin" not in vars(model.blocks[0])
