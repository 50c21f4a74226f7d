"""A model bundle: everything that turns a prompt into frames, in one folder.

config.json                what it is: shapes, tokenizer, native clip, sampling defaults, licence, how it was trained
transformer.safetensors    weights of the transformer
text.safetensors           weights of the prompt encoder
tokenizer.safetensors      the tokenizer's tensors, by its kind (absent for pixel patches)
cast.safetensors           a second transformer, that casts a clip before its picture is made (absent where there is none)
casting.safetensors        what tells casts in numbers, and the network that glances at what is known of pictures:
glance.safetensors         (both beside the one before)
finish.safetensors         what finishes decoded frames beside their casts, where config.json says so
quick.safetensors          one more for pictures, distilled to a few evaluations without guidance (absent where there is none)
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
from torch import Tensor

from langit.catalog.memory import MemoryMode, refuse_too_long
from langit.catalog.tensors import check_shapes, read_tensors, write_tensors
from langit.catalog.tokenizers import read_tokenizer
from langit.conditioning.cast import CastCode
from langit.conditioning.drawing import num_fills
from langit.conditioning.finishing import Finish
from langit.conditioning.glance import Glance
from langit.patches import PatchSize
from langit.text.clip import ClipEncoder
from langit.text.encoder import PromptEncoder, PromptEncoderConfig, TextEncoder
from langit.tokenizer import StoredTokenizer, Tokenizer
from langit.transformer import Transformer, TransformerConfig
from langit.transformer.experts import Experts
from langit.transformer.model import Prediction
from langit.types import ClipShape, InputError

FORMAT = 1
COURSES = ("guidance_interval", "cast_interval", "distilled")
"""Fields of SamplingDefaults that JSON gives back as lists."""
MAY_BE_0 = (
    "text reach",
    "place_frequencies",
    "detail_width",
    "detail_draft",
    "image_width",
    "image_places",
    "text depth",
)


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
    cast_steps: int = 20  # where clips are cast (`BundleConfig.cast`)
    cast_guidance: float = 3.0
    cast_interval: tuple[float, float] = (0.0, 1.0)
    negative: str = ""  # the prompt that guidance steers away from
    late_guidance: tuple[float, float] | None = None  # below that noise level, that guidance
    quality: str = "best"  # or fast, where there are quick weights that lose little
    distilled: tuple[
        float, ...
    ] = ()  # the levels that the quick weights visit (quick.safetensors); none where there are none


@dataclass(frozen=True)
class BundleConfig:
    """config.json."""

    name: str
    transformer: TransformerConfig
    text: PromptEncoderConfig
    tokenizer: str  # a name in `TOKENIZERS`
    stride: tuple[int, int, int]  # pixels (frames, rows, columns) to a latent
    patch: PatchSize  # latents to a patch
    native: Native = field(default_factory=Native)
    sampling: SamplingDefaults = field(default_factory=SamplingDefaults)
    licence: str = "Apache-2.0"
    training: dict[str, Any] = field(default_factory=dict)  # recipe, steps, commit: how it came to be
    cast: TransformerConfig | None = (
        None  # of who is in a clip and where, made before the picture; none where there is none
    )
    finished: bool = False  # whether decoded frames are finished beside their casts (finish.safetensors)
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
        sampling: dict[str, Any] = dict(values["sampling"])
        sampling |= {name: tuple(sampling[name]) for name in COURSES if name in sampling}
        nested = {
            "transformer": TransformerConfig(**values["transformer"]),
            "cast": TransformerConfig(**values["cast"]) if values.get("cast") else None,
            "text": PromptEncoderConfig(**values["text"]),
            "native": Native(**values["native"]),
            "sampling": SamplingDefaults(**sampling),
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
    quick: Transformer | None = None  # distilled to the levels `config.sampling.distilled`
    cast: Transformer | None = None  # makes casts, of which sketches stand beside the noise of the other two
    casting: CastCode | None = None  # what tells those in numbers
    glance: Glance | None = None  # what they are told of known pictures
    finish: Finish | None = None  # finishes decoded frames beside their casts
    changes: tuple[str, ...] = ()  # what was done to the weights after they were read: LoRAs, fewer bits, caching

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
        return self._beside not in (0, self._sketch)

    @property
    def sees_sketch(self) -> bool:
        """Whether pictures are made with a sketch beside them, of their cast where the model makes one."""
        return self._beside == self._sketch

    @property
    def _beside(self) -> int:
        """Numbers that stand beside a patch's own."""
        return self.config.transformer.patch_dim - self.config.transformer.out_dim

    @property
    def _sketch(self) -> int:
        """How many they are where they are a sketch."""
        return (num_fills(self.tokenizer.channels) + 1) * math.prod(self.config.patch)

    def hash(self) -> str:
        """A short fingerprint of the weights, the configuration, and what was done to the weights."""
        assert dataclasses.is_dataclass(self.config)
        assert not isinstance(self.config, type)
        digest = hashlib.sha256(json.dumps(dataclasses.asdict(self.config), sort_keys=True).encode())
        for change in self.changes:
            digest.update(f"+{change}".encode())
        if not isinstance(self.config, BundleConfig):  # gigabytes, whose files the configuration identifies
            return digest.hexdigest()[:12]
        for module in (self.transformer, self.text, self.quick, self.cast, self.glance, self.finish):
            if module is None:
                continue
            assert isinstance(module, torch.nn.Module)
            for tensor in module.state_dict().values():
                digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        for part in (self.tokenizer, self.casting):
            for tensor in part.tensors().values() if isinstance(part, StoredTokenizer | CastCode) else ():
                digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()[:12]


