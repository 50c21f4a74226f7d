"""Small pictures of a video that is being made: what the model believes it will be. Runs in the engine's process."""

from __future__ import annotations

import io
import time
import traceback
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from langit.catalog import Bundle
from langit.flow import predicted_x
from langit.packing import Layout, unpack
from langit.tokenizer import decode
from langit.types import Frames, Video

MOST_SIDE = 96
MOST_FRAMES = 8
LEAST_SECONDS = 0.7
SHARE = 0.05
"""Of the time of making that previews may take: a decoder that is slow shows fewer of them."""


class Previews:
    """Pictures while somebody watches; nothing at all while nobody does.

    The transformer's own predictions are listened to (the first in each step, which is the one with the prompt), turned
    into clean latents and decoded: all of the clip where that is quick, else its first frame.
    """

    def __init__(self, bundle: Bundle, show: Callable[[bytes], None]) -> None:
        self._bundle, self._show = bundle, show
        self._heard: tuple[Tensor, Tensor, Layout, Tensor] | None = None
        self._hooks: list[Any] = []
        self._next, self._whole = 0.0, False

    def watch(self, wanted: bool) -> None:
        """Begin or stop to listen."""
        if wanted and not self._hooks:
            modules = (self._bundle.transformer, getattr(self._bundle, "quick", None))
            self._hooks = [one.register_forward_hook(self._hear) for one in modules if isinstance(one, torch.nn.Module)]
        elif not wanted:
            for hook in self._hooks:
                hook.remove()
            self._hooks, self._heard = [], None

    def step(self) -> None:
        """After each step: a picture, when it is time for one."""
        heard, self._heard = self._heard, None
        started = time.monotonic()
        if heard is None or started < self._next:
            return
        try:
            picture = moving_picture(self._frames(heard))
        except Exception:  # a picture less is no reason to lose the video
            traceback.print_exc()
            self.watch(False)
            return
        self._show(picture)
        took = time.monotonic() - started
        self._whole = self._whole or took < SHARE  # so that decoding sixteen times as much stays bearable
        self._next = started + max(LEAST_SECONDS, took / SHARE)

    def _hear(self, module: torch.nn.Module, arguments: tuple[Any, ...], prediction: Tensor) -> None:
        if self._heard is None:
            x, sigma, layout = arguments[:3]
            self._heard = x, sigma, layout, prediction

    @torch.inference_mode()
    def _frames(self, heard: tuple[Tensor, Tensor, Layout, Tensor]) -> Frames:
        x, sigma, layout, prediction = heard
        config = self._bundle.config
        clean = predicted_x(x[:, : prediction.shape[1]], prediction, sigma, config.transformer.prediction)
        latents = unpack(clean.cpu(), layout, config.patch)[0]
        frames = decode(self._bundle.tokenizer, latents if self._whole else latents[:, :1])
        return Video.from_float(frames.float().numpy(), 8.0).frames


def moving_picture(frames: Frames) -> bytes:
    """Frames (F, H, W, 3) as a small webp; it moves where there are several."""
    chosen = frames[np.linspace(0, len(frames) - 1, min(len(frames), MOST_FRAMES)).round().astype(int)]
    pictures = [Image.fromarray(frame) for frame in chosen]
    for picture in pictures:
        picture.thumbnail((MOST_SIDE, MOST_SIDE))
    out = io.BytesIO()
    pictures[0].save(
        out, "WEBP", quality=60, method=0, save_all=len(pictures) > 1, append_images=pictures[1:], duration=200, loop=0
    )
    return out.getvalue()
