"""Video to latents and back. `base` has the protocol; `pixels` and `linear` are its members so far."""

from langit.tokenizer.base import Tokenizer, decode, encode
from langit.tokenizer.linear import LinearTokenizer
from langit.tokenizer.pixels import PixelTokenizer

__all__ = ["LinearTokenizer", "PixelTokenizer", "Tokenizer", "decode", "encode"]
