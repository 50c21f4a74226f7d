"""Rotary positions in three dimensions: time, height, width (RoPE, arXiv 2104.09864; the split is Wan 2.1's)."""

from __future__ import annotations

import torch
from torch import Tensor


def axis_dims(head_dim: int) -> tuple[int, int, int]:
    """How many of a head's channels turn with t, y and x: a third each, the remainder to time."""
    spatial = 2 * (head_dim // 6)
    return head_dim - 2 * spatial, spatial, spatial


def rotations(positions: Tensor, head_dim: int, base: float = 10000.0) -> Tensor:
    """(N, 3) positions -> (N, head_dim / 2, 2): the cosine and the sine of each pair's angle."""
    angles = []
    for axis, dim in enumerate(axis_dims(head_dim)):
        frequencies = base ** (-torch.arange(0, dim, 2, device=positions.device, dtype=torch.float64) / dim)
        angles.append(positions[:, axis, None].double() * frequencies)
    angle = torch.cat(angles, -1)
    return torch.view_as_real(torch.polar(torch.ones_like(angle), angle).to(torch.complex64))


def rotate(x: Tensor, rotation: Tensor) -> Tensor:
    """Turn neighbouring channel pairs of (N, heads, head_dim) by (N, head_dim / 2, 2)."""
    pairs = x.float().unflatten(-1, (-1, 2))
    if torch.compiler.is_compiling():  # compilers know no complex numbers
        (cos, sin), (a, b) = rotation[:, None].unbind(-1), pairs.unbind(-1)
        return torch.stack([a * cos - b * sin, a * sin + b * cos], -1).flatten(-2).to(x.dtype)
    turned = torch.view_as_complex(pairs) * torch.view_as_complex(rotation)[:, None]
    return torch.view_as_real(turned).flatten(-2).to(x.dtype)
