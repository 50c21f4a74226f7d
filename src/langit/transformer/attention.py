"""Attention over packed sequences: each clip sees its own keys and nobody else's.

The path is chosen here and nowhere else. `attend_reference` is the plain one that every other path is tested against.
"""

from __future__ import annotations

from collections import defaultdict
from functools import lru_cache
from itertools import groupby, pairwise

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from langit.packing import Bounds
from langit.transformer.linear import has_product, product

MANY_KINDS = 4
"""Of lengths, from which on a GPU takes all parts in one call of a kernel for packed sequences."""
CELLS = 131072
"""Scores that a processor's cache holds beside the keys: half a megabyte."""
SMALLEST, MOST_KEYS, FEW_THREADS = 16384, 8192, 4
"""Where working in the cache was faster: not for scraps, nor with few rows at a time, nor where many threads share a head."""


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    query_bounds: Bounds,
    key_bounds: Bounds,
    key_counts: Tensor | None = None,
) -> Tensor:
    """softmax(q k^T / sqrt(dim)) v inside each part: (N, heads, dim), (M, heads, dim) x 2 -> (N, heads, dim).

    `key_counts` (M,) says how many equal keys each one stands for; None is one each. Parts of equal lengths share one
    batched call of the fused kernel, without a copy where they stand side by side; a loop over parts beats a dense mask
    twofold.
    """
    _check(query, key, query_bounds, key_bounds)
    bias = None if key_counts is None else key_counts.to(query.dtype).log()
    query_lengths, key_lengths = _lengths(query_bounds), _lengths(key_bounds)
    kinds = _kinds(query_lengths, key_lengths, query.device.type == "cpu" and torch.is_grad_enabled())
    if len(set(kinds)) == 1 and len(set(key_lengths)) == 1:  # all alike: no copy at all
        return _batched(query, key, value, bias, len(query_lengths))
    half = _half(query) if query.is_cuda and bias is None and len(set(kinds)) >= MANY_KINDS else None
    if half is not None:
        return _of_any_lengths(query.to(half), key.to(half), value.to(half), query_bounds, key_bounds)
    runs = [list(run) for _, run in groupby(range(len(kinds)), kinds.__getitem__)]
    groups: dict[tuple[int, int], list[int]] = defaultdict(list)
    for number, run in enumerate(runs):
        groups[kinds[run[0]]].append(number)
    # split and cat, not slices: the gradient of a slice is a whole tensor of zeros.
    rows, key_rows = ([sum(lengths[part] for part in run) for run in runs] for lengths in (query_lengths, key_lengths))
    queries, keys, values = query.split(rows), key.split(key_rows), value.split(key_rows)
    biases = None if bias is None else bias.split(key_rows)
    results: list[Tensor | None] = [None] * len(runs)
    for (_, most), members in groups.items():
        q, k, v = (_joined([tensors[run] for run in members]) for tensors in (queries, keys, values))
        b = None if biases is None else _joined([biases[run] for run in members])
        lengths = tuple(key_lengths[part] for run in members for part in runs[run])
        if min(lengths) < most:
            index, masked = _padding(lengths, most, key.device)
            k, v = k.index_select(0, index), v.index_select(0, index)
            b = masked if b is None else b.index_select(0, index) + masked
        found = _batched(q, k, v, b, len(lengths)).split([rows[run] for run in members])
        for number, result in zip(members, found, strict=True):
            results[number] = result
    return torch.cat([result for result in results if result is not None])


def attend_reference(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    query_bounds: Bounds,
    key_bounds: Bounds,
    key_counts: Tensor | None = None,
) -> Tensor:
    """The same by the formula, with one dense mask over the whole pack and every counted key repeated."""
    _check(query, key, query_bounds, key_bounds)
    query_part, key_part = (_part_of(bounds, query.device) for bounds in (query_bounds, key_bounds))
    if key_counts is not None:
        key, value, key_part = (tensor.repeat_interleave(key_counts.long(), dim=0) for tensor in (key, value, key_part))
    scores = torch.einsum("qhd,khd->hqk", query, key) / query.shape[-1] ** 0.5
    scores = scores.masked_fill(query_part[:, None] != key_part[None, :], float("-inf"))
    return torch.einsum("hqk,khd->qhd", scores.softmax(-1), value)


