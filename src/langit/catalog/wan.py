"""Wan 2.1 and 2.2 as bundles: from a folder in diffusers' layout or in Wan's own to the parts that `generate` runs.

    diffusers' layout: model_index.json, transformer/, transformer_2/, text_encoder/, tokenizer/, vae/, scheduler/ ...
    Wan's own: config.json (WanModel) and its weights, or high_noise_model/ and low_noise_model/; the rest as .pth

The encoders of prompts and pictures are transformers' own classes; transformer and autoencoder are ours.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from langit.catalog.bundle import Bundle, Native, SamplingDefaults
from langit.catalog.lora import LiveLoras, Lora, apply_loras
from langit.catalog.memory import MemoryMode, available_memory, how_held
from langit.catalog.shards import fill, read_json, readers_of, shapes_of, shards_of
from langit.catalog.wan_autoencoder import autoencoder_config, diffusers_autoencoder
from langit.catalog.wan_layout import PATCH, our_name, ours, transformer_config
from langit.patches import PatchSize
from langit.text.clip import ClipEncoder
from langit.text.umt5 import UMT5Encoder
from langit.tokenizer.wan import WanTokenizer
from langit.tokenizer.wan_autoencoder import WanAutoencoder
from langit.transformer import Transformer, TransformerConfig
from langit.transformer.eight_bits import EightBits, linear_kind
from langit.transformer.experts import Experts
from langit.transformer.int8 import quiet_torchao
from langit.transformer.streaming import Source, StreamedBlocks, settled
from langit.types import InputError

PIPELINES = ("WanPipeline", "WanImageToVideoPipeline")
NEGATIVE = (
    "色调艳丽，过曝，静态，细节模糊不清，字幕，风格，作品，画作，画面，静止，整体发灰，最差质量，低质量，JPEG压缩残留，丑陋的，"
    "残缺的，多余的手指，画得不好的手部，画得不好的脸部，畸形的，毁容的，形态畸形的肢体，手指融合，静止不动的画面，杂乱的背景，"
    "三条腿，背景人很多，倒着走"
)
"""What Wan was tuned to be steered away from: garish, static, blurred, with subtitles, badly drawn hands and faces."""


@dataclass(frozen=True)
class WanConfig:
    """What `generate` asks of a model, for Wan."""

    name: str
    family: str  # such as "2.1 T2V"
    transformer: TransformerConfig
    stride: tuple[int, int, int]
    native: Native
    sampling: SamplingDefaults
    boundary: float | None = None  # above it the first of two experts works, below it the second
    per_patch: bool = False  # one noise level per patch (2.2 TI2V), so known frames are clean patches
    patch: PatchSize = PATCH
    licence: str = "Apache-2.0"
    files: dict[str, str] = field(default_factory=dict)  # weight files of the transformers and what identifies them


@dataclass(frozen=True)
class Parts:
    """A folder's parts, found and checked but not loaded."""

    config: WanConfig
    experts: tuple[tuple[Path, ...], ...]  # weight files of each transformer
    vae: Callable[[torch.device], WanAutoencoder]
    text: Callable[[torch.device], tuple[Any, Any]]
    pictures: Callable[[torch.device], tuple[Any, Any]] | None


def is_wan(folder: Path) -> bool:
    """Whether a folder holds open weights in diffusers' or Wan's own layout (a folder of langit's own has `format`)."""
    if (folder / "model_index.json").is_file() or (folder / "high_noise_model" / "config.json").is_file():
        return True
    try:
        return "_class_name" in read_json(folder / "config.json")
    except InputError:  # nothing that can be read: not for this file to tell
        return False


