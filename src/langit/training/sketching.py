"""Training with sketches: what fills each cell of a clip, as numbers that are noised and made clean like the picture's own.

A sketch says of every latent cell which share of it each colour and shape fills, where in it things end, and the two colours that
meet there, and how far the camera's motion carried it (`fills.fills_of`). It is made before the picture: one transformer makes it
from noise, with the prompt, and with what is known of the picture beside it; another makes the picture with the sketch beside it.
The squared error of pixels hardly tells a ball from a cube that is ten pixels wide; that of a sketch tells little else. In kin
with making features of a pretrained network before pixels (semantic-first diffusion, arXiv 2512.04926), of which the simulated
world's own truth is the cheapest.
"""

from __future__ import annotations

import torch
from torch import Tensor

from langit.conditioning.channels import noisy_channels
from langit.conditioning.drift import DRIFT, DRIFTS
from langit.flow import add_noise
from langit.training.fills import COLOURED, FILLS, NAMES, WAVES
from langit.training.noise import position_noise, seed_uniform

SCALE = 4.0
"""The number of a cell that is full of something: large, so that it is decided while there is much noise."""
OUTLINES, TINTS = 6.0, 3.0
"""The same for the waves of outlines, which are smaller, and for colours."""
UNKNOWN, WHOLE, NOISIEST = 0.1, 0.6, 0.5
"""Pictures learn without a sketch, with a clean one up to the second share, and else with one of up to that level."""
BEGUN = 0.15
"""Share of clips from words alone of which a noisy picture is known (remix)."""


def sketch_of(fills: Tensor) -> Tensor:
    """What fills cells (N, fills * cells) as the numbers that are noised."""
    cells = fills.shape[1] // FILLS
    parts = {len(NAMES): SCALE, len(WAVES): OUTLINES, COLOURED: TINTS, DRIFT: DRIFTS}
    each = fills.split([part * cells for part in parts], 1)
    return torch.cat([scale * part for scale, part in zip(parts.values(), each, strict=True)], 1)


def beside_picture(fills: Tensor, seeds: Tensor, rows: Tensor) -> Tensor:
    """The sketches (N, (fills + 1) * cells) that stand beside pictures; `seeds` and `rows` (N,) are those of the noise."""
    drawn, where = seed_uniform(seeds, 1), seed_uniform(seeds, 2)
    level = torch.where(drawn < UNKNOWN, 1.0, torch.where(drawn < WHOLE, 0.0, NOISIEST * where))
    sketch = sketch_of(fills)
    noisy = add_noise(sketch, position_noise(seeds + 1, rows, sketch.shape[1]), level)
    return noisy_channels(noisy, level, fills.shape[1] // FILLS)


def beside_sketch(
    patches: Tensor, noise: Tensor, levels: Tensor, of_frames: Tensor, of_words: Tensor, seeds: Tensor, cells: int
) -> Tensor:
    """What is known of pictures (N, (C + 1) * cells), to stand beside their sketches.

    `levels` (N,) are those that the clips' tasks would train pictures at: 0 where they hold them. Tasks that give each frame
    its level (`of_frames`) keep them; of the others nothing more is known, but of some clips `of_words` a noisy picture is.
    """
    begun = of_words & (seed_uniform(seeds, 3) < BEGUN)
    known = torch.where(begun, seed_uniform(seeds, 4), torch.where((levels == 0) | of_frames, levels, 1.0))
    return noisy_channels(add_noise(patches, noise, known), known, cells)
