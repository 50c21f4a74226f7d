"""The numbers of `langit models show` and `langit doctor` against the models themselves, at full size on the meta device."""

from __future__ import annotations

import weakref
from dataclasses import replace

import diffusers
import pytest
import torch
import transformers
from benchmarks.open_weights_full import VAE_22
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from typer.testing import CliRunner

from langit.catalog.memory import needed, passing_bytes, weight_bytes
from langit.catalog.published import CLIP_PARAMETERS, PUBLISHED, UMT5_PARAMETERS, VAE_PARAMETERS
from langit.packing import Text
from langit.transformer import Transformer
from langit.transformer.experts import replace_linears
from langit.transformer.float8 import Float8Linear


def held(module):
    return sum(tensor.numel() * tensor.element_size() for tensor in [*module.parameters(), *module.buffers()])


def test_the_encoders_and_autoencoders():
    with torch.device("meta"):
        shape = {"d_model": 4096, "d_kv": 64, "d_ff": 10240, "num_layers": 24, "num_heads": 64}
        umt5 = transformers.UMT5EncoderModel(transformers.UMT5Config(vocab_size=256384, **shape))
        clip = transformers.CLIPVisionConfig(
            hidden_size=1280,
            intermediate_size=5120,
            num_hidden_layers=32,
            num_attention_heads=16,
            image_size=224,
            patch_size=14,
        )
        parts = (
            umt5,
            diffusers.AutoencoderKLWan(),
            diffusers.AutoencoderKLWan(**VAE_22),
            transformers.CLIPVisionModel(clip),
        )
    counted = [sum(parameter.numel() for parameter in part.parameters()) for part in parts]
    assert counted == [UMT5_PARAMETERS, VAE_PARAMETERS[8], VAE_PARAMETERS[16], CLIP_PARAMETERS]


@pytest.mark.parametrize("name", PUBLISHED)
def test_weights_in_every_type(name):
    """Whole, in 8 bits, and two blocks at a time."""
    model = PUBLISHED[name]
    config = model.transformer
    with torch.device("meta"):
        exact = Transformer(replace(config, depth=2)).to(torch.bfloat16)
        ends = Transformer(replace(config, depth=0)).to(torch.bfloat16)
    blocks = held(exact) - held(ends)
    whole = model.experts * (held(ends) + blocks // 2 * config.depth)
    assert weight_bytes(config, model.experts, 2) == whole
    assert model.need(model.clip).transformer == whole
    assert passing_bytes(config, model.experts, 2) == model.experts * held(ends) + blocks
    assert model.streamed(model.clip).transformer == model.experts * held(ends) + blocks
    replace_linears(exact, Float8Linear)
    small = model.experts * (held(ends) + (held(exact) - held(ends)) // 2 * config.depth)
    assert weight_bytes(config, model.experts, 2, eight_bits=True) == pytest.approx(small, rel=0.02)
    assert small < 0.6 * whole


class Living(TorchDispatchMode):
    """Bytes of the tensors that are alive at a time, at most."""

    def __init__(self):
        super().__init__()
        self.now = self.most = 0
        self.known = weakref.WeakSet()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, torch.Tensor) and tensor.untyped_storage() not in self.known:
                storage = tensor.untyped_storage()
                self.known.add(storage)
                self.now += storage.nbytes()
                weakref.finalize(storage, self._gone, storage.nbytes())
                self.most = max(self.most, self.now)
        return made

    def _gone(self, size):
        self.now -= size


@pytest.mark.parametrize("name", ["Wan-AI/Wan2.1-T2V-1.3B-Diffusers", "Wan-AI/Wan2.2-T2V-A14B-Diffusers"])
def test_working_memory_of_a_block(name, monkeypatch):
    """The plan is no less than what a block holds at most beside its weights, and no more than twice that."""
    model = PUBLISHED[name]
    config, clip = model.transformer, model.clip
    # The fused kernels, which meta has not: they take no more than what they give.
    monkeypatch.setattr("langit.transformer.model.attend", lambda query, *_: torch.empty_like(query))
    patches = (1 + (clip.frames - 1) // 4) * (clip.height // 16) * (clip.width // 16)
    with torch.device("meta"), torch.inference_mode():
        block = Transformer(replace(config, depth=1)).to(torch.bfloat16).blocks[0]
        modulation = torch.empty(1, 6, config.width, dtype=torch.bfloat16)
        rotation = torch.empty(patches, config.width // config.num_heads // 2, 2)
        words = Text(torch.empty(512, config.width, dtype=torch.bfloat16), (0, 512))
        with Living() as living:
            block(
                torch.empty(patches, config.width, dtype=torch.bfloat16),
                modulation,
                None,
                rotation,
                (0, patches),
                words,
            )
    planned = needed(config, 1, (4, 8, 8), (1, 2, 2), clip, 2).working
    assert living.most <= planned <= 2 * living.most


def test_both_commands_tell_them():
    from langit.cli import app

    shown = CliRunner().invoke(app, ["models", "show", "Wan2.1-T2V-14B-Diffusers"]).output
    for line in (
        "in bfloat16: 39.7 GB (transformer 28.6",
        "in float8 beside bfloat16:",
        "in float32:",
        "int8 beside float32",
    ):
        assert line in shown
    assert "streamed" in shown
    done = CliRunner().invoke(app, ["models", "show", "Wan2.1-T2V-14B-Diffusers", "--frames", "0"])
    assert "frames must be at least 1" in str(done.exception)
