"""A small network from a clip to what is in it; what it computes just before its answer is a clip's features.

Trained on the simulator's own states by `fit_features` (no judge model, no outside weights): who is there, what
happens, how it is lit and filmed, where things are and how they move. 16 frames of 48x48 in, 112 features out.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn

from langit.types import Frames

NUM_FRAMES, SIDE = 16, 48
NUM_FEATURES = 112
WEIGHTS = "features.safetensors"

Doubles = NDArray[np.float64]


class FeatureNetwork(nn.Module):
    """Clips (B, 3, 16, 48, 48) in [-1, 1] -> features (B, 112) and, of these, answers (B, num_answers)."""

    def __init__(self, num_answers: int):
        super().__init__()
        widths = (3, 24, 48, 64)
        self.frames = nn.ModuleList(nn.Conv3d(a, b, (1, 3, 3), (1, 2, 2), (0, 1, 1)) for a, b in pairwise(widths))
        self.motion = nn.ModuleList([nn.Conv3d(64, 80, 3, 2, 1), nn.Conv3d(80, NUM_FEATURES, 3, 2, 1)])
        self.norms = nn.ModuleList(nn.GroupNorm(8, width) for width in (24, 48, 64, 80, NUM_FEATURES))
        self.answer = nn.Linear(NUM_FEATURES, num_answers)

    def forward(self, clips: Tensor) -> tuple[Tensor, Tensor]:
        x = clips
        for convolution, norm in zip([*self.frames, *self.motion], self.norms, strict=True):
            x = F.silu(norm(convolution(x)))
        features = x.mean((2, 3, 4))
        return features, self.answer(features)


def prepared(frames: Frames) -> Tensor:
    """uint8 (F, H, W, 3) of any length and size -> (3, 16, 48, 48) in [-1, 1], evenly spread over the clip."""
    chosen = np.linspace(0, len(frames) - 1, NUM_FRAMES).round().astype(int)
    clip = torch.from_numpy(np.ascontiguousarray(frames[chosen])).permute(0, 3, 1, 2).float() / 127.5 - 1
    return F.interpolate(clip, (SIDE, SIDE), mode="area").transpose(0, 1)


@torch.inference_mode()
def features(clips: Sequence[Frames]) -> Doubles:
    """(B, 112), each feature of about unit variance over the simulator's clips."""
    network, mean, deviation = _network()
    rows = [network(prepared(frames)[None])[0][0] for frames in clips]
    return np.asarray(((torch.stack(rows) - mean) / deviation).numpy(), np.float64)


@cache
def _network() -> tuple[FeatureNetwork, Tensor, Tensor]:
    tensors = {
        name: tensor.float() for name, tensor in load_file(Path(str(files("langit.evaluation") / WEIGHTS))).items()
    }
    mean, deviation = tensors.pop("features.mean"), tensors.pop("features.deviation")
    network = FeatureNetwork(len(tensors["answer.bias"])).eval().requires_grad_(False)
    network.load_state_dict(tensors)
    return network, mean, deviation
