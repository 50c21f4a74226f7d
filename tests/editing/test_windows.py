"""Passages: windows that hand latents on, in the memory of a window."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from langit.catalog import Bundle
from langit.conditioning import Known, LatentsCondition, Passage, Span, SpansCondition
from langit.conditioning.passages import CONTEXT_GROUPS, windows_of
from langit.editing.footage import groups_of
from langit.generate import generate_all, make_passage, sample, stream
from langit.planning import Plan, Request, plan
from langit.tokenizer import encode
from langit.types import ClipShape
from tests.editing.conftest import moving, played

PROMPT = "a red ball bounces"


class Spy:
    """`sample` that notes the plans it was given and the latents it made."""

    def __init__(self) -> None:
        self.plans: list[Plan] = []
        self.latents: list[torch.Tensor] = []

    def __call__(self, bundle, plans, on_step=None):
        self.plans += plans
        self.latents += (made := sample(bundle, plans, on_step))
        return made


def a_plan(bundle: Bundle, frames: int = 1) -> Plan:
    return plan(bundle, Request(PROMPT, frames=frames, seed=3, steps=2))


def known(bundle: Bundle, frames: int = 3) -> Known:
    clip = moving(frames)
    return Known(clip[0], groups_of(bundle, clip[1:]))


@pytest.mark.parametrize("frames", [18, 19, 25, 40])
def test_a_long_clip_has_all_its_frames_and_begins_as_the_short_one(tiny_bundle, frames):
    spy = Spy()
    long, end = played(stream(tiny_bundle, a_plan(tiny_bundle, frames), None, spy))
    assert long.shape == (frames, 32, 32, 3)
    assert len(spy.plans) > 1
    assert all(one.shape.frames <= 17 for one in spy.plans)
    assert len({one.seed for one in spy.plans}) == len(spy.plans)
    first = spy.plans[0].shape.frames
    (short,) = generate_all(tiny_bundle, [a_plan(tiny_bundle, first)])
    np.testing.assert_array_equal(long[:first], short.video.frames)
    assert end is not None
    assert end.groups.shape[1] == CONTEXT_GROUPS


def test_a_window_holds_the_latents_of_the_one_before(tiny_bundle):
    spy = Spy()
    played(stream(tiny_bundle, a_plan(tiny_bundle, 30), None, spy))
    for before, one, latents in zip(spy.latents, spy.plans[1:], spy.latents[1:], strict=False):
        (handed,) = (condition for condition in one.conditions if isinstance(condition, LatentsCondition))
        assert torch.equal(handed.latents, before[:, -CONTEXT_GROUPS:])
        assert torch.equal(latents[:, 1 : 1 + CONTEXT_GROUPS], before[:, -CONTEXT_GROUPS:])


def test_frames_come_before_the_next_window_is_made(tiny_bundle):
    spy = Spy()
    frames = stream(tiny_bundle, a_plan(tiny_bundle, 100), None, spy)
    next(frames)
    assert len(spy.plans) == 1
    for _ in range(9):
        next(frames)
    assert len(spy.plans) == 2


def test_generate_makes_long_clips_whole(tiny_bundle):
    clip = generate_all(tiny_bundle, [a_plan(tiny_bundle, 30)])[0]
    np.testing.assert_array_equal(clip.video.frames, played(stream(tiny_bundle, a_plan(tiny_bundle, 30)))[0])
    assert "windows" in clip.plan.notices[0]


@pytest.mark.parametrize("frames", [1, 2, 3, 8, 9, 21])
@pytest.mark.parametrize("follows", [False, True])
def test_a_passage_goes_on_from_what_is_known(tiny_bundle, frames, follows):
    before, after = known(tiny_bundle), groups_of(tiny_bundle, moving(2, seed=1)) if follows else None
    spy = Spy()
    made, end = played(make_passage(tiny_bundle, a_plan(tiny_bundle), Passage(frames, before, after), None, spy))
    assert made.shape == (frames, 32, 32, 3)
    assert torch.equal(spy.latents[0][:, 1:2], before.groups)
    assert (end is None) == follows
    if follows:
        assert torch.equal(spy.latents[-1][:, -1:], after)
    else:
        assert end.unshown == (-frames) % 2


@pytest.mark.parametrize("frames", [1, 4, 9, 10, 21, 30])
def test_a_passage_leads_up_to_what_is_known(tiny_bundle, frames):
    after = groups_of(tiny_bundle, moving(2, seed=1))
    spy = Spy()
    made, end = played(make_passage(tiny_bundle, a_plan(tiny_bundle), Passage(frames, None, after), None, spy))
    assert made.shape == (frames, 32, 32, 3)
    assert end is None
    assert torch.equal(spy.latents[0][:, -1:], after)  # the last window is made first
    for later, earlier in zip(spy.latents, spy.latents[1:], strict=False):
        assert torch.equal(earlier[:, -1:], later[:, 1:2])


def test_what_was_made_but_not_shown_is_shown_by_whoever_goes_on(tiny_bundle):
    whole, _ = played(stream(tiny_bundle, a_plan(tiny_bundle, 9)))
    part, end = played(make_passage(tiny_bundle, a_plan(tiny_bundle), Passage(8)))
    assert end.unshown == 1
    rest, _ = played(make_passage(tiny_bundle, a_plan(tiny_bundle), Passage(3, end)))
    np.testing.assert_array_equal(part, whole[:8])
    np.testing.assert_array_equal(rest[0], whole[8])


@pytest.mark.parametrize("frames", range(1, 60, 7))
@pytest.mark.parametrize(("head", "tail"), [(0, 0), (1, 0), (0, 1), (2, 1)])
def test_windows_cover_a_passage_and_fit_the_model(tiny_bundle, frames, head, tail):
    latents = torch.zeros(6, 4, 8, 8)
    before = Known(moving(1)[0], latents[:, : head - 1]) if head else None
    passage = Passage(frames, before, latents[:, :tail] if tail else None)
    windows = windows_of(passage, 2, 9, 17)
    assert all(window.frames(2) <= 17 for window in windows)
    shown = sum(window.groups for window in windows) * 2 + (not head)
    assert 0 <= shown - frames < 2
    assert max(window.groups for window in windows) - min(window.groups for window in windows) <= 1 if windows else True


def test_a_model_of_short_clips_cannot_go_on(tiny_bundle):
    with pytest.raises(ValueError, match="too short"):
        windows_of(Passage(8, known(tiny_bundle)), 2, 3, 3)


def test_each_span_reads_its_own_prompt_alone(tiny_bundle, monkeypatch):
    """With one block, what another span's prompt says cannot have come through self-attention."""
    from dataclasses import replace

    from langit.transformer import Transformer

    torch.manual_seed(0)
    one_block = Transformer(replace(tiny_bundle.config.transformer, depth=1)).eval().requires_grad_(False)
    bundle = replace(tiny_bundle, transformer=one_block)
    clips = []
    for second in ("a blue cube spins", "a green cone falls at night"):
        condition = SpansCondition((Span(0, 5, PROMPT), Span(5, 9, second)))
        request = Request("", frames=9, seed=1, steps=1, guidance=1.0, conditions=(condition,))
        clips.append(sample(bundle, [plan(bundle, request)])[0])
    assert torch.equal(clips[0][:, :3], clips[1][:, :3])
    assert not torch.isclose(clips[0][:, 3:], clips[1][:, 3:]).all()
    alone = sample(bundle, [plan(bundle, Request(PROMPT, frames=9, seed=1, steps=1, guidance=1.0))])[0]
    torch.testing.assert_close(clips[0][:, :3], alone[:, :3])


