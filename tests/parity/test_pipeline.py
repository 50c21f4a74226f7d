"""The whole path, prompt and picture to latents and frames, against diffusers 0.42.1's pipelines: ten steps, one noise."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from langit.catalog import load_bundle
from langit.conditioning import FramesCondition
from langit.denoising import noise_of
from langit.generate import sample
from langit.patches import from_patches, grid_of
from langit.planning import Request, plan
from langit.tokenizer import decode
from langit.tokenizer.base import latent_shape
from tests.parity import wan


def starting_noise(bundle, p):
    """Our noise as their latents: what one has, the other begins with too."""
    grid = grid_of(latent_shape(bundle.tokenizer, p.shape), bundle.config.patch)
    return from_patches(noise_of([p.seed], [grid], bundle.config.transformer.out_dim), grid, bundle.config.patch)[None]


def loaded(folder, **sampling):
    bundle = load_bundle(folder)
    config = replace(bundle.config, sampling=replace(bundle.config.sampling, negative=wan.NEGATIVE, **sampling))
    return replace(bundle, config=config)


CASES = [(family, 5, (64, 32), 0) for family in wan.FAMILIES] + [
    ("2.1 T2V", 9, (32, 48), 1),
    ("2.2 I2V", 13, (32, 32), 2),
]


@pytest.mark.parametrize(("family", "frames", "size", "prompt"), CASES)
def test_ten_steps(family, frames, size, prompt, folders):
    kind = wan.FAMILIES[family]
    bundle = loaded(folders(family))
    assert bundle.config.family == family
    known = {}
    width, height = size
    if kind.picture or kind.per_patch:
        known[0] = wan.frame(height, width, 7)
    if kind.ends:
        known[frames - 1] = wan.frame(height, width, 8)
    conditions = (FramesCondition(known),) if known else ()
    p = plan(bundle, Request(wan.PROMPTS[prompt], frames=frames, size=size, seed=3, steps=10, conditions=conditions))
    found = sample(bundle, [p])[0]

    reference = wan.pipeline(family)
    if kind.per_patch:  # the 5B's own picture to video is the other pipeline class with the same parts
        import diffusers

        parts = {name: part for name, part in reference.components.items() if name != "transformer_2"}
        reference = diffusers.WanImageToVideoPipeline(**parts, expand_timesteps=True)
    reference.set_progress_bar_config(disable=True)
    late = bundle.config.sampling.late_guidance
    settings = {
        "prompt": wan.PROMPTS[prompt], "negative_prompt": wan.NEGATIVE, "height": height, "width": width, "num_frames": frames,
        "num_inference_steps": 10, "guidance_scale": p.guidance, "latents": starting_noise(bundle, p), "output_type": "latent",
        "guidance_scale_2": late[1] if late else None,
    }  # fmt: skip
    if known:
        settings["image"] = wan.picture(height, width, 7)
    if kind.ends:
        settings["last_image"] = wan.picture(height, width, 8)
    expected = reference(**settings).frames[0]
    assert wan.relative(found, expected) < 1e-4


def test_text_to_video_of_the_5b(folders):
    bundle = loaded(folders("2.2 TI2V"))
    p = plan(bundle, Request(wan.PROMPTS[0], frames=5, size=(64, 32), seed=4, steps=10))
    reference = wan.pipeline("2.2 TI2V")
    reference.set_progress_bar_config(disable=True)
    settings = {
        "prompt": wan.PROMPTS[0], "negative_prompt": wan.NEGATIVE, "height": 32, "width": 64, "num_frames": 5,
        "num_inference_steps": 10, "guidance_scale": 5.0, "latents": starting_noise(bundle, p),
    }  # fmt: skip
    found = sample(bundle, [p])[0]
    assert wan.relative(found, reference(**settings, output_type="latent").frames[0]) < 1e-4
    frames = reference(**settings, output_type="pt").frames[0]  # (f, c, h, w) in [0, 1]
    assert wan.relative((decode(bundle.tokenizer, found) + 1) / 2, frames.permute(0, 2, 3, 1)) < 1e-4


def test_several_clips_in_one_pack_are_the_clips_alone(folders):
    """Two experts, clips of different sizes and lengths, and one that starts from a source, beyond the boundary."""
    from langit.conditioning import SourceCondition

    bundle = loaded(folders("2.2 T2V"))
    source = SourceCondition(wan.frame(32, 32, 5)[None].repeat(5, 0), 0.7)
    requests = [
        Request(wan.PROMPTS[0], frames=9, size=(48, 32), seed=1, steps=4),
        Request(wan.PROMPTS[1], frames=5, size=(32, 32), seed=2, steps=4, conditions=(source,)),
    ]
    plans = [plan(bundle, request) for request in requests]
    together = sample(bundle, plans)
    for p, packed in zip(plans, together, strict=True):
        torch.testing.assert_close(packed, sample(bundle, [p])[0], atol=1e-4, rtol=1e-4)


def test_known_frames_stay_in_a_model_that_has_one_level_to_a_clip(folders):
    bundle = loaded(folders("2.1 T2V"))
    frame = wan.frame(32, 32, 5)
    p = plan(bundle, Request("x", frames=9, size=(32, 32), seed=1, steps=3, conditions=(FramesCondition({0: frame}),)))
    free = plan(bundle, Request("x", frames=9, size=(32, 32), seed=1, steps=3))
    known = FramesCondition({0: frame}).hold(bundle.tokenizer, p.shape, bundle.config.patch)
    made, other = sample(bundle, [p])[0], sample(bundle, [free])[0]
    grid = grid_of(latent_shape(bundle.tokenizer, p.shape), bundle.config.patch)
    torch.testing.assert_close(made[:, 0], from_patches(known.content, grid, bundle.config.patch)[:, 0])
    assert torch.isfinite(made).all()
    assert not torch.allclose(made[:, 1:], other[:, 1:], atol=1e-3), "the rest takes notice of what is known"
