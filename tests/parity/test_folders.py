"""Folders of open weights: the whole command, LoRAs, int8, what is missing or wrong, and the shapes as published."""

from __future__ import annotations

import json
import pickle
import shutil

import diffusers
import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from langit.catalog import load, load_bundle
from langit.catalog.lora import Lora, apply_loras
from langit.catalog.memory import needed, num_parameters
from langit.catalog.published import PUBLISHED
from langit.catalog.shards import tensors_of
from langit.catalog.verify import verify
from langit.catalog.wan import find_parts, load_wan
from langit.catalog.wan_layout import diffusers_name, our_name
from langit.catalog.wan_own import umt5_name
from langit.generate import sample
from langit.planning import Request, plan
from langit.transformer import Transformer
from langit.types import ClipShape, InputError
from tests.parity import wan
from tests.parity.test_transformer import own_name


@pytest.mark.parametrize("name", PUBLISHED)
def test_full_size_shapes_as_published(name):
    """Every tensor of the published configuration, ours and diffusers', on the meta device."""
    model = PUBLISHED[name]
    with torch.device("meta"):
        ours = Transformer(model.transformer).state_dict()
        settings = {key: value for key, value in model.diffusers.items() if not key.startswith("_")}
        reference = diffusers.WanTransformer3DModel(**settings).state_dict()
    assert {diffusers_name(key) for key in ours} == set(reference)
    for key, tensor in reference.items():
        assert ours[our_name(key)].numel() == tensor.numel(), key
        kept = key.endswith("patch_embedding.weight") or tensor.ndim == 3
        assert kept or ours[our_name(key)].shape == tensor.shape, key
    assert num_parameters(model.transformer) == sum(tensor.numel() for tensor in reference.values())


def test_the_published_sizes():
    """Billions of parameters that the authors' pages state for each transformer."""
    stated = {"1.3B": 1.42, "T2V-14B": 14.29, "TI2V-5B": 5.0, "T2V-A14B": 28.58, "I2V-14B": 16.4}
    for part, billions in stated.items():
        found = [model.parameters / 1e9 for name, model in PUBLISHED.items() if part in name and "FLF" not in name]
        assert found == pytest.approx([billions] * len(found), rel=0.005), part


def test_the_command_line_makes_a_clip(folders, tmp_path, monkeypatch):
    from langit.cli import app

    monkeypatch.chdir(tmp_path)
    arguments = [
        "generate",
        "--model",
        str(folders("2.1 T2V")),
        "a red ball",
        "--size",
        "32x32",
        "--frames",
        "5",
        "--steps",
        "2",
    ]
    done = CliRunner().invoke(app, [*arguments, "-o", "clip.gif", "--no-credentials", "--seed", "1"])
    assert done.exit_code == 0, done.output
    assert "32x32" in done.output
    assert "5 frames at 16 fps" in done.output
    assert (tmp_path / "clip.gif").stat().st_size > 100


def test_parity_and_verify_by_command(folders):
    from langit.cli import app

    done = CliRunner().invoke(app, ["parity", str(folders("2.2 I2V"))])
    assert done.exit_code == 0, done.output
    for component in ("transformer, block 0", "transformer_2, whole", "autoencoder, decoding", "scheduler"):
        assert component in done.output
    done = CliRunner().invoke(app, ["models", "verify", str(folders("2.2 I2V"))])
    assert done.exit_code == 0, done.output
    assert "Wan 2.2 I2V" in done.output


def test_what_is_known_is_listed():
    from langit.cli import app

    listed, shown, told = (
        CliRunner().invoke(app, command)
        for command in (["models", "list"], ["models", "show", "Wan2.2-TI2V-5B-Diffusers"], ["doctor"])
    )
    for done in (listed, shown, told):
        assert done.exit_code == 0, done.output
    assert "licence Apache-2.0" in listed.output
    assert "121 frames of 1280x704 in bfloat16" in shown.output
    assert "cores" in told.output


@pytest.fixture
def copy(folders, tmp_path):
    return lambda family="2.1 T2V": shutil.copytree(folders(family), tmp_path / "model")


