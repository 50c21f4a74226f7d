"""Parity with diffusers and transformers, which are an extra: without langit[open-weights] nothing here is collected."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

collect_ignore_glob = [] if find_spec("diffusers") and find_spec("transformers") else ["test_*.py"]


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    """A folder for every family, written when first asked for."""
    from tests.parity import wan

    root = tmp_path_factory.mktemp("wan")
    return lambda name: wan.save(name, root)
