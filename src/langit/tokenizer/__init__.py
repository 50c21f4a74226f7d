"""Video to latents and back. `base` has the protocol; `pixels`, `linear`, `causal` and `wan` are its members; `stored` lists
those that langit's own model folders keep."""

from langit.tokenizer.base import Tokenizer, decode, encode
from langit.tokenizer.causal import CausalTokenizer
from langit.tokenizer.linear import LinearTokenizer
from langit.tokenizer.pixels import PixelTokenizer
from langit.tokenizer.stored import TOKENIZERS, StoredTokenizer, kind_of

__all__ = [
    "TOKENIZERS",
    "CausalTokenizer",
    "LinearTokenizer",
    "PixelTokenizer",
    "StoredTokenizer",
    "Tokenizer",
    "decode",
    "encode",
    "kind_of",
]
