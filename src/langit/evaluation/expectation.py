"""Violation of expectation: is a model more surprised by what cannot be than by what can?

After LikePhys (arXiv 2510.11512): of matched valid and invalid clips, the share of pairs in which the invalid one has
the higher denoising loss at equal noise (`violations` says how ours are matched). This is the one measure that looks
into the model: at its own loss, and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from langit.catalog import Bundle
from langit.denoising import denoiser
from langit.evaluation.statistics import Reading, missing, reading
from langit.evaluation.violations import KINDS, Pair
from langit.flow import add_noise, velocity_loss
from langit.packing import pack
from langit.tokenizer import encode
from langit.tokenizer.base import legal_frames
from langit.types import Frames

PART = "violation of expectation"
LEVELS = (0.3, 0.5, 0.7, 0.85)
"""Noise levels at which the loss is taken, and averaged."""
PUBLISHED = "chance 50%; best published open model 60.8% (LikePhys)"


@dataclass(frozen=True)
class Surprise:
    """The losses of one pair."""

    kind: str
    number: int
    valid: float
    invalid: float

    @property
    def is_right(self) -> float:
        """1 when the invalid clip surprises more, 1/2 for a tie."""
        return 0.5 if self.invalid == self.valid else float(self.invalid > self.valid)


@torch.inference_mode()
def losses(bundle: Bundle, clips: Sequence[Frames], prompt: str, seed: int) -> list[float]:
    """The mean velocity loss of each clip over `LEVELS`, all with the same noise, levels and prompt."""
    tokenizer, device = bundle.tokenizer, bundle.device
    latents = [encode(tokenizer, _legal(bundle, frames)) for frames in clips]
    x, layout = pack(latents, bundle.config.patch)
    x, layout = x.to(device), layout.to(device)
    generator = torch.Generator().manual_seed(seed)
    one = layout.bounds[1]
    denoise = denoiser(bundle, layout, [prompt] * len(clips))
    total = torch.zeros(len(clips))
    for level in LEVELS:
        noise = torch.randn(one, x.shape[1], generator=generator).repeat(len(clips), 1).to(device)
        sigma = torch.full((len(x),), level, device=device)
        noisy = add_noise(x, noise, sigma)
        # `denoise` gives x whatever the network predicts.
        loss = velocity_loss(noisy, x, noise, denoise(noisy, sigma), sigma, "x")
        total += loss.reshape(len(clips), one).mean(1).cpu()
    return [float(value) for value in total / len(LEVELS)]


def surprise(bundle: Bundle, pair: Pair, number: int) -> Surprise:
    """How surprised the model is by what can be, and by what cannot."""
    *valid, invalid = losses(bundle, [*pair.valid, pair.invalid], pair.prompt, number)
    return Surprise(pair.kind, number, sum(valid) / len(valid), invalid)


def measure(surprises: Sequence[Surprise]) -> list[Reading]:
    """The share of pairs told apart rightly: of all kinds together, and of each."""
    if not surprises:
        why = "it needs the model's own denoising loss, and only clips were given"
        return [missing(PART, "all kinds", why)]
    readings = [_read("all kinds", surprises)]
    return readings + [_read(kind, [one for one in surprises if one.kind == kind]) for kind in KINDS]


def _read(name: str, surprises: Sequence[Surprise]) -> Reading:
    right = [one.is_right for one in surprises]
    return reading(PART, name, "", "higher", right, published=PUBLISHED, why="no pair of this kind was made")


def _legal(bundle: Bundle, frames: Frames) -> Tensor:
    """Frames in [-1, 1], the last one repeated up to a legal number."""
    count = legal_frames(bundle.tokenizer, len(frames))
    chosen = np.minimum(np.arange(count), len(frames) - 1)
    return torch.from_numpy(frames[chosen].astype(np.float32)) / 127.5 - 1
