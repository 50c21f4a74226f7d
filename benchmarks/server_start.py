"""From nothing to the first video: `langit serve`, beside `langit generate`; and what the API process holds when idle.

    python -m benchmarks.server_start --rounds 3

The same request of 4 seconds both ways, the embedded model, a new data folder and a new identity each time. Prints for each
round the seconds on the clock and of CPU (of all processes together), from the start of the command to the video's file.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
from tests.serving import KEY, Serving

from langit.server.settings import TEMPLATE

PROMPT = "a red ball bounces past a blue cube at sunset"
HEADERS = {"Authorization": f"Bearer {KEY}"}


def by_command(folder: Path) -> tuple[float, float]:
    """Seconds on the clock and of CPU."""
    started, before = time.monotonic(), cpu_of_ended()
    command = [sys.executable, "-m", "langit.cli", "generate", PROMPT, "--seconds", "4", "-o", str(folder / "clip.mp4")]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - started, cpu_of_ended() - before


def by_server(folder: Path) -> tuple[float, float, float, int]:
    """Seconds until ready, until the video's file, of CPU; and the MiB that the API process holds ten seconds later."""
    started, before = time.monotonic(), cpu_of_ended()
    serving = Serving(folder / "data", TEMPLATE)
    try:
        serving.start()
        ready = time.monotonic() - started
        with httpx.Client(base_url=serving.url, headers=HEADERS, timeout=60) as http:
            made = http.post("/v1/videos", json={"prompt": PROMPT, "seconds": "4"}).json()
            while (shown := http.get(f"/v1/videos/{made['id']}").json())["status"] not in ("completed", "failed"):
                time.sleep(0.1)
            assert shown["status"] == "completed", shown
            content = http.get(f"/v1/videos/{made['id']}/content").content
        assert content[4:8] == b"ftyp"
        took = time.monotonic() - started
        time.sleep(10)
        assert serving.process is not None
        status = Path(f"/proc/{serving.process.pid}/status").read_text()
        held = int(status.split("VmRSS:")[1].split()[0]) // 1024
    finally:
        serving.stop()
    return ready, took, cpu_of_ended() - before, held


def cpu_of_ended() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    told = parser.parse_args()
    for _ in range(told.rounds):
        with tempfile.TemporaryDirectory() as name:
            os.environ["LANGIT_HOME"] = name
            clock, cpu = by_command(Path(name))
            ready, first, server_cpu, held = by_server(Path(name))
        print(
            f"generate: {clock:.1f} s, {cpu:.1f} s of CPU; serve: ready after {ready:.1f} s, first video after {first:.1f} s, "
            f"{server_cpu:.1f} s of CPU with 10 idle seconds; the API holds {held} MiB",
            flush=True,
        )


if __name__ == "__main__":
    main()
