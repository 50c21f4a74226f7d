"""How much memory there is, and how much a clip takes: so that what will not fit is refused before anything is loaded."""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol

import torch

from langit.tokenizer.wan import SMALLEST_TILE, decoding_bytes
from langit.transformer import TransformerConfig
from langit.types import ClipShape, InputError

GIB = 2**30
MemoryMode = Literal["auto", "whole", "stream"]
"""Weights whole in the device's memory, or streamed through it block by block; auto is whole where that fits."""


def available_memory(device: torch.device) -> int:
    """Bytes that can be taken on the device now."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        lines = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
        free = int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        pass  # no such file outside Linux: count all the machine has
    limits = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current")
    try:
        most, used = (Path(path).read_text().strip() for path in limits)
        if most != "max":
            free = min(free, int(most) - int(used))
    except (OSError, ValueError):
        pass
    return free


@dataclass(frozen=True)
class Need:
    """Bytes of one generation, part by part. Text encoder and transformer are counted apart: the first is freed."""

    transformer: int
    working: int  # of the transformer at this size and length
    text: int
    autoencoder: int

    @property
    def peak(self) -> int:
        return max(self.text, self.transformer + max(self.working, self.autoencoder))


def num_parameters(config: TransformerConfig) -> int:
    """Of one transformer."""
    width, ffn = config.width, config.ffn_width
    block = 8 * (width**2 + width) + 4 * width + 2 * width * ffn + width + ffn + 2 * width + 6 * width
    ends = (config.patch_dim + config.out_dim) * width + width + config.out_dim + 2 * width
    levels = config.time_frequencies * width + 7 * width**2 + 8 * width
    text = config.text_width * width + width**2 + 2 * width
    pictures = 0
    if image := config.image_width:
        pictures = image**2 + image * width + 3 * image + 3 * width + config.image_places * image
        block += 2 * (width**2 + width) + width
    return config.depth * block + ends + levels + text + pictures


def needed(
    config: TransformerConfig,
    experts: int,
    stride: tuple[int, int, int],
    patch: tuple[int, int, int],
    shape: ClipShape,
    bytes_each: float,
    text_bytes: int = 0,
    eight_bits: bool = False,
) -> Need:
    """What a clip of that shape takes, by counting tensors; the attention kernels need no square matrix."""
    latent = (1 + (shape.frames - 1) // stride[0], shape.height // stride[1], shape.width // stride[2])
    patches = math.prod(size // step for size, step in zip(latent, patch, strict=True))
    # x, its normed copy, query, key, value and result, the hidden numbers of the feed-forward, three of them in float32.
    each = (9 * config.width + 2 * config.ffn_width) * max(2.0, bytes_each)
    decoder = decoding_bytes(
        shape.height, shape.width, 4, SMALLEST_TILE
    )  # of one group of frames, in the smallest tiles
    frames = 3 * 5 * math.prod((shape.frames, shape.height, shape.width))
    weights = weight_bytes(config, experts, bytes_each, eight_bits)
    return Need(weights, round(patches * each), text_bytes, decoder + frames)


class Weighed(Protocol):
    """What of a configuration decides how much memory a clip takes."""

    @property
    def name(self) -> str: ...
    @property
    def transformer(self) -> TransformerConfig: ...
    @property
    def stride(self) -> tuple[int, int, int]: ...
    @property
    def patch(self) -> tuple[int, int, int]: ...


def weight_bytes(config: TransformerConfig, experts: int, bytes_each: float, eight_bits: bool = False) -> int:
    """Of all weights in memory."""
    ends = num_parameters(replace(config, depth=0)) * bytes_each
    return round(experts * (ends + config.depth * _block_bytes(config, bytes_each, eight_bits)))


def passing_bytes(config: TransformerConfig, experts: int, bytes_each: float, eight_bits: bool = False) -> int:
    """Of streamed weights, what is in memory at a time: all but the blocks, and two of those.

    With eight bits there is also one layer as it was, and in float32 while it is rounded.
    """
    ends = num_parameters(replace(config, depth=0)) * bytes_each
    layer = config.width * max(config.width, config.ffn_width) * (bytes_each + 8) if eight_bits else 0
    return round(experts * ends + 2 * _block_bytes(config, bytes_each, eight_bits) + layer)


def _block_bytes(config: TransformerConfig, bytes_each: float, eight_bits: bool) -> float:
    """Of one block. With eight bits a byte to each number of a matrix; a row has a scale, a centre and its bias."""
    whole = num_parameters(replace(config, depth=1)) - num_parameters(replace(config, depth=0))
    if not eight_bits:
        return whole * bytes_each
    matrices = (10 if config.image_width else 8) * config.width**2 + 2 * config.width * config.ffn_width
    return matrices + (whole - matrices) * (bytes_each + 16)


@dataclass(frozen=True)
class Held:
    """How the weights of a model are held on a device."""

    mode: Literal["whole", "stream"]
    eight_bits: bool = False


def how_held(
    asked: MemoryMode,
    config: Weighed,
    experts: int,
    dtype: torch.dtype,
    device: torch.device,
    eight_bits: bool = False,
) -> Held:
    """The first way that fits: whole, else streamed, else streamed in 8 bits, which changes what comes out a little.

    `InputError` when nothing that was asked for fits.
    """
    ways = {
        "whole": [Held("whole", eight_bits)],
        "stream": [Held("stream", eight_bits)],
        "auto": [Held("whole", eight_bits), Held("stream", eight_bits), Held("stream", True)],
    }[asked]
    free = available_memory(device)
    bytes_each = torch.empty(0, dtype=dtype).element_size()
    takes = 0
    for held in ways:
        counted = weight_bytes if held.mode == "whole" else passing_bytes
        takes = counted(config.transformer, experts, bytes_each, held.eight_bits)
        if takes <= free:
            return held
    kind = "8 bits" if ways[-1].eight_bits else str(dtype).removeprefix("torch.")
    instead = " With --memory stream one block after the other passes through." if asked == "whole" else ""
    raise InputError(
        f"{config.name} takes {takes / GIB:.1f} GiB of memory for its weights in {kind}, and {free / GIB:.1f} GiB are "
        f"free on {device.type}; `langit models list` says which models fit.{instead}"
    )


def checked_device(name: str) -> str:
    """The name of a device that is here; `InputError` where it is not."""
    found = re.fullmatch(r"cpu|cuda(?::(\d+))?", name)
    if found is None:
        raise InputError(f"There is no device {name!r}; the devices are cpu, cuda, cuda:0 and so on.")
    if name != "cpu" and int(found[1] or 0) >= (count := torch.cuda.device_count()):
        there = f"{count} of them, from cuda:0" if count else "no CUDA device"
        raise InputError(
            f"The device {name} was asked for and torch finds {there} here; `langit doctor` lists what is there."
        )
    return name


def refuse_too_long(config: Weighed, shape: ClipShape, bytes_each: float, device: torch.device) -> None:
    """`InputError` when a clip will not fit beside weights that are loaded, with a length and a size that would."""
    free = available_memory(device)

    def takes(shape: ClipShape) -> int:
        need = needed(config.transformer, 0, config.stride, config.patch, shape, bytes_each)
        return max(need.working, need.autoencoder)

    if takes(shape) <= free:
        return
    step = [stride * patch for stride, patch in zip(config.stride[1:], config.patch[1:], strict=True)]
    lengths = (shape.frames - config.stride[0] * cut for cut in range(1, shape.frames // config.stride[0]))
    shorter = next((frames for frames in lengths if takes(replace(shape, frames=frames)) <= free), None)
    shares = ((shape.height * tenths // 10, shape.width * tenths // 10) for tenths in range(9, 0, -1))
    rounded = ((max(step[0], h // step[0] * step[0]), max(step[1], w // step[1] * step[1])) for h, w in shares)
    smaller = next(((h, w) for h, w in rounded if takes(replace(shape, height=h, width=w)) <= free), None)
    would = [f"{shorter} frames at this size"] if shorter else []
    would += [f"{smaller[1]}x{smaller[0]} at this length"] if smaller else []
    raise InputError(
        f"{shape} take {takes(shape) / GIB:.1f} GiB of memory with {config.name}, and {free / GIB:.1f} GiB are free on "
        f"{device.type}; {' or '.join(would) + ' would fit' if would else 'no size of it fits'}."
    )
