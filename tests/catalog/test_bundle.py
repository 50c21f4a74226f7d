"""Model folders: what is saved is loaded, and whatever is wrong with one is told in a sentence."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from langit.catalog import Bundle, find_model, load_bundle, save_bundle
from langit.generate import generate_all
from langit.planning import Request, plan
from langit.tokenizer import PixelTokenizer
from langit.types import InputError


def save(bundle: Bundle, folder):
    save_bundle(folder, bundle.config, bundle.transformer.state_dict(), bundle.text.state_dict(), bundle.tokenizer)
    return folder


@pytest.fixture
def folder(tiny_bundle, tmp_path):
    return save(tiny_bundle, tmp_path / "model")


def refused(folder) -> str:
    """The message that loading gives: of one or two sentences, with no line break, naming the folder."""
    with pytest.raises(InputError) as caught:
        load_bundle(folder)
    message = str(caught.value)
    assert str(folder) in message
    assert len(message) < 600
    return message


def test_a_saved_model_loads_as_it_was(tiny_bundle, folder):
    before = torch.random.get_rng_state()
    loaded = load_bundle(folder)
    assert torch.equal(torch.random.get_rng_state(), before)  # loading draws nothing
    assert loaded.config == tiny_bundle.config
    assert loaded.hash() == tiny_bundle.hash()
    assert not loaded.transformer.training
    assert not any(weight.requires_grad for weight in loaded.transformer.parameters())
    clips = [
        generate_all(bundle, [plan(bundle, Request("a red ball", seed=3, steps=2))])[0]
        for bundle in (tiny_bundle, loaded)
    ]
    assert (clips[0].video.frames == clips[1].video.frames).all()
    assert sorted(path.name for path in folder.iterdir()) == [
        "config.json",
        "text.safetensors",
        "tokenizer.safetensors",
        "transformer.safetensors",
    ]


def test_a_model_of_pixel_patches_needs_no_tokenizer_file(tiny_bundle, tmp_path):
    from tests.conftest import tiny_transformer

    dim = 3 * 32 * 4
    transformer = tiny_transformer(patch_dim=dim, out_dim=dim, text_width=16)
    config = replace(tiny_bundle.config, tokenizer="pixels", transformer=transformer.config)
    tokenizer = PixelTokenizer(config.stride)
    folder = save(Bundle(config, transformer, tiny_bundle.text, tokenizer), tmp_path)
    assert not (folder / "tokenizer.safetensors").exists()
    assert load_bundle(folder).tokenizer == tokenizer


def test_the_hash_tells_models_apart(tiny_bundle):
    hashes = {tiny_bundle.hash()}
    hashes.add(replace(tiny_bundle, config=replace(tiny_bundle.config, name="other")).hash())
    brighter = replace(tiny_bundle.tokenizer, mean=tiny_bundle.tokenizer.mean + 1)
    hashes.add(replace(tiny_bundle, tokenizer=brighter).hash())
    assert len(hashes) == 3


@pytest.mark.parametrize("name", ["transformer", "text", "tokenizer"])
def test_missing_and_truncated_weights_are_told(folder, name):
    path = folder / f"{name}.safetensors"
    whole = path.read_bytes()
    for kept in (0, 7, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:kept])
        assert "damaged or cut short" in refused(folder)
    path.write_bytes(b"\xff" * len(whole))
    assert "damaged or cut short" in refused(folder)
    path.unlink()
    assert f"lacks {name}.safetensors" in refused(folder)


@pytest.mark.parametrize("name", ["transformer", "text", "tokenizer"])
def test_missing_and_misshapen_tensors_are_told(folder, name):
    path = folder / f"{name}.safetensors"
    tensors = load_file(path)
    for key in tensors:
        save_file({other: tensor for other, tensor in tensors.items() if other != key}, path)
        assert f"lack the tensor {key}" in refused(folder)
    key = "components" if name == "tokenizer" else next(key for key, tensor in tensors.items() if tensor.ndim == 2)
    save_file({**tensors, key: tensors[key][:-1].contiguous()}, path)
    assert f"The tensor {key} in" in refused(folder)


def test_tensors_of_another_precision_become_the_models(tiny_bundle, folder):
    path = folder / "transformer.safetensors"
    save_file({key: tensor.half() for key, tensor in load_file(path).items()}, path)
    loaded = load_bundle(folder)
    assert loaded.transformer.patch_in.weight.dtype == torch.float32
    torch.testing.assert_close(
        loaded.transformer.patch_in.weight, tiny_bundle.transformer.patch_in.weight, atol=1e-3, rtol=1e-3
    )


@pytest.mark.parametrize(
    "text",
    ["", "not json", "[]", "null", "3", '"text"', '{"format": 1}', '{"format": 2}', "{}", "\x00\x01", "[" * 100000],
)
def test_garbage_for_a_configuration_is_told(folder, text):
    (folder / "config.json").write_text(text)
    refused(folder)


def test_bytes_that_are_no_text_are_told(folder):
    (folder / "config.json").write_bytes(b"\xff\xfe\x00")
    assert "is not the configuration" in refused(folder)


@pytest.mark.parametrize(
    ("part", "field", "value"),
    [
        (None, "format", 99), (None, "stride", [2, 4]), (None, "stride", 8), (None, "stride", [0, 4, 4]),
        (None, "patch", [1, 2, "2"]), (None, "patch", [1, 2, 4]), (None, "tokenizer", "magic"), (None, "surprise", 1),
        (None, "sampling", None), ("transformer", "width", 25), ("transformer", "width", "wide"),
        ("transformer", "width", -24), ("transformer", "width", 24.0), ("transformer", "width", 2400000),
        ("transformer", "num_heads", 0), ("transformer", "depth", 3), ("transformer", "depth", "two"),
        ("transformer", "prediction", "noise"), ("transformer", "patch_dim", 25), ("transformer", "out_dim", 48),
        ("transformer", "surprise", 1), ("text", "width", 0), ("text", "width", 18), ("text", "num_heads", 5),
        ("transformer", "text_width", 32), ("native", "surprise", 1), ("sampling", "guidance_interval", 0.5),
    ],
)  # fmt: skip
def test_an_impossible_configuration_is_told(folder, part, field, value):
    path = folder / "config.json"
    values = json.loads(path.read_text())
    (values if part is None else values[part])[field] = value
    path.write_text(json.dumps(values))
    refused(folder)


@pytest.mark.parametrize("field", ["name", "transformer", "text", "tokenizer", "stride", "patch"])
def test_a_configuration_that_lacks_a_field_is_told(folder, field):
    path = folder / "config.json"
    values = json.loads(path.read_text())
    del values[field]
    path.write_text(json.dumps(values))
    assert field in refused(folder)


def test_a_half_written_model_is_never_seen(tiny_bundle, folder, monkeypatch):
    """Saving over a model that is in use: until the last rename, each file is a whole one."""
    import langit.catalog.tensors as module

    def fail(tensors, path, metadata):
        path.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(module, "save_file", fail)
    with pytest.raises(OSError, match="disk full"):
        save(tiny_bundle, folder)
    assert load_bundle(folder).hash() == tiny_bundle.hash()


def test_names_that_are_no_model_are_told(tmp_path):
    (tmp_path / "file.txt").write_text("")
    for name, message in (
        ("no-such-model", "neither 'embedded', nor a folder"),
        (str(tmp_path / "file.txt"), "is a file"),
        ("runs/none", "neither 'embedded', nor a folder"),
        ("a b/c", "neither 'embedded', nor a folder"),
    ):
        with pytest.raises(InputError, match=message):
            find_model(name)
    assert find_model(str(tmp_path)) == tmp_path
    with pytest.raises(InputError, match=r"has no config\.json"):
        load_bundle(tmp_path)
