"""Wan's autoencoders behind our protocol against diffusers 0.42.1's own encode and decode, whole and as a stream."""

from __future__ import annotations

import pytest
import torch
from einops import rearrange

from langit.tokenizer import decode, encode
from langit.tokenizer.wan import WanTokenizer
from tests.parity import wan


def both(family):
    vae = wan.autoencoder(family)
    shape = (-1, 1, 1, 1)
    return (
        WanTokenizer(vae),
        vae,
        *(torch.tensor(v).view(shape) for v in (vae.config.latents_mean, vae.config.latents_std)),
    )


@pytest.mark.parametrize("family", ["2.1 T2V", "2.2 TI2V"])
@pytest.mark.parametrize("shape", [(1, 32, 32), (5, 32, 48), (9, 64, 32)], ids=str)
def test_both_directions(family, shape):
    tokenizer, vae, mean, deviation = both(family)
    frames = torch.rand(*shape, 3, generator=torch.Generator().manual_seed(0)) * 2 - 1
    moments = vae.encode(rearrange(frames, "f h w c -> 1 c f h w")).latent_dist.mode()[0]
    latents = encode(tokenizer, frames)
    assert wan.relative(latents, (moments - mean) / deviation) < 1e-5

    latents = torch.randn(latents.shape, generator=torch.Generator().manual_seed(1))
    expected = rearrange(vae.decode((latents * deviation + mean)[None]).sample[0], "c f h w -> f h w c")
    assert expected.std() > 1e-3
    assert wan.relative(decode(tokenizer, latents), expected) < 1e-5


@pytest.mark.parametrize("family", ["2.1 T2V", "2.2 TI2V"])
def test_latents_come_out_as_soon_as_they_are_whole(family):
    tokenizer = both(family)[0]
    taken = []

    def frames():
        for index in range(9):
            taken.append(index)
            yield torch.full((32, 32, 3), index / 9)

    counts = [len(taken) for _ in tokenizer.encode_stream(frames())]
    assert counts == [1, 5, 9]
    latents = torch.randn(tokenizer.channels, 3, 2, 2)
    assert [len(group) for group in tokenizer.decode_stream(latents.split(1, 1))] == [1, 4, 4]


def test_two_streams_at_once_do_not_mix():
    """diffusers keeps its memory of the frames before in the module; ours is each stream's own."""
    tokenizer = both("2.1 T2V")[0]
    one, two = (torch.randn(4, 3, 4, 4, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
    streams = [tokenizer.decode_stream(latents.split(1, 1)) for latents in (one, two)]
    parts = [torch.cat(clip) for clip in zip(*zip(*streams, strict=True), strict=True)]
    torch.testing.assert_close(parts[0], decode(tokenizer, one))
    torch.testing.assert_close(parts[1], decode(tokenizer, two))


def test_too_many_frames_are_refused():
    tokenizer = both("2.1 T2V")[0]
    with pytest.raises(ValueError, match="1 frames are left over"):
        list(tokenizer.encode_stream(torch.zeros(2, 16, 16, 3)))
