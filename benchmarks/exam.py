"""The exam of a model, as a dated table with what it cost.

    python benchmarks/exam.py                          # the embedded model; writes benchmarks/results/exam.md
    python benchmarks/exam.py --model runs/mine --count 24 --output report/mine --table mine.md

Runs `langit evaluate` with `--count` clips of every task (8: about ten minutes of one core; it says first how long), which
Ctrl-C stops and the same command takes up, then writes its table as markdown with date, commit, weights, hardware and
the CPU seconds of making and of measuring the clips.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from langit.evaluation.commands import evaluate_model
from langit.evaluation.report import told
from langit.evaluation.statistics import Estimate

HERE = Path(__file__).parent
EVERY = 30.0  # seconds between two lines of progress


def progress() -> object:
    last = [0.0]

    def on_progress(what: str, done: int, total: int) -> None:
        if time.monotonic() - last[0] > EVERY or done == total:
            last[0] = time.monotonic()
            print(f"{what}: {done} of {total}", flush=True)

    return on_progress


def told_settings(settings: dict) -> str:
    return f"seed {settings['seed']}, {settings['count']} clips of each task"


def table(found: dict) -> str:
    """The report as markdown."""
    seconds = ", ".join(f"{name} {value:.0f}" for name, value in found["seconds"].items())
    lines = [
        f"# The exam of {found['model']}",
        "",
        f"{found['date']}, commit {found['commit']}, weights {found['weights']}, {told_settings(found['settings'])}.",
        f"{found['hardware']}. CPU seconds: {seconds}.",
        "",
        f"    python benchmarks/exam.py --count {found['settings']['count']}",
        "",
        "In brackets: 95% interval, bootstrap over prompts. Simulator: the same measure on the simulator's own clips, the",
        "ceiling of a share and the floor of an error. Beside: published values and chance.",
        "",
        "| part | measure | model | simulator | prompts | beside |",
        "|---|---|---|---|---|---|",
    ]
    for row in found["rows"]:
        model, simulator = (Estimate(**row[key]) if row[key] else None for key in ("model", "simulator"))
        count = model.count if model else row["why"]
        beside = told(simulator, row["unit"]) if simulator else ""
        lines.append(
            f"| {row['part']} | {row['name']} | {told(model, row['unit'])} | {beside} | {count} | {row['published']} |"
        )
    lines += ["", "## What the measures notice", "", "The simulator's own clips, damaged more and more.", ""]
    lines += ["| damage | task | measure | at strengths | reads |", "|---|---|---|---|---|"]
    for curve in found["curves"]:
        strengths = ", ".join(f"{value:.2g}" for value in curve["strengths"])
        values = ", ".join("none" if value is None else f"{value:.3g}" for value in curve["values"])
        lines.append(f"| {curve['kind']} | {curve['task']} | {curve['name']} | {strengths} | {values} |")
    lines += [
        "",
        "## And nothing else moves",
        "",
        "Every kind of damage against every measure, beyond its tolerance.",
        "",
    ]
    lines += ["| damage | at | measures | rightly moved | and should not have |", "|---|---|---|---|---|"]
    for kind in dict.fromkeys(cell["kind"] for cell in found["matrix"]):
        cells = [cell for cell in found["matrix"] if cell["kind"] == kind]
        astray = ", ".join(cell["name"] for cell in cells if not cell["is_as_told"]) or "none"
        rightly = ", ".join(cell["name"] for cell in cells if cell["has_moved"] and cell["is_as_told"])
        lines.append(f"| {kind} | {cells[0]['strength']:g} | {len(cells)} | {rightly} | {astray} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--count", type=int, default=8, help="clips of every task; four times as many of prompts")
    parser.add_argument("--output", type=Path, default=Path("report"), help="the folder of the report")
    parser.add_argument("--table", type=Path, default=HERE / "results" / "exam.md")
    given = parser.parse_args()
    evaluate_model(given.model, given.output, False, given.count, 0, progress(), print)
    text = table(json.loads((given.output / "report.json").read_text()))
    given.table.parent.mkdir(parents=True, exist_ok=True)
    aside = given.table.with_name(f".{given.table.name}.part")
    aside.write_text(text)
    aside.rename(given.table)
    print(text)


if __name__ == "__main__":
    main()