def test_what_lacks_is_named(copy):
    folder = copy()
    shards = sorted((folder / "transformer").glob("*-of-*.safetensors"))
    assert len(shards) > 1
    shards[0].rename(folder / "aside")
    with pytest.raises(InputError, match=f"lacks {shards[0].name}"):
        load_bundle(folder)
    (folder / "aside").rename(shards[0])
    tensors = load_file(shards[0])
    name = next(iter(tensors))
    save_file({**tensors, name: torch.zeros(3)}, shards[0])
    with pytest.raises(InputError, match=rf"tensor {name} .* is \(3,\) where"):
        load_bundle(folder)
    save_file({key: value for key, value in tensors.items() if key != name} or {"alone": torch.zeros(1)}, shards[0])
    with pytest.raises(InputError, match=r"lack 1 tensors|belongs to no Wan"):
        load_bundle(folder)
    shards[0].write_bytes(b"cut short")
    with pytest.raises(InputError, match="damaged or cut short"):
        load_bundle(folder)


def test_what_is_no_wan_is_told(copy, tmp_path):
    folder = copy()
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps({**index, "_class_name": "FluxPipeline"}))
    with pytest.raises(InputError, match="a FluxPipeline; langit runs WanPipeline and WanImageToVideoPipeline"):
        load_bundle(folder)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.json").write_text('{"_class_name": "HunyuanVideo"}')
    (tmp_path / "other" / "diffusion_pytorch_model.safetensors").touch()
    with pytest.raises(InputError, match="HunyuanVideo; langit runs"):
        load_bundle(tmp_path / "other")


@pytest.mark.parametrize(
    ("file", "values", "told"),
    [
        ("transformer/config.json", {"num_layers": "2"}, "the depth '2' is no whole number from 1 to 1000"),
        ("transformer/config.json", {"num_layers": 10**6}, "the depth 1000000 is no whole number"),
        ("transformer/config.json", {"num_attention_heads": 0}, "is not a Wan transformer's configuration"),
        ("transformer/config.json", {"num_attention_heads": -2}, "the width -24 is no whole number"),
        ("transformer/config.json", {"eps": "x"}, "the eps 'x' is no number"),
        ("transformer/config.json", {"text_dim": 17}, r"is \(24, 16\) where \(24, 17\) belongs"),
        ("transformer/config.json", {"num_layers": 3}, "lack 27 tensors, the first of them blocks.2"),
        ("vae/config.json", {"base_dim": "x"}, "not the configuration of a Wan autoencoder"),
        ("vae/config.json", {"scale_factor_spatial": "x"}, "the scale_factor_spatial 'x'"),
        ("vae/config.json", {"dim_mult": [1, "x"]}, "the dim_mult"),
        ("vae/config.json", {"_class_name": "AutoencoderKL"}, "holds a AutoencoderKL"),
        ("scheduler/scheduler_config.json", {"flow_shift": "x"}, "the flow_shift 'x'; it is a number above 0"),
        ("model_index.json", {"boundary_ratio": "x"}, "the boundary_ratio 'x'; it is a noise level"),
        ("model_index.json", {"transformer": None}, "names 0 transformers"),
        ("transformer/diffusion_pytorch_model.safetensors.index.json", {"weight_map": "x"}, "no files of its own"),
        (
            "transformer/diffusion_pytorch_model.safetensors.index.json",
            {"weight_map": {"a": "../x"}},
            "no files of its",
        ),
    ],
)
def test_a_configuration_that_cannot_be_is_one_sentence(file, values, told, copy):
    folder = copy()
    path = folder / file
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
    with pytest.raises(InputError, match=told):
        load_bundle(folder)


