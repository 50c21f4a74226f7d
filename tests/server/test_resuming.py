"""A long job whose machine dies goes on from its last window, also on a machine that has nothing of it."""

from __future__ import annotations

import os
import signal
import threading
import time

from langit.server.database import Database
from langit.server.device import Device
from langit.server.jobs import Jobs, NewVideo, new_id
from langit.server.keys import Caller
from langit.server.queues import Queues
from langit.server.settings import Limits
from langit.server.storage import Storage
from langit.server.workflows import Report, Workshop
from tests.catalog.test_bundle import save

STEPS, FRAMES = 60, 56  # windows of at most 17 frames
CALLER = Caller("key_a", Limits())


def workshop(jobs: Jobs, device: Device, folder) -> Workshop:
    provenance = {"credentials": False, "watermark": False, "identity": str(folder / "identity"), "policy": None}
    return Workshop(jobs, jobs.storage, [device], folder / "making", provenance)


def test_another_machine_goes_on_from_the_last_window(tiny_bundle, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    model = str(save(tiny_bundle, tmp_path / "model"))
    database = Database(f"sqlite:///{tmp_path / 'langit.sqlite'}")
    database.migrate()
    queues = Queues(database)
    jobs = Jobs(database, queues, Storage(f"memory://{tmp_path.name}"), keep_hours=1)
    request = {
        "model": model, "operation": "create", "width": 32, "height": 32, "frames": FRAMES, "fps": 8.0, "seed": 1,
        "guidance": 1.0, "steps": STEPS, "parameters": {}, "inputs": {},
    }  # fmt: skip
    row, _ = jobs.accept(CALLER, NewVideo(new_id("video"), "create", "m", "a ball", "32x32", "7", request))
    identifier, windows = row["id"], f"videos/{row['id']}/windows"
    told: list[tuple[int, int]] = []
    progress = Report.progress

    def listen(self: Report, done: int, steps: int) -> bool:
        told.append((done, steps))
        self._told = -1e9  # every step
        return progress(self, done, steps)

    monkeypatch.setattr(Report, "progress", listen)
    first, second = Device("cpu", [model]), Device("cpu", [model])
    try:
        first.start()
        second.start()
        first.wait()
        second.wait()
        dying = workshop(jobs, first, tmp_path / "first")
        dying.stopping.set()  # as a worker that is gone, it does nothing more once its engine is
        threading.Thread(target=dying.make_video, args=(identifier,), daemon=True).start()
        deadline = time.monotonic() + 60
        while len(jobs.storage.children(windows)) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert first._process is not None
        os.kill(first._process.pid, signal.SIGKILL)
        first._process.wait()
        time.sleep(0.2)
        kept = len(jobs.storage.children(windows))
        assert kept >= 2
        before = len(told)
        workshop(jobs, second, tmp_path / "second").make_video(identifier)
        made = [done for done, _ in told[before:]]
        steps = told[-1][1]
    finally:
        first.stop()
        second.stop()
    ended = jobs.find(CALLER, identifier)
    assert (ended["status"], ended["attempts"]) == ("completed", 2), ended["error"]
    assert ended["seconds"] == "7"
    assert len(set(made)) <= steps - kept * (STEPS - 1)  # of a window that was kept only its last step is told
    assert jobs.storage.children(windows) == []
    queues.close()
    database.close()
