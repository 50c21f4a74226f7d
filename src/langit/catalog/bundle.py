"""A model bundle: everything that turns a prompt into frames, in one folder.

config.json                what it is: shapes, tokenizer, native clip, sampling defaults, licence, how it was trained
transformer.safetensors    weights of the transformer
text.safetensors           weights of the prompt encoder
tokenizer.safetensors      the linear tokenizer's matrices (absent for pixel patches)
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, get_args

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from langit.catalog.memory import refuse_too_long
from langit.patches import PatchSize
from langit.text.clip import ClipEncoder
from langit.text.encoder import PromptEncoder, PromptEncoderConfig, TextEncoder
from langit.tokenizer import LinearTokenizer, PixelTokenizer, Tokenizer
from langit.transformer import Transformer, TransformerConfig
from langit.transformer.experts import Experts
from langit.transformer.model import Prediction
from langit.types import ClipShape, InputError

FORMAT = 1
MAY_BE_0 = ("text reach", "place_frequencies", "image_width", "image_places", "text depth")


@dataclass(frozen=True)
class Native:
    """The clip that the model was trained for, and the limits within which it still works."""

    height: int = 64
    width: int = 64
    frames: int = 33
    fps: float = 8.0
    max_frames: int = 65
    max_pixels: int = 128 * 128
    max_aspect: float = 2.0


@dataclass(frozen=True)
class SamplingDefaults:
    """What a request uses where it says nothing."""

    steps: int = 30
    guidance: float = 3.0
    guidance_interval: tuple[float, float] = (0.1, 1.0)
    schedule: str = "linear"
    shift: float = 3.0
    solver: str = "dpmpp"
    negative: str = ""  # the prompt that guidance steers away from
    late_guidance: tuple[float, float] | None = None  # below that noise level, that guidance


@dataclass(frozen=True)
class BundleConfig:
    """config.json."""

    name: str
    transformer: TransformerConfig
    text: PromptEncoderConfig
    tokenizer: str  # "linear" or "pixels"
    stride: tuple[int, int, int]  # pixels (frames, rows, columns) to a latent
    patch: PatchSize  # latents to a patch
    native: Native = field(default_factory=Native)
    sampling: SamplingDefaults = field(default_factory=SamplingDefaults)
    licence: str = "Apache-2.0"
    training: dict[str, Any] = field(default_factory=dict)  # recipe, steps, commit: how it came to be
    format: int = FORMAT

    def __post_init__(self) -> None:
        for name, sizes in (("stride", self.stride), ("patch", self.patch)):
            if len(sizes) != 3 or not all(isinstance(size, int) and size > 0 for size in sizes):
                raise ValueError(f"a {name} is three whole numbers (frames, rows, columns) of at least 1, not {sizes}")
        text = {f"text {name}": count for name, count in vars(self.text).items()}
        for name, count in {**vars(self.transformer), **text}.items():
            if isinstance(count, int) and count < (0 if name in MAY_BE_0 else 1):
                raise ValueError(f"{name} is at least 1, not {count}")
        if self.transformer.prediction not in get_args(Prediction):
            raise ValueError(f"a prediction is one of {get_args(Prediction)}, not {self.transformer.prediction!r}")
        if self.text.width != self.transformer.text_width or self.text.width % self.text.num_heads:
            raise ValueError(
                f"prompt states {self.text.width} wide do not divide into {self.text.num_heads} heads, "
                f"or do not fit a transformer that reads {self.transformer.text_width}"
            )

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> BundleConfig:
        """Raises KeyError, TypeError or ValueError where a field is missing, unknown or impossible."""
        nested = {
            "transformer": TransformerConfig(**values["transformer"]),
            "text": PromptEncoderConfig(**values["text"]),
            "native": Native(**values["native"]),
            "sampling": SamplingDefaults(
                **{**values["sampling"], "guidance_interval": tuple(values["sampling"]["guidance_interval"])}
            ),
            "stride": tuple(values["stride"]),
            "patch": tuple(values["patch"]),
        }
        return cls(**{**values, **nested})


class ModelConfig(Protocol):
    """What `generate` asks of a model's configuration, whichever layout it came in."""

    @property
    def name(self) -> str: ...
    @property
    def transformer(self) -> TransformerConfig: ...
    @property
    def stride(self) -> tuple[int, int, int]: ...
    @property
    def patch(self) -> PatchSize: ...
    @property
    def native(self) -> Native: ...
    @property
    def sampling(self) -> SamplingDefaults: ...
    @property
    def licence(self) -> str: ...


@dataclass(frozen=True)
class Bundle:
    """A model, ready to run."""

    config: ModelConfig
    transformer: Transformer | Experts
    text: TextEncoder
    tokenizer: Tokenizer
    pictures: ClipEncoder | None = None  # for transformers that look at a picture beside the prompt

    @property
    def device(self) -> torch.device:
        return next(self.transformer.parameters()).device

    def refuse_what_does_not_fit(self, shape: ClipShape) -> None:
        """`InputError` when a clip of open weights needs more memory than there is, with sizes that would fit."""
        if not isinstance(self.config, BundleConfig):
            weight = next(self.transformer.parameters())
            refuse_too_long(self.config, shape, weight.element_size(), weight.device)

    @property
    def takes_frames_beside(self) -> bool:
        """Whether known frames enter as channels beside the noise, and not as clean patches (Wan's picture to video)."""
        return self.config.transformer.patch_dim > self.config.transformer.out_dim

    def hash(self) -> str:
        """A short fingerprint of the weights and the configuration."""
        assert dataclasses.is_dataclass(self.config)
        assert not isinstance(self.config, type)
        digest = hashlib.sha256(json.dumps(dataclasses.asdict(self.config), sort_keys=True).encode())
        if not isinstance(self.config, BundleConfig):  # gigabytes, whose files the configuration identifies
            return digest.hexdigest()[:12]
        for module in (self.transformer, self.text):
            assert isinstance(module, torch.nn.Module)
            for tensor in module.state_dict().values():
                digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        if isinstance(self.tokenizer, LinearTokenizer):
            for tensor in self.tokenizer.tensors().values():
                digest.update(tensor.contiguous().numpy().tobytes())
        return digest.hexdigest()[:12]


