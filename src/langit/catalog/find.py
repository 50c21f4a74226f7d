"""From what a user calls a model to the folder it is in."""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError

from langit.catalog.bundle import Bundle, load_bundle
from langit.types import InputError

EMBEDDED = "embedded"
"""The name of the model that ships in the package."""


def find_model(model: str) -> Path:
    """The folder of the embedded model, of a local path, or of a hub repository (owner/name, fetched once and kept).

    `InputError` when there is no such model, it may not be read, or the hub cannot be reached.
    """
    if model == EMBEDDED:
        return Path(str(files("langit.catalog") / EMBEDDED))
    folder = Path(model).expanduser()
    if folder.is_dir():
        return folder
    if folder.exists():
        raise InputError(f"{model} is a file; a model is a folder with config.json. Name the folder.")
    if re.fullmatch(r"[\w.-]+/[\w.-]+(@[\w.-]+)?", model) and not model.startswith((".", "/", "runs/")):
        return _from_hub(model)
    raise InputError(
        f"There is no model {model!r}: it is neither {EMBEDDED!r}, nor a folder, nor a hub repository written owner/name."
    )


@lru_cache(maxsize=2)
def load(model: str = EMBEDDED, device: str = "cpu") -> Bundle:
    """The model of that name, ready to run; the last two are kept in memory."""
    return load_bundle(find_model(model), device)


def _from_hub(model: str) -> Path:
    repository, _, revision = model.partition("@")
    try:
        folder = snapshot_download(
            repository, revision=revision or None, allow_patterns=["*.json", "*.safetensors", "LICENSE*", "README.md"]
        )
    except GatedRepoError as error:
        raise InputError(f"The hub repository {repository} is gated; accept its terms there and log in first.") from error
    except RepositoryNotFoundError as error:
        raise InputError(f"There is no folder and no hub repository {model!r} that you may read.") from error
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        raise InputError(
            f"{model!r} is not a folder here, and the hub could not be reached for it "
            f"({type(error).__name__}). Check the name and the network."
        ) from error
    return Path(folder)
