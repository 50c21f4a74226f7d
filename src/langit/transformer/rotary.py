"""Rotary positions in three dimensions: time, height, width (RoPE, arXiv 2104.09864; the split is Wan 2.1's)."""

from __future__ import annotations

import torch
from torch import Tensor


def axis_dims(head_dim: int) -> tuple[int, int, int]:
    """How many of a head's channels turn with t, y and x: a third each, the remainder to time."""
    spatial = 2 * (head_dim // 6)
    return head_dim - 2 * spatial, spatial, spatial


def rotations(positions: Tensor, head_dim: int, base: float = 10000.0) -> Tensor:
    """(N, 3) positions -> (N, head_dim / 2) complex rotations."""
    angles = []
    for axis, dim in enumerate(axis_dims(head_dim)):
        frequencies = base ** (-torch.arange(0, dim, 2, device=positions.device, dtype=torch.float64) / dim)
        angles.append(positions[:, axis, None].double() * frequencies)
    angle = torch.cat(angles, -1)
    return torch.polar(torch.ones_like(angle), angle).to(torch.complex64)


def rotate(x: Tensor, rotation: Tensor) -> Tensor:
    """Turn neighbouring channel pairs of (N, heads, head_dim) by (N, head_dim / 2)."""
    pairs = torch.view_as_complex(x.float().unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs * rotation[:, None]).flatten(-2).to(x.dtype)
