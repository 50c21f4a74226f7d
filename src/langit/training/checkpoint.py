"""A run's state on disk: written aside and renamed, so that there is always one whole checkpoint."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from langit.types import InputError


@dataclass
class State:
    """All that the next step depends on."""

    step: int  # steps done
    fingerprint: str  # of the recipe
    model: dict[str, Tensor]
    ema: dict[str, Tensor]
    optimizers: list[dict[str, Any]]


def save_state(path: Path, state: State) -> None:
    """Replace the checkpoint."""
    aside = path.with_name(f".{path.name}.part")
    with aside.open("wb") as file:
        torch.save(vars(state), file)
        file.flush()
        os.fsync(file.fileno())
    aside.rename(path)


def load_state(path: Path, fingerprint: str) -> State | None:
    """The checkpoint, None when there is none; `InputError` when it is another recipe's or damaged."""
    if not path.exists():
        return None
    try:
        state = State(**torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:
        raise InputError(f"The checkpoint {path} is damaged ({error}); delete it to start again.") from error
    if state.fingerprint != fingerprint:
        raise InputError(
            f"{path.parent} was trained by another recipe (or the recipe has changed since); "
            "name another --output, or delete that folder to start again."
        )
    return state


class LossLog:
    """losses.jsonl: a line to a step; lines beyond the checkpoint that is resumed from are dropped."""

    def __init__(self, path: Path, step: int):
        kept = path.read_text().splitlines()[:step] if path.exists() else []
        self.file = path.open("w")
        self.file.writelines(line + "\n" for line in kept)

    def add(self, step: int, loss: float) -> None:
        self.file.write(json.dumps({"step": step, "loss": loss}) + "\n")
        self.file.flush()

    def close(self) -> None:
        self.file.close()
