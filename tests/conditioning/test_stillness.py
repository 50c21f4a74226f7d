"""What rests by its cast is one picture; what moves, and what shadows fall on, is as it was made."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from langit.catalog import load
from langit.conditioning import CastCondition, FramesCondition, LatentsCondition, SourceCondition
from langit.conditioning.cast import BANDS, DIRECTIONS, NUM_NAMES, THINGS, Cast
from langit.conditioning.stillness import stilled
from langit.conditioning.turning import Turning
from langit.editing.footage import groups_of
from langit.tokenizer import decode, encode

BUNDLE = load("embedded")
TOKENIZER = BUNDLE.tokenizer
LATENT, SIDE = 5, 8
SLIP = 0.3
"""What a model errs where nothing moves."""
WAY = (slice(None), slice(None), slice(6, None), slice(0, 3))
"""Where something goes along, in drafts and in clips."""


def cast(drift: float = 0.0) -> Cast:
    return Cast(
        torch.zeros(LATENT, THINGS, NUM_NAMES),
        torch.zeros(LATENT, THINGS, 3),
        torch.zeros(LATENT, THINGS, 4, 2),
        torch.zeros(LATENT, THINGS, 4, DIRECTIONS),
        torch.zeros(LATENT, THINGS),
        torch.zeros(LATENT, BANDS, 3),
        torch.full((LATENT, 2, BANDS, 2), drift),
    )


@pytest.fixture
def frame() -> np.ndarray:
    levels = np.linspace(60, 200, 8 * SIDE)[:, None, None] + np.array([0, 10, 30])
    return levels.repeat(8 * SIDE, 1).astype(np.uint8)


@pytest.fixture
def scene(frame: np.ndarray) -> Tensor:
    """The latents (C, F, h, w) of a frame that stays."""
    pixels = torch.from_numpy(frame.astype(np.float32)) / 127.5 - 1
    return encode(TOKENIZER, pixels.expand(1 + 4 * (LATENT - 1), -1, -1, -1))


def made_of(scene: Tensor) -> Tensor:
    """As a model makes it: a little otherwise in every latent frame."""
    return scene + SLIP * torch.randn(scene.shape, generator=torch.Generator().manual_seed(0))


def draft(moves: bool) -> Tensor:
    drawn = torch.zeros(TOKENIZER.channels, LATENT, SIDE, SIDE)
    if moves:
        drawn[WAY] = torch.linspace(0, 4, LATENT)[:, None, None]
    return drawn


def test_a_clip_in_which_nothing_moves_is_one_picture_from_its_first_frame_on(scene: Tensor):
    clip = stilled(made_of(scene), draft(moves=False), cast(), (), TOKENIZER)
    assert torch.equal(clip[:, 1:], clip[:, 1:2].expand(-1, LATENT - 1, -1, -1))
    # Nearer to the scene than any of those that were made of it: the middle of four.
    errors = (made_of(scene) - scene)[:, 1:].square().mean((0, 2, 3))
    assert (clip - scene)[:, 1].square().mean() < 0.6 * errors.min()
    shown = decode(TOKENIZER, clip)
    before = decode(TOKENIZER, made_of(scene))
    assert (shown[0] - shown[1]).abs().mean() < 0.5 * (before[0] - before[1]).abs().mean()


def test_it_is_the_picture_that_is_given(frame: np.ndarray, scene: Tensor):
    given = FramesCondition({0: frame})
    clip = stilled(made_of(scene), draft(moves=False), cast(), (given,), TOKENIZER)
    assert torch.equal(clip[:, :1], made_of(scene)[:, :1])
    one = groups_of(BUNDLE, frame[None])
    assert torch.equal(clip[:, 1:], one.expand(-1, LATENT - 1, -1, -1))


def test_it_is_the_groups_that_were_made_before(frame: np.ndarray, scene: Tensor):
    given = FramesCondition({0: frame}), LatentsCondition(made_of(scene)[:, 1:2], 1)
    clip = stilled(made_of(scene), draft(moves=False), cast(), (*given, CastCondition(torch.zeros(0, 55))), TOKENIZER)
    assert torch.equal(clip[:, 0], made_of(scene)[:, 0])
    assert torch.equal(clip[:, 1:], made_of(scene)[:, 1:2].expand(-1, LATENT - 1, -1, -1))


def test_what_moves_is_as_it_was_made_and_so_are_shadows(scene: Tensor):
    """A shadow is in no draft: it comes over the ground where nothing else does."""
    shadow = (slice(None), slice(3, None), slice(0, 2), slice(4, 8))
    made = scene + 0.1 * (made_of(scene) - scene) / SLIP
    made[shadow] += 1.0
    clip = stilled(made, draft(moves=True), cast(), (), TOKENIZER)
    assert torch.equal(clip[WAY][:, 1:], made[WAY][:, 1:])
    assert torch.equal(clip[shadow], made[shadow])
    ground = (slice(None), slice(1, None), slice(3, 5))
    assert torch.equal(clip[ground], clip[ground][:, :1].expand(-1, LATENT - 1, -1, -1))


@pytest.mark.parametrize(
    "case", ["the camera moves", "a source", "another frame", "what follows", "one thing turns into another"]
)
def test_other_clips_are_left_as_they_are(frame: np.ndarray, scene: Tensor, case: str):
    conditions = {
        "a source": SourceCondition(frame[None].repeat(1 + 4 * (LATENT - 1), 0), 0.5),
        "another frame": FramesCondition({4: frame}),
        "what follows": LatentsCondition(scene[:, :1], LATENT - 1),
    }
    told = (conditions[case],) if case in conditions else ()
    who = cast(0.01 if case == "the camera moves" else 0.0)
    turning = Turning(who, who, torch.zeros(LATENT, 4)) if case.startswith("one thing") else who
    made = made_of(scene)
    assert torch.equal(stilled(made, draft(moves=False), turning, told, TOKENIZER), made)
    assert not torch.equal(stilled(made, draft(moves=False), cast(), (), TOKENIZER), made)