def _batched(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None, parts: int) -> Tensor:
    queries, keys = len(query) // parts, len(key) // parts
    fits = queries * keys >= SMALLEST and keys <= MOST_KEYS and torch.get_num_threads() <= FEW_THREADS
    if fits and has_product(query) and not torch.is_grad_enabled():
        biases = [None] * parts if bias is None else bias.chunk(parts)
        each = zip(query.chunk(parts), key.chunk(parts), value.chunk(parts), biases, strict=True)
        results = [_in_cache(*part) for part in each]
        return results[0] if parts == 1 else torch.cat(results)
    q, k, v = (rearrange(tensor, "(b n) h d -> b h n d", b=parts) for tensor in (query, key, value))
    mask = None if bias is None else rearrange(bias, "(b m) -> b 1 1 m", b=parts)
    return rearrange(F.scaled_dot_product_attention(q, k, v, mask), "b h n d -> (b n) h d")


def _in_cache(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None) -> Tensor:
    """One part, a head and some rows of queries at a time: the scores stay in the processor's cache, and oneDNN multiplies."""
    result = torch.empty_like(query)
    rows = max(1, CELLS // len(key))
    queries, keys = (
        rearrange(tensor, "n h d -> h n d").contiguous() for tensor in (query, key * query.shape[-1] ** -0.5)
    )
    values = rearrange(value, "n h d -> h d n").contiguous()
    for head in range(query.shape[1]):
        for some, place in zip(queries[head].split(rows), result[:, head].split(rows), strict=True):
            scores = product(some, keys[head], bias)
            place.copy_(product(torch.softmax(scores, -1, out=scores), values[head]))
    return result


def _kinds(query_lengths: list[int], key_lengths: list[int], padding: bool) -> list[tuple[int, int]]:
    """Of each part its number of queries, and of the keys that they are given: with `padding`, of scraps as many as any
    other has that has as many queries, so that prompts of many lengths are read in one call."""
    most: dict[int, int] = defaultdict(int)
    pairs = list(zip(query_lengths, key_lengths, strict=True))
    for queries, keys in pairs:
        if padding and queries * keys < SMALLEST:
            most[queries] = max(most[queries], keys)
    return [(queries, most[queries] if padding and queries * keys < SMALLEST else keys) for queries, keys in pairs]


@lru_cache(maxsize=64)
def _padding(lengths: tuple[int, ...], most: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """For parts of these many keys, one after the other: which `most` keys each is given, and -inf for those that are not
    its own, (parts * most,) both."""
    length = torch.tensor(lengths, device=device)[:, None]
    place = torch.arange(most, device=device)
    index = length.cumsum(0) - length + place.minimum(length - 1)
    return index.flatten(), torch.zeros(index.shape, device=device).masked_fill(
        place >= length, float("-inf")
    ).flatten()


def _joined(pieces: list[Tensor]) -> Tensor:
    return pieces[0] if len(pieces) == 1 else torch.cat(pieces)


def _of_any_lengths(query: Tensor, key: Tensor, value: Tensor, query_bounds: Bounds, key_bounds: Bounds) -> Tensor:
    """All parts in one call of a GPU's kernel for packed sequences; a call to each kind of lengths would starve it."""
    from torch.nn.attention.varlen import varlen_attn  # where it is needed alone: it asks for a GPU

    most_queries, most_keys = max(_lengths(query_bounds)), max(_lengths(key_bounds))
    ends = _ends(query_bounds, query.device), _ends(key_bounds, query.device)
    result = varlen_attn(query, key, value, *ends, most_queries, most_keys)
    assert isinstance(result, Tensor)
    return result


def _half(query: Tensor) -> torch.dtype | None:
    """The half precision that products are done in here; None where they are done in single, or heads are of an odd size."""
    if query.shape[-1] % 8:
        return None
    if torch.is_autocast_enabled("cuda"):
        return torch.get_autocast_dtype("cuda")
    return query.dtype if query.dtype in (torch.bfloat16, torch.float16) else None


@lru_cache(maxsize=8)
def _ends(bounds: Bounds, device: torch.device) -> Tensor:
    """Boundaries as kernels want them; every block of a transformer asks for the same."""
    return torch.tensor(bounds, dtype=torch.int32, device=device)


def _lengths(bounds: Bounds) -> list[int]:
    return [end - start for start, end in pairwise(bounds)]


def _part_of(bounds: Bounds, device: torch.device) -> Tensor:
    lengths = torch.tensor(_lengths(bounds), device=device)
    return torch.arange(len(lengths), device=device).repeat_interleave(lengths)


def _check(query: Tensor, key: Tensor, query_bounds: Bounds, key_bounds: Bounds) -> None:
    assert len(query_bounds) == len(key_bounds), "as many parts of queries as of keys"
    assert query.shape[0] == query_bounds[-1], "query boundaries cover the queries"
    assert key.shape[0] == key_bounds[-1], "key boundaries cover the keys"
