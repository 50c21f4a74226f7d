"""From what a user calls a model to the folder it is in."""

from __future__ import annotations

import errno
import re
import warnings
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from langit.catalog.bundle import Bundle, load_bundle
from langit.catalog.lora import LiveLoras, Lora, apply_loras
from langit.catalog.memory import MemoryMode, checked_device
from langit.catalog.shards import read_json
from langit.catalog.wan import PIPELINES, find_parts, is_wan, load_wan
from langit.transformer.caching import cache_blocks
from langit.transformer.eight_bits import EightBits, linear_kind
from langit.transformer.experts import replace_linears, transformers_of
from langit.types import InputError

EMBEDDED = "embedded"
"""The name of the model that ships in the package."""

HUB_FILES = [
    "config.json",
    "transformer.safetensors",
    "text.safetensors",
    "tokenizer.safetensors",
    "quick.safetensors",
    "README.md",
    "LICENSE*",
    "model_index.json",
    "high_noise_model/config.json",
]
"""What is fetched of a repository: never the gigabytes of a model that is not langit's."""

WAN_FILES = [
    "model_index.json",
    "*/*.json",
    "*/*.model",
    "transformer/*.safetensors",
    "transformer_2/*.safetensors",
    "text_encoder/*.safetensors",
    "image_encoder/*.safetensors",
    "vae/*.safetensors",
]
"""What open weights in diffusers' layout add to that: fetched only where model_index.json says that it is Wan."""
OWN_FILES = [
    "*config.json",
    "diffusion_pytorch_model*",
    "*.pth",
    "google/*",
    "high_noise_model/*",
    "low_noise_model/*",
]
"""The same of open weights in Wan's own layout."""

INT8: Final = "int8"
FLOAT8: Final = "float8"
LIVE, CACHE = "live", "cache"
WORDS = {INT8, FLOAT8, LIVE, "whole", "stream", *(f"{CACHE}{every}" for every in range(2, 10))}
"""What may be added to a model's name beside LoRA files, and ..."""
INTERVAL = re.compile(r"guided\d+(?:\.\d+)?-\d+(?:\.\d+)?")
"""... between which noise levels it is guided."""
WHOLE = ".langit-whole"
"""Beside open weights that were fetched to the last file."""

HUB_SECONDS = 10.0  # that the hub may take to say which commit a name means


def find_model(model: str) -> Path:
    """The folder of the embedded model, of a local path, or of a hub repository (owner/name or owner/name@revision).

    A repository is fetched once and kept; when the hub cannot give it later, the kept copy serves, with a warning.
    `InputError` when there is no such model or it cannot be had, `OSError` when it cannot be kept on this disk.
    """
    if model == EMBEDDED:
        return Path(str(files("langit.catalog") / EMBEDDED))
    folder = Path(model).expanduser()
    if model and folder.is_dir():
        return folder
    if model and folder.exists():
        raise InputError(f"{model} is a file; a model is a folder with config.json. Name the folder.")
    if re.fullmatch(r"[\w.-]+/[\w.-]+(@[\w./-]+)?", model) and not model.startswith((".", "runs/")):
        return _from_hub(model)
    after = " After a plus stand LoRA files, guided0.2-0.9, " + ", ".join(sorted(WORDS)) + "." if "+" in model else ""
    raise InputError(
        f"There is no model {model!r}: it is neither {EMBEDDED!r}, nor a folder, "
        f"nor a hub repository written owner/name.{after}"
    )


