"""Styles: named words that are added to a prompt, from a file that users extend."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path

import yaml

from langit.types import InputError


def own_styles_file() -> Path:
    """Where a user's styles are: `LANGIT_STYLES`, or styles.yaml in langit's folder of the user's configuration."""
    if told := os.environ.get("LANGIT_STYLES"):
        return Path(told)
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "langit" / "styles.yaml"


def styles() -> dict[str, str]:
    """All styles by name, the user's own before those that come with langit."""
    found = _read(files("langit.text").joinpath("styles.yaml").read_text(encoding="utf-8"), "styles.yaml")
    own = own_styles_file()
    if own.is_file():
        found |= _read(own.read_text(encoding="utf-8"), str(own))
    return found


def styled(prompt: str, name: str) -> str:
    """The prompt in that style; `InputError` for one that there is not."""
    known = styles()
    if name not in known:
        raise InputError(
            f"There is no style {name!r}; the styles are {', '.join(sorted(known))}. Add yours to {own_styles_file()}."
        )
    return f"{prompt.rstrip(' .,')}, {known[name]}" if prompt.strip() else known[name]


def _read(text: str, name: str) -> dict[str, str]:
    try:
        values = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise InputError(f"{name} is not YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(values, dict) or not all(isinstance(one, str) for pair in values.items() for one in pair):
        raise InputError(f"{name} holds no styles; each line is a name, a colon and the words that it adds.")
    return values
