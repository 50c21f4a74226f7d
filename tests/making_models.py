"""The tiny model of conftest, as a folder, for scripts that run without pytest."""

from __future__ import annotations

from pathlib import Path

from langit.catalog import Bundle
from tests import conftest
from tests.catalog.test_bundle import save


def save_tiny_model(folder: Path) -> Path:
    bundle: Bundle = conftest.tiny_bundle.__wrapped__()  # type: ignore[attr-defined]
    saved: Path = save(bundle, folder)
    return saved
