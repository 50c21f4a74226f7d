"""Speed of open weights in our transformer, against diffusers eager on the same weights: all ratios of one run.

    python -m benchmarks.open_weights --threads 1                  the CPU part: the 30 M shape, text lengths, int8, decode
    python -m benchmarks.open_weights --device cuda                the 1.3B and 5B shapes in bfloat16 (open_weights_full.py)
    python -m benchmarks.open_weights --fewer shaped               what caching and an interval of guidance gain and change
    python -m benchmarks.open_weights --fewer embedded             the same on langit's own model, or on any other

`shaped` is a transformer of Wan's shape at the width of FINDINGS.md with random weights: it shows the mechanism and what is
gained; what is lost on trained weights is theirs to tell.

CPU time stands beside wall time; where another process shares the cores, wall time tells nothing and the ratios of CPU
time do. Results of 22 November 2026, on a core shared with other work: docs/open-weights.md.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import diffusers
import torch
from benchmarks.open_weights_full import on_device
from einops import rearrange
from torch import Tensor

from langit.catalog import Bundle, load
from langit.catalog.wan_layout import convert, transformer_config
from langit.generate import sample
from langit.packing import Text, pack, unpack
from langit.planning import Request, plan
from langit.tokenizer import decode, encode
from langit.tokenizer.wan import WanTokenizer
from langit.tokenizer.wan_autoencoder import WanAutoencoder, WanAutoencoderConfig, channels_last
from langit.transformer import Transformer
from langit.transformer.attention import attend
from langit.transformer.experts import replace_linears
from langit.transformer.int8 import TorchaoLinear, to_int8
from langit.transformer.linear import has_product, product
from langit.types import InputError

SMALL = {
    "num_attention_heads": 6,
    "attention_head_dim": 64,
    "in_channels": 16,
    "out_channels": 16,
    "text_dim": 512,
    "ffn_dim": 1536,
    "num_layers": 12,
}
WORDS, PADDED = 64, 512


@dataclass(frozen=True)
class Took:
    """The least of several runs."""

    cpu: float
    wall: float

    def __str__(self) -> str:
        return f"{self.cpu:.3f} s of CPU, {self.wall:.3f} s"


def least(run: Callable[[], object], times: int = 3) -> Took:
    """Least CPU and wall seconds of a call."""
    run()
    cpu, wall = [], []
    for _ in range(times):
        begun, at = time.perf_counter(), time.process_time()
        run()
        cpu.append(time.process_time() - at)
        wall.append(time.perf_counter() - begun)
    return Took(min(cpu), min(wall))


def ours_of(reference: torch.nn.Module) -> Transformer:
    transformer = Transformer(transformer_config(dict(reference.config, _class_name="WanTransformer3DModel"), "it"))
    transformer.load_state_dict(dict(convert(reference.state_dict())))
    return transformer.eval().requires_grad_(False)


def relative(ours: Tensor, reference: Tensor) -> float:
    return float((ours - reference).norm() / reference.norm())


@torch.inference_mode()
def on_cpu() -> None:
    torch.manual_seed(0)
    reference = diffusers.WanTransformer3DModel(**SMALL).eval().requires_grad_(False)
    transformer = ours_of(reference)
    x, text = torch.randn(1, 16, 16, 16, 16), torch.zeros(1, PADDED, 512)
    text[0, : WORDS - 1] = torch.randn(WORDS - 1, 512)
    patches, layout = pack(list(x), (1, 2, 2))
    counts = torch.ones(WORDS)
    counts[-1] = PADDED - WORDS + 1
    plain, counted = Text(text[0, :WORDS], (0, WORDS)), Text(text[0, :WORDS], (0, WORDS), counts=counts)
    sigma = torch.full((len(patches),), 0.7, dtype=torch.float64)
    one, other = torch.randn(1024, 1536), torch.randn(1536, 1536)
    matmul = least(lambda: [one @ other for _ in range(5)])
    peak = 5 * 2 * 1024 * 1536 * 1536 / matmul.cpu
    print(f"float32 matmul by torch: {peak / 1e9:.0f} GFLOP/s of CPU time")
    best = peak
    if has_product(one):
        best = 5 * 2 * 1024 * 1536 * 1536 / least(lambda: [product(one, other) for _ in range(5)]).cpu
        print(f"float32 matmul by oneDNN, which our linear layers use: {best / 1e9:.0f} GFLOP/s of CPU time")

    def theirs(length: int) -> Tensor:
        return reference(x, torch.tensor([700]), text[:, :length], return_dict=False)[0][0]

    def ours(words: Text) -> Tensor:
        return unpack(transformer(patches, sigma, layout, words), layout, (1, 2, 2))[0]

    flop = transformer.num_flop([len(patches)], [WORDS])
    _parts(transformer, patches, plain, best)
    equal, padded = least(lambda: theirs(WORDS)), least(lambda: theirs(PADDED))
    own, own_counted = least(lambda: ours(plain)), least(lambda: ours(counted))
    print(
        f"our forward, {WORDS} tokens: {own}; {flop / own.cpu / peak:.0%} of torch's matmul (aim 85%), "
        f"{flop / own.cpu / best:.0%} of oneDNN's"
    )
    print(
        f"diffusers eager at {WORDS} tokens: {equal}; ratio {equal.cpu / own.cpu:.2f} (aim 1.15), "
        f"error {relative(ours(plain), theirs(WORDS)):.1e}"
    )
    print(
        f"diffusers eager padded to {PADDED}: {padded}; ratio {padded.cpu / own_counted.cpu:.2f} (aim 1.4), "
        f"error {relative(ours(counted), theirs(PADDED)):.1e}"
    )
    expected = theirs(PADDED)
    to_int8(transformer)
    rough = least(lambda: ours(counted))
    print(
        f"int8 linears: {rough}; ratio to diffusers as its pipeline runs it {padded.cpu / rough.cpu:.2f} (aim 1.7), at "
        f"equal text {equal.cpu / least(lambda: ours(plain)).cpu:.2f}, error {relative(ours(counted), expected):.1e}"
    )

    transformer = ours_of(reference)
    try:
        replace_linears(transformer, TorchaoLinear)
    except InputError as error:
        print(f"int8 linears by torchao: {error}")
    else:
        print(f"int8 linears by torchao: {least(lambda: ours(counted))}, error {relative(ours(counted), expected):.1e}")
    for base, frames, side in ((32, 3, 12), (96, 2, 8)):
        _autoencoder(base, frames, side)


def _parts(transformer: Transformer, patches: Tensor, words: Text, best: float) -> None:
    """Where the time of a forward goes: the same layers and the same attention by themselves."""
    config, n = transformer.config, len(patches)
    x, hidden = torch.randn(n, config.width), torch.randn(n, config.ffn_width)
    query = torch.randn(n, config.num_heads, config.width // config.num_heads)
    key = torch.randn(WORDS, *query.shape[1:])

    def linears() -> None:
        for block in transformer.blocks:
            for attention in (block.self_attention, block.cross_attention):
                seen = x if attention is block.self_attention else x[:WORDS]
                attention.query(x), attention.key(seen), attention.value(seen), attention.out(x)
            block.ffn_in(x), block.ffn_out(hidden)

    def attentions() -> None:
        for _ in transformer.blocks:
            attend(query, query, query, (0, n), (0, n))
            attend(query, key, key, (0, n), (0, WORDS))

    pairs = 4 * config.depth * config.width * n * (n + WORDS)
    whole = transformer.num_flop([n], [WORDS]) - pairs
    for what, run, flop in (("linear layers", linears, whole), ("attention", attentions, pairs)):
        took = least(run)
        print(
            f"    of which {what}: {took.cpu:.3f} s of CPU for {flop / 1e9:.0f} GFLOP, {flop / took.cpu / best:.0%} of oneDNN's"
        )


def _autoencoder(base: int, frames: int, side: int) -> None:
    reference = diffusers.AutoencoderKLWan(base_dim=base).eval().requires_grad_(False)
    vae = WanAutoencoder(WanAutoencoderConfig.from_json(reference.config))
    vae.load_state_dict(reference.state_dict())
    tokenizer = WanTokenizer(channels_last(vae.eval().requires_grad_(False)))
    latents = torch.randn(16, frames, side, side)
    shape = (-1, 1, 1, 1)
    mean, deviation = (torch.tensor(v).view(shape) for v in (vae.config.latents_mean, vae.config.latents_std))
    what = f"autoencoder of base {base}, {4 * frames - 3} frames of {8 * side}x{8 * side}"

    def decoded() -> Tensor:
        return rearrange(reference.decode((latents * deviation + mean)[None]).sample[0], "c f h w -> f h w c")

    theirs, ours = least(decoded, 1), least(lambda: decode(tokenizer, latents), 2)
    print(
        f"{what}, decoding: diffusers {theirs}, ours {ours}; ratio {theirs.cpu / ours.cpu:.2f} (aim 1.2), "
        f"error {relative(decode(tokenizer, latents), decoded()):.1e}"
    )
    tiled = replace(tokenizer, tile=4 * side)
    in_tiles = least(lambda: decode(tiled, latents), 1)
    print(
        f"    in tiles of {4 * side} pixels: {in_tiles}, error against whole "
        f"{relative(decode(tiled, latents), decode(tokenizer, latents)):.1e}"
    )
    clip = decode(tokenizer, latents)
    moving = rearrange(clip, "f h w c -> 1 c f h w")
    theirs, ours = least(lambda: reference.encode(moving), 1), least(lambda: encode(tokenizer, clip), 2)
    print(f"{what}, encoding: diffusers {theirs}, ours {ours}; ratio {theirs.cpu / ours.cpu:.2f}")


INTERVALS = ((0.2, 1.0), (0.2, 0.95), (0.4, 0.9))
EVERY = (2, 3, 4)


def fewer(model: str) -> None:
    """Fewer evaluations: most blocks at some steps alone, guidance between some noise levels alone."""
    with tempfile.TemporaryDirectory() as folder:
        name, size = model, (64, 64)
        if model == "shaped":
            name, size = str(_shaped(Path(folder))), (128, 128)
        request = Request("a red ball bounces past a blue cube", frames=17, size=size, seed=0, steps=30, quality="best")
        if model == "shaped":
            request = replace(request, quality=None)
        whole = _told("every evaluation whole, guidance throughout", load(name), request, None)
        for every in EVERY:
            _told(f"every {every}. evaluation whole", load(f"{name}+cache{every}"), request, whole)
        for low, high in INTERVALS:
            _told(f"guidance between {low} and {high}", load(f"{name}+guided{low}-{high}"), request, whole)
        low, high = INTERVALS[1]
        _told(f"both: every 2., between {low} and {high}", load(f"{name}+cache2+guided{low}-{high}"), request, whole)


def _shaped(folder: Path) -> Path:
    """A folder in diffusers' layout: the transformer of SMALL, small encoders, the autoencoder at a third of its width."""
    from tests.parity import wan

    torch.manual_seed(0)
    settings = SMALL | {"text_dim": 16}
    pipeline = diffusers.WanPipeline(
        tokenizer=wan.prompt_tokenizer(),
        text_encoder=wan.text_encoder(),
        vae=diffusers.AutoencoderKLWan(base_dim=32),
        scheduler=wan.scheduler(3.0),
        transformer=wan.lively(diffusers.WanTransformer3DModel(**settings), 0),
    )
    pipeline.save_pretrained(folder)
    return folder


Made = tuple[float, Tensor, Tensor]
"""Seconds of CPU, latents, frames."""


def _told(what: str, bundle: Bundle, request: Request, whole: Made | None) -> Made:
    """What a bundle takes for a clip, and how it differs from the whole one."""
    p = plan(bundle, request)
    sample(bundle, [replace(p, steps=2)])
    calls: list[int] = []
    counted = bundle.transformer.register_forward_hook(lambda *_: calls.append(1))
    at = time.process_time()
    latents = sample(bundle, [p])[0]
    took, frames = time.process_time() - at, decode(bundle.tokenizer, latents)
    counted.remove()
    whole = whole or (took, latents, frames)
    error = float(((frames - whole[2]) / 2).square().mean())
    print(
        f"{what}: {len(calls)} evaluations, {took:.2f} s of CPU, gain {whole[0] / took:.2f}, change of the latents "
        f"{relative(latents, whole[1]):.3f}, of the frames {10 * torch.tensor(1 / max(error, 1e-12)).log10():.1f} dB"
    )
    return took, latents, frames


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--fewer", metavar="MODEL")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    if chosen.fewer:
        fewer(chosen.fewer)
    elif chosen.device == "cuda":
        on_device("cuda")
    else:
        on_cpu()