def test_spans_of_several_clips_in_one_pack(tiny_bundle):
    """Beside a clip without spans each is as it is alone."""
    spans = SpansCondition((Span(0, 3, PROMPT), Span(3, 9, "a blue cube")))
    requests = [
        Request("a green cone", frames=5, seed=1, steps=2),
        Request("", frames=9, seed=2, steps=2, conditions=(spans,)),
    ]
    together = sample(tiny_bundle, [plan(tiny_bundle, one) for one in requests])
    for request, made in zip(requests, together, strict=True):
        torch.testing.assert_close(made, sample(tiny_bundle, [plan(tiny_bundle, request)])[0], atol=1e-4, rtol=1e-4)


def test_between_and_outside_spans_the_nearest_one_governs(tiny_bundle):
    spans = SpansCondition((Span(1, 3, "one"), Span(7, 8, "two")))
    held = spans.hold(tiny_bundle.tokenizer, ClipShape(9, 32, 32), (1, 2, 2))
    assert held.prompts == ("one", "one", "one", "two", "two")
    assert not held.mask.any()
    later = spans.moved(10).hold(tiny_bundle.tokenizer, ClipShape(9, 32, 32), (1, 2, 2))
    assert set(later.prompts) == {"one"}


def test_groups_begin_with_their_first_frame(tiny_bundle):
    clip = moving(5)
    whole = encode(tiny_bundle.tokenizer, torch.from_numpy(clip.astype(np.float32)) / 127.5 - 1)
    torch.testing.assert_close(groups_of(tiny_bundle, clip[1:]), whole[:, 1:])
    assert groups_of(tiny_bundle, clip[:3]).shape[1] == 2
