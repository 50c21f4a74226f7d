"""Wan's autoencoders behind our protocol against diffusers 0.42.1's own encode and decode: whole, as a stream, in tiles."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from einops import rearrange

from langit.tokenizer import decode, encode
from langit.tokenizer.wan import WanTokenizer, spans
from langit.tokenizer.wan_autoencoder import WanAutoencoder, WanAutoencoderConfig, channels_last
from tests.parity import wan


def both(family):
    vae = wan.autoencoder(family)
    ours = WanAutoencoder(WanAutoencoderConfig.from_json(vae.config)).requires_grad_(False).eval()
    ours.load_state_dict(vae.state_dict())
    shape = (-1, 1, 1, 1)
    return (
        WanTokenizer(channels_last(ours)),
        vae,
        *(torch.tensor(v).view(shape) for v in (vae.config.latents_mean, vae.config.latents_std)),
    )


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("family", ["2.1 T2V", "2.2 TI2V"])
@pytest.mark.parametrize("shape", [(1, 32, 32), (5, 32, 48), (9, 64, 32)], ids=str)
def test_both_directions(family, shape):
    tokenizer, vae, mean, deviation = both(family)
    frames = torch.rand(*shape, 3, generator=torch.Generator().manual_seed(0)) * 2 - 1
    moments = vae.encode(rearrange(frames, "f h w c -> 1 c f h w")).latent_dist.mode()[0]
    latents = encode(tokenizer, frames)
    assert wan.relative(latents, (moments - mean) / deviation) < 1e-5

    latents = drawn(*latents.shape, seed=1)
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
    one, two = (drawn(4, 3, 4, 4, seed=seed) for seed in (0, 1))
    streams = [tokenizer.decode_stream(latents.split(1, 1)) for latents in (one, two)]
    parts = [torch.cat(clip) for clip in zip(*zip(*streams, strict=True), strict=True)]
    torch.testing.assert_close(parts[0], decode(tokenizer, one))
    torch.testing.assert_close(parts[1], decode(tokenizer, two))


@pytest.mark.parametrize(("family", "side"), [("2.1 T2V", 8), ("2.2 TI2V", 16)])
@pytest.mark.parametrize("tile", [32, 48])
def test_tiles_have_no_seams(family, side, tile):
    """Cut in both directions, with a last tile of another size: every pixel as without, to rounding."""
    tokenizer = both(family)[0]
    tiled = replace(tokenizer, tile=tile)
    latents = drawn(tokenizer.channels, 3, 160 // side, 208 // side, seed=2)
    whole = decode(tokenizer, latents)
    assert whole.std() > 1e-3
    assert wan.relative(decode(tiled, latents), whole) < 2e-6
    frames = torch.rand(5, 160, 208, 3, generator=torch.Generator().manual_seed(3)) * 2 - 1
    assert wan.relative(encode(tiled, frames), encode(tokenizer, frames)) < 2e-6


@pytest.mark.parametrize("family", ["2.1 T2V", "2.2 TI2V"])
def test_tiles_overlap_by_no_less_than_they_must(family, monkeypatch):
    """With less overlap there would be seams, so the test above can fail."""
    tokenizer = both(family)[0]
    latents = drawn(tokenizer.channels, 2, 20, 20, seed=2)
    whole = decode(tokenizer, latents)
    frames = torch.rand(1, 320, 320, 3, generator=torch.Generator().manual_seed(3))
    encoded = encode(tokenizer, frames)
    monkeypatch.setattr(WanTokenizer, "_reach_up", 4)
    monkeypatch.setattr(WanTokenizer, "_reach_down", 8)
    assert wan.relative(decode(replace(tokenizer, tile=48), latents), whole) > 1e-5
    assert wan.relative(encode(replace(tokenizer, tile=48), frames), encoded) > 1e-5


def test_tiles_cover_everything_once():
    for size, tile, reach, step in ((100, 30, 7, 4), (4, 100, 3, 4), (180, 64, 10, 1), (64, 64, 19, 4), (20, 1, 3, 4)):
        tiles = spans(size, tile, reach, step)
        assert [place for tile in tiles for place in range(tile.start, tile.end)] == list(range(size))
        for one in tiles:
            assert one.low % step == 0
            assert one.low == max(0, one.start - -(-reach // step) * step)
            assert one.high == min(size, one.end + -(-reach // step) * step) or one.end == size


def test_too_many_frames_are_refused():
    tokenizer = both("2.1 T2V")[0]
    with pytest.raises(ValueError, match="1 frames are left over"):
        list(tokenizer.encode_stream(torch.zeros(2, 16, 16, 3)))
