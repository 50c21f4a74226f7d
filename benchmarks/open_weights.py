"""Speed of open weights in our transformer, against diffusers eager on the same weights: all ratios of one run.

    python -m benchmarks.open_weights --threads 1                  the CPU part: the 30 M shape, text lengths, int8, decode
    python -m benchmarks.open_weights --device cuda                the 1.3B and 5B shapes in bfloat16, random weights
    python -m benchmarks.open_weights --guidance MODEL             what an interval of guidance gains and changes
    python -m benchmarks.open_weights --cache MODEL                the same of feature caching

CPU time stands beside wall time; where another process shares the cores, wall time tells nothing and the ratios of CPU
time do. Results of 22 November 2026, on a core shared with other work: docs/open-weights.md.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import diffusers
import torch
from einops import rearrange
from torch import Tensor

from langit.catalog import Bundle, load
from langit.catalog.wan_layout import convert, transformer_config
from langit.generate import Request, plan, sample
from langit.packing import Text, pack, unpack
from langit.tokenizer import decode, encode
from langit.tokenizer.wan import WanTokenizer
from langit.tokenizer.wan_autoencoder import WanAutoencoder, WanAutoencoderConfig, channels_last
from langit.transformer import Transformer
from langit.transformer.int8 import to_int8
from langit.transformer.linear import has_product, product

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
H100_PEAK = 989e12


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

    for base, frames, side in ((32, 3, 12), (96, 2, 12)):
        _autoencoder(base, frames, side)


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


@torch.inference_mode()
def on_cuda() -> None:
    if not torch.cuda.is_available():
        print("No CUDA device here. On one this prints, for the 1.3B shape at 480p81 and the 5B shape at 704x1280x121:")
        print(
            "seconds per step, TFLOP/s, share of 989 TFLOP/s (aim 50%), peak memory, ratio to diffusers' best attention."
        )
        return
    from langit.catalog.published import PUBLISHED

    for name in ("Wan-AI/Wan2.1-T2V-1.3B-Diffusers", "Wan-AI/Wan2.2-TI2V-5B-Diffusers"):
        model = PUBLISHED[name]
        clip, spatial = model.clip, model.spatial
        size = (1 + (clip.frames - 1) // 4, clip.height // spatial, clip.width // spatial)
        channels = model.transformer.out_dim // 4
        settings = {key: value for key, value in model.diffusers.items() if not key.startswith("_")}
        with torch.device("cuda"):
            torch.set_default_dtype(torch.bfloat16)
            reference = diffusers.WanTransformer3DModel(**settings).eval().requires_grad_(False)
            torch.set_default_dtype(torch.float32)
            transformer = ours_of(reference).to(torch.bfloat16)
            x = torch.randn(1, channels, *size, dtype=torch.bfloat16)
            text = torch.randn(1, PADDED, 4096, dtype=torch.bfloat16)
            patches, layout = pack(list(x), (1, 2, 2))
            layout = layout.to("cuda")
            sigma = torch.full((len(patches),), 0.7, dtype=torch.float64)
        words = Text(text[0], (0, PADDED))
        flop = transformer.num_flop([len(patches)], [PADDED])
        torch.cuda.reset_peak_memory_stats()
        own = _seconds(lambda: transformer(patches, sigma, layout, words))  # noqa: B023 (called at once)
        memory = torch.cuda.max_memory_allocated() / 1e9
        best = {}
        for backend in ("native", "_native_cudnn", "flash", "_flash_3", "sage"):
            try:
                reference.set_attention_backend(backend)
                step = torch.tensor([700], device="cuda")
                best[backend] = _seconds(lambda: reference(x, step, text, return_dict=False))  # noqa: B023
            except Exception as error:  # a backend that is not installed
                print(f"  diffusers' {backend}: {type(error).__name__}")
        fastest = min(best, key=best.__getitem__)
        print(
            f"{name}, {clip}: {own:.3f} s a step, {flop / own / 1e12:.0f} TFLOP/s, {flop / own / H100_PEAK:.0%} of 989 "
            f"(aim 50%), {memory:.1f} GB; diffusers with {fastest} {best[fastest]:.3f} s, "
            f"ratio {best[fastest] / own:.2f} (aim 1.4)"
        )


def _seconds(run: Callable[[], object], times: int = 3) -> float:
    run()
    torch.cuda.synchronize()
    begun = time.perf_counter()
    for _ in range(times):
        run()
    torch.cuda.synchronize()
    return (time.perf_counter() - begun) / times


def guidance(model: str) -> None:
    """Guidance in an interval alone: the second evaluation is saved outside it."""
    bundle = load(model)
    whole: Made | None = None
    for interval in ((0.0, 1.0), (0.2, 1.0), (0.2, 0.95), (0.4, 0.9)):
        sampling = replace(bundle.config.sampling, guidance_interval=interval)
        whole = _told(
            f"guidance in {interval}", replace(bundle, config=replace(bundle.config, sampling=sampling)), whole
        )


def cache(model: str) -> None:
    """Whole evaluations at some steps alone."""
    whole = _told("every evaluation whole", load(model), None)
    for every in (2, 3, 4):
        _told(f"every {every}. evaluation whole", load(f"{model}+cache{every}"), whole)


Made = tuple[float, Tensor, Tensor]
"""Seconds of CPU, latents, frames."""


def _told(what: str, bundle: Bundle, whole: Made | None) -> Made:
    """What a bundle takes for a clip, and how it differs from the whole one."""
    request = Request("a red ball bounces past a blue cube", frames=17, size=(64, 64), seed=0, steps=30, quality="best")
    p = plan(bundle, request)
    sample(bundle, [replace(p, steps=2)])
    at = time.process_time()
    latents = sample(bundle, [p])[0]
    took, frames = time.process_time() - at, decode(bundle.tokenizer, latents)
    whole = whole or (took, latents, frames)
    error = float(((frames - whole[2]) / 2).square().mean())
    print(
        f"{what}: {took:.2f} s of CPU, gain {whole[0] / took:.2f}, change of the latents {relative(latents, whole[1]):.3f}, "
        f"of the frames {10 * torch.tensor(1 / max(error, 1e-12)).log10():.1f} dB"
    )
    return took, latents, frames


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--guidance", metavar="MODEL")
    parser.add_argument("--cache", metavar="MODEL")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    if chosen.guidance:
        guidance(chosen.guidance)
    elif chosen.cache:
        cache(chosen.cache)
    elif chosen.device == "cuda":
        on_cuda()
    else:
        on_cpu()
