"""Pictures to states for Wan 2.1's picture-to-video models: CLIP's image encoder through transformers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from langit.types import Frames

Load = Callable[[], tuple[Any, Any]]
"""-> the image processor and the vision encoder, of transformers."""


class ClipEncoder:
    """Frames (H, W, 3) uint8 -> (tokens, width) each: the states before the last layer, as Wan reads them."""

    def __init__(self, load: Load):
        self._load = load
        self._parts: tuple[Any, Any] | None = None

    @torch.inference_mode()
    def encode(self, pictures: Sequence[Frames]) -> Tensor:
        """The states of the pictures, one after the other."""
        if self._parts is None:
            self._parts = self._load()
        processor, encoder = self._parts
        weight = next(encoder.parameters())
        pixels = processor(images=list(pictures), return_tensors="pt").pixel_values.to(weight)
        states: Tensor = encoder(pixel_values=pixels, output_hidden_states=True).hidden_states[-2]
        return states.flatten(0, 1)

    def release(self) -> None:
        """Free the encoder's memory."""
        self._parts = None
