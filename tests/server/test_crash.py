"""A short form of benchmarks/server_crash.py: five kills, and nothing is lost, doubled or broken."""

from __future__ import annotations

from benchmarks.server_crash import run

from tests.catalog.test_bundle import save
from tests.serving import Serving, settings_for


def test_five_kills(tiny_bundle, tmp_path):
    serving = Serving(tmp_path / "data", settings_for(save(tiny_bundle, tmp_path / "model"), queued_videos="100"))
    try:
        numbers = run(serving, jobs=6, kills=5, seed=3, pause=(0.5, 2.0), folder=tmp_path)
    finally:
        serving.stop()
    assert numbers["completed"] == 6, numbers
