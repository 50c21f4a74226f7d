"""Blocks that stand in files (or in CPU memory) and pass through the device one after the other.

Two are there at a time: the one that works, and the next, which another thread brings meanwhile. The numbers are those of
the model that is whole in memory, to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor, nn

from langit.transformer.model import Block, TransformerConfig

Source = Callable[[], Tensor]
"""Reads one tensor, already in the shape and type that the block wants."""


class StreamedBlocks(nn.Module):
    """In place of a transformer's `blocks`: what a loop over it gives is a `Block` that works until the next is asked for."""

    def __init__(self, config: TransformerConfig, sources: Sequence[Mapping[str, Source]], device: torch.device):
        super().__init__()
        self._config, self._sources, self._device = config, sources, device
        self.prepare: list[Callable[[int, Block], None]] = []
        """What is done to each block, by its number, when it has come (LoRAs)."""

    def __len__(self) -> int:
        return len(self._sources)

    def __iter__(self) -> Iterator[nn.Module]:
        copies = torch.cuda.Stream(self._device) if self._device.type == "cuda" else None
        with ThreadPoolExecutor(1, "blocks") as pool:
            coming = pool.submit(self._bring, 0, copies)
            for number in range(len(self)):
                tensors = coming.result()
                if number + 1 < len(self):
                    coming = pool.submit(self._bring, number + 1, copies)
                with torch.device("meta"):
                    block = Block(self._config)
                block.load_state_dict(tensors, assign=True)
                block.requires_grad_(False).eval()
                for prepare in self.prepare:
                    prepare(number, block)
                yield block

    def _bring(self, number: int, copies: torch.cuda.Stream | None) -> dict[str, Tensor]:
        read = {name: source() for name, source in self._sources[number].items()}
        if copies is None:
            return {name: tensor.to(self._device, copy=True) for name, tensor in read.items()}
        with torch.cuda.stream(copies):
            came = {name: tensor.pin_memory().to(self._device, non_blocking=True) for name, tensor in read.items()}
        copies.synchronize()  # in this thread: the one that computes goes on meanwhile
        return came