def test_verify_finds_what_loading_would(copy, tmp_path):
    folder = copy()
    shard = sorted((folder / "transformer").glob("*-of-*.safetensors"))[0]
    tensors, kept = load_file(shard), shard.read_bytes()
    name = next(iter(tensors))
    for changed, told in (
        ({name: torch.zeros(3)}, rf"{name} in .* is \(3,\) and has to be"),
        ({"foo.bar": torch.zeros(3)}, "foo.bar in .* belongs to no Wan transformer"),
    ):
        save_file(tensors | changed, shard)
        with pytest.raises(InputError, match=told):
            verify(folder)
    save_file(tensors | {name: tensors[name].to(torch.int64)}, shard)
    with pytest.raises(InputError, match=f"{name} in .* is torch.int64; weights are floating-point"):
        load_bundle(folder)
    shard.write_bytes(kept)
    assert "autoencoder: whole" in verify(folder)
    for part, told in (("tokenizer", "lacks tokenizer/"), ("text_encoder", "text_encoder holds no weights")):
        (folder / part).rename(tmp_path / "aside")
        with pytest.raises(InputError, match=told):
            verify(folder)
        (tmp_path / "aside").rename(folder / part)
    for path in (folder / "vae").glob("diffusion*"):
        path.unlink()
    with pytest.raises(InputError, match="vae holds no weights"):
        verify(folder)
    (folder / "text_encoder" / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(InputError, match="of the type 'bert'; Wan reads prompts with umt5"):
        find_parts(folder).text(torch.device("cpu"))


class Runs:
    def __reduce__(self):
        return (print, ("this pickle ran",))


def test_a_pickle_that_is_not_tensors_is_not_opened(tmp_path, capsys):
    path = tmp_path / "weights.pth"
    path.write_bytes(pickle.dumps(Runs()))
    with pytest.raises(InputError, match="can run any code"):
        list(tensors_of(path))
    torch.save({"a": Runs()}, path)
    with pytest.raises(InputError, match="can run any code"):
        list(tensors_of(path))
    assert "this pickle ran" not in capsys.readouterr().out
    torch.save({"a": torch.ones(2)}, path)
    assert [name for name, _ in tensors_of(path)] == ["a"]


def test_weights_in_the_original_layout_and_pickled(copy):
    """The same transformer saved by Wan's own names as .pth: the same clip."""
    folder = copy()
    expected = load_bundle(folder)
    state = {own_name(name): tensor for name, tensor in wan.transformer("2.1 T2V").state_dict().items()}
    for path in (folder / "transformer").glob("diffusion*"):
        path.unlink()
    torch.save(state, folder / "transformer" / "diffusion_pytorch_model.pth")
    p = plan(expected, Request("x", frames=5, size=(32, 32), seed=0, steps=2))
    assert torch.equal(sample(load_bundle(folder), [p])[0], sample(expected, [p])[0])


def test_the_original_text_encoder_is_renamed_to_a_tensor():
    theirs = set(wan.text_encoder().encoder.state_dict())
    own = {"token_embedding.weight", "norm.weight"}
    for block in range(2):
        own |= {f"blocks.{block}.{part}.weight" for part in ("norm1", "norm2", "ffn.gate.0", "ffn.fc1", "ffn.fc2")}
        own |= {f"blocks.{block}.attn.{part}.weight" for part in "qkvo"} | {
            f"blocks.{block}.pos_embedding.embedding.weight"
        }
    assert {umt5_name(name) for name in own} == theirs


def lora_files(folder):
    """The same change in each layout, and what it adds to two of our weights."""
    generator = torch.Generator().manual_seed(0)
    parts = {}
    for ours, peft, own in (
        ("blocks.0.self_attention.query", "blocks.0.attn1.to_q", "blocks.0.self_attn.q"),
        ("blocks.1.ffn_out", "blocks.1.ffn.net.2", "blocks.1.ffn.2"),
    ):
        outer, inner = (24, 24) if "query" in ours else (24, 40)
        parts[ours] = peft, own, torch.randn(3, inner, generator=generator), torch.randn(outer, 3, generator=generator)
    files = {
        "peft": {
            f"transformer.{p}.lora_{r}.weight": t for p, _, d, u in parts.values() for r, t in (("A", 2 * d), ("B", u))
        },
        "own": {
            f"diffusion_model.{o}.lora_{r}.weight": t
            for _, o, d, u in parts.values()
            for r, t in (("A", 2 * d), ("B", u))
        },
        "kohya": {
            f"lora_unet_{o.replace('.', '_')}.{r}": t
            for _, o, d, u in parts.values()
            for r, t in (("lora_down.weight", d), ("lora_up.weight", u), ("alpha", torch.tensor(6.0)))
        },
    }
    for name, tensors in files.items():
        save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, folder / f"{name}.safetensors")
    return {f"{ours}.weight": 2 * up @ down for ours, (_, _, down, up) in parts.items()}


