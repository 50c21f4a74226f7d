"""Many clients at once while videos are made: errors, and how long metadata takes.

    python -m benchmarks.server_load --clients 200 --seconds 60

Each client creates, polls, lists and downloads in turn. Prints a line of numbers; fails where an answer is neither a
success nor 429, or where the 99th percentile of metadata calls (create, retrieve, list) is above --limit.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import tempfile
import time
from collections import Counter
from pathlib import Path

import httpx
from tests.making_models import save_tiny_model
from tests.serving import KEY, Serving, settings_for


class Load:
    """What the clients saw."""

    def __init__(self) -> None:
        self.statuses: Counter[str] = Counter()
        self.seconds: dict[str, list[float]] = {"create": [], "retrieve": [], "list": [], "download": []}

    async def call(self, http: httpx.AsyncClient, kind: str, method: str, url: str, **more: object) -> httpx.Response:
        started = time.perf_counter()
        answer = await http.request(method, url, **more)  # type: ignore[arg-type]
        self.seconds[kind].append(time.perf_counter() - started)
        self.statuses[f"{answer.status_code}"] += 1
        return answer


async def client(load: Load, http: httpx.AsyncClient, until: float, number: int, think: float) -> None:
    await asyncio.sleep(think * number / 200)
    while time.monotonic() < until:
        ask = {"prompt": "a red ball bounces", "seconds": "1", "steps": 4, "seed": number}
        made = await load.call(http, "create", "POST", "/v1/videos", json=ask)
        for _ in range(4):
            await asyncio.sleep(think)
            if made.status_code == 200:
                await load.call(http, "retrieve", "GET", f"/v1/videos/{made.json()['id']}")
        shown = (await load.call(http, "list", "GET", "/v1/videos?limit=20")).json()
        ready = [video["id"] for video in shown.get("data", ()) if video["status"] == "completed"]
        if ready:
            await load.call(http, "download", "GET", f"/v1/videos/{ready[number % len(ready)]}/content")
        await asyncio.sleep(think)


async def drive(url: str, clients: int, seconds: float, think: float) -> Load:
    load, until = Load(), time.monotonic() + seconds
    limits = httpx.Limits(max_connections=clients, max_keepalive_connections=clients)
    headers = {"Authorization": f"Bearer {KEY}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60, limits=limits) as http:
        await asyncio.gather(*(client(load, http, until, number, think) for number in range(clients)))
    return load


def percentile(seconds: list[float], share: float) -> float:
    return sorted(seconds)[min(len(seconds) - 1, int(len(seconds) * share))] if seconds else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--think", type=float, default=2.0, help="seconds that a client waits between two calls")
    parser.add_argument("--limit", type=float, default=0.25, help="the 99th percentile of metadata calls, in seconds")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = save_tiny_model(Path(folder) / "model")
        settings = settings_for(model, requests_per_minute="100000", queued_videos="300")
        serving = Serving(Path(folder) / "data", settings)
        try:
            serving.start()
            assert serving.process is not None
            idle = memory(serving.process.pid)
            load = asyncio.run(drive(serving.url, told.clients, told.seconds, told.think))
            busy = memory(serving.process.pid)
        finally:
            serving.stop()
    metadata = [second for kind in ("create", "retrieve", "list") for second in load.seconds[kind]]
    p50, p99 = percentile(metadata, 0.5), percentile(metadata, 0.99)
    for kind, seconds in load.seconds.items():
        print(
            f"{kind}: {len(seconds)} calls, p50 {percentile(seconds, 0.5):.3f} s, p99 {percentile(seconds, 0.99):.3f} s"
        )
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        f"{told.clients} clients, {len(metadata)} metadata calls in {told.seconds:g} s: p50 {p50:.3f} s, p99 {p99:.3f} s; "
        f"answers {dict(load.statuses)}; API {idle} MiB idle, {busy} MiB after; "
        f"server CPU {used.ru_utime + used.ru_stime:.0f} s"
    )
    assert set(load.statuses) <= {"200", "429"}, load.statuses
    assert p99 <= told.limit, f"p99 {p99:.3f} s is above {told.limit} s"


def memory(pid: int) -> int:
    """Resident MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) // 1024


if __name__ == "__main__":
    main()
