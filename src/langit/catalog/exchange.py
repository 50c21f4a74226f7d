"""Another tokenizer for a model that is trained: one whose latents are the same, and whose way back is better."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import torch

from langit.catalog.bundle import BundleConfig, load_bundle
from langit.catalog.tokenizers import load_tokenizer, save_tokenizer
from langit.tokenizer import encode, kind_of
from langit.types import InputError

FARTHEST = 0.02  # of the latents' deviation: fp16 weights and the like


def exchange_tokenizer(model: Path, tokenizer: Path, output: Path) -> None:
    """Write to `output`, which must not be there, the model with the tokenizer of a folder that training wrote.

    `InputError` unless both make the same latents of the same frames (`TokenizerTraining.keep_latents`).
    """
    bundle, new = load_bundle(model), load_tokenizer(tokenizer)
    if not isinstance(bundle.config, BundleConfig):
        raise InputError(f"{model} holds open weights, which keep their own autoencoder; name a model of langit's own.")
    if output.exists():
        raise InputError(f"{output} is there already; name a folder that is not.")
    if (new.stride, new.channels) != (bundle.tokenizer.stride, bundle.tokenizer.channels):
        raise InputError(
            f"The tokenizer in {tokenizer} has a stride of {new.stride} and {new.channels} channels; the model in {model} "
            f"has {bundle.tokenizer.stride} and {bundle.tokenizer.channels}."
        )
    t, h, w = new.stride
    frames = torch.randn(1 + 2 * t, 4 * h, 4 * w, 3, generator=torch.Generator().manual_seed(0)) / 2
    old_latents, new_latents = encode(bundle.tokenizer, frames), encode(new, frames)
    if (new_latents - old_latents).abs().max() > FARTHEST * old_latents.std():
        raise InputError(
            f"The tokenizer in {tokenizer} makes other latents than those that the model in {model} was trained on. Train one "
            "that keeps them, with keep_latents in its recipe, or train the model anew on this one."
        )
    aside = output.with_name(f".{output.name}.part")
    shutil.rmtree(aside, ignore_errors=True)
    shutil.copytree(model, aside)
    save_tokenizer(aside, new)
    config = dataclasses.replace(bundle.config, tokenizer=kind_of(new))
    (aside / "config.json").write_text(json.dumps(dataclasses.asdict(config), indent=2) + "\n")
    aside.rename(output)