def load_wan(
    folder: Path,
    device: str = "cpu",
    dtype: torch.dtype | None = None,
    memory: MemoryMode = "auto",
    bits: EightBits | None = None,
    loras: Sequence[Lora] = (),
) -> Bundle:
    """The model in that folder; `dtype` of the transformer is float32 on the CPU and bfloat16 elsewhere.

    LoRAs are merged; then the linear layers of the blocks are put into 8 bits, where `bits` asks for it. A model that would
    not fit any other way is put into 8 bits unasked, with a warning. `InputError` when it will not fit as asked for.
    """
    parts = find_parts(folder)
    place = torch.device(device)
    dtype = dtype or (torch.float32 if place.type == "cpu" else torch.bfloat16)
    held = how_held(memory, parts.config, len(parts.experts), dtype, place, bits is not None)
    if held.eight_bits and bits is None:
        bits = "int8" if place.type == "cpu" else "float8"
        warnings.warn(
            f"{parts.config.name} fits into the memory of {place.type} in 8 bits alone, so its layers are in {bits}: the clip "
            "differs a little from that of the exact weights.",
            stacklevel=2,
        )
    linear = None if bits is None else linear_kind(bits, place)
    exact = held.mode == "whole" and bits is None
    read = load_transformer if exact else stream_transformer
    experts = [read(parts.config.transformer, list(paths), dtype, device) for paths in parts.experts]
    transformer = Experts(experts, parts.config.boundary, parts.config.per_patch).eval()
    if held.mode == "stream" and place.type == "cuda":  # a GPU adds them to what enters faster than the CPU to weights
        beside = LiveLoras(transformer)
        for lora in loras:
            beside.add(lora)
    else:
        apply_loras(transformer, loras)
    for expert in () if exact else experts:
        streamed: Any = expert.blocks
        streamed.linear = linear
        if held.mode == "whole":  # in 8 bits: never whole as it was
            expert.blocks = settled(streamed)
    return Bundle(
        parts.config,
        transformer,
        UMT5Encoder(parts.config.transformer.text_width, partial(parts.text, place)),
        WanTokenizer(parts.vae(place), free=partial(available_memory, place)),
        None if parts.pictures is None else ClipEncoder(partial(parts.pictures, place)),
        changes=(*(lora.identity() for lora in loras), *(() if bits is None else (bits,))),
    )


def load_transformer(
    config: TransformerConfig, paths: list[Path], dtype: torch.dtype, device: str = "cpu"
) -> Transformer:
    """Our transformer with the weights of files in diffusers' or Wan's own layout, shard by shard."""
    with torch.device("meta"):
        transformer = Transformer(config)
    fill(transformer, paths, partial(_renamed, paths), partial(_kept_as, dtype), device)
    return transformer.requires_grad_(False).eval()


def stream_transformer(
    config: TransformerConfig, paths: list[Path], dtype: torch.dtype, device: str = "cpu"
) -> Transformer:
    """The same, whose blocks stay in their files and pass through the device one by one; all are checked now."""
    with torch.device("meta"):
        transformer = Transformer(config)
    sources: list[dict[str, Source]] = [{} for _ in range(config.depth)]
    places, readers = tensor_places(config, paths), readers_of(paths)
    for name, place in places.items():
        if place.startswith("blocks."):
            _, number, inner = place.split(".", 2)
            sources[int(number)][inner] = partial(_read_as, readers[name], place, _kept_as(dtype, place))
    transformer.blocks = torch.nn.ModuleList()

    def ends(name: str, tensor: Tensor) -> tuple[str, Tensor] | None:
        found = _renamed(paths, name, tensor)
        return None if found is None or found[0].startswith("blocks.") else found

    fill(transformer, paths, ends, partial(_kept_as, dtype), device)
    streamed: Any = StreamedBlocks(config, sources, torch.device(device))
    transformer.blocks = streamed
    return transformer.requires_grad_(False).eval()


