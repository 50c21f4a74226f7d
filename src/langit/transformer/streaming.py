"""Blocks that stand in files (or in CPU memory) and pass through the device one after the other.

Two are there at a time: the one that works, and the next, which another thread brings meanwhile. The numbers are those of
the model that is whole in memory, to the last bit. With `linear` set they come in 8 bits, layer by layer, so that of the
exact weights no more than one layer is there at a time.
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
        self._config, self._device = config, device
        self.sources = [dict(block) for block in sources]
        """How each tensor of each block is read; what LoRAs merge goes in here."""
        self.linear: Callable[[nn.Linear], nn.Module] | None = None
        """What every linear layer of a block becomes when it comes; None leaves it."""
        self.prepare: list[Callable[[int, Block], None]] = []
        """What is done to each block, by its number, when it has come (live LoRAs)."""
        self._copies: torch.cuda.Stream | None = None
        self._finished: torch.cuda.Event | None = None  # all that was asked of the block before the last one

    def __len__(self) -> int:
        return len(self.sources)

    def __iter__(self) -> Iterator[nn.Module]:
        with ThreadPoolExecutor(1, "blocks") as pool:
            coming = pool.submit(self._bring, 0, self._finished)
            for number in range(len(self)):
                block = coming.result()
                if number + 1 < len(self):
                    coming = pool.submit(self._bring, number + 1, self._finished)
                for prepare in self.prepare:
                    prepare(number, block)
                yield block
                if self._device.type == "cuda":
                    self._finished = torch.cuda.current_stream(self._device).record_event()

    def _bring(self, number: int, finished: torch.cuda.Event | None) -> Block:
        if self._device.type != "cuda":
            return self._read(number, lambda tensor: tensor.to(self._device, copy=True))
        # A GPU is asked for more than it has done: the block before must be finished before its memory is taken again.
        if finished is not None:
            finished.synchronize()
        self._copies = self._copies or torch.cuda.Stream(self._device)
        with torch.cuda.stream(self._copies):
            block = self._read(number, lambda tensor: tensor.pin_memory().to(self._device, non_blocking=True))
        self._copies.synchronize()  # in this thread: the one that computes goes on meanwhile
        return block

    @torch.no_grad()
    def _read(self, number: int, bring: Callable[[Tensor], Tensor]) -> Block:
        with torch.device("meta"):
            block = Block(self._config)
        paths = [path for path, _ in block.named_modules()]  # a list of modules would keep what is replaced
        for path in paths:
            module = block.get_submodule(path)
            for name in [name for name, _ in module.named_parameters(recurse=False)]:
                tensor = bring(self.sources[number][f"{path}.{name}" if path else name]())
                setattr(module, name, nn.Parameter(tensor, requires_grad=False))
            if self.linear is not None and isinstance(module, nn.Linear):
                block.set_submodule(path, self.linear(module))
        return block.requires_grad_(False).eval()


def settled(blocks: StreamedBlocks) -> nn.ModuleList:
    """The same blocks, all of them, as they come, to stay on the device."""
    return nn.ModuleList(blocks)
