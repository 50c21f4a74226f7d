"""Matrices are orthogonalised one by one on a CPU as they would be all at once, whatever their shape."""

from __future__ import annotations

import pytest
import torch

from langit.training import muon


@pytest.mark.parametrize("shape", [(2, 32, 32), (2, 24, 96), (3, 96, 24), (1, 24, 30)], ids=str)
def test_steps_by_the_gram_matrix_are_the_same(shape, monkeypatch):
    generator = torch.Generator().manual_seed(0)
    matrices = torch.randn(*shape, generator=generator) * torch.logspace(0, -3, shape[2])
    found = muon.orthogonalised(matrices)
    monkeypatch.setattr(muon, "has_product", lambda _: False)
    expected = muon.orthogonalised(matrices)
    assert (found - expected).norm() < 1e-3 * expected.norm()
    assert not torch.allclose(expected, matrices, rtol=0.1)