def tensor_places(config: TransformerConfig, paths: list[Path]) -> dict[str, str]:
    """Our name of each tensor in the files; `InputError` where one lacks, is too much, or has another shape."""
    with torch.device("meta"):
        expected = {name: tuple(tensor.shape) for name, tensor in Transformer(config).state_dict().items()}
    places: dict[str, str] = {}
    for name, shape in shapes_of(paths).items():
        found = _renamed(paths, name, torch.empty(shape, device="meta"))
        if found is None:
            continue
        place, value = found
        belongs = expected.pop(place, None)
        if belongs != tuple(value.shape):
            right = "no place in the model that it describes" if belongs is None else f"to be {belongs}"
            raise InputError(
                f"The tensor {name} in {paths[0].parent} is {tuple(value.shape)} and has {right}. Fetch the model again."
            )
        places[name] = place
    if expected:
        raise InputError(
            f"The weights in {paths[0].parent} lack {len(expected)} tensors, the first of them {next(iter(expected))}. "
            "Fetch the model again."
        )
    return places


def _renamed(paths: list[Path], name: str, tensor: Tensor) -> tuple[str, Tensor] | None:
    found = our_name(name)
    if found is None:
        if name.endswith(("norm_added_q.weight", "freqs")):  # never used, but saved by some
            return None
        raise InputError(f"The tensor {name} in {paths[0].parent} belongs to no Wan transformer that langit knows.")
    return found, ours(found, tensor, PATCH)


def _kept_as(dtype: torch.dtype, name: str) -> torch.dtype:
    return torch.float32 if "table" in name or name.startswith("level_in") or "cross_norm" in name else dtype


def _read_as(read: Source, name: str, dtype: torch.dtype) -> Tensor:
    return ours(name, read(), PATCH).to(dtype).contiguous()


def find_parts(folder: Path) -> Parts:
    """What is in the folder; `InputError` names what lacks or is not known."""
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder. Name the folder that holds model_index.json or config.json.")
    if (folder / "model_index.json").is_file():
        return _diffusers_parts(folder)
    if (folder / "high_noise_model").is_dir() or (folder / "config.json").is_file():
        from langit.catalog.wan_own import own_parts

        return own_parts(folder)
    raise InputError(f"{folder} is no Wan model: it has neither model_index.json nor config.json.")


def _diffusers_parts(folder: Path) -> Parts:
    index = read_json(folder / "model_index.json")
    kind = index.get("_class_name")
    if kind not in PIPELINES:
        raise InputError(
            f"{folder} holds a {kind}; langit runs {' and '.join(PIPELINES)} of diffusers, and its own models."
        )
    names = [name for name in ("transformer", "transformer_2") if (index.get(name) or [None])[0] is not None]
    boundary = index.get("boundary_ratio")
    if boundary is not None and not (isinstance(boundary, int | float) and 0 <= boundary <= 1):
        raise InputError(
            f"{folder}/model_index.json has the boundary_ratio {boundary!r}; it is a noise level from 0 to 1."
        )
    if not names or (len(names) == 2) != (boundary is not None):
        raise InputError(
            f"{folder}/model_index.json names {len(names)} transformers and the boundary_ratio {boundary}."
        )
    configs = [
        transformer_config(read_json(folder / name / "config.json"), f"{folder / name}/config.json") for name in names
    ]
    if len(set(configs)) != 1:
        raise InputError(f"The two transformers in {folder} have different shapes. Fetch the model again.")
    vae = autoencoder_config(folder / "vae")
    stride = (vae.scale_factor_temporal, vae.scale_factor_spatial, vae.scale_factor_spatial)
    shift = read_json(folder / "scheduler" / "scheduler_config.json").get("flow_shift") or 1.0
    if not isinstance(shift, int | float) or not 0 < shift <= 1000:
        raise InputError(
            f"{folder}/scheduler/scheduler_config.json has the flow_shift {shift!r}; it is a number above 0."
        )
    experts = tuple(tuple(shards_of(folder / name)) for name in names)
    per_patch = bool(index.get("expand_timesteps"))
    pictures = configs[0].image_width > 0
    return Parts(
        wan_config(folder.name, configs[0], stride, shift, boundary, per_patch, experts),
        experts,
        partial(diffusers_autoencoder, folder / "vae"),
        partial(_umt5, folder),
        partial(_clip, folder) if pictures else None,
    )


