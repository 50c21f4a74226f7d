"""Wan's own layout, written from diffusers' classes by rules that are not the ones under test: the same models."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace

import diffusers
import pytest
import torch
from diffusers.loaders.single_file_utils import convert_wan_vae_to_diffusers
from safetensors.torch import save_file

from langit.catalog import load_bundle, wan_own
from langit.catalog.wan_autoencoder import WAN_21, WAN_22, diffusers_name, own_autoencoder
from langit.conditioning import FramesCondition
from langit.generate import sample
from langit.planning import Request, plan
from langit.tokenizer import decode, encode
from langit.tokenizer.wan import WanTokenizer
from langit.tokenizer.wan_autoencoder import WanAutoencoder, WanAutoencoderConfig
from langit.types import InputError
from tests.parity import wan
from tests.parity.test_transformer import own_name

UMT5 = {
    "embed_tokens": "token_embedding", "final_layer_norm": "norm", "block": "blocks", "layer.0.layer_norm": "norm1",
    "layer.0.SelfAttention.relative_attention_bias": "pos_embedding.embedding", "layer.0.SelfAttention": "attn",
    "layer.1.layer_norm": "norm2", "layer.1.DenseReluDense.wi_0": "ffn.gate.0", "layer.1.DenseReluDense.wi_1": "ffn.fc1",
    "layer.1.DenseReluDense.wo": "ffn.fc2",
}  # fmt: skip
CLIP = {
    "embeddings.class_embedding": "cls_embedding", "embeddings.patch_embedding": "patch_embedding",
    "embeddings.position_embedding.weight": "pos_embedding", "pre_layrnorm": "pre_norm", "post_layernorm": "post_norm",
    "encoder.layers": "transformer", "layer_norm": "norm", "self_attn.out_proj": "attn.proj", "mlp.fc1": "mlp.0",
    "mlp.fc2": "mlp.2",
}  # fmt: skip


def own_vae_name(name: str, config: WanAutoencoderConfig) -> str:
    count = config.num_res_blocks
    name = re.sub(r"^quant_conv", "conv1", re.sub(r"^post_quant_conv", "conv2", name))
    name = name.replace("mid_block.resnets.0", "middle.0").replace("mid_block.resnets.1", "middle.2")
    name = name.replace("mid_block.attentions.0", "middle.1").replace("conv_in", "conv1")
    name = name.replace("norm_out", "head.0").replace("conv_out", "head.2").replace("conv_shortcut", "shortcut")
    if "middle" in name or "resnets" in name or "down_blocks" in name:
        for theirs, own in (("norm1", "residual.0"), ("norm2", "residual.3"), ("conv2", "residual.6")):
            name = name.replace(f".{theirs}.", f".{own}.")
        if not name.startswith(("encoder.conv1", "decoder.conv1")):
            name = name.replace(".conv1.", ".residual.2.")
    if config.is_residual:
        name = re.sub(r"down_blocks\.(\d+)\.resnets\.", r"downsamples.\1.downsamples.", name)
        name = re.sub(r"down_blocks\.(\d+)\.downsampler\.", rf"downsamples.\1.downsamples.{count}.", name)
        name = re.sub(r"up_blocks\.(\d+)\.resnets\.", r"upsamples.\1.upsamples.", name)
        return re.sub(r"up_blocks\.(\d+)\.upsampler\.", rf"upsamples.\1.upsamples.{count + 1}.", name)
    name = name.replace("down_blocks", "downsamples")
    each = count + 2
    name = re.sub(r"up_blocks\.(\d+)\.resnets\.(\d+)", lambda m: f"upsamples.{int(m[1]) * each + int(m[2])}", name)
    return re.sub(r"up_blocks\.(\d+)\.upsamplers\.0", lambda m: f"upsamples.{int(m[1]) * each + count + 1}", name)


@pytest.mark.parametrize("config", [WAN_21, WAN_22], ids=["2.1", "2.2"])
def test_names_of_the_autoencoders(config):
    """Both ways, at full size on the meta device; Wan 2.1's against diffusers' own converter too."""
    with torch.device("meta"):
        names = list(WanAutoencoder(config).state_dict())
        settings = {key: list(value) if isinstance(value, tuple) else value for key, value in vars(config).items()}
        reference = diffusers.AutoencoderKLWan(**settings).state_dict()
    assert set(names) == set(reference)
    own = {own_vae_name(name, config): name for name in names}
    assert len(own) == len(names)
    assert {diffusers_name(name, config) for name in own} == set(names)
    assert all(diffusers_name(name, config) == theirs for name, theirs in own.items())
    if not config.is_residual:
        converted = convert_wan_vae_to_diffusers(dict(own))
        assert all(name == theirs for name, theirs in converted.items())
    else:  # as the published file has them
        assert "decoder.upsamples.0.upsamples.3.time_conv.weight" in own
        assert "encoder.downsamples.1.downsamples.0.shortcut.bias" in own


@pytest.mark.parametrize("family", ["2.1 T2V", "2.2 TI2V"])
def test_an_autoencoder_of_wans_own_file(family, tmp_path):
    vae = wan.autoencoder(family)
    config = WanAutoencoderConfig.from_json(vae.config)
    path = tmp_path / "Wan_VAE.pth"
    torch.save({own_vae_name(name, config): tensor for name, tensor in vae.state_dict().items()}, path)
    tokenizer = WanTokenizer(own_autoencoder(path, config.is_residual, torch.device("cpu"), config))
    frames = torch.rand(5, 32, 32, 3, generator=torch.Generator().manual_seed(0)) * 2 - 1
    reference = WanTokenizer(WanAutoencoder(config).requires_grad_(False).eval())
    reference.vae.load_state_dict(vae.state_dict())
    latents = encode(reference, frames)
    torch.testing.assert_close(encode(tokenizer, frames), latents)
    torch.testing.assert_close(decode(tokenizer, latents), decode(reference, latents))
    with pytest.raises(InputError, match=r"lacks absent\.pth"):
        own_autoencoder(tmp_path / "absent.pth", False, torch.device("cpu"))
    with pytest.raises(InputError, match=r"The tensor encoder\.conv1\.weight"):
        own_autoencoder(path, not config.is_residual, torch.device("cpu"))


def in_own_layout(family, folder, monkeypatch):
    """The family as its authors would have saved it; its autoencoder is smaller than theirs."""
    kind = wan.FAMILIES[family]
    values = {
        "_class_name": "WanModel", "dim": 24, "ffn_dim": 40, "freq_dim": 16, "num_heads": 2, "num_layers": 2, "text_dim": 16,
        "in_dim": kind.transformer["in_channels"], "out_dim": kind.transformer["out_channels"],
        "model_type": "ti2v" if kind.per_patch else "i2v" if kind.picture else "t2v",
    }  # fmt: skip
    roots = [folder] if kind.experts == 1 else [folder / "high_noise_model", folder / "low_noise_model"]
    for expert, root in enumerate(roots):
        root.mkdir(parents=True)
        (root / "config.json").write_text(json.dumps(values))
        state = {own_name(name): tensor for name, tensor in wan.transformer(family, expert).state_dict().items()}
        if family.startswith("2.1"):
            torch.save(state, root / "diffusion_pytorch_model.pth")
        else:
            in_shards(state, root)
    vae = wan.autoencoder(family)
    config = WanAutoencoderConfig.from_json(vae.config)
    monkeypatch.setattr(f"langit.catalog.wan_autoencoder.WAN_2{2 if config.is_residual else 1}", config)
    own = {own_vae_name(name, config): tensor for name, tensor in vae.state_dict().items()}
    torch.save(own, folder / ("Wan2.2_VAE.pth" if config.is_residual else "Wan2.1_VAE.pth"))

    def renamed(name, rules):
        for theirs, own in rules.items():
            name = name.replace(theirs, own)
        return name

    encoder = wan.text_encoder().encoder.state_dict()
    torch.save(
        {renamed(name, UMT5): tensor for name, tensor in encoder.items()}, folder / "models_t5_umt5-xxl-enc-bf16.pth"
    )
    wan.prompt_tokenizer().save_pretrained(folder / "google" / "umt5-xxl")
    if "image_dim" in kind.transformer:
        _save_clip(folder, renamed)
    return folder


def in_shards(state, root):
    """Two shards and their index, as the large ones are published."""
    names = sorted(state)
    files = {f"diffusion_pytorch_model-0000{n + 1}-of-00002.safetensors": names[n::2] for n in range(2)}
    for file, kept in files.items():
        save_file({name: state[name].contiguous() for name in kept}, root / file)
    index = {"metadata": {}, "weight_map": {name: file for file, kept in files.items() for name in kept}}
    (root / "diffusion_pytorch_model.safetensors.index.json").write_text(json.dumps(index))


def _save_clip(folder, renamed):
    visual = {renamed(name, CLIP): tensor for name, tensor in wan.image_encoder().state_dict().items()}
    for layer in range(3):
        for kind in ("weight", "bias"):
            parts = [visual.pop(f"transformer.{layer}.self_attn.{one}_proj.{kind}") for one in "qkv"]
            visual[f"transformer.{layer}.attn.to_qkv.{kind}"] = torch.cat(parts)
    visual["pos_embedding"] = visual["pos_embedding"][None]
    visual["cls_embedding"] = visual["cls_embedding"][None, None]
    visual["head"] = torch.zeros(wan.CLIP_WIDTH, 8)
    clip = {"log_scale": torch.zeros(()), "textual.head.0.weight": torch.zeros(2, 2)}
    torch.save(clip | {f"visual.{name}": tensor.half() for name, tensor in visual.items()}, folder / wan_own.CLIP)


SHIFTS = {"2.1 T2V": 5, "2.1 I2V": 5, "2.1 FLF2V": 16, "2.2 TI2V": 5, "2.2 T2V": 12, "2.2 I2V": 5}
"""What the authors' own code gives each family."""


