"""The prompt encoder: what a word is told of its neighbours, and that prompts of a batch do not meet."""

from __future__ import annotations

import pytest
import torch

from langit.text.encoder import PromptEncoder, PromptEncoderConfig


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    encoder = PromptEncoder(PromptEncoderConfig(width=16, depth=0, num_heads=2, reach=2)).requires_grad_(False)
    assert encoder.near is not None
    torch.nn.init.normal_(encoder.near.out.weight)
    return encoder


def changed(encoder, one, other):
    """Per word, whether its state differs between two prompts of equal length."""
    states = [encoder.encode([prompt]).states for prompt in (one, other)]
    assert len(states[0]) == len(states[1])
    return [bool(difference > 1e-6) for difference in (states[0] - states[1]).abs().amax(1)]


def test_a_prompt_does_not_know_its_batch(encoder):
    prompts = ["a red ball", "sebuah kubus hijau jatuh ke lantai", "", "a blue cube spins on the grass at night"]
    together = encoder.encode(prompts)
    for prompt, start, end in zip(prompts, together.bounds, together.bounds[1:], strict=False):
        torch.testing.assert_close(together.states[start:end], encoder.encode([prompt]).states)


def test_a_word_is_told_of_those_within_reach_and_of_no_others(encoder):
    # <en> small red ball hits green cube: six words after the language
    assert changed(encoder, "small red ball hits green cube", "small blue ball hits green cube") == [
        *(True, True, True, True, True),  # the colour itself, two words before and two after
        *(False, False),
    ]


def test_a_fresh_encoder_starts_from_the_words_alone():
    torch.manual_seed(0)
    fresh = PromptEncoder(PromptEncoderConfig(width=16, depth=0, num_heads=2, reach=2))
    assert changed(fresh, "red ball", "blue ball") == [False, True, False]
