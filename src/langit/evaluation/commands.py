"""`langit evaluate`: from what a user asked to a written report."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.table import Table

from langit import __version__
from langit.catalog import load
from langit.evaluation.exam import (
    QUICK,
    OnProgress,
    Outcome,
    Settings,
    claim,
    commit,
    examine,
    examine_clips,
    expected_seconds,
    hardware,
)
from langit.evaluation.footage import read_folder
from langit.evaluation.report import terminal_table, write_report
from langit.types import InputError


def evaluate_model(
    model: str,
    output: Path,
    quick: bool,
    count: int | None,
    seed: int,
    on_progress: OnProgress,
    say: Callable[[str], None],
) -> tuple[Path, Table]:
    """Examine a model into the folder `output`; its page, and the table for the terminal."""
    settings = replace(QUICK if quick else Settings(), seed=seed)
    if count is not None:
        settings = replace(settings, count=count, pairs=count)
    bundle = load(model)
    claim(output, bundle, settings)
    say(
        f"This takes about {_minutes(expected_seconds(bundle, output, settings))}; "
        "Ctrl-C stops, the same command goes on."
    )
    outcome = examine(bundle, output, settings, on_progress)
    about = {"model": model, "weights": bundle.hash(), "settings": vars(settings), **_here()}
    return _written(outcome, about, output)


def evaluate_clips(clips: Path, truth: Path, output: Path, on_progress: OnProgress) -> tuple[Path, Table]:
    """Examine the videos of a folder against their truth."""
    if output.exists() and not output.is_dir():
        raise InputError(f"{output} is a file; name a folder for the report.")
    if (output / "exam.json").exists():
        raise InputError(f"{output} holds the exam of a model; name another folder for the report of the clips.")
    outcome = examine_clips(read_folder(clips, truth), on_progress)
    return _written(outcome, {"clips": str(clips), "truth": str(truth), **_here()}, output)


def _here() -> dict[str, Any]:
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    return {"date": today, "langit": __version__, "commit": commit(), "hardware": hardware()}


def _written(outcome: Outcome, about: dict[str, Any], output: Path) -> tuple[Path, Table]:
    return write_report(outcome, about, output), terminal_table(outcome.rows)


def _minutes(seconds: float) -> str:
    return f"{max(1, round(seconds))} seconds" if seconds < 90 else f"{round(seconds / 60)} minutes"
