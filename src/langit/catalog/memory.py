"""How much memory there is, and how much a clip takes: so that what will not fit is refused before anything is loaded."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import torch

from langit.transformer import TransformerConfig
from langit.types import ClipShape, InputError

GIB = 2**30


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
) -> Need:
    """What a clip of that shape takes, by counting tensors; the attention kernels need no square matrix."""
    latent = (1 + (shape.frames - 1) // stride[0], shape.height // stride[1], shape.width // stride[2])
    patches = math.prod(size // step for size, step in zip(latent, patch, strict=True))
    # x, its normed copy, query, key, value and result, the hidden numbers of the feed-forward, three of them in float32.
    each = (9 * config.width + 2 * config.ffn_width) * max(2.0, bytes_each)
    decoder = 4 * 14 * 96 * shape.height * shape.width * stride[0]  # what the decoder holds of one group of frames
    frames = 3 * 5 * math.prod((shape.frames, shape.height, shape.width))
    return Need(
        round(experts * num_parameters(config) * bytes_each), round(patches * each), text_bytes, decoder + frames
    )


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


def refuse_too_large(config: Weighed, experts: int, dtype: torch.dtype, device: torch.device) -> None:
    """`InputError` when the weights alone are more than there is memory, before they are read."""
    bytes_each = torch.empty(0, dtype=dtype).element_size()
    weights, free = experts * num_parameters(config.transformer) * bytes_each, available_memory(device)
    if weights > free:
        raise InputError(
            f"{config.name} takes {weights / GIB:.1f} GiB of memory for its weights in {str(dtype).removeprefix('torch.')}, "
            f"and {free / GIB:.1f} GiB are free on {device.type}; `langit models list` says which models fit."
        )


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
