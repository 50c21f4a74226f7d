"""The causal autoencoder: a stream gives what the whole gives, what is kept loads again, and it begins no worse than linear."""

from __future__ import annotations

import gc
import math
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from langit.catalog import load_bundle, save_bundle
from langit.catalog.tokenizers import load_tokenizer, save_tokenizer
from langit.generate import generate_all
from langit.planning import Request, plan
from langit.tokenizer import TOKENIZERS, CausalTokenizer, LinearTokenizer, PixelTokenizer, decode, encode, kind_of
from langit.tokenizer.autoencoder import Autoencoder, AutoencoderConfig, fold, unfold
from langit.tokenizer.base import latent_shape
from langit.tokenizer.linear import boxes_of
from langit.types import ClipShape, InputError
from tests.tokenizer.test_tokenizers import footage

SMALL = AutoencoderConfig(6, (2, 4, 4), components=10, width=7, encoder_blocks=1, decoder_blocks=2)
CONFIGS = [SMALL, AutoencoderConfig(4, (4, 8, 8), 12, 5, 2, 1), AutoencoderConfig(3, (1, 2, 2), 3, 4, 1, 1)]


def tokenizer_of(config=SMALL, seed=0):
    """Random, and nothing in it zero: a fresh one has no convolutional part yet."""
    torch.manual_seed(seed)
    network = Autoencoder(config).requires_grad_(False).eval()
    for tensor in network.state_dict().values():
        tensor.copy_(torch.randn(tensor.shape) * 0.7 / math.sqrt(max(1, math.prod(tensor.shape[1:]))))
    network.basis.mul_(0.1)  # it sums over all pixels of a box
    for name in ("deviation", "scale", "spread"):
        getattr(network, name).fill_(0.7)
    for weight in network.parameters():
        weight.copy_(weight.half())  # as folders keep them
    return CausalTokenizer(network)


def close(one, two):
    torch.testing.assert_close(one, two, atol=1e-5, rtol=0)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: str(config.stride))
@pytest.mark.parametrize("groups", [0, 1, 6])
def test_a_stream_gives_what_the_whole_clip_gives(config, groups):
    tokenizer, clip = tokenizer_of(config), footage(1 + groups * config.stride[0])
    whole, _ = tokenizer.network.encode(fold(clip[None], config.stride))
    latents = encode(tokenizer, clip)
    assert latents.shape == (config.channels, *latent_shape(tokenizer, ClipShape(*clip.shape[:3])))
    close(latents, whole[0].transpose(0, 1))
    frames, _ = tokenizer.network.decode(whole)
    close(decode(tokenizer, latents), unfold(frames, config.stride)[0])
    assert decode(tokenizer, latents).shape == clip.shape


@pytest.mark.parametrize("cuts", [(1,), (3,), (1, 2, 3, 4, 5, 6), (2, 5)])
def test_pieces_of_any_length_give_what_the_whole_gives(cuts):
    network = tokenizer_of().network
    groups = fold(footage(13)[None], SMALL.stride)
    whole, _ = network.encode(groups)
    shown, _ = network.decode(whole)
    memory = held = None
    latents, frames = [], []
    for piece in groups.tensor_split(cuts, 1):
        latent, memory = network.encode(piece, memory)
        frame, held = network.decode(latent, held)
        latents.append(latent)
        frames.append(frame)
    close(torch.cat(latents, 1), whole)
    close(torch.cat(frames, 1), shown)


def test_a_picture_is_the_first_frame_of_every_clip_that_begins_with_it():
    tokenizer, clip = tokenizer_of(), footage(9)
    alone = encode(tokenizer, clip[:1])
    assert torch.equal(alone, encode(tokenizer, clip)[:, :1])
    assert torch.equal(decode(tokenizer, alone), decode(tokenizer, encode(tokenizer, clip))[:1])


def test_what_comes_later_changes_nothing_and_what_came_before_does():
    tokenizer, clip = tokenizer_of(), footage(9)
    latents = encode(tokenizer, clip)
    later = clip.clone()
    later[5:] += 0.5
    assert torch.equal(encode(tokenizer, later)[:, :3], latents[:, :3])
    earlier = clip.clone()
    earlier[0] += 0.5
    assert not torch.allclose(encode(tokenizer, earlier)[:, 1], latents[:, 1])
    changed = latents.clone()
    changed[:, 0] += 0.5
    assert not torch.allclose(decode(tokenizer, changed)[1:3], decode(tokenizer, latents)[1:3])