@lru_cache(maxsize=2)
def load(model: str = EMBEDDED, device: str = "cpu") -> Bundle:
    """The model of that name, ready to run; the last two are kept in memory.

    The name may go on with what is done to it, each after a plus: `NAME+style.safetensors:0.8+int8`. There are LoRA files,
    `live` (they stand beside the weights), `int8`, `float8`, `cache2` to `cache9` (whole at every so manieth evaluation),
    `guided0.2-0.9` (guidance between these noise levels alone), `stream` and `whole` (where the weights are).
    """
    name, additions = split_model(model)
    folder, place, memory = find_model(name), checked_device(device), _memory_mode(model, additions)
    bits = _eight_bits(model, additions)
    loras = [
        Lora.parse(addition) for addition in additions if addition not in WORDS and not INTERVAL.fullmatch(addition)
    ]
    live = LIVE in additions
    if live and not loras:
        raise InputError("Live LoRAs were asked for and none was named; add --lora FILE.")
    if is_wan(folder):
        bundle = load_wan(folder, place, memory=memory, bits=bits, loras=() if live else loras)
    else:
        bundle = _changed(load_bundle(folder, place, memory), () if live else loras, bits)
    if live:
        beside = LiveLoras(bundle.transformer)
        for lora in loras:
            beside.add(lora)
        bundle = replace(bundle, changes=(*(lora.identity() for lora in loras), *bundle.changes))
    for addition in additions:
        if addition.startswith(CACHE) and addition in WORDS:
            for transformer in transformers_of(bundle.transformer):
                cache_blocks(transformer, int(addition.removeprefix(CACHE)))
            bundle = replace(bundle, changes=(*bundle.changes, addition))
        if INTERVAL.fullmatch(addition):
            config: Any = bundle.config
            sampling = replace(config.sampling, guidance_interval=guided_between(addition.removeprefix("guided")))
            bundle = replace(bundle, config=replace(config, sampling=sampling))
    return bundle


def guided_between(text: str) -> tuple[float, float]:
    """Two noise levels such as 0.2-0.9; `InputError` for what is not."""
    levels = [float(level) for level in text.split("-")] if INTERVAL.fullmatch(f"guided{text}") else []
    if not levels or not 0 <= levels[0] < levels[1] <= 1:
        raise InputError(
            f"The guidance interval {text!r} is not understood; write two noise levels from 0 to 1, the lower one first, such "
            "as 0.2-0.9."
        )
    return levels[0], levels[1]


def _changed(bundle: Bundle, loras: Sequence[Lora], bits: EightBits | None) -> Bundle:
    """A model of langit's own, which is whole in memory, with LoRAs merged and in 8 bits."""
    apply_loras(bundle.transformer, loras)
    if bits is not None:
        replace_linears(bundle.transformer, linear_kind(bits, bundle.device))
    return replace(
        bundle,
        changes=(*bundle.changes, *(lora.identity() for lora in loras), *(() if bits is None else (bits,))),
    )


def _eight_bits(model: str, additions: Sequence[str]) -> EightBits | None:
    bits: list[EightBits] = [bits for bits in (INT8, FLOAT8) if bits in additions]
    if len(bits) > 1:
        raise InputError(f"{model} asks for int8 and float8; give one of them.")
    return bits[0] if bits else None


def _memory_mode(model: str, additions: Sequence[str]) -> MemoryMode:
    modes: list[MemoryMode] = [mode for mode in ("whole", "stream") if mode in additions]
    if len(modes) > 1:
        raise InputError(f"{model} asks for weights both whole in memory and streamed; give one of them.")
    return modes[0] if modes else "auto"


def split_model(model: str) -> tuple[str, list[str]]:
    """A model's name, and what is done to its weights."""
    if Path(model).expanduser().exists():  # a folder may have a plus in its name
        return model, []
    words = "|".join([*sorted(WORDS), INTERVAL.pattern])
    name, *additions = re.split(rf"\+(?=(?:{words})(?:\+|$)|[^+]*\.(?:safetensors|pt|pth|bin)\b)", model)
    return name, additions


