"""Jobs that were accepted end once, whoever is killed: worker, API, engine or all of them, with -9, at random moments.

    python -m benchmarks.server_crash --jobs 100 --kills 50
    python -m benchmarks.server_crash --jobs 100 --kills 50 --postgres        (Debian's, started for it)
    python -m benchmarks.server_crash --jobs 100 --kills 50 --folder crash --slice 5      (5 kills now; call it again)

Checks at the end: every accepted job has ended, exactly once; each that was completed is billed exactly once, the others (whose
engine was killed twice) are not; no id was given twice; every file that was ever served was whole (it decodes, and its length
is the one that was promised).
"""

from __future__ import annotations

import argparse
import json
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
        """Those that are not accepted yet."""
        for number in range(self.jobs):
            key = f"job-{number}"
            if key in self.accepted:
                continue
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
    serving: Serving,
    jobs: int,
    kills: int,
    seed: int,
    pause: tuple[float, float],
    folder: Path,
    most_kills: int | None = None,
) -> dict[str, object]:
    """Numbers of one run; an AssertionError for whatever may not be.

    With `most_kills` it stops after so many, and goes on from `folder` when it is called again.
    """
    state = folder / "state.json"
    before = (
        json.loads(state.read_text()) if state.exists() else {"accepted": {}, "killed": {}, "served": 0, "seconds": 0}
    )
    killed: dict[str, int] = before["killed"]
    begun = sum(killed.values())
    until = kills if most_kills is None else min(kills, begun + most_kills)
    dice, started = random.Random(f"{seed} {begun}"), time.monotonic()
    serving.start()
    crowd = Crowd(serving, jobs * until // kills if kills else jobs, folder)
    crowd.accepted, crowd.served = before["accepted"], before["served"]
    threads = [threading.Thread(target=crowd.create_all), threading.Thread(target=crowd.download_some)]
    for thread in threads:
        thread.start()
    for _ in range(until - begun):
        time.sleep(dice.uniform(*pause))
        victim = kill(serving, dice)
        killed[victim] = killed.get(victim, 0) + 1
    threads[0].join()
    if until < kills:
        crowd.done.set()
        threads[1].join()
        serving.stop()
        assert not crowd.broken, crowd.broken
        seconds = before["seconds"] + time.monotonic() - started
        told = {"accepted": crowd.accepted, "killed": killed, "served": crowd.served, "seconds": seconds}
        state.write_text(json.dumps(told))
        return {"jobs": len(crowd.accepted), "killed": killed, "files_served": crowd.served, "to_go": kills - until}
    serving.wait_ready()
    videos = await_all(serving, crowd)
    crowd.done.set()
    threads[1].join()
    for video in videos:
        assert crowd.check(video["id"]) == (video["status"] == "completed"), video
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
        "seconds": round(before["seconds"] + time.monotonic() - started, 1),
    }
    assert numbers["jobs"] == numbers["ids"] == jobs, numbers
    assert numbers["billed"] == numbers["completed"], numbers
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
    parser.add_argument("--folder", type=Path, help="where it stays between slices; a temporary one without it")
    parser.add_argument("--slice", type=int, help="kills of this call; --folder is gone on with by the next")
    told = parser.parse_args()
    if told.slice is not None and told.folder is None:
        parser.error("--slice needs a --folder that stays")
    with ExitStack() as stack:
        folder = told.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        model = folder / "model"
        if not model.exists():
            save_tiny_model(model)
        kept = folder / "postgres" if told.folder else None
        arguments = ["--database-url", stack.enter_context(postgres(kept))] if told.postgres else []
        serving = Serving(folder / "data", settings_for(model, queued_videos="1000"), *arguments)
        try:
            print(run(serving, told.jobs, told.kills, told.seed, tuple(told.pause), folder, told.slice))
        except BaseException:
            print(serving.log.read_text()[-5000:])
            raise
        finally:
            serving.stop()


if __name__ == "__main__":
    main()