def test_both_streams_hold_no_more_as_they_go_on():
    """The tensors that live after 40 groups are as many and as large as after 4."""
    tokenizer = tokenizer_of()
    clip = footage(9)
    sizes = []
    camera = (clip[index % 9] for index in range(1 + 2 * 40))
    for group, frames in enumerate(tokenizer.decode_stream(tokenizer.encode_stream(camera))):
        assert len(frames) == (2 if group else 1)
        if group in (4, 40):
            gc.collect()
            sizes.append(sum(thing.numel() for thing in gc.get_objects() if type(thing) is torch.Tensor))
    assert sizes[0] == sizes[1]


def test_a_stream_takes_no_more_frames_than_a_group_needs_and_refuses_what_is_left_over():
    tokenizer, taken = tokenizer_of(), []
    stream = tokenizer.encode_stream(taken.append(index) or frame for index, frame in enumerate(footage(8)))
    for group in range(4):
        next(stream)
        assert len(taken) == 1 + 2 * group
    with pytest.raises(ValueError, match="1 frames are left over"):
        next(stream)


@pytest.fixture(scope="module")
def fitted():
    clips = [footage(9, seed=seed) for seed in range(8)]
    linear = LinearTokenizer.fit(torch.cat([boxes_of(clip, (2, 4, 4)) for clip in clips]), (2, 4, 4), 6)
    torch.manual_seed(0)
    network = Autoencoder(SMALL).requires_grad_(False).eval()
    network.fit_linear(linear, clips)
    return linear, network, clips


def test_before_training_it_is_the_linear_tokenizer_that_it_is_fitted_from(fitted):
    linear, network, clips = fitted
    tokenizer = CausalTokenizer(network)
    latents = encode(linear, clips[0])
    close(encode(tokenizer, clips[0]), latents)
    close(decode(tokenizer, latents), decode(linear, latents))


def test_components_are_the_strongest_of_what_is_there_and_have_unit_variance_where_they_enter(fitted):
    """They are orthonormal, and no other four beside the linear ones tell more of the clips."""
    _, network, clips = fitted
    close(network.basis.T @ network.basis, torch.eye(10))
    groups = torch.cat([fold(clip[None], SMALL.stride)[:, 1:] for clip in clips])
    found = network.components_of(groups) / network.deviation[:, None, None]
    torch.testing.assert_close(found.square().mean((0, 1, 3, 4)), torch.ones(10), atol=1e-3, rtol=0)
    told = network.components_of(groups)[:, :, 6:].square().sum()
    linear = network.basis[:, :6]
    for seed in range(4):
        nearby = network.basis[:, 6:] + 0.3 * torch.randn(96, 4, generator=torch.Generator().manual_seed(seed))
        others = torch.linalg.qr(torch.cat([linear, nearby], 1)).Q[:, 6:]
        centred = groups - network.mean[:, None, None]
        assert torch.einsum("bgpyx,pk->bgkyx", centred, others).square().sum() < told


@pytest.mark.parametrize(
    "wrong",
    [
        {"channels": 0},
        {"stride": (0, 4, 4)},
        {"width": 0},
        {"decoder_blocks": 0},
        {"components": 5},
        {"components": 97},
    ],
    ids=str,
)
def test_an_impossible_shape_is_told(wrong):
    with pytest.raises(ValueError, match=r"are at least 1|as many components as channels"):
        replace(SMALL, **wrong)


# In folders


@pytest.fixture
def kept(tmp_path):
    save_tokenizer(tmp_path, tokenizer_of(), {"steps": 3})
    return tmp_path


def test_what_is_saved_loads_as_it_was(kept):
    loaded, clip = load_tokenizer(kept), footage(5)
    assert (loaded.stride, loaded.channels, kind_of(loaded)) == ((2, 4, 4), 6, "causal")
    assert torch.equal(encode(loaded, clip), encode(tokenizer_of(), clip))
    assert not any(weight.requires_grad for weight in loaded.network.parameters())
    assert [path.name for path in kept.iterdir()] == ["tokenizer.safetensors"]


