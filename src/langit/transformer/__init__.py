"""The diffusion transformer: `model` (read this first), `attention`, `rotary`."""

from langit.transformer.model import Transformer, TransformerConfig

__all__ = ["Transformer", "TransformerConfig"]
