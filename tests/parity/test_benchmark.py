"""The benchmark's device part, which a GPU alone makes worth running: every line of it at small size on the CPU."""

from __future__ import annotations

import re

import pytest
import torch
from benchmarks.open_weights_full import SHAPES, VAE_22, Shape, on_device

from langit.catalog.wan_autoencoder import WAN_22
from langit.types import ClipShape
from tests.parity import wan


@pytest.mark.parametrize("family", ["2.1 T2V", "2.2 TI2V"])
def test_every_line_is_printed(family):
    said = []
    kind = wan.FAMILIES[family]
    on_device("cpu", [Shape("small", wan.SHAPE | kind.transformer, kind.vae, ClipShape(5, 64, 32))], said.append)
    told = "\n".join(said)
    number = r"[\d.e+-]+"
    assert re.search(rf"ours: {number} s a forward, {number} s a guided step, {number} TFLOP/s, {number}% of 989", told)
    for line, most in (("ours in float8", 0.2), ("ours in int8", 0.1), ("blocks streamed", 0.0), ("ratio to", 1e-5)):
        found = re.search(rf"{line}.*, error ({number})", told)
        assert found is not None, told
        assert float(found[1]) <= most, line
    assert re.search(rf"decoding: diffusers {number} s, .* ratio {number} \(aim 1.2\), error {number}", told)
    assert "diffusers with native" in told


@pytest.mark.skipif(torch.cuda.is_available(), reason="tells what would come")
def test_without_a_gpu_it_says_what_it_would_print():
    said = []
    on_device("cuda", say=said.append)
    assert "1.3B" in said[0]
    assert "81 frames of 832x480" in said[0]
    assert "121 frames of 1280x704" in said[0]
    assert "aim 50%" in said[1]
    assert any("aim 1.4" in line for line in said)


def test_its_autoencoder_is_the_published_one():
    assert [shape.autoencoder for shape in SHAPES] == [{}, VAE_22]
    for name, value in VAE_22.items():
        if not name.startswith("latents"):
            found = getattr(WAN_22, name)
            assert (list(found) if isinstance(found, tuple) else found) == value, name