@pytest.mark.parametrize("tokenizer", [PixelTokenizer((2, 4, 4)), "linear"], ids=str)
def test_every_kind_stands_on_its_own(tokenizer, tiny_bundle, tmp_path):
    tokenizer = tiny_bundle.tokenizer if tokenizer == "linear" else tokenizer
    save_tokenizer(tmp_path, tokenizer)
    clip = footage(5)
    assert torch.equal(encode(load_tokenizer(tmp_path), clip), encode(tokenizer, clip))


def test_folders_without_a_tokenizer_are_told(tmp_path, kept):
    with pytest.raises(InputError, match="There is no tokenizer in"):
        load_tokenizer(tmp_path / "none")
    path = kept / "tokenizer.safetensors"
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", b"\xff" * 100):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match="does not hold a tokenizer on its own"):
            load_tokenizer(kept)
    save_file(tokenizer_of().tensors(), path)  # as a part of a model, whose config.json says what it is
    with pytest.raises(InputError, match="does not hold a tokenizer on its own"):
        load_tokenizer(kept)


def bundle_of(tiny_bundle):
    tokenizer = tokenizer_of()
    return replace(tiny_bundle, tokenizer=tokenizer, config=replace(tiny_bundle.config, tokenizer="causal"))


@pytest.fixture
def model(tiny_bundle, tmp_path):
    bundle, folder = bundle_of(tiny_bundle), tmp_path / "model"
    save_bundle(folder, bundle.config, bundle.transformer.state_dict(), bundle.text.state_dict(), bundle.tokenizer)
    return folder


def test_a_model_with_it_is_loaded_and_generates(tiny_bundle, model):
    bundle, loaded = bundle_of(tiny_bundle), load_bundle(model)
    assert loaded.hash() == bundle.hash() != tiny_bundle.hash()
    clips = [generate_all(one, [plan(one, Request("a red ball", frames=9, seed=1))])[0] for one in (bundle, loaded)]
    assert (clips[0].video.frames == clips[1].video.frames).all()
    assert len(clips[0].video.frames) == 9


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shape": torch.tensor([10, 7])}, "is four whole numbers, not 2"),
        ({"shape": torch.tensor([5, 7, 1, 2])}, "is impossible"),
        ({"shape": torch.tensor([10, 0, 1, 2])}, "is impossible"),
        ({"shape": None}, "the tensor shape is missing"),
        ({"basis": None}, "lack the tensor basis"),
        ({"mean": torch.zeros(95)}, "The tensor mean in"),
    ],
)
def test_a_tokenizer_that_does_not_fit_its_model_is_told(model, change, message):
    path = model / "tokenizer.safetensors"
    changed = load_file(path) | change
    save_file({name: tensor for name, tensor in changed.items() if tensor is not None}, path)
    with pytest.raises(InputError, match=message):
        load_bundle(model)


class DoubledTokenizer(PixelTokenizer):
    """What a newcomer writes: here, pixel patches of twice the size."""

    def encode_stream(self, frames):
        return (2 * latent for latent in super().encode_stream(frames))

    def decode_stream(self, latents):
        return super().decode_stream(latent / 2 for latent in latents)


def test_a_new_kind_of_tokenizer_is_one_line(monkeypatch, tmp_path):
    monkeypatch.setitem(TOKENIZERS, "doubled", DoubledTokenizer)
    save_tokenizer(tmp_path, DoubledTokenizer((2, 4, 4)))
    loaded, clip = load_tokenizer(tmp_path), footage(5)
    assert kind_of(loaded) == "doubled"
    assert torch.equal(encode(loaded, clip), 2 * encode(PixelTokenizer((2, 4, 4)), clip))
    close(decode(loaded, encode(loaded, clip)), clip)
    assert loaded.channels == 3 * math.prod((2, 4, 4))


def test_a_tokenizer_that_no_folder_can_keep_is_told(tmp_path):
    with pytest.raises(ValueError, match="add it to TOKENIZERS"):
        save_tokenizer(tmp_path, DoubledTokenizer((2, 4, 4)))
