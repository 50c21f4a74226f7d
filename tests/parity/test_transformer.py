"""Our transformer against diffusers 0.42.1's WanTransformer3DModel: whole and block by block, for the six families."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F

from langit.catalog.wan_layout import convert, diffusers_name, our_name, to_diffusers, transformer_config
from langit.packing import Text, bounds_of, pack, unpack
from langit.transformer import Transformer
from tests.parity import wan

PATCH = (1, 2, 2)
CASES = [
    # clips, latent frames, rows, columns, timestep, prompt lengths
    (1, 1, 2, 4, 999, (7,)),
    (2, 3, 4, 6, 713, (9, 5)),
    (1, 5, 6, 2, 20, (512,)),
    (3, 2, 4, 4, 0, (1, 40, 1)),
]


def ours_of(reference):
    with torch.device("meta"):
        ours = Transformer(
            transformer_config(dict(reference.config, _class_name="WanTransformer3DModel"), "the reference")
        )
    ours.load_state_dict(dict(convert(reference.state_dict())), assign=True)
    return ours.requires_grad_(False).eval()


def inputs(family, case, seed=0):
    clips, frames, rows, columns, timestep, lengths = case
    reference = wan.transformer(family)
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(clips, reference.config.in_channels, frames, rows, columns, generator=generator)
    text = torch.zeros(clips, 512, wan.SHAPE["text_dim"])
    for clip, length in enumerate(lengths):
        text[clip, :length] = torch.randn(length, wan.SHAPE["text_dim"], generator=generator)
    picture = None
    if reference.config.image_dim:
        each = 2 if reference.config.pos_embed_seq_len else 1
        picture = torch.randn(clips * each, wan.CLIP_TOKENS, wan.CLIP_WIDTH, generator=generator)
    level = torch.tensor(float(timestep))
    if wan.FAMILIES[family].per_patch and frames > 1:  # the first frame is known, so its timestep is 0
        per_frame = torch.full((frames,), level)
        per_frame[0] = 0
        timesteps = per_frame[:, None].expand(frames, rows * columns // 4).flatten().expand(clips, -1)
    else:
        timesteps = level.expand(clips)
    return x, timesteps, text, picture


def packed(x, timesteps, text, picture, lengths):
    patches, layout = pack(list(x), PATCH)
    each = len(patches) // len(x)
    sigma = (
        timesteps.double() if timesteps.ndim == 2 else timesteps.double()[:, None].expand(-1, each)
    ).flatten() / 1000
    kept = [min(512, length + 1) for length in lengths]
    counts = torch.ones(sum(kept))
    for (_, end), length in zip(pairwise(bounds_of(kept)), lengths, strict=True):
        counts[end - 1] = max(1, 512 - length)
    pictures = None
    if picture is not None:
        states = picture.flatten(0, 1)
        pictures = Text(states, bounds_of([len(states) // len(x)] * len(x)))
    states = torch.cat([text[clip, :count] for clip, count in enumerate(kept)])
    return patches, sigma, layout, Text(states, bounds_of(kept), counts=counts, pictures=pictures)


@pytest.mark.parametrize("family", wan.FAMILIES)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_whole_transformer(family, case):
    x, timesteps, text, picture = inputs(family, case)
    reference = wan.transformer(family)
    expected = reference(x, timesteps, text, picture, return_dict=False)[0]
    patches, sigma, layout, words = packed(x, timesteps, text, picture, case[-1])
    with torch.inference_mode():
        found = torch.stack(unpack(ours_of(reference)(patches, sigma, layout, words), layout, PATCH))
    assert wan.relative(found, expected) < 1e-5
    # With gradients the feed-forward takes its other path.
    found = torch.stack(unpack(ours_of(reference)(patches, sigma, layout, words), layout, PATCH))
    assert wan.relative(found, expected) < 1e-5


@pytest.mark.parametrize("family", wan.FAMILIES)
def test_every_block(family):
    """What enters and leaves each block, so that a difference names its place."""
    case = CASES[1]
    x, timesteps, text, picture = inputs(family, case, seed=3)
    reference = wan.transformer(family)
    ours = ours_of(reference)
    expected, found = {}, {}
    hooks = [
        block.register_forward_hook(lambda _, __, out, i=i, kept=kept: kept.update({i: out}))
        for blocks, kept in ((reference.blocks, expected), (ours.blocks, found))
        for i, block in enumerate(blocks)
    ]
    reference(x, timesteps, text, picture)
    ours(*packed(x, timesteps, text, picture, case[-1]))
    for hook in hooks:
        hook.remove()
    assert sorted(expected) == sorted(found) == list(range(wan.SHAPE["num_layers"]))
    for index, states in expected.items():
        assert wan.relative(found[index], states.flatten(0, 1)) < 1e-5, f"block {index}"


def test_what_we_count_once_is_what_they_pad():
    """The bias by the logarithm of a count is the repeated key itself, not something near it."""
    x, timesteps, text, picture = inputs("2.1 T2V", CASES[0])
    reference = wan.transformer("2.1 T2V")
    patches, sigma, layout, words = packed(x, timesteps, text, picture, (7,))
    padded = Text(text[0], (0, 512))
    ours = ours_of(reference)
    assert wan.relative(ours(patches, sigma, layout, words), ours(patches, sigma, layout, padded)) < 5e-6
    unpadded = Text(text[0, :7], (0, 7))
    assert wan.relative(ours(patches, sigma, layout, unpadded), ours(patches, sigma, layout, padded)) > 1e-3


def test_names_go_both_ways():
    for family in wan.FAMILIES:
        reference = wan.transformer(family).state_dict()
        back = to_diffusers(ours_of(wan.transformer(family)).state_dict())
        assert back.keys() == reference.keys()
        assert all(torch.equal(back[name], reference[name]) for name in reference)
        assert all(diffusers_name(our_name(name)) == name for name in reference)


# Wan's own names, by the rules that its authors' files follow: written out here, apart from the table under test.
def own_name(name: str) -> str:
    for theirs, own in (
        ("condition_embedder.time_embedder.linear_1", "time_embedding.0"),
        ("condition_embedder.time_embedder.linear_2", "time_embedding.2"),
        ("condition_embedder.text_embedder.linear_1", "text_embedding.0"),
        ("condition_embedder.text_embedder.linear_2", "text_embedding.2"),
        ("condition_embedder.time_proj", "time_projection.1"),
        ("condition_embedder.image_embedder.norm1", "img_emb.proj.0"),
        ("condition_embedder.image_embedder.ff.net.0.proj", "img_emb.proj.1"),
        ("condition_embedder.image_embedder.ff.net.2", "img_emb.proj.3"),
        ("condition_embedder.image_embedder.norm2", "img_emb.proj.4"),
        ("condition_embedder.image_embedder.pos_embed", "img_emb.emb_pos"),
        ("attn1", "self_attn"), ("attn2", "cross_attn"), ("to_out.0", "o"), ("to_q", "q"), ("to_k", "k"), ("to_v", "v"),
        ("norm_added_k", "norm_k_img"), ("add_k_proj", "k_img"), ("add_v_proj", "v_img"), ("norm2", "norm3"),
        ("ffn.net.0.proj", "ffn.0"), ("ffn.net.2", "ffn.2"), ("proj_out", "head.head"),
    ):  # fmt: skip
        if name.startswith("blocks") and not theirs.startswith("condition_embedder"):
            name = name.replace(f".{theirs}.", f".{own}.")
        elif not name.startswith("blocks"):
            name = name.replace(theirs, own)
    return name.replace("scale_shift_table", "modulation" if name.startswith("blocks") else "head.modulation")


@pytest.mark.parametrize("family", wan.FAMILIES)
@pytest.mark.parametrize("prefix", ["", "model.diffusion_model."])
def test_the_original_layout(family, prefix):
    state = wan.transformer(family).state_dict()
    original = {prefix + own_name(name): tensor for name, tensor in state.items()}
    assert len(original) == len(state)
    ours, from_original = dict(convert(state)), dict(convert(original))
    assert ours.keys() == from_original.keys()
    assert all(torch.equal(ours[name], from_original[name]) for name in ours)


def test_the_original_names_are_what_diffusers_reads():
    """The rules above against diffusers' own converter of the original files."""
    from diffusers.loaders.single_file_utils import convert_wan_transformer_to_diffusers

    for family in ("2.1 I2V", "2.2 T2V"):
        state = wan.transformer(family).state_dict()
        read = convert_wan_transformer_to_diffusers({own_name(name): tensor for name, tensor in state.items()})
        assert read.keys() == state.keys()


def test_gelu_is_the_same_function():
    torch.manual_seed(0)
    block = ours_of(wan.transformer("2.1 T2V")).blocks[0]
    rows = torch.randn(200, 24) * 3
    expected = block.ffn_out(F.gelu(block.ffn_in(rows), approximate="tanh"))
    with torch.inference_mode():
        assert wan.relative(block.feed(rows), expected) < 1e-6
