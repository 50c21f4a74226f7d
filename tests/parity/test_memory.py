"""How weights are held: streamed from their files, in fewer bits, with LoRAs beside them, whole at some steps only."""

from __future__ import annotations

import shutil
import weakref
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

import langit.catalog.memory as memory
import langit.catalog.wan as wan_catalog
from langit.catalog import load
from langit.catalog.find import guided_between
from langit.catalog.lora import LiveLoras, Lora, apply_loras
from langit.catalog.memory import Held, checked_device, how_held, num_parameters, passing_bytes, weight_bytes
from langit.catalog.published import PUBLISHED
from langit.catalog.wan import load_wan, stream_transformer
from langit.generate import sample
from langit.planning import Request, plan
from langit.sampling import SCHEDULES
from langit.transformer.eight_bits import linear_kind
from langit.transformer.streaming import StreamedBlocks
from langit.types import InputError
from tests.parity import wan
from tests.parity.test_folders import lora_files


def made(bundle, steps=3, **request):
    return sample(
        bundle, [plan(bundle, Request("a red ball", frames=5, size=(32, 32), seed=0, steps=steps, **request))]
    )[0]


def test_streamed_is_the_same_to_the_last_bit(folders):
    """Two experts with guidance, from several shards; of the blocks nothing is held but two at a time."""
    whole, streamed = load(str(folders("2.2 T2V"))), load(f"{folders('2.2 T2V')}+stream")
    assert torch.equal(made(streamed), made(whole))
    assert streamed.hash() == whole.hash()
    held = [sum(p.numel() for p in bundle.transformer.parameters()) for bundle in (streamed, whole)]
    block = sum(p.numel() for p in whole.transformer.experts[0].blocks[0].parameters())
    assert held[0] == held[1] - 2 * 2 * block


def test_streamed_from_pickled_files_and_in_another_type(folders, tmp_path):
    folder = shutil.copytree(folders("2.1 T2V"), tmp_path / "model")
    tensors = {}
    for path in sorted((folder / "transformer").glob("diffusion*")):
        if path.suffix == ".safetensors":
            tensors |= load_file(path)
        path.unlink()
    torch.save({name: tensor.bfloat16() for name, tensor in tensors.items()}, folder / "transformer" / "diffusion.pth")
    assert torch.equal(made(load(f"{folder}+stream")), made(load(str(folder))))


def test_streamed_weights_are_checked_before_anything_is_made(folders, tmp_path):
    folder = shutil.copytree(folders("2.1 T2V"), tmp_path / "model")
    shard = next(
        path for path in sorted((folder / "transformer").glob("*.safetensors"))
        if any(name.startswith("blocks.1.") for name in load_file(path))
    )  # fmt: skip
    tensors = load_file(shard)
    name = next(name for name in tensors if name.startswith("blocks.1."))
    save_file({**tensors, name: torch.zeros(3)}, shard)
    with pytest.raises(InputError, match=rf"{name} .* is \(3,\) and has to be"):
        load(f"{folder}+stream")
    save_file({key: value for key, value in tensors.items() if key != name}, shard)
    with pytest.raises(InputError, match=r"lack 1 tensors, the first of them blocks\.1"):
        load(f"{folder}+stream")


def test_an_error_in_the_reading_thread_comes_out(folders):
    transformer = load(f"{folders('2.1 T2V')}+stream").transformer.experts[0]

    def gone():
        raise OSError("the disk is gone")

    sources = [dict(one) for one in transformer.blocks.sources]
    sources[1]["table"] = gone
    blocks = StreamedBlocks(transformer.config, sources, torch.device("cpu"))
    passing = iter(blocks)
    next(passing)
    with pytest.raises(OSError, match="the disk is gone"):
        next(passing)