def save_bundle(
    folder: Path,
    config: BundleConfig,
    transformer: dict[str, Tensor],
    text: dict[str, Tensor],
    tokenizer: Tokenizer,
    others: Mapping[str, dict[str, Tensor]] | None = None,
) -> None:
    """Write a bundle folder, with `others` by the names of their files; each is written aside and renamed, config.json last."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = {"transformer": transformer, "text": text, **(others or {})}
    if isinstance(tokenizer, StoredTokenizer) and tokenizer.has_tensors:
        parts["tokenizer"] = tokenizer.tensors()
    for name, tensors in parts.items():
        write_tensors(folder / f"{name}.safetensors", tensors)
    aside = folder / ".config.json.part"
    aside.write_text(json.dumps(dataclasses.asdict(config), indent=2) + "\n")
    aside.rename(folder / "config.json")


def load_bundle(folder: Path, device: str = "cpu", memory: MemoryMode = "auto") -> Bundle:
    """Read a bundle folder, langit's own or open weights; `InputError` says what is missing, damaged or unknown.

    `memory` is how open weights are held; langit's own models are small, and always whole.
    """
    from langit.catalog.wan import is_wan, load_wan  # imported here, since it builds on this file

    if is_wan(folder):
        return load_wan(folder, device, memory=memory)
    config = _read_config(folder)
    if memory != "auto":
        raise InputError(f"The memory mode {memory} is for open weights; {config.name} is small and always whole.")
    channels = config.transformer.out_dim // math.prod(config.patch)
    tokenizer = read_tokenizer(folder, config.tokenizer, config.stride, channels).to(device)
    try:
        with torch.device("meta"):  # shapes alone: the weights come from the files
            transformer, text = Transformer(config.transformer), PromptEncoder(config.text)
            quick = Transformer(config.transformer) if config.sampling.distilled else None
            cast = Transformer(config.cast) if config.cast is not None else None
            glance = Glance(channels, config.patch[1]) if config.cast is not None else None
            finish = Finish() if config.finished else None
    except (ValueError, TypeError, RuntimeError, ArithmeticError) as error:
        raise InputError(f"The model in {folder} has an impossible shape ({error}). Fetch the model again.") from error
    patch_dim = tokenizer.channels * math.prod(config.patch)
    sketch = (num_fills(tokenizer.channels) + 1) * math.prod(config.patch)
    entering = {patch_dim, patch_dim + sketch}  # without a sketch beside it, or with one
    if config.transformer.patch_dim not in entering or config.transformer.out_dim != patch_dim:
        raise InputError(
            f"The model in {folder} takes patches of {config.transformer.patch_dim} numbers and gives "
            f"{config.transformer.out_dim}, but its tokenizer makes {patch_dim}. Fetch the model again."
        )
    parts: dict[str, torch.nn.Module] = {"transformer": transformer, "text": text}
    others = {"quick": quick, "cast": cast, "glance": glance, "finish": finish}
    parts |= {name: part for name, part in others.items() if part is not None}
    for name, module in parts.items():
        _fill(module, read_tensors(folder / f"{name}.safetensors"), folder)
        module.requires_grad_(False).eval().to(device)
    casting = None if cast is None else _read_casting(folder, config)
    return Bundle(
        config, transformer, text, tokenizer, quick=quick, cast=cast, casting=casting, glance=glance, finish=finish
    )


def _read_casting(folder: Path, config: BundleConfig) -> CastCode:
    tensors = read_tensors(folder / "casting.safetensors")
    check_shapes(tensors, CastCode.shapes(config.stride[0]), folder)
    return CastCode.from_tensors(tensors)


def _read_config(folder: Path) -> BundleConfig:
    path = folder / "config.json"
    kept = {name for name in ("tokenizer", "transformer") if (folder / f"{name}.safetensors").is_file()}
    if not path.is_file() and kept == {"tokenizer"}:
        raise InputError(
            f"{folder} is a tokenizer, not a model: it has no config.json. Train a model on it, with a recipe whose "
            "CorpusConfig names it as its tokenizer."
        )
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


def _fill(module: torch.nn.Module, tensors: dict[str, Tensor], folder: Path) -> None:
    expected = module.state_dict()
    check_shapes(tensors, {name: tuple(tensor.shape) for name, tensor in expected.items()}, folder)
    filled = {name: tensors[name].to(tensor.dtype, copy=True) for name, tensor in expected.items()}
    module.load_state_dict(filled, assign=True)
