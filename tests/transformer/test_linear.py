"""Linear layers by oneDNN are torch's own, forwards and backwards, whatever the shape."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from langit.transformer.attention import attend, attend_reference
from langit.transformer.linear import Linear, has_product


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(1, 24), (7, 24), (2, 5, 24), (300, 24)], ids=str)
@pytest.mark.parametrize("bias", [True, False])
def test_forwards(shape, bias):
    torch.manual_seed(0)
    layer, x = Linear(24, 40, bias), drawn(*shape)
    with torch.inference_mode():
        plain = F.linear(x, layer.weight, layer.bias)
        torch.testing.assert_close(layer(x), plain)
        torch.testing.assert_close(layer.gelu(x), F.gelu(plain, approximate="tanh"))
        strided = drawn(24, 9).t()
        torch.testing.assert_close(layer(strided), F.linear(strided, layer.weight, layer.bias))
        assert layer(x[:0]).shape == (*x[:0].shape[:-1], 40)


@pytest.mark.parametrize("shape", [(1, 24), (2, 50, 24)], ids=str)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    "outer", [40, 16], ids=["wider", "narrower"]
)  # the gradient of the weight is made the other way round
def test_backwards(shape, outer, bias):
    torch.manual_seed(0)
    layer, x = Linear(24, outer, bias), drawn(*shape).requires_grad_()
    found, expected = (
        torch.autograd.grad((run(x).sin()).sum(), [x, *layer.parameters()])
        for run in (layer, lambda x: F.linear(x, layer.weight, layer.bias))
    )
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)
    torch.autograd.gradcheck(layer.double(), drawn(3, 24).double().requires_grad_())  # not by oneDNN: the same layer


def test_where_nothing_wants_a_gradient_none_is_made():
    layer = Linear(4, 4).requires_grad_(False)
    x = drawn(3, 4).requires_grad_()
    layer(x).sum().backward()
    assert layer.weight.grad is None
    torch.testing.assert_close(x.grad, layer.weight.sum(0).expand(3, -1))


@pytest.mark.parametrize(("queries", "keys"), [(400, 400), (300, 77), (1000, 130)])
@pytest.mark.parametrize("parts", [1, 3])
def test_attention_in_the_cache(queries, keys, parts):
    """Long enough that the path by rows is taken, with counts, and a last part of fewer rows."""
    query, key, value = (drawn(parts * n, 2, 16, seed=n) for n in (queries, keys, keys + 1))
    key, value = key[: parts * keys], value[: parts * keys]
    counts = torch.randint(1, 4, (parts * keys,), generator=torch.Generator().manual_seed(0)).float()
    bounds = [tuple(range(0, parts * n + 1, n)) for n in (queries, keys)]
    assert queries * keys >= 16384
    for weights in (None, counts):
        with torch.inference_mode():
            found = attend(query, key, value, *bounds, weights)
        torch.testing.assert_close(found, attend_reference(query, key, value, *bounds, weights), atol=2e-6, rtol=1e-5)


def test_only_float32_goes_there():
    assert not has_product(drawn(2, 2).double())
    assert not has_product(drawn(2, 2).bfloat16())
