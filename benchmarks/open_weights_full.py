"""The device part of `benchmarks.open_weights`: published shapes with random weights, ours against diffusers.

What one run prints for each model, in bfloat16 on one GPU: seconds a forward and a guided step, TFLOP/s and their share of
the chip's peak, memory at most, the same in 8 bits and with blocks streamed from CPU memory, diffusers with each attention
that is installed, the ratio to the best of them, the autoencoder's decode. Without a GPU it says so, line by line.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import diffusers
import torch
from diffusers.models.attention_dispatch import attention_backend
from einops import rearrange
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from langit.catalog.memory import GIB
from langit.catalog.published import PUBLISHED
from langit.catalog.wan_layout import convert, transformer_config
from langit.packing import Text, pack, unpack
from langit.tokenizer import decode
from langit.tokenizer.wan import WanTokenizer
from langit.tokenizer.wan_autoencoder import WanAutoencoder, WanAutoencoderConfig
from langit.transformer import Transformer
from langit.transformer.eight_bits import EightBits, linear_kind
from langit.transformer.experts import replace_linears
from langit.transformer.streaming import StreamedBlocks
from langit.types import ClipShape, InputError

PEAK = 989e12
"""bfloat16 products of one H100 (or H200), by its maker, in operations a second."""
PADDED = 512
WORDS = 64  # of the prompt; the rest of 512 is padding, which is one counted token in ours
BACKENDS = ("native", "_native_cudnn", "_native_flash", "_native_efficient", "flash", "_flash_3", "sage")


@dataclass(frozen=True)
class Shape:
    """A transformer and an autoencoder as diffusers configures them, and the clip to make."""

    name: str
    transformer: dict[str, Any]
    autoencoder: dict[str, Any]
    clip: ClipShape


VAE_22 = {
    "base_dim": 160, "decoder_base_dim": 256, "z_dim": 48, "is_residual": True, "in_channels": 12, "out_channels": 12,
    "patch_size": 2, "scale_factor_spatial": 16, "latents_mean": [0.0] * 48, "latents_std": [1.0] * 48,
    "temperal_downsample": [False, True, True],
}  # fmt: skip
SHAPES = tuple(
    Shape(name, {key: value for key, value in PUBLISHED[name].diffusers.items() if key[0] != "_"}, vae, PUBLISHED[name].clip)
    for name, vae in (("Wan-AI/Wan2.1-T2V-1.3B-Diffusers", {}), ("Wan-AI/Wan2.2-TI2V-5B-Diffusers", VAE_22))
)  # fmt: skip


def on_device(device: str, shapes: Sequence[Shape] = SHAPES, say: Callable[[str], None] = print) -> None:
    """Measure every shape there; `say` gets each line."""
    place = torch.device(device)
    if place.type == "cuda" and not torch.cuda.is_available():
        say(
            "No CUDA device here. On one this prints, for each of: " + ", ".join(f"{s.name} ({s.clip})" for s in shapes)
        )
        for line in (
            "ours: seconds a forward, seconds a guided step, TFLOP/s, share of 989 TFLOP/s (aim 50%), GiB at most",
            "ours, cuDNN's attention first: the same",
            "ours in float8, in int8 by torchao: the same, and the error against bfloat16",
            "ours, blocks streamed from CPU memory: the same, and that the error is 0",
            "diffusers with each of: " + ", ".join(BACKENDS),
            "the ratio of the best of diffusers to the best of ours (aim 1.4), and the error between them",
            "the autoencoder's decode of that clip: seconds and GiB, ours and diffusers'",
        ):
            say(f"    {line}")
        return
    for shape in shapes:
        _transformer(shape, place, say)
        _autoencoder(shape, place, say)


@dataclass(frozen=True)
class Took:
    """What a call took: seconds, and what it held on the GPU at most (0 elsewhere)."""

    seconds: float
    peak: int
    result: Tensor

    def told(self, flop: float) -> str:
        memory = f", {self.peak / GIB:.1f} GiB at most" if self.peak else ""
        return (
            f"{self.seconds:.3g} s a forward, {2 * self.seconds:.3g} s a guided step, {flop / self.seconds / 1e12:.3g} TFLOP/s, "
            f"{flop / self.seconds / PEAK:.1%} of 989{memory}"
        )


def _took(run: Callable[[], Tensor], place: torch.device, times: int = 3) -> Took:
    result = run()  # the first call chooses kernels
    if place.type == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    begun = time.perf_counter()
    for _ in range(times):
        result = run()
    if place.type == "cuda":
        torch.cuda.synchronize()
    seconds = (time.perf_counter() - begun) / times
    return Took(seconds, torch.cuda.max_memory_allocated() if place.type == "cuda" else 0, result.float().cpu())


@torch.inference_mode()
def _transformer(shape: Shape, place: torch.device, say: Callable[[str], None]) -> None:
    kind = torch.bfloat16 if place.type == "cuda" else torch.float32
    say(f"{shape.name}, {shape.clip} in {str(kind).removeprefix('torch.')} on {place}:")
    torch.manual_seed(0)
    reference = diffusers.WanTransformer3DModel(**shape.transformer).eval().requires_grad_(False)
    exact = reference._keep_in_fp32_modules
    for name, parameter in reference.named_parameters():
        if parameter.ndim > 1:  # as large as trained ones: fresh layers hardly change what enters
            parameter.normal_(std=parameter[0].numel() ** -0.5)
        if not any(part in name for part in exact):  # what diffusers itself keeps in float32
            parameter.data = parameter.data.to(kind)
    values = dict(reference.config, _class_name="WanTransformer3DModel")
    config = transformer_config(values, shape.name)
    weights = dict(convert(reference.state_dict()))

    def ours() -> Transformer:
        with torch.device("meta"):
            transformer = Transformer(config)
        transformer.load_state_dict(
            {name: tensor.to(place, copy=True) for name, tensor in weights.items()}, assign=True
        )
        return transformer.eval().requires_grad_(False)

    spatial = shape.autoencoder.get("scale_factor_spatial", 8)
    size = (1 + (shape.clip.frames - 1) // 4, shape.clip.height // spatial, shape.clip.width // spatial)
    x = torch.randn(1, values["in_channels"], *size).to(place, kind)
    text = torch.zeros(1, PADDED, values["text_dim"])
    text[0, : WORDS - 1] = torch.randn(WORDS - 1, text.shape[-1])
    text = text.to(place, kind)
    counts = torch.ones(WORDS, device=place)
    counts[-1] = PADDED - WORDS + 1
    words = Text(text[0, :WORDS], (0, WORDS), counts=counts)
    patches, layout = pack(list(x), (1, 2, 2))
    layout = layout.to(str(place))
    sigma = torch.full((len(patches),), 0.7, dtype=torch.float64, device=place)

    def run(transformer: Transformer) -> Tensor:
        return unpack(transformer(patches, sigma, layout, words), layout, (1, 2, 2))[0]

    transformer = ours()
    flop = transformer.num_flop([len(patches)], [WORDS])
    say(f"  {len(patches)} patches, {flop / 1e12:.3g} TFLOP a forward")
    plain = _took(partial(run, transformer), place)
    say(f"  ours: {plain.told(flop)} (aim 50%)")
    best = plain
    if place.type == "cuda":
        with _cudnn_first():
            cudnn = _took(partial(run, transformer), place)
        say(f"  ours, cuDNN's attention first: {cudnn.told(flop)}")
        best = min(plain, cudnn, key=lambda took: took.seconds)
    del transformer
    for bits in ("float8", "int8"):
        say(f"  ours in {bits}: {_in_bits(ours(), bits, run, place, plain, flop)}")
    sources = [
        {name.removeprefix(f"blocks.{number}."): partial(_itself, tensor) for name, tensor in weights.items()
         if name.startswith(f"blocks.{number}.")}
        for number in range(config.depth)
    ]  # fmt: skip
    transformer = ours()
    streamed: Any = StreamedBlocks(config, sources, place)
    transformer.blocks = streamed
    took = _took(partial(run, transformer), place)
    say(f"  ours, blocks streamed: {took.told(flop)}, error {_relative(took.result, plain.result):.1e}")
    del transformer, streamed
    reference = reference.to(place)
    step = torch.tensor([700], device=place)
    theirs: dict[str, Took] = {}
    for backend in BACKENDS:
        try:
            with attention_backend(backend):
                theirs[backend] = _took(lambda: reference(x, step, text, return_dict=False)[0][0], place)
        except Exception as error:  # one that is not installed, or not for this device
            say(f"  diffusers with {backend}: not here ({type(error).__name__})")
            continue
        say(f"  diffusers with {backend}: {theirs[backend].told(flop)}")
    fastest = min(theirs, key=lambda name: theirs[name].seconds)
    say(
        f"  ratio to diffusers with {fastest}: {theirs[fastest].seconds / best.seconds:.2f} (aim 1.4), "
        f"error {_relative(plain.result, theirs[fastest].result):.1e}"
    )


def _in_bits(
    transformer: Transformer,
    bits: EightBits,
    run: Callable[[Transformer], Tensor],
    place: torch.device,
    plain: Took,
    flop: float,
) -> str:
    try:
        replace_linears(transformer, linear_kind(bits, place))
    except InputError as error:
        return f"not here ({error})"
    took = _took(partial(run, transformer), place)
    return f"{took.told(flop)}, error {_relative(took.result, plain.result):.1e}"


@torch.inference_mode()
def _autoencoder(shape: Shape, place: torch.device, say: Callable[[str], None]) -> None:
    kind = torch.bfloat16 if place.type == "cuda" else torch.float32
    reference = diffusers.AutoencoderKLWan(**shape.autoencoder).to(place, kind).eval().requires_grad_(False)
    vae = WanAutoencoder(WanAutoencoderConfig.from_json(reference.config)).to(place, kind)
    vae.load_state_dict(reference.state_dict())
    tokenizer = WanTokenizer(vae.eval().requires_grad_(False))
    f, h, w = tokenizer.stride
    size = (1 + (shape.clip.frames - 1) // f, shape.clip.height // h, shape.clip.width // w)
    latents = torch.randn(tokenizer.channels, *size)
    statistics = (vae.config.latents_mean, vae.config.latents_std)
    mean, deviation = (torch.tensor(v).view(-1, 1, 1, 1) for v in statistics)
    z = (latents * deviation + mean)[None].to(place, kind)
    ours = _took(lambda: decode(tokenizer, latents), place, 1)
    say(f"  decoding: ours {ours.seconds:.3g} s, {ours.peak / GIB:.1f} GiB at most")
    try:
        theirs = _took(lambda: reference.decode(z).sample[0], place, 1)
    except torch.OutOfMemoryError:
        say("  decoding: diffusers has not enough memory")
        return
    expected = rearrange(theirs.result, "c f h w -> f h w c")
    say(
        f"  decoding: diffusers {theirs.seconds:.3g} s, {theirs.peak / GIB:.1f} GiB at most; "
        f"ratio {theirs.seconds / ours.seconds:.2f} (aim 1.2), error {_relative(ours.result, expected):.1e}"
    )


def _cudnn_first() -> AbstractContextManager[object]:
    order = [SDPBackend.CUDNN_ATTENTION, SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
    return sdpa_kernel(order, set_priority=True) if torch.cuda.is_available() else nullcontext()


def _itself(tensor: Tensor) -> Tensor:
    return tensor


def _relative(ours: Tensor, reference: Tensor) -> float:
    return float((ours.double() - reference.double()).norm() / reference.double().norm())