@pytest.mark.parametrize("family", wan.FAMILIES)
def test_a_whole_folder(family, folders, tmp_path, monkeypatch):
    """From prompt and picture to frames: the clip of the same weights in diffusers' layout."""
    monkeypatch.setattr(wan_own, "own_clip", lambda path, device, real=wan_own.own_clip: real(path, device, heads=2))
    own = load_bundle(in_own_layout(family, tmp_path / "own", monkeypatch))
    expected = load_bundle(folders(family))
    assert own.config.sampling.shift == SHIFTS[family]
    assert replace(own.config, name="", sampling=None, files={}) == replace(
        expected.config, name="", sampling=None, files={}
    )
    expected = replace(expected, config=replace(expected.config, sampling=own.config.sampling))  # their own shift
    known = {0: wan.frame(32, 32, 7)} if wan.FAMILIES[family].picture or wan.FAMILIES[family].per_patch else {}
    if wan.FAMILIES[family].ends:
        known[4] = wan.frame(32, 32, 8)
    conditions = (FramesCondition(known),) if known else ()
    request = Request("a red ball", frames=5, size=(32, 32), seed=0, steps=4, conditions=conditions)
    error = 0.0
    if expected.pictures is not None:
        states = [bundle.pictures.encode([wan.frame(40, 32, 1)]) for bundle in (own, expected)]
        error = 2e-3  # saved in float16, as theirs are
        assert wan.relative(*states) < error
    found, right = (sample(bundle, [plan(bundle, request)])[0] for bundle in (own, expected))
    assert wan.relative(found, right) <= error
    torch.testing.assert_close(decode(own.tokenizer, right), decode(expected.tokenizer, right))


