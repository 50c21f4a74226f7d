"""Prompts and pictures to states against diffusers 0.42.1's pipelines."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from diffusers.pipelines.wan.pipeline_wan import prompt_clean

from langit.catalog.wan import find_parts
from langit.text.clip import ClipEncoder
from langit.text.umt5 import MAX_TOKENS, UMT5Encoder, clean
from tests.parity import wan

PROMPTS = [*wan.PROMPTS, "", "word " * 300]


def encoder():
    return UMT5Encoder(16, lambda: (wan.prompt_tokenizer(), wan.text_encoder()))


def test_prompts():
    expected = wan.pipeline("2.1 T2V")._get_t5_prompt_embeds(PROMPTS, max_sequence_length=MAX_TOKENS)
    text = encoder().encode(PROMPTS)
    for padded, (start, end) in zip(expected, pairwise(text.bounds), strict=True):
        unfolded = text.states[start:end].repeat_interleave(text.counts[start:end].long(), dim=0)
        assert unfolded.shape == padded.shape
        assert wan.relative(unfolded, padded) < 1e-5
    assert text.bounds[1] < 20, "padding is one state"


@pytest.mark.parametrize(
    "prompt", ["  a \n\t cat  ", "caf\u00c3\u00a9", "&amp;lt;b&gt; x", "\u201cquoted\u201d", "", "kucing 猫\u3000犬"]
)
def test_cleaning(prompt):
    assert clean(prompt) == prompt_clean(prompt)


def test_the_encoder_is_let_go_and_its_states_are_kept():
    loads = []
    encoder = UMT5Encoder(16, lambda: loads.append(1) or (wan.prompt_tokenizer(), wan.text_encoder()))
    before = encoder.encode(["a", "b"])
    encoder.release()
    after = encoder.encode(["b", "a"])
    assert loads == [1]
    torch.testing.assert_close(after.states[: after.bounds[1]], before.states[before.bounds[1] :])
    encoder.encode(["c"])
    assert loads == [1, 1]


def test_a_prompt_that_is_too_long_is_told():
    assert encoder().unread("word " * 50) is None
    told = encoder().unread("ab " * 201)
    assert told is not None
    assert "604 tokens" in told


def test_pictures(folders):
    parts = find_parts(folders("2.1 I2V"))
    clip = ClipEncoder(lambda: parts.pictures(torch.device("cpu")))
    frame = wan.frame(40, 56, 3)
    expected = wan.pipeline("2.1 I2V").encode_image(wan.picture(40, 56, 3))
    assert wan.relative(clip.encode([frame]), expected[0]) < 1e-5
    both = clip.encode([frame, wan.frame(40, 56, 4)])
    assert both.shape == (2 * wan.CLIP_TOKENS, wan.CLIP_WIDTH)
