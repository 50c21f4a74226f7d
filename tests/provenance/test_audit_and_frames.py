"""The audit log, and the frame policy where its classifier is installed."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path

import numpy as np
import pytest

from langit.provenance import AuditLog, Policy, can_check_frames, check_frames, check_prompt
from langit.provenance.frame_policy import frame_scores
from langit.types import Frames


def entries(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_refusal_is_recorded_without_the_prompt(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "new" / "audit.jsonl")
    prompt = "hardcore porn"
    log.record("prompt", check_prompt(prompt), subject="key_1", text=prompt, details={"job": "video_1"})
    (entry,) = entries(log.path)
    assert "porn" not in log.path.read_text()
    assert (entry["allowed"], entry["category"], entry["subject"], entry["job"]) == (
        False,
        "sexual",
        "key_1",
        "video_1",
    )
    assert entry["length"] == len(prompt)
    AuditLog(log.path, raw_prompts=True).record("prompt", check_prompt(prompt), text=prompt)
    assert entries(log.path)[1]["text"] == prompt
    assert log.path.stat().st_mode & 0o777 == 0o600


def test_it_rotates_and_forgets(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl", max_bytes=1000, keep=2)
    for number in range(40):
        log.record("prompt", check_prompt("a red ball"), subject=str(number))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["audit.jsonl", "audit.jsonl.1", "audit.jsonl.2"]
    assert all(path.stat().st_size <= 1000 for path in tmp_path.iterdir())
    assert entries(log.path)[-1]["subject"] == "39"


def record_many(path: Path) -> None:
    for _ in range(100):
        AuditLog(path).record("prompt", check_prompt("a red ball"), text="x" * 200)


def test_processes_do_not_tear_one_anothers_lines(tmp_path: Path) -> None:
    started = [
        multiprocessing.get_context("fork").Process(target=record_many, args=(tmp_path / "log",)) for _ in range(2)
    ]
    for process in started:
        process.start()
    for process in started:
        process.join()
    assert len(entries(tmp_path / "log")) == 200


@pytest.mark.skipif(not can_check_frames(), reason='pip install "langit[moderation]"')
def test_harmless_frames_pass_and_the_threshold_counts(simulated: list[Frames]) -> None:
    scores = frame_scores(simulated[0], 4)
    assert len(scores) == 4
    assert all(0 <= score < 0.8 for score in scores)
    assert check_frames(simulated[0]).allowed
    verdict = check_frames(simulated[0], Policy(frames=0.0, sampled=2))
    assert (verdict.allowed, verdict.category, verdict.code) == (False, "sexual", "moderation_blocked")
    assert check_frames(simulated[0], Policy(frames=None)).allowed
    assert len(frame_scores(np.zeros((1, 64, 64, 3), np.uint8), 8)) == 1