def test_the_mode_is_chosen_by_what_is_free(folders, monkeypatch):
    tiny = load_wan(folders("2.1 T2V")).config
    config = replace(tiny, transformer=PUBLISHED["Wan-AI/Wan2.1-T2V-14B-Diffusers"].transformer)
    place, kind = torch.device("cpu"), torch.float32
    exact, passing = weight_bytes(config.transformer, 1, 4), passing_bytes(config.transformer, 1, 4)
    small = passing_bytes(config.transformer, 1, 4, eight_bits=True)
    assert exact == 4 * num_parameters(config.transformer)
    for free, held in (
        (exact, Held("whole")), (exact - 1, Held("stream")), (passing, Held("stream")), (passing - 1, Held("stream", True)),
    ):  # fmt: skip
        monkeypatch.setattr(memory, "available_memory", lambda device, free=free: free)
        assert how_held("auto", config, 1, kind, place) == held
    assert how_held("stream", config, 1, kind, place, eight_bits=True) == Held("stream", True)
    with pytest.raises(InputError, match="With --memory stream"):
        how_held("whole", config, 1, kind, place)
    with pytest.raises(InputError, match="in float32"):
        how_held("stream", config, 1, kind, place)
    monkeypatch.setattr(memory, "available_memory", lambda device: small - 1)
    with pytest.raises(
        InputError, match=r"for its weights in 8 bits, and \d\.\d GiB are free on cpu; `langit models list`"
    ):
        how_held("auto", config, 1, kind, place)
    monkeypatch.setattr(memory, "available_memory", lambda device: exact // 2)
    assert how_held("auto", config, 1, kind, place, eight_bits=True) == Held("whole", True)


def test_what_fits_in_8_bits_alone_is_put_into_them_with_a_warning(folders, monkeypatch):
    """Wide enough that a block weighs more than the layer that is rounded."""
    config = replace(load_wan(folders("2.1 T2V")).config.transformer, depth=2)
    monkeypatch.setattr(wan_catalog, "how_held", lambda *_: Held("stream", True))
    with pytest.warns(UserWarning, match="in 8 bits alone, so its layers are in int8"):
        bundle = load_wan(folders("2.1 T2V"))
    assert bundle.changes == ("int8",)
    assert bundle.config.transformer == config
    assert torch.equal(made(bundle, 1), made(load(f"{folders('2.1 T2V')}+int8"), 1))


ERROR = {"int8": 0.02, "float8": 0.06}
"""Of one evaluation of these small transformers, in which every rounding counts."""


@pytest.mark.parametrize("bits", ["int8", "float8"])
def test_8_bits_go_with_streaming_and_loras(bits, folders, tmp_path):
    """Streamed they are those of the whole model, to the last bit; LoRAs are merged before they are rounded, or stay exact."""
    lora_files(tmp_path)
    name = str(folders("2.2 T2V"))
    loras = f"+{tmp_path}/peft.safetensors:0.5+{tmp_path}/kohya.safetensors:-0.2"
    plain, changed = (made(load(f"{name}{added}"), 1, guidance=1.0) for added in ("", loras))
    assert wan.relative(plain, changed) > 2 * ERROR[bits]
    for added, right in (("", plain), (loras, changed), (f"+live{loras}", changed)):
        whole, streamed = load(f"{name}{added}+{bits}"), load(f"{name}{added}+{bits}+stream")
        found = made(whole, 1, guidance=1.0)
        assert 1e-4 < wan.relative(found, right) < ERROR[bits], added
        assert torch.equal(made(streamed, 1, guidance=1.0), found), added
        assert streamed.hash() == whole.hash()
    whole, streamed = (load(f"{name}+live{loras}+{bits}{added}+cache2") for added in ("", "+stream"))
    assert torch.equal(made(streamed, 4, guidance=1.0), made(whole, 4, guidance=1.0))


def test_loras_are_merged_into_what_is_streamed_to_the_last_bit(folders, tmp_path):
    lora_files(tmp_path)
    name = f"{folders('2.2 T2V')}+{tmp_path}/peft.safetensors:0.5+{tmp_path}/own.safetensors:0.3"
    assert torch.equal(made(load(f"{name}+stream"), 1), made(load(name), 1))


def test_a_model_in_8_bits_is_never_whole_as_it_was(folders, monkeypatch):
    """One layer at a time is exact: of the blocks, no more numbers are read than were given up before."""
    from langit.transformer.int8 import Int8Linear

    alive, most = weakref.WeakSet(), 0

    class Counted(Int8Linear):
        def __init__(self, linear):
            nonlocal most
            alive.add(linear.weight)
            most = max(most, len(alive))
            super().__init__(linear)

    monkeypatch.setattr(wan_catalog, "linear_kind", lambda *_: Counted)
    bundle = load_wan(folders("2.1 T2V"), bits="int8")
    layers = [module for module in bundle.transformer.modules() if isinstance(module, Counted)]
    assert len(layers) == 2 * 10
    assert most <= 2, "the one that is rounded, and what another thread may hold"


def test_torchao_does_on_a_gpu_what_its_interface_does_here(folders):
    pytest.importorskip("torchao")
    from langit.transformer.experts import replace_linears
    from langit.transformer.int8 import TorchaoLinear

    exact, rough = load_wan(folders("2.1 T2V")), load_wan(folders("2.1 T2V"))
    replace_linears(rough.transformer, TorchaoLinear)
    layer = rough.transformer.experts[0].blocks[0].ffn_in
    assert type(layer.inner.weight).__name__ == "Int8Tensor"
    right = made(exact, 1, guidance=1.0)
    assert 1e-4 < wan.relative(made(rough, 1, guidance=1.0), right) < ERROR["int8"]
    assert linear_kind("int8", torch.device("cuda")) is TorchaoLinear


@pytest.mark.parametrize("streamed", ["", "+stream"])
def test_live_loras_are_the_merged_ones_and_come_off(streamed, folders, tmp_path):
    """Both experts; two files; one is taken off, then the other: each time exactly what was there before."""
    lora_files(tmp_path)
    name = str(folders("2.2 T2V"))
    bundle = load_wan(folders("2.2 T2V"), memory="stream" if streamed else "whole")
    bare = made(bundle)
    live = LiveLoras(bundle.transformer)
    live.add(Lora(tmp_path / "peft.safetensors", 0.5))
    one = made(bundle)
    live.add(Lora(tmp_path / "kohya.safetensors", -0.2))
    merged = load(f"{name}+{tmp_path}/peft.safetensors:0.5+{tmp_path}/kohya.safetensors:-0.2")
    assert wan.relative(made(bundle), made(merged)) < 1e-5
    assert wan.relative(made(bundle), one) > 1e-3
    live.remove(tmp_path / "kohya.safetensors")
    assert torch.equal(made(bundle), one)
    live.add(Lora(tmp_path / "peft.safetensors", 0.25))  # another strength, not both
    assert not torch.equal(made(bundle), one)
    with pytest.raises(InputError, match=r"absent\.safetensors is not applied"):
        live.remove("absent.safetensors")
    live.remove(live.names[0])
    assert torch.equal(made(bundle), bare)


def test_a_lora_may_hold_whole_differences_and_biases(folders, tmp_path):
    generator = torch.Generator().manual_seed(0)
    tensors = {
        "diffusion_model.blocks.0.self_attn.q.diff": torch.randn(24, 24, generator=generator),
        "diffusion_model.blocks.0.self_attn.q.diff_b": torch.randn(24, generator=generator),
        "diffusion_model.blocks.1.ffn.0.diff_b": torch.randn(40, generator=generator),
    }
    save_file(tensors, tmp_path / "whole.safetensors")
    results = []
    for apply in (lambda transformer, lora: LiveLoras(transformer).add(lora), lambda t, lora: apply_loras(t, [lora])):
        bundle = load_wan(folders("2.1 T2V"))
        apply(bundle.transformer, Lora(tmp_path / "whole.safetensors", 0.3))
        results.append(made(bundle))
    assert wan.relative(*results) < 1e-5
    assert wan.relative(results[0], made(load(str(folders("2.1 T2V"))))) > 1e-3


def test_the_fingerprint_tells_what_was_done_to_the_weights(folders, tmp_path):
    lora_files(tmp_path)
    name, file = str(folders("2.1 T2V")), tmp_path / "peft.safetensors"
    words = ("", f"+{file}", f"+{file}:0.5", f"+{tmp_path}/kohya.safetensors", "+int8", "+float8", "+cache2", "+cache3")
    hashes = [load(f"{name}{word}").hash() for word in words]
    assert len(set(hashes)) == len(hashes)
    assert load(f"{name}+live+{file}").hash() == load(f"{name}+{file}").hash()  # the same but for roundings
    expected = hashes[1]
    tensors = load_file(file)
    save_file({key: tensor + 1 for key, tensor in tensors.items()}, file)
    load.cache_clear()
    assert load(f"{name}+{file}").hash() != expected


def test_float8_is_near_and_small(folders):
    exact, rough = load(str(folders("2.1 T2V"))), load(f"{folders('2.1 T2V')}+float8")
    assert 1e-4 < wan.relative(made(rough, 1, guidance=1.0), made(exact, 1, guidance=1.0)) < 0.05
    layer = rough.transformer.experts[0].blocks[0].self_attention.query
    assert layer.rows.element_size() == 1
    assert layer.scale.shape == (24, 1)


def test_cached_blocks_run_at_some_evaluations_only(folders):
    name = str(folders("2.1 T2V"))
    exact, cached = load(name), load(f"{name}+cache2")
    counts = {"first": 0, "last": 0}
    blocks = cached.transformer.experts[0].blocks
    for place, number in (("first", 0), ("last", 1)):
        blocks._modules[str(number)].register_forward_hook(
            lambda *_, place=place: counts.update({place: counts[place] + 1})
        )
    found = made(cached, 8)
    assert counts == {"first": 16, "last": 10}  # with and without the prompt: 0, 1, 2, 4, 6 of 8
    assert 1e-5 < wan.relative(found, made(exact, 8)) < 0.1
    assert torch.equal(made(cached, 8), found), "a clip begins with nothing in memory"
    p, other = (
        plan(cached, Request(prompt, frames=5, size=(32, 32), seed=seed, steps=8))
        for prompt, seed in (("a red ball", 0), ("x", 5))
    )
    torch.testing.assert_close(sample(cached, [p, other])[0], found, atol=1e-4, rtol=1e-4)
    assert torch.equal(made(load(f"{name}+stream+cache2"), 8), found)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("+live", "none was named"),
        ("+int8+float8", "give one of them"),
        ("+whole+stream", "give one of them"),
    ],
)
def test_what_does_not_go_together_is_told(words, told, folders):
    with pytest.raises(InputError, match=told):
        load(f"{folders('2.1 T2V')}{words}")


