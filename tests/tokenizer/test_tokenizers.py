"""Tokenizers: what is legal, what is lost, and that a stream gives what the whole clip gives."""

from __future__ import annotations

import math

import pytest
import torch

from langit.tokenizer import LinearTokenizer, PixelTokenizer, decode, encode
from langit.tokenizer.base import latent_shape, legal_frames
from langit.tokenizer.linear import boxes_of, half_whitened
from langit.types import ClipShape

STRIDES = [(1, 1, 1), (4, 8, 8), (3, 2, 4), (1, 4, 4)]


def footage(frames, height=16, width=24, seed=0):
    """Smooth in space and time, as footage is, with a little grain."""
    generator = torch.Generator().manual_seed(seed)
    t, y, x = torch.meshgrid(*(torch.linspace(0, 3, n) for n in (frames, height, width)), indexing="ij")
    phase = torch.rand(3, generator=generator) * 6
    clip = torch.stack([torch.sin(t + y * (1 + c) + x + phase[c]) * 0.7 for c in range(3)], -1)
    return clip + 0.05 * torch.randn(clip.shape, generator=generator)


def linear(stride, channels, seed=0):
    boxes = torch.cat([boxes_of(footage(1 + 4 * stride[0], seed=seed + i), stride) for i in range(6)])
    return boxes, LinearTokenizer.fit(boxes, stride, channels)


@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("groups", [0, 1, 5])
def test_pixel_patches_lose_nothing(stride, groups):
    tokenizer, clip = PixelTokenizer(stride), footage(1 + groups * stride[0])
    latents = encode(tokenizer, clip)
    assert latents.shape == (tokenizer.channels, 1 + groups, 16 // stride[1], 24 // stride[2])
    assert tuple(latents.shape[1:]) == latent_shape(tokenizer, ClipShape(*clip.shape[:3]))
    torch.testing.assert_close(decode(tokenizer, latents), clip, atol=1e-6, rtol=0)


@pytest.mark.parametrize("stride", [(1, 1, 1), (3, 2, 4), (4, 4, 4)])
@pytest.mark.parametrize("groups", [0, 2])
def test_linear_patches_with_all_components_lose_nothing(stride, groups):
    _, tokenizer = linear(stride, 3 * math.prod(stride))
    clip = footage(1 + groups * stride[0], seed=9)
    torch.testing.assert_close(decode(tokenizer, encode(tokenizer, clip)), clip, atol=1e-4, rtol=0)


def test_fewer_components_keep_most_and_more_keep_more():
    losses = []
    for channels in (1, 4, 16, 96):
        _, tokenizer = linear((2, 4, 4), channels)
        clip = footage(9, seed=9)
        losses.append(float((decode(tokenizer, encode(tokenizer, clip)) - clip).square().mean()))
    assert losses == sorted(losses, reverse=True)
    assert losses[1] < 0.1 * float(clip.var())


def test_latents_are_half_whitened_with_a_mean_variance_of_one():
    boxes, tokenizer = linear((2, 4, 4), 12)
    latents = (boxes - tokenizer.mean) @ (tokenizer.components / tokenizer.scale)
    variance = latents.double().var(0, correction=0)
    assert latents.mean(0).abs().max() < 1e-4
    assert variance.mean() == pytest.approx(1.0, abs=1e-4)
    raw = ((boxes - tokenizer.mean) @ tokenizer.components).double().std(0, correction=0)
    assert (raw.diff() <= 0).all()  # strongest first
    torch.testing.assert_close(variance / variance[0], raw / raw[0], atol=1e-4, rtol=1e-3)  # not squared: half
    correlation = torch.corrcoef(latents.T.double()) - torch.eye(12)
    assert correlation.abs().max() < 1e-3
    torch.testing.assert_close(tokenizer.components.T @ tokenizer.components, torch.eye(12), atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", ["pixels", "linear"])
def test_a_stream_gives_what_the_whole_gives_and_waits_for_no_more_than_a_group(kind):
    stride = (3, 4, 4)
    tokenizer = PixelTokenizer(stride) if kind == "pixels" else linear(stride, 8)[1]
    clip = footage(10)
    whole, taken = encode(tokenizer, clip), []

    def camera():
        for index, frame in enumerate(clip):
            taken.append(index)
            yield frame

    for group, latent in enumerate(tokenizer.encode_stream(camera())):
        assert len(taken) == 1 + 3 * group
        assert torch.equal(latent, whole[:, group : group + 1])
    decoded = decode(tokenizer, whole)
    received = 0
    for group in tokenizer.decode_stream(whole[:, index : index + 1] for index in range(whole.shape[1])):
        assert len(group) == (1 if received == 0 else 3)
        assert torch.equal(group, decoded[received : received + len(group)])
        received += len(group)
    assert received == 10


def test_what_comes_later_does_not_change_earlier_latents():
    tokenizer = linear((2, 4, 4), 8)[1]
    clip = footage(9)
    assert torch.equal(encode(tokenizer, clip)[:, :3], encode(tokenizer, clip[:5]))


@pytest.mark.parametrize("shape", [(2, 16, 16), (5, 16, 20), (5, 12, 16), (4, 16, 16)])
def test_a_clip_that_is_not_legal_is_refused_with_what_is(shape):
    with pytest.raises(ValueError, match=r"1 \+ a multiple of 4 frames and sides that are multiples of 8"):
        encode(PixelTokenizer((4, 8, 8)), torch.zeros(*shape, 3))


def test_a_stream_that_ends_within_a_group_is_refused():
    with pytest.raises(ValueError, match="2 frames are left over"):
        list(PixelTokenizer((4, 8, 8)).encode_stream(torch.zeros(7, 8, 8, 3)))


@pytest.mark.parametrize(("frames", "legal"), [(1, 1), (2, 5), (5, 5), (6, 9), (33, 33), (34, 37)])
def test_legal_frames_are_the_fewest_that_suffice(frames, legal):
    assert legal_frames(PixelTokenizer((4, 8, 8)), frames) == legal
    assert legal_frames(PixelTokenizer((1, 8, 8)), frames) == frames


@pytest.mark.parametrize("channels", [0, 97])
def test_more_channels_than_a_box_has_pixels_are_refused(channels):
    with pytest.raises(ValueError, match="has 1 to 96"):
        LinearTokenizer.fit(torch.randn(200, 96), (2, 4, 4), channels)


def test_a_fit_does_not_depend_on_the_number_of_threads():
    """Rows that lie in fewer directions than are asked for: the others are anyone's, and yet the same ones."""
    rows = torch.randn(40, 6, generator=torch.Generator().manual_seed(0)) @ torch.randn(6, 137)
    threads, fits = torch.get_num_threads(), []
    try:
        for number in (1, 2, 3):
            torch.set_num_threads(number)
            fits.append(half_whitened(rows, 32))
    finally:
        torch.set_num_threads(threads)
    for fit in fits[1:]:
        assert all(torch.equal(one, other) for one, other in zip(fit, fits[0], strict=True))
    assert torch.get_num_threads() == threads
