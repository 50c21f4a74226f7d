"""What one call costs the API process: milliseconds of CPU, which a busy machine does not change as much as it does the clock.

    python -m benchmarks.server_cpu --calls 300

One client over one connection; the worker makes videos of one step meanwhile. Also prints the process's memory before.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import httpx
from benchmarks.server_load import memory
from tests.making_models import save_tiny_model
from tests.serving import KEY, Serving, settings_for

ASK = {"prompt": "a red ball bounces", "seconds": "1", "seed": 11, "steps": 1}


def cpu(pid: int) -> float:
    """Seconds of CPU that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=300)
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = settings_for(
            save_tiny_model(folder / "model"),
            requests_per_minute="1000000",
            queued_videos="100000",
            storage_mb="100000",
        )
        serving = Serving(folder / "data", settings)
        try:
            serving.start()
            assert serving.process is not None
            pid = serving.process.pid
            print(f"the API holds {memory(pid)} MiB")
            headers = {"Authorization": f"Bearer {KEY}"}
            with httpx.Client(base_url=serving.url, headers=headers, timeout=60) as http:
                first = http.post("/v1/videos", json=ASK).json()["id"]
                calls: dict[str, Callable[[], httpx.Response]] = {
                    "healthz": lambda: http.get("/healthz"),
                    "retrieve": lambda: http.get(f"/v1/videos/{first}"),
                    "create": lambda: http.post("/v1/videos", json=ASK),
                    "list of 20": lambda: http.get("/v1/videos?limit=20"),
                }
                for kind, call in calls.items():
                    call()
                    before, started = cpu(pid), time.perf_counter()
                    for _ in range(told.calls):
                        answer = call()
                        assert answer.status_code == 200, answer.text
                    took = (time.perf_counter() - started) / told.calls
                    used = (cpu(pid) - before) / told.calls
                    print(f"{kind}: {1000 * used:.2f} ms of CPU, {1000 * took:.1f} ms on the clock", flush=True)
        finally:
            serving.stop()


if __name__ == "__main__":
    main()
