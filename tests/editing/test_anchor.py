"""What rests is carried on: through windows and edits to the last bit, and never where something moves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from langit.conditioning import FramesCondition, LatentsCondition, SourceCondition
from langit.editing import extend, loop
from langit.editing.anchor import CAMERA, Anchor, resting
from langit.editing.footage import groups_of
from langit.generate import held_of
from langit.media import write
from langit.packing import layout_of, unpack
from langit.patches import grid_of
from langit.planning import Plan, Request, plan
from langit.tokenizer.base import latent_shape
from langit.types import Video
from tests.editing.conftest import moving, played

SLIP = 0.3
"""What a model errs where nothing moves."""


def still(frames: int, seed: int = 0) -> np.ndarray:
    return moving(1, seed=seed).repeat(frames, 0)


def slipping(bundle, plans: Sequence[Plan], on_step=None) -> list[torch.Tensor]:
    """A model that knows what it is to make, all but a little: every frame as the group that is held first, or else last."""
    made = []
    for p in plans:
        grid = grid_of(latent_shape(bundle.tokenizer, p.shape), bundle.config.patch)
        held = held_of(bundle, p)
        (clip,) = unpack(held.content, layout_of([grid]), bundle.config.patch)
        (mask,) = unpack(held.mask[:, None].expand_as(held.content).float(), layout_of([grid]), bundle.config.patch)
        known = clip[:, 1:2] if mask[:, 1].all() else clip[:, -1:]
        noise = torch.randn(clip.shape, generator=torch.Generator().manual_seed(p.seed)) * SLIP
        made.append(torch.where(mask > 0, clip, known + noise))
    return made


def anchored(
    bundle, known: torch.Tensor, rests: torch.Tensor, made: torch.Tensor, *more
) -> tuple[torch.Tensor, Anchor]:
    """The groups (C, g, h, w) that become of the made ones after the known one (C, 1, h, w)."""
    anchor = Anchor(bundle, rests, None)
    clip = torch.cat([known, known, made], 1)
    conditions = (FramesCondition({0: moving(1)[0]}), LatentsCondition(known, 1), *more)
    p = plan(bundle, Request("", frames=1 + 2 * (clip.shape[1] - 1), conditions=conditions, seed=0))
    (found,) = anchor.sampler(lambda *_: [clip])(bundle, [p])
    assert torch.equal(found[:, :2], clip[:, :2])
    return found[:, 2:], anchor


@pytest.fixture
def known(tiny_bundle) -> torch.Tensor:
    return groups_of(tiny_bundle, still(2))


@pytest.fixture
def everywhere(known) -> torch.Tensor:
    return torch.ones(known.shape[2:])


def test_frames_that_stand_still_rest_and_others_do_not(tiny_bundle):
    clip = still(6)
    clip[:, :16] = (np.arange(6) * 40).astype(np.uint8)[:, None, None, None]
    for last in (True, False):
        rests = resting(tiny_bundle, clip, 8.0, last)
        assert rests is not None
        assert not rests[:4].any()
        assert (rests[4:] == 1).all()
    assert resting(tiny_bundle, clip[:3], 8.0, True) is None


def test_a_small_error_is_undone_and_another_thing_is_left(tiny_bundle, known, everywhere):
    made = known.repeat(1, 3, 1, 1) + SLIP
    made[:, 1:, 2, 2] += 5  # beside it little is held back
    found, anchor = anchored(tiny_bundle, known, everywhere, made)
    assert torch.equal(found[:, 0], known[:, 0])
    assert torch.equal(found[:, 1:, 2, 2], made[:, 1:, 2, 2])
    assert torch.equal(found[:, 1:, 5:], known.expand_as(found)[:, 1:, 5:])
    share = anchor.share_of(2)
    assert share is not None
    assert share.shape == (32, 32, 1)
    assert not share[8:12, 8:12].any()
    assert (share[20:] == 1).all()
    assert anchor.share_of(6) is None


def test_what_moves_before_is_not_held_back(tiny_bundle, known, everywhere):
    everywhere[:4] = 0
    made = known + SLIP
    found, _ = anchored(tiny_bundle, known, everywhere, made)
    assert torch.equal(found[:, :, :4], made[:, :, :4])
    assert torch.equal(found[:, :, 4:], known[:, :, 4:])


def test_a_camera_that_begins_to_move_takes_all_with_it(tiny_bundle, known, everywhere):
    made = known + SLIP
    rows = round(CAMERA * known.shape[2]) + 1
    made[:, :, :rows] += 5
    found, anchor = anchored(tiny_bundle, known, everywhere, made)
    assert torch.equal(found, made)
    assert anchor.share_of(0) is None


def test_what_once_moved_is_not_held_in_the_next_window(tiny_bundle, known, everywhere):
    made = known + SLIP
    made[:, :, 2, 2] += 5
    first, anchor = anchored(tiny_bundle, known, everywhere, made)
    clip = torch.cat([known, first, first + SLIP], 1)
    conditions = (FramesCondition({0: moving(1)[0]}), LatentsCondition(first, 1))
    p = plan(tiny_bundle, Request("", frames=5, conditions=conditions, seed=0))
    (found,) = anchor.sampler(lambda *_: [clip])(tiny_bundle, [p])
    assert torch.equal(found[:, 2, 2, 2], clip[:, 2, 2, 2])
    assert torch.equal(found[:, 2, 5:], known[:, 0, 5:])


def test_clips_that_know_more_of_their_frames_are_left_alone(tiny_bundle, known, everywhere):
    made = known + SLIP
    found, _ = anchored(tiny_bundle, known, everywhere, made, SourceCondition(moving(5), 0.5))
    assert torch.equal(found, made)


def resting_file(tmp_path: Path, frames: int = 16) -> Path:
    return Path(write(Video(still(frames), 8.0), tmp_path / "still.mp4", crf=0))


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("seconds", [0.5, 5.0])
def test_what_rests_is_shown_as_it_was_through_all_windows(tiny_bundle, tmp_path, course, backward, seconds):
    path = resting_file(tmp_path)
    frames, end = played(extend(path, seconds=seconds, backward=backward, course=course).making(slipping, None))
    made = frames[: round(seconds * 8)] if backward else frames[16:]
    stays = frames[-1] if backward else frames[15]
    assert np.abs(made - stays.astype(int)).mean() < 1e-9
    if not backward:
        latents = groups_of(tiny_bundle, frames[14:16])
        torch.testing.assert_close(end.groups, latents)  # what is kept is what is shown
        np.testing.assert_array_equal(end.picture, stays)


def test_ten_extensions_of_a_still_scene_are_the_scene(tmp_path, course, model):
    path = resting_file(tmp_path)
    for _ in range(10):
        making = extend(path, seconds=0.5, course=course).making(slipping, None)
        frames, _ = played(making)
        path = Path(write(Video(frames, 8.0), tmp_path / f"{len(frames)}.mp4", crf=0))
    assert len(frames) == 16 + 40
    assert np.abs(frames[-1] - frames[0].astype(int)).mean() < 2  # ten times the codec


@pytest.mark.parametrize("seconds", [None, 1.0])
def test_a_loop_of_a_still_scene_stands_still(tmp_path, course, seconds):
    frames, _ = played(loop(resting_file(tmp_path), seconds=seconds, course=course).making(slipping, None))
    assert np.abs(np.diff(frames.astype(int), axis=0)).mean() < 1e-9