def test_guidance_outside_an_interval_is_left_out(folders):
    """Whole: two evaluations a step. Between the levels alone: as many steps less as lie outside."""
    name = str(folders("2.1 T2V"))
    whole, between, never = (load(f"{name}{words}") for words in ("", "+guided0.5-0.9+int8", "+guided0.0001-0.0002"))
    counts = {}
    for bundle in (whole, between, never):
        counts[id(bundle)] = 0
        bundle.transformer.register_forward_hook(
            lambda *_, bundle=bundle: counts.update({id(bundle): counts[id(bundle)] + 1})
        )
    found = [made(bundle, 6) for bundle in (whole, between, never)]
    levels = SCHEDULES["wan"](6, whole.config.sampling.shift)[:-1]
    inside = sum(0.5 <= float(level) <= 0.9 for level in levels)
    assert 0 < inside < 5
    assert [counts[id(bundle)] for bundle in (whole, between, never)] == [12, 6 + inside, 6]
    assert torch.equal(found[2], made(whole, 6, guidance=1.0))
    assert not torch.equal(found[1], found[2])
    for wrong in ("0.9-0.2", "0-2", "half"):
        with pytest.raises(InputError, match="two noise levels from 0 to 1"):
            guided_between(wrong)


def test_devices():
    assert checked_device("cpu") == "cpu"
    with pytest.raises(InputError, match="There is no device 'gpu'; the devices are cpu, cuda"):
        checked_device("gpu")
    with pytest.raises(InputError, match=r"device cuda:99 was asked for and torch finds .*; `langit doctor`"):
        checked_device("cuda:99")


