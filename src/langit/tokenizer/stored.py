"""The tokenizers that a folder can keep, by name. A new one is a class in a file of its own and a line in `TOKENIZERS`."""

from __future__ import annotations

from typing import ClassVar, Protocol, Self, runtime_checkable

from torch import Tensor

from langit.tokenizer.base import Tokenizer
from langit.tokenizer.causal import CausalTokenizer
from langit.tokenizer.linear import LinearTokenizer
from langit.tokenizer.pixels import PixelTokenizer


@runtime_checkable
class StoredTokenizer(Tokenizer, Protocol):
    """A tokenizer that is its stride, its channels and some tensors."""

    has_tensors: ClassVar[bool]  # False where the stride says all

    def tensors(self) -> dict[str, Tensor]:
        """What is kept."""

    @classmethod
    def shapes(
        cls, stride: tuple[int, int, int], channels: int, tensors: dict[str, Tensor]
    ) -> dict[str, tuple[int, ...]]:
        """The tensors that must be there, and their shapes; ValueError where `tensors` tell of an impossible one."""

    @classmethod
    def from_tensors(cls, stride: tuple[int, int, int], channels: int, tensors: dict[str, Tensor]) -> Self:
        """The tokenizer that was kept; its tensors have their shapes."""

    def to(self, device: str) -> Self:
        """The same, computing there where that is quicker; frames and latents stay on the CPU."""


TOKENIZERS: dict[str, type[StoredTokenizer]] = {
    "pixels": PixelTokenizer,
    "linear": LinearTokenizer,
    "causal": CausalTokenizer,
}


def kind_of(tokenizer: Tokenizer) -> str:
    """Its name in `TOKENIZERS`; ValueError when it has none."""
    for name, kind in TOKENIZERS.items():
        if type(tokenizer) is kind:
            return name
    raise ValueError(f"a {type(tokenizer).__name__} is not among {', '.join(TOKENIZERS)}: add it to TOKENIZERS")