def wan_config(
    name: str,
    transformer: TransformerConfig,
    stride: tuple[int, int, int],
    shift: float,
    boundary: float | None,
    per_patch: bool,
    experts: tuple[tuple[Path, ...], ...],
) -> WanConfig:
    """The family, and what its makers recommend: size, length, rate, steps, guidance."""
    beside = transformer.patch_dim > transformer.out_dim
    defaults = SamplingDefaults(
        steps=50,
        guidance=5.0,
        guidance_interval=(0.0, 1.0),
        schedule="wan",
        shift=shift,
        solver="unipc",
        negative=NEGATIVE,
    )
    native = Native(480, 832, 81, 16.0, 81, 1280 * 720, 2.0)
    if per_patch:
        family, native = "2.2 TI2V", Native(704, 1280, 121, 24.0, 121, 1280 * 736, 2.0)
    elif boundary is not None and beside:
        family, defaults = "2.2 I2V", dataclasses.replace(defaults, steps=40, guidance=3.5)
    elif boundary is not None:
        family = "2.2 T2V"
        defaults = dataclasses.replace(defaults, steps=40, guidance=4.0, late_guidance=(boundary, 3.0))
    elif beside:
        family = "2.1 FLF2V" if transformer.image_places else "2.1 I2V"
        defaults = dataclasses.replace(defaults, steps=40)
    else:
        family = "2.1 T2V"
    files = {f"{path.parent.name}/{path.name}": _identity(path) for paths in experts for path in paths}
    return WanConfig(name, family, transformer, stride, native, defaults, boundary, per_patch, files=files)


def _identity(path: Path) -> str:
    """Size and beginning of a weight file, which tell two of them apart without reading gigabytes."""
    with path.open("rb") as file:
        return hashlib.sha256(str(path.stat().st_size).encode() + file.read(1 << 20)).hexdigest()[:16]


def _umt5(folder: Path, device: torch.device) -> tuple[Any, Any]:
    transformers = optional("transformers")
    transformers.utils.logging.disable_progress_bar()
    kind = read_json(folder / "text_encoder" / "config.json").get("model_type")
    if kind != "umt5":
        raise InputError(f"{folder}/text_encoder holds a model of the type {kind!r}; Wan reads prompts with umt5.")
    tokenizer = _from_folder(transformers.AutoTokenizer, folder / "tokenizer")
    kept = largest_dtype(shards_of(folder / "text_encoder"), device)
    encoder = _from_folder(transformers.UMT5EncoderModel, folder / "text_encoder", dtype=kept)
    return tokenizer, encoder.to(device).requires_grad_(False).eval()


def _clip(folder: Path, device: torch.device) -> tuple[Any, Any]:
    transformers = optional("transformers")
    processor = _from_folder(transformers.CLIPImageProcessorPil, folder / "image_processor")
    encoder = _from_folder(transformers.CLIPVisionModel, folder / "image_encoder", dtype=torch.float32)
    return processor, encoder.to(device).requires_grad_(False).eval()


def largest_dtype(paths: list[Path], device: torch.device) -> torch.dtype:
    """float32 on a CPU that has the memory for it twice over, bfloat16 elsewhere."""
    if device.type != "cpu":
        return torch.bfloat16
    numbers = sum(math.prod(shape) for shape in shapes_of(paths).values())
    return torch.float32 if 8 * numbers < available_memory(device) else torch.bfloat16


def _from_folder(kind: Any, folder: Path, **settings: torch.dtype) -> Any:
    """A part that transformers loads, from this machine alone."""
    if not folder.is_dir():
        raise InputError(f"{folder.parent} lacks {folder.name}/. Fetch the model again.")
    try:
        return kind.from_pretrained(folder, local_files_only=True, **settings)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise InputError(
            f"{folder} cannot be loaded ({str(error).splitlines()[0][:200]}). Fetch the model again."
        ) from error


def optional(name: str) -> Any:
    """A library of the extra `open-weights`; `InputError` says how to get it."""
    import importlib

    quiet_torchao()
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise InputError(
            f"Open weights need {name}, which is not installed; run: pip install 'langit[open-weights]'"
        ) from error
