"""Attention over packs: the fast path equals the plain formula, forward and backward."""

from __future__ import annotations

import pytest
import torch

from langit.packing import bounds_of
from langit.transformer.attention import attend, attend_reference

LENGTHS = [
    pytest.param([7], [7], id="one"),
    pytest.param([4, 4, 4], [4, 4, 4], id="alike"),
    pytest.param([1, 9, 4, 9, 1], [1, 9, 4, 9, 1], id="mixed"),
    pytest.param([5, 5, 2, 8], [3, 1, 3, 1], id="cross"),
    pytest.param([6, 6], [2, 5], id="alike queries, other keys"),
    pytest.param([4, 4, 7, 4, 150, 150], [3, 1, 5, 5, 120, 2], id="scraps of many lengths and what is none"),
]


@pytest.mark.parametrize(("query_lengths", "key_lengths"), LENGTHS)
def test_attend_equals_the_reference_with_its_gradients(query_lengths, key_lengths):
    generator = torch.Generator().manual_seed(1)
    n, m = sum(query_lengths), sum(key_lengths)
    inputs = [torch.randn(rows, 3, 8, generator=generator).requires_grad_() for rows in (n, m, m)]
    weight = torch.randn(n, 3, 8, generator=generator)
    bounds = bounds_of(query_lengths), bounds_of(key_lengths)
    results = [path(*inputs, *bounds) for path in (attend, attend_reference)]
    torch.testing.assert_close(*results, atol=1e-5, rtol=1e-5)
    gradients = [torch.autograd.grad((result * weight).sum(), inputs) for result in results]
    for fast, plain in zip(*gradients, strict=True):
        torch.testing.assert_close(fast, plain, atol=1e-5, rtol=1e-5)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="the kernel for packed sequences is a GPU's")
def test_a_gpu_takes_parts_of_many_lengths_in_one_call():
    generator = torch.Generator().manual_seed(3)
    query_lengths, key_lengths = [64, 9, 64, 30, 576], [12, 40, 7, 7, 21]
    n, m = sum(query_lengths), sum(key_lengths)
    inputs = [torch.randn(rows, 2, 64, generator=generator).cuda().requires_grad_() for rows in (n, m, m)]
    bounds = bounds_of(query_lengths), bounds_of(key_lengths)
    with torch.autocast("cuda", torch.bfloat16):
        fast = attend(*inputs, *bounds).float()
    plain = attend_reference(*inputs, *bounds)
    torch.testing.assert_close(fast, plain, atol=0.03, rtol=0.03)
    gradients = [torch.autograd.grad(result.square().sum(), inputs) for result in (fast, plain)]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, atol=0.1, rtol=0.05)


def test_parts_do_not_see_each_other():
    bounds = bounds_of([3, 5, 3])
    query, key, value = torch.randn(3, 11, 2, 4, generator=torch.Generator().manual_seed(2))
    before = attend(query, key, value, bounds, bounds)
    key[3:8], value[3:8] = 9.0, 100.0
    after = attend(query, key, value, bounds, bounds)
    assert torch.equal(before[:3], after[:3])
    assert torch.equal(before[8:], after[8:])
    assert not torch.allclose(before[3:8], after[3:8])


def test_wrong_boundaries_are_our_own_error():
    tensor = torch.randn(4, 1, 2)
    with pytest.raises(AssertionError, match="query boundaries"):
        attend(tensor, tensor, tensor, (0, 3), (0, 4))
    with pytest.raises(AssertionError, match="as many parts"):
        attend(tensor, tensor, tensor, (0, 2, 4), (0, 4))
