"""diffusers and transformers are an extra, and their own warnings are not ours."""

from __future__ import annotations

import pytest

pytest.importorskip("diffusers", reason="needs langit[open-weights]")
pytest.importorskip("transformers", reason="needs langit[open-weights]")


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    """A folder for every family, written when first asked for."""
    from tests.parity import wan

    root = tmp_path_factory.mktemp("wan")
    return lambda name: wan.save(name, root)
