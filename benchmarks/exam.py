"""The exam of a model, as a table for benchmarks/README.md, with what it cost.

    python benchmarks/exam.py                          # the embedded model, the whole exam
    python benchmarks/exam.py --model runs/mine --quick --output report/

Prints the table of `langit evaluate` as markdown, with commit, weights, hardware and the CPU seconds of making and of
measuring the clips; a report that is there already is only printed.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from langit.evaluation.commands import evaluate_model
from langit.evaluation.report import told
from langit.evaluation.statistics import Estimate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--output", type=Path, default=Path("report"))
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    if not (given.output / "report.json").exists():
        evaluate_model(given.model, given.output, given.quick, None, 0, lambda *_: None, print)
    found = json.loads((given.output / "report.json").read_text())
    print(f"\n{found['date']}, commit {found['commit']}, weights {found['weights']}, {found['settings']}")
    print(f"{found['hardware']}; CPU seconds: {found['seconds']}\n")
    print("| part | measure | model | simulator | prompts |\n|---|---|---|---|---|")
    for row in found["rows"]:
        model, simulator = (Estimate(**row[key]) if row[key] else None for key in ("model", "simulator"))
        count = model.count if model else row["why"]
        beside = told(simulator, row["unit"]) if simulator else ""
        print(f"| {row['part']} | {row['name']} | {told(model, row['unit'])} | {beside} | {count} |")


if __name__ == "__main__":
    main()
