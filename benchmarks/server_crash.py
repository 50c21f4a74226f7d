"""Jobs that were accepted end once, whoever is killed: worker, API, engine or all of them, with -9, at random moments.

    python -m benchmarks.server_crash --jobs 100 --kills 50
    python -m benchmarks.server_crash --jobs 100 --kills 50 --postgres        (Debian's, started for it)

Checks at the end: every accepted job is completed, exactly once; each is billed exactly once; no id was given twice; every
file that was ever served was whole (it decodes, and its length is the one that was promised).
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sqlite3
import tempfile
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
from benchmarks.postgres import postgres
from tests.serving import KEY, Serving, settings_for

from langit.media import probe
from langit.server.database import Database
from langit.server.tables import usage

HEADERS = {"Authorization": f"Bearer {KEY}"}


class Crowd:
    """Clients that create, poll and download while everything dies around them."""

    def __init__(self, serving: Serving, jobs: int, folder: Path) -> None:
        self.serving, self.jobs, self.folder = serving, jobs, folder
        self.accepted: dict[str, str] = {}  # idempotency key -> id
        self.served, self.broken = 0, list[str]()
        self.done = threading.Event()

    def create_all(self) -> None:
        for number in range(self.jobs):
            key = f"job-{number}"
            ask = {"prompt": f"a red ball bounces, take {number}", "seconds": "1", "seed": number, "steps": 8}
            while not self.done.is_set():
                with suppress(httpx.HTTPError):
                    answer = httpx.post(
                        f"{self.serving.url}/v1/videos",
                        json=ask,
                        headers={**HEADERS, "Idempotency-Key": key},
                        timeout=30,
                    )
                    if answer.status_code == 200:
                        self.accepted[key] = answer.json()["id"]
                        break
                time.sleep(0.1)

    def download_some(self) -> None:
        dice = random.Random(1)
        while not self.done.is_set():
            identifiers = list(self.accepted.values())
            if identifiers:
                with suppress(httpx.HTTPError):
                    self.check(dice.choice(identifiers))
            time.sleep(0.2)

    def check(self, identifier: str) -> bool:
        """Whether the video is served; a file that is served and not whole is noted."""
        answer = httpx.get(f"{self.serving.url}/v1/videos/{identifier}/content", headers=HEADERS, timeout=30)
        if answer.status_code != 200:
            return False
        self.served += 1
        path = self.folder / f"{threading.get_ident()}.mp4"
        path.write_bytes(answer.content)
        try:
            assert probe(path).frames == 8
        except Exception as error:
            self.broken.append(f"{identifier}: {error!r}")
        return True


def kill(serving: Serving, dice: random.Random) -> str:
    """One of them, with -9."""
    victim = dice.choice(("api", "worker", "engine", "all"))
    if victim in ("api", "all"):
        workers = serving.worker_pids() if victim == "all" else []
        serving.kill()
        for pid in workers:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        serving.start(ready=False)
        return victim
    for pid in serving.worker_pids() if victim == "worker" else serving.engine_pids():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return victim


def run(
    serving: Serving, jobs: int, kills: int, seed: int, pause: tuple[float, float], folder: Path
) -> dict[str, object]:
    """Numbers of one run; an AssertionError for whatever may not be."""
    dice, started = random.Random(seed), time.monotonic()
    serving.start()
    crowd = Crowd(serving, jobs, folder)
    threads = [threading.Thread(target=crowd.create_all), threading.Thread(target=crowd.download_some)]
    for thread in threads:
        thread.start()
    killed: dict[str, int] = {}
    for _ in range(kills):
        time.sleep(dice.uniform(*pause))
        victim = kill(serving, dice)
        killed[victim] = killed.get(victim, 0) + 1
    threads[0].join()
    serving.wait_ready()
    videos = await_all(serving, crowd)
    crowd.done.set()
    threads[1].join()
    for identifier in crowd.accepted.values():
        assert crowd.check(identifier), identifier
    serving.stop()
    numbers = {
        "jobs": len(crowd.accepted),
        "killed": killed,
        "completed": sum(video["status"] == "completed" for video in videos),
        "failed": sum(video["status"] == "failed" for video in videos),
        "ids": len(set(crowd.accepted.values())),
        "files_served": crowd.served,
        "files_broken": len(crowd.broken),
        "billed": billed(serving),
        "seconds": round(time.monotonic() - started, 1),
    }
    assert numbers["jobs"] == numbers["ids"] == numbers["billed"] == jobs, numbers
    assert numbers["completed"] + numbers["failed"] == jobs, numbers  # type: ignore[operator]
    assert not crowd.broken, crowd.broken
    return numbers


def await_all(serving: Serving, crowd: Crowd) -> list[dict]:
    """All videos of the server, once each has ended."""
    while True:
        videos, after = [], None
        while True:
            parameters = {"limit": 100, "order": "asc", **({"after": after} if after else {})}
            page = httpx.get(f"{serving.url}/v1/videos", params=parameters, headers=HEADERS, timeout=30).json()
            videos += page["data"]
            after = page["last_id"]
            if not page["has_more"]:
                break
        known = {video["id"] for video in videos}
        assert known == set(crowd.accepted.values()), "a job was lost, or made twice"
        if all(video["status"] in ("completed", "failed") for video in videos):
            return videos
        time.sleep(0.5)


def billed(serving: Serving) -> int:
    url = next((one for one in serving.arguments if one.startswith("postgres")), None)
    if url is None:
        with sqlite3.connect(serving.data / "langit.sqlite") as connection:
            return int(connection.execute("SELECT count(*) FROM usage").fetchone()[0])
    database = Database(url)
    with database.read() as connection:
        return len(connection.execute(usage.select()).all())


def main() -> None:
    from tests.making_models import save_tiny_model

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=100)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pause", type=float, nargs=2, default=(1.0, 8.0), help="seconds between two kills")
    parser.add_argument("--postgres", action="store_true", help="Debian's, started for this; SQLite without it")
    told = parser.parse_args()
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        model = save_tiny_model(Path(folder) / "model")
        arguments = ["--database-url", stack.enter_context(postgres())] if told.postgres else []
        serving = Serving(Path(folder) / "data", settings_for(model, queued_videos="1000"), *arguments)
        try:
            print(run(serving, told.jobs, told.kills, told.seed, tuple(told.pause), Path(folder)))
        except BaseException:
            print(serving.log.read_text()[-5000:])
            raise
        finally:
            serving.stop()


if __name__ == "__main__":
    main()