@pytest.mark.parametrize("layout", ["peft", "own", "kohya"])
def test_loras_of_every_layout_are_merged(layout, folders, tmp_path):
    changes = lora_files(tmp_path)
    bundle = load_bundle(folders("2.2 T2V"))
    before = [{name: p.clone() for name, p in expert.named_parameters()} for expert in bundle.transformer.experts]
    assert apply_loras(bundle.transformer, [Lora.parse(f"{tmp_path / layout}.safetensors:0.5")]) == 2
    for expert, old in zip(bundle.transformer.experts, before, strict=True):
        for name, parameter in expert.named_parameters():
            expected = old[name] + 0.5 * changes[name] if name in changes else old[name]
            torch.testing.assert_close(parameter, expected, atol=1e-5, rtol=1e-5)


def test_several_loras_add_up(folders, tmp_path):
    lora_files(tmp_path)
    name = f"{folders('2.1 T2V')}+{tmp_path}/peft.safetensors:0.5+{tmp_path}/kohya.safetensors:-0.25"
    twice = load(name).transformer.experts[0].blocks[0].self_attention.query.weight
    merged = load(f"{folders('2.1 T2V')}+{tmp_path}/own.safetensors:0.25").transformer
    once = merged.experts[0].blocks[0].self_attention.query.weight
    torch.testing.assert_close(twice, once)


def test_a_lora_that_does_not_fit_is_told(folders, tmp_path):
    transformer = load_bundle(folders("2.1 T2V")).transformer
    for tensors, told in (
        ({"transformer.blocks.9.attn1.to_q.lora_A.weight": torch.zeros(2, 24)}, "is for another model"),
        ({"transformer.blocks.0.attn1.to_q.lora_A.weight": torch.zeros(2, 24)}, "one half"),
        ({"unet.down.lora_A.weight": torch.zeros(2, 24)}, "no part of a LoRA"),
        (
            {f"transformer.blocks.0.attn1.to_q.lora_{r}.weight": torch.zeros(2, 2) for r in "AB"},
            r"\(2, 2\) for blocks.0.self_attention.query, which is \(24, 24\)",
        ),
    ):
        save_file(tensors, tmp_path / "lora.safetensors")
        with pytest.raises(InputError, match=told):
            apply_loras(transformer, [Lora(tmp_path / "lora.safetensors")])
    with pytest.raises(InputError, match="no LoRA file"):
        Lora.parse("absent.safetensors:0.8")
    with pytest.raises(InputError, match=r"style\.txt is none of \.safetensors, \.pt"):
        Lora.parse("style.txt")


def test_int8_is_near(folders):
    exact, rough = load(str(folders("2.1 T2V"))), load(f"{folders('2.1 T2V')}+int8")
    p = plan(exact, Request("a red ball", frames=5, size=(32, 32), seed=0, steps=1, guidance=1.0))
    error = wan.relative(sample(rough, [p])[0], sample(exact, [p])[0])
    assert 1e-4 < error < 0.05


def test_what_will_not_fit_is_refused_before_it_starts(folders, monkeypatch):
    import langit.catalog.memory as memory

    bundle = load_wan(folders("2.1 T2V"))
    request = Request("x", frames=81, size=(832, 480), steps=1)
    plan(bundle, request)
    config = bundle.config
    takes = needed(config.transformer, 0, config.stride, config.patch, ClipShape(81, 480, 832), 4)
    monkeypatch.setattr(memory, "available_memory", lambda device: takes.autoencoder - 1000)
    with pytest.raises(
        InputError, match=r"free on cpu; 77 frames at this size or [78]\d\dx4\d\d at this length would fit"
    ):
        plan(bundle, request)
    monkeypatch.setattr(memory, "available_memory", lambda device: 1000)
    with pytest.raises(InputError, match="no size of it fits"):
        plan(bundle, request)
    with pytest.raises(InputError, match="for its weights in 8 bits"):  # the least that was tried
        load_wan(folders("2.1 T2V"))