def test_experts_of_wans_own_layout_are_told_apart(tmp_path, monkeypatch):
    """High noise is begun by the one, low noise finished by the other; streamed from their files it is the same."""
    folder = in_own_layout("2.2 T2V", tmp_path / "own", monkeypatch)
    whole, streamed = load_bundle(folder), load_bundle(folder, memory="stream")
    request = Request("a red ball", frames=5, size=(32, 32), seed=0, steps=4)
    found = sample(whole, [plan(whole, request)])[0]
    assert torch.equal(sample(streamed, [plan(streamed, request)])[0], found)
    (folder / "high_noise_model").rename(folder / "aside")
    (folder / "low_noise_model").rename(folder / "high_noise_model")
    (folder / "aside").rename(folder / "low_noise_model")
    exchanged = load_bundle(folder)
    assert wan.relative(sample(exchanged, [plan(exchanged, request)])[0], found) > 0.1
    (folder / "low_noise_model" / "diffusion_pytorch_model-00002-of-00002.safetensors").unlink()
    with pytest.raises(
        InputError, match=r"low_noise_model lacks diffusion_pytorch_model-00002-of-00002\.safetensors of 2"
    ):
        load_bundle(folder)
    shutil.rmtree(folder / "low_noise_model")
    with pytest.raises(InputError, match=r"own lacks low_noise_model/config\.json"):
        load_bundle(folder)


def everything_of(bundle):
    bundle.text.encode(["x"])
    bundle.pictures.encode([wan.frame(32, 32, 0)])


def test_what_lacks_in_wans_own_layout_is_told(tmp_path, monkeypatch):
    folder = in_own_layout("2.1 I2V", tmp_path / "own", monkeypatch)
    for name in (wan_own.CLIP, "models_t5_umt5-xxl-enc-bf16.pth", "Wan2.1_VAE.pth"):
        copy = shutil.copytree(folder, tmp_path / f"without-{name}")
        (copy / name).unlink()
        with pytest.raises(InputError, match=f"lacks {re.escape(name)}"):
            everything_of(load_bundle(copy))
    torch.save({"visual.head": torch.zeros(1)}, folder / wan_own.CLIP)
    with pytest.raises(InputError, match="is not the image encoder of Wan"):
        wan_own.own_clip(folder / wan_own.CLIP, torch.device("cpu"))
    torch.save({"token_embedding.weight": torch.zeros(2, 2)}, folder / "models_t5_umt5-xxl-enc-bf16.pth")
    with pytest.raises(InputError, match="is not the text encoder of Wan"):
        load_bundle(folder).text.encode(["x"])