def test_options_of_generate(folders, tmp_path, monkeypatch):
    from langit.cli import app

    monkeypatch.chdir(tmp_path)
    lora_files(tmp_path)
    ask = [
        "generate",
        "--model",
        str(folders("2.1 T2V")),
        "a red ball",
        "--size",
        "32x32",
        "--frames",
        "1",
        "--steps",
        "2",
    ]
    runs = CliRunner()
    options = [
        "--guidance-interval",
        "0.2-0.9",
        "--memory",
        "stream",
        "--cache",
        "2",
        "--lora",
        "peft.safetensors:0.5",
        "--no-watermark",
        "--no-credentials",
    ]
    done = runs.invoke(app, [*ask, *options, "-o", "clip.png"])
    assert done.exit_code == 0, done.output
    done = runs.invoke(app, ["remake", "clip.png", "--device", "cuda:99"])
    assert "cuda:99 was asked for and torch finds" in str(done.exception)
    for wrong, told in (
        (["--device", "cuda:99"], "torch finds"),
        (["--memory", "disk"], "no memory mode 'disk'"),
        (["--guidance-interval", "low"], "guidance interval 'low' is not understood"),
        (["--live-loras"], "without --lora"),
    ):
        done = runs.invoke(app, [*ask, *wrong, "-o", "other.png"])
        assert isinstance(done.exception, InputError)
        assert told in str(done.exception)
    done = runs.invoke(app, ["generate", "a red ball", "--memory", "stream", "-o", "other.png"])
    assert "always whole" in str(done.exception)


def test_one_transformer_may_be_streamed_by_itself(folders):
    bundle = load_wan(folders("2.1 T2V"))
    paths = sorted((folders("2.1 T2V") / "transformer").glob("*.safetensors"))
    streamed = stream_transformer(bundle.config.transformer, paths, torch.float32)
    assert len(streamed.blocks) == 2