def _from_hub(model: str) -> Path:
    # Imported here: it takes a while, and most models are folders.
    from huggingface_hub.errors import HFValidationError, HTTPError, OfflineModeIsEnabled

    warnings.filterwarnings("ignore", "Not enough free disk space")  # told in our own sentence
    repository, _, revision = model.partition("@")
    try:
        kept = _kept(repository, revision or None)
        if kept is not None and kept.name == revision:  # a commit never changes
            return kept
        folder = _fetch(repository, revision or None, kept)
    except InputError:  # what the repository holds, said already
        raise
    except HFValidationError as error:
        raise InputError(
            f"There is no folder {model!r}, and no hub repository can have that name: {_first_line(error)}"
        ) from error
    except (HTTPError, OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # of this machine, not of the hub
            room = " Make room, or set HF_HOME to a folder on a larger disk; the same command goes on." * (
                error.errno in (errno.ENOSPC, errno.EDQUOT)
            )
            raise OSError(error.errno, f"{model!r} could not be kept here: {error.strerror}.{room}") from error
        reason = _reason(model, error)
        if kept is None:
            raise InputError(reason) from error
        if not isinstance(error, OfflineModeIsEnabled):
            warnings.warn(f"{reason} The copy that was fetched before is used.", stacklevel=4)
        folder = kept
    if not (folder / "config.json").is_file() and not is_wan(folder):
        raise InputError(f"The hub repository {repository} is not a langit model: it has no config.json.")
    return folder


def _kept(repository: str, revision: str | None) -> Path | None:
    """The whole copy of a repository that was fetched before, without asking the hub."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(repository, revision=revision, allow_patterns=HUB_FILES, local_files_only=True))
    except LocalEntryNotFoundError:
        return None
    return folder if not is_wan(folder) or (folder / WHOLE).is_file() else None


def _fetch(repository: str, revision: str | None, kept: Path | None) -> Path:
    """The repository as the hub has it now: `kept` when that is still it."""
    from huggingface_hub import HfApi, snapshot_download

    commit = HfApi().model_info(repository, revision=revision, timeout=HUB_SECONDS).sha
    if commit is None:
        raise ValueError("the hub named no commit")
    if kept is not None and kept.name == commit:
        return kept
    folder = Path(snapshot_download(repository, revision=commit, allow_patterns=HUB_FILES))
    if is_wan(folder):
        if (folder / "model_index.json").is_file():
            kind = read_json(folder / "model_index.json").get("_class_name")
            if kind not in PIPELINES:
                raise InputError(
                    f"The hub repository {repository} holds a {kind}; langit runs {' and '.join(PIPELINES)}."
                )
            wanted = WAN_FILES
        else:
            wanted = OWN_FILES
        # What an earlier call fetched of it is kept, and a file that stopped half way goes on where it stopped.
        snapshot_download(repository, revision=commit, allow_patterns=wanted)
        find_parts(folder)  # whole only where every file that it names has come
        (folder / WHOLE).touch()
    # Only now does the revision's name lead to the new commit: if the download fails, it leads to the copy before.
    snapshot_download(repository, revision=revision, allow_patterns=HUB_FILES)
    return folder


def _reason(model: str, error: Exception) -> str:
    """Why the hub did not give a repository, and what to do."""
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    repository, _, revision = model.partition("@")
    if isinstance(error, GatedRepoError):
        return f"The hub repository {repository} is gated; accept its terms there and log in with `hf auth login`."
    if isinstance(error, RevisionNotFoundError):
        return f"The hub repository {repository} has no revision {revision!r}; leave out @{revision} for its newest."
    if isinstance(error, RepositoryNotFoundError):
        return f"There is no folder {model!r}, and no hub repository of that name that you may read."
    if isinstance(error, OfflineModeIsEnabled):
        return f"{model!r} is not a folder and no copy of it is kept; unset HF_HUB_OFFLINE to fetch it from the hub."
    if isinstance(error, HfHubHTTPError):
        answer = error.response
        return f"The hub refused {model!r} ({answer.status_code} {answer.reason_phrase}); try again later."
    return (
        f"{model!r} is not a folder here, and the hub could not be reached for it or broke off "
        f"({type(error).__name__}); check the network and try again."
    )


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