def save_bundle(
    folder: Path,
    config: BundleConfig,
    transformer: dict[str, Tensor],
    text: dict[str, Tensor],
    tokenizer: Tokenizer,
) -> None:
    """Write a bundle folder; each file is written aside and renamed, config.json last."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = {"transformer": transformer, "text": text}
    if isinstance(tokenizer, LinearTokenizer):
        parts["tokenizer"] = tokenizer.tensors()
    for name, tensors in parts.items():
        aside = folder / f".{name}.safetensors.part"
        save_file({key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()}, aside)
        aside.rename(folder / f"{name}.safetensors")
    aside = folder / ".config.json.part"
    aside.write_text(json.dumps(dataclasses.asdict(config), indent=2) + "\n")
    aside.rename(folder / "config.json")


def load_bundle(folder: Path, device: str = "cpu") -> Bundle:
    """Read a bundle folder, langit's own or open weights; `InputError` says what is missing, damaged or unknown."""
    from langit.catalog.wan import is_wan, load_wan  # imported here, since it builds on this file

    if is_wan(folder):
        return load_wan(folder, device)
    config = _read_config(folder)
    tokenizer = _read_tokenizer(folder, config)
    try:
        with torch.device("meta"):  # shapes alone: the weights come from the files
            transformer, text = Transformer(config.transformer), PromptEncoder(config.text)
    except (ValueError, TypeError, RuntimeError, ArithmeticError) as error:
        raise InputError(f"The model in {folder} has an impossible shape ({error}). Fetch the model again.") from error
    patch_dim = tokenizer.channels * math.prod(config.patch)
    if (config.transformer.patch_dim, config.transformer.out_dim) != (patch_dim, patch_dim):
        raise InputError(
            f"The model in {folder} takes patches of {config.transformer.patch_dim} numbers and gives "
            f"{config.transformer.out_dim}, but its tokenizer makes {patch_dim}. Fetch the model again."
        )
    for name, module in (("transformer", transformer), ("text", text)):
        _fill(module, _read_tensors(folder / f"{name}.safetensors"), folder)
        module.requires_grad_(False).eval().to(device)
    return Bundle(config, transformer, text, tokenizer)


def _read_tokenizer(folder: Path, config: BundleConfig) -> Tokenizer:
    if config.tokenizer == "pixels":
        return PixelTokenizer(config.stride)
    if config.tokenizer != "linear":
        raise InputError(f"The model in {folder} has a {config.tokenizer!r} tokenizer; langit knows linear and pixels.")
    tensors = _read_tensors(folder / "tokenizer.safetensors")
    pixels, channels = PixelTokenizer(config.stride).channels, config.transformer.patch_dim // math.prod(config.patch)
    expected = {"mean": (pixels,), "components": (pixels, channels), "scale": (channels,)}
    _check_shapes(tensors, expected, folder)
    return LinearTokenizer(config.stride, *(tensors[name].float() for name in expected))


def _read_config(folder: Path) -> BundleConfig:
    path = folder / "config.json"
    if not path.is_file():
        raise InputError(f"{folder} is not a model: it has no config.json. Name a folder that `langit train` wrote.")
    try:
        values = json.loads(path.read_text())
        if values.get("format") == FORMAT:
            return BundleConfig.from_json(values)
    except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        why = f"{type(error).__name__}: {error}"
        raise InputError(
            f"{path} is not the configuration of a langit model ({why}). Fetch the model again."
        ) from error
    raise InputError(
        f"The model in {folder} has format {values.get('format')}; this langit reads format {FORMAT}. "
        "Use the version of langit that wrote it, or train it again."
    )


def _read_tensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except FileNotFoundError as error:
        raise InputError(f"The model in {path.parent} lacks {path.name}. Fetch the model again.") from error
    except SafetensorError as error:
        raise InputError(
            f"The weights file {path} is damaged or cut short ({error}). Fetch the model again."
        ) from error


def _fill(module: torch.nn.Module, tensors: dict[str, Tensor], folder: Path) -> None:
    expected = module.state_dict()
    _check_shapes(tensors, {name: tuple(tensor.shape) for name, tensor in expected.items()}, folder)
    filled = {name: tensors[name].to(tensor.dtype, copy=True) for name, tensor in expected.items()}
    module.load_state_dict(filled, assign=True)


def _check_shapes(tensors: dict[str, Tensor], expected: Mapping[str, tuple[int, ...]], folder: Path) -> None:
    for name, shape in expected.items():
        if name not in tensors:
            raise InputError(f"The weights in {folder} lack the tensor {name}. Fetch the model again.")
        if tensors[name].shape != shape:
            raise InputError(
                f"The tensor {name} in {folder} is {tuple(tensors[name].shape)} where config.json says {shape}. "
                "Fetch the model again."
            )
