"""What a newcomer adds in about ten lines: a solver, a schedule, a condition, a tokenizer. All else runs unchanged."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange

from langit.conditioning import Held
from langit.generate import generate_all
from langit.patches import grid_of, to_patches
from langit.planning import Request, plan
from langit.sampling import SCHEDULES, SOLVERS
from langit.tokenizer import encode
from langit.training import train
from tests.conftest import random_frames, tiny_training

PROMPT = "a red ball bounces"


def make(bundle, **wishes):
    return generate_all(bundle, [plan(bundle, Request(PROMPT, frames=9, seed=1, **wishes))])[0].video.frames


# A solver


def midpoint(denoise, x, levels, on_step):
    """Second order: the slope halfway."""
    for step, (now, then) in enumerate(pairwise(levels)):
        middle = (now + then) / 2
        halfway = x + (middle - now)[:, None] * (x - denoise(x, now)) / now.clamp(min=1e-9)[:, None]
        ahead = x + (then - now)[:, None] * (halfway - denoise(halfway, middle)) / middle.clamp(min=1e-9)[:, None]
        x = torch.where((now > 0)[:, None], ahead, x)
        on_step(step)
    return x


def test_a_new_solver(tiny_bundle, monkeypatch):
    monkeypatch.setitem(SOLVERS, "midpoint", midpoint)
    fine = make(tiny_bundle, solver="heun", steps=60).astype(int)
    off = [np.abs(make(tiny_bundle, solver=name, steps=8) - fine).mean() for name in ("midpoint", "euler")]
    assert off[0] < off[1]


# A schedule


def quadratic(steps, shift=1.0):
    """More steps near the clean end."""
    return torch.linspace(1, 0, steps + 1) ** 2


def test_a_new_schedule(tiny_bundle, monkeypatch):
    monkeypatch.setitem(SCHEDULES, "quadratic", quadratic)
    assert (make(tiny_bundle, schedule="quadratic") != make(tiny_bundle)).any()


# A condition


@dataclass(frozen=True)
class CornerCondition:
    """One patch, top left, of every frame stays as in `frames`."""

    frames: np.ndarray

    def hold(self, tokenizer, shape, patch):
        latents = encode(tokenizer, torch.from_numpy(self.frames).float() / 127.5 - 1)
        grid = grid_of(latents.shape[1:], patch)
        corner = torch.zeros(grid.t, grid.y, grid.x, dtype=torch.bool)
        corner[:, 0, 0] = True
        return Held(grid.box(corner), to_patches(latents, patch))


def test_a_new_condition(tiny_bundle):
    one, two = (CornerCondition(random_frames(9, 32, 32, seed)) for seed in (0, 1))
    first, again, other = (make(tiny_bundle, conditions=(corner,)) for corner in (one, one, two))
    np.testing.assert_array_equal(first, again)
    assert (first[:, :8, :8] != other[:, :8, :8]).mean() > 0.5


# A tokenizer


@dataclass(frozen=True)
class MeanTokenizer:
    """Every latent is the mean colour of its box; six channels, of which three say nothing."""

    stride: tuple[int, int, int] = (1, 4, 4)
    channels: int = 6

    def encode_stream(self, frames):
        for frame in frames:
            colour = rearrange(frame, "(y h) (x w) c -> c y x h w", h=4, w=4).mean((-1, -2))
            yield torch.cat([colour, torch.zeros_like(colour)])[:, None]

    def decode_stream(self, latents):
        for latent in latents:
            yield rearrange(F.interpolate(latent[:3, 0][None], scale_factor=4.0), "1 c h w -> 1 h w c")


def test_a_new_tokenizer(tiny_bundle):
    bundle = replace(tiny_bundle, tokenizer=MeanTokenizer(), config=replace(tiny_bundle.config, stride=(1, 4, 4)))
    frames = make(bundle)
    boxes = rearrange(frames, "f (y h) (x w) c -> (f y x c) (h w)", h=4, w=4)
    assert (boxes == boxes[:, :1]).all()
    assert len(np.unique(boxes)) > 10


# And training draws its samples by them


def test_training_uses_what_was_added(tmp_path, tiny_corpus, monkeypatch):
    monkeypatch.setitem(SOLVERS, "midpoint", midpoint)
    monkeypatch.setitem(SCHEDULES, "quadratic", quadratic)
    config = tiny_training(samples_every=2)
    config = replace(config, sampling=replace(config.sampling, solver="midpoint", schedule="quadratic"))
    assert train(config, tmp_path, corpus_folder=tiny_corpus, workers=0, stop_after=2) == 2
    assert (tmp_path / "samples" / "0000002.png").exists()
