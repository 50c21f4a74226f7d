"""A corpus held as rows of patches in the memory of the device that trains, so that a step's clips are one gather.

Patches are one latent frame long, so the beginning of a clip is its first rows and a picture is a run of rows of its own.
Numbers are kept in half: a clip of 33 frames of 128x128 takes 0.3 MB.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray

from langit.conditioning.cast import CAST, ROWS
from langit.conditioning.drawing import num_fills
from langit.patches import PatchSize, to_patches
from langit.training.corpus import Corpus, Sample
from langit.training.footage import PROMPTS, clip_shape
from langit.types import ClipShape, InputError

Numbers = NDArray[np.int64]


class Pool:
    """The first clips of a corpus, with as many `fills` of every cell as training looks at, all where None.

    `InputError` for patches that are more than one latent frame long.
    """

    def __init__(self, corpus: Corpus, patch: PatchSize, device: str = "cpu", fills: int | None = None):
        if patch[0] != 1:
            raise InputError(
                f"Patches of {patch} latents (frames, rows, columns) were asked for; training takes patches of one latent "
                f"frame, such as {(1, *patch[1:])}."
            )
        config = corpus.config
        fills = num_fills(config.channels) if fills is None else fills
        self.corpus, self.patch, self.device, self.num_fills = corpus, patch, device, fills
        self.num_stills = 1 + config.stills
        clips = corpus.num_chunks * config.chunk
        trajectories = [self._grid(clip_shape(config, which)) for which in range(-(-clips // config.looks))]
        self.grids: Numbers = np.repeat(np.array(trajectories, np.int64), config.looks, 0)[:clips]  # (clips, 3) t, y, x
        frame = self.grids[:, 1] * self.grids[:, 2]
        rows = frame * (self.grids[:, 0] + self.num_stills)
        self.first: Numbers = np.cumsum(rows) - rows  # row of each clip; its stills follow it
        cells = math.prod(patch)
        total = int(rows.sum())
        frames = self.grids[:, 0] + self.num_stills
        self.first_frame: Numbers = np.cumsum(frames) - frames  # of each clip, its pictures following it
        self.casts = torch.empty(int(frames.sum()) * ROWS, CAST, dtype=torch.half, device=device)
        self.patches = torch.empty(total, config.channels * cells, dtype=torch.half, device=device)
        self.fills = torch.empty(total, fills * cells, dtype=torch.half, device=device)
        self._prompts: list[
            tuple[NDArray[np.integer], Numbers]
        ] = []  # of each chunk: the tokens of all, and their ends
        self._chunks = 0

    @staticmethod
    def bytes_of_row(channels: int, fills: int, patch: PatchSize) -> int:
        """Of memory to a patch."""
        return 2 * (channels + fills) * math.prod(patch)

    def reach(self, clips: int) -> None:
        """Hold at least the first `clips`, waiting for those that are not made yet."""
        self.corpus.wait_for(clips)
        chunk, fills = self.corpus.config.chunk, self.num_fills
        for number in range(self._chunks, -(-clips // chunk)):
            samples = self.corpus.samples(number)
            rows = [part for sample in samples for part in (sample.latents, sample.stills)]
            filled = [part for sample in samples for part in (sample.fills[:fills], sample.still_fills[:fills])]
            start = int(self.first[number * chunk])
            for held, parts in ((self.patches, rows), (self.fills, filled)):
                joined = torch.cat([to_patches(part, self.patch) for part in parts])
                held[start : start + len(joined)] = joined.to(self.device)
            start = int(self.first_frame[number * chunk]) * ROWS
            casts = torch.cat([sample.cast for sample in samples])
            self.casts[start : start + len(casts)] = casts.to(self.device)
            self._prompts.append(_joined(samples))
            self._chunks += 1

    def tokens(self, clip: int, prompt: int) -> tuple[int, ...]:
        """The concept ids of a clip's prompt of this number (`footage.prompt_number`)."""
        chunk, index = divmod(clip, self.corpus.config.chunk)
        ids, ends = self._prompts[chunk]
        place = index * (1 + self.num_stills) * PROMPTS + prompt
        return tuple(ids[ends[place] : ends[place + 1]].tolist())

    def _grid(self, shape: ClipShape) -> tuple[int, int, int]:
        steps = self.corpus.config.stride
        return (
            1 + (shape.frames - 1) // steps[0],
            shape.height // steps[1] // self.patch[1],
            shape.width // steps[2] // self.patch[2],
        )


def _joined(samples: list[Sample]) -> tuple[NDArray[np.integer], Numbers]:
    prompts = [prompt for sample in samples for prompt in sample.tokens]
    ends = np.cumsum([0, *map(len, prompts)])
    return torch.cat(prompts).numpy(), ends
