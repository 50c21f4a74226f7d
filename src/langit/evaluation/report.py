"""What the exam found, written down: report.json for programs, index.html for people, a table for the terminal."""

from __future__ import annotations

import base64
import html
import io
import json
import math
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from rich.markup import escape
from rich.table import Table

from langit.evaluation.exam import FORMAT, Outcome, Row, write_aside
from langit.evaluation.footage import Examined
from langit.evaluation.matrix import Cell
from langit.evaluation.papers import NAMES
from langit.evaluation.permanence import identity_kept
from langit.evaluation.plots import Line, line_plot
from langit.evaluation.stability import drift_over_time
from langit.evaluation.statistics import Estimate
from langit.media import contact_sheet
from langit.simulator.world import Array
from langit.types import Frames, Video

SHEET_CLIPS, SHEET_FRAMES = 4, 8
MATRIX_TOLD = (
    "Each kind of damage, done to the simulator's own clips of every task, against every measure. A dot: it stays within its "
    "tolerance. <i>moves</i>: the damage rightly concerns it (the reason is told where the pointer rests). <b>MOVES</b>: it "
    "should not have. Empty: the damage is not done to the clips that it reads."
)

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1100px; margin: 2rem auto; padding: 0 1rem; color: #1e293b; }
h1, h2 { line-height: 1.2; } h2 { margin-top: 2.5rem; border-bottom: 1px solid #cbd5e1; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .25rem .6rem; vertical-align: top; }
tr:nth-child(even) td { background: #f1f5f9; } td.number { white-space: nowrap; font-variant-numeric: tabular-nums; }
small, .why { color: #64748b; } img { max-width: 100%; image-rendering: auto; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; } dt { color: #64748b; } dd { margin: 0; }
.matrix th span { writing-mode: vertical-rl; transform: rotate(180deg); } .matrix td { font-size: 12px; padding: 0 .3rem; }
.plots { display: flex; flex-wrap: wrap; gap: 1rem; }
@media (prefers-color-scheme: dark) { body { background: #0f172a; color: #e2e8f0; }
tr:nth-child(even) td { background: #1e293b; } }
"""


def write_report(outcome: Outcome, about: dict[str, Any], output: Path) -> Path:
    """Write report.json and index.html, each whole or not at all; returns the page."""
    output.mkdir(parents=True, exist_ok=True)
    found = {
        "format": FORMAT,
        **about,
        "seconds": {name: round(value, 1) for name, value in outcome.seconds.items()},
        "rows": [asdict(row) for row in outcome.rows],
        "curves": [_without_nan(asdict(one)) for one in outcome.curves],
        "matrix": [{**asdict(one), "has_moved": one.has_moved, "is_as_told": one.is_as_told} for one in outcome.cells],
        "examined": [clip.name for clip in outcome.clips],
    }
    write_aside(output / "report.json", json.dumps(found, indent=2, ensure_ascii=False) + "\n")
    write_aside(output / "index.html", _page(outcome, found))
    return output / "index.html"


def _without_nan(curve: dict[str, Any]) -> dict[str, Any]:
    return {**curve, "values": [value if math.isfinite(value) else None for value in curve["values"]]}


def told(estimate: Estimate | None, unit: str) -> str:
    """An estimate with its interval, in words."""
    if estimate is None:
        return "not applicable"
    if not unit:  # a share
        return f"{estimate.value:.1%} [{estimate.low:.0%}, {estimate.high:.0%}]"
    return f"{estimate.value:.3g} [{estimate.low:.3g}, {estimate.high:.3g}] {unit}"


def terminal_table(rows: Sequence[Row]) -> Table:
    """The rows as a table for the terminal, narrow enough for 80 columns; reasons and intervals of both are on the page."""
    table = Table(
        title="The exam", caption="in brackets: 95% interval, bootstrap over prompts", box=None, pad_edge=False
    )
    table.add_column("measure", min_width=32, overflow="fold")
    table.add_column("model", min_width=22)
    table.add_column("simulator", no_wrap=True)
    table.add_column("n", justify="right", no_wrap=True)
    part = ""
    for row in rows:
        if row.part != part:
            table.add_row(f"[bold]{row.part}[/bold]", "", "", "")
            part = row.part
        if row.model is None:
            table.add_row(f"  {row.name}", f"[dim]not applicable: {escape(row.why)}[/dim]", "", "")
            continue
        ceiling = told(row.simulator, row.unit).split(" [")[0] if row.simulator else ""
        table.add_row(f"  {row.name}", escape(told(row.model, row.unit)), ceiling, str(row.model.count))
    return table


# The page.


def _page(outcome: Outcome, found: dict[str, Any]) -> str:
    facts = {
        key: value for key, value in found.items() if key not in ("rows", "format", "curves", "matrix", "examined")
    }
    shown = "".join(f"<dt>{html.escape(key)}</dt><dd>{html.escape(str(value))}</dd>" for key, value in facts.items())
    parts = [
        '<!doctype html><html lang="en"><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>The exam of {html.escape(str(found.get('model', 'clips')))}</title><style>{STYLE}</style>",
        f"<h1>The exam of {html.escape(str(found.get('model', 'clips')))}</h1><dl>{shown}</dl>",
        "<p>Brackets hold the 95% interval from a bootstrap over prompts. <b>Simulator</b> is the same measure on the "
        "simulator's own clips for the same prompts: what a perfect model would reach. Errors are better low, shares "
        "better high.</p>",
    ]
    for part in dict.fromkeys(row.part for row in outcome.rows):
        parts.append(f"<h2>{html.escape(part.capitalize())}</h2>")
        parts.append(_table([row for row in outcome.rows if row.part == part]))
        parts.append(f'<div class="plots">{_plots(part, outcome)}</div>')
    if outcome.curves:
        parts.append(
            "<h2>What the measures notice</h2><p>The simulator's own clips, damaged more and more: the measure beside "
            f'each kind of damage must worsen with it.</p><div class="plots">{_curves(outcome)}</div>'
        )
    if outcome.cells:
        parts.append(f"<h2>And nothing else moves</h2><p>{MATRIX_TOLD}</p>" + _matrix(outcome.cells))
    parts.append("<h2>Clips</h2>" + _sheets(outcome))
    return "\n".join(parts) + "</html>\n"


def _table(rows: Sequence[Row]) -> str:
    lines = ["<table><tr><th>measure<th>better<th>model<th>simulator<th>prompts<th>published</tr>"]
    for row in rows:
        if row.model is None:
            model = f'<td colspan="3" class="why">not applicable: {html.escape(row.why)}</td>'
        else:
            ceiling = told(row.simulator, row.unit) if row.simulator else ""
            model = f'<td class="number">{told(row.model, row.unit)}<td class="number">{ceiling}<td>{row.model.count}'
        lines.append(
            f"<tr><td>{html.escape(row.name)}<td>{row.better if row.model else ''}{model}"
            f"<td><small>{html.escape(row.published)}</small></tr>"
        )
    return "".join(lines) + "</table>"


def _matrix(cells: Sequence[Cell]) -> str:
    """Measures down, kinds of damage across."""
    kinds = list(dict.fromkeys(cell.kind for cell in cells))
    known = {(cell.name, cell.kind): cell for cell in cells}
    heads = "".join(f"<th><span>{html.escape(kind)}</span>" for kind in kinds)
    lines = [f'<table class="matrix"><tr><th>measure{heads}</tr>']
    for name in dict.fromkeys(cell.name for cell in cells):
        row = "".join(_cell(known.get((name, kind))) for kind in kinds)
        lines.append(f"<tr><td>{html.escape(name)}{row}</tr>")
    return "".join(lines) + "</table>"


def _cell(cell: Cell | None) -> str:
    if cell is None:
        return "<td>"
    after = "nothing to read" if cell.after is None else f"{cell.after:.3g}"
    told = f"{cell.kind} at {cell.strength:g}: {cell.name} from {cell.before:.3g} to {after} {cell.unit}"
    title = html.escape(f"{told} ({cell.why})" if cell.why else told, quote=True)
    mark = "&middot;" if not cell.has_moved else "moves" if cell.why else "<b>MOVES</b>"
    return f'<td title="{title}">{mark}'


def _plots(part: str, outcome: Outcome) -> str:
    if part == "stability":
        lines, joins = _over_time(outcome, drift_over_time)
        return line_plot("Drift of the background", "seconds", "levels", lines, joins)
    if part == "permanence":
        lines, joins = _over_time(outcome, identity_kept)
        return line_plot("Things in their place and looks, extended clips", "seconds", "", lines, joins, top=1.0)
    if part == "violation of expectation":
        return _surprise_plot(outcome)
    return ""


def _over_time(outcome: Outcome, value: Any) -> tuple[list[Line], list[float]]:
    """The mean over extended clips of a value per frame, the model's and the simulator's."""
    lines, joins = [], []
    for label, clips in (("model", outcome.clips), ("simulator", outcome.own)):
        long = [clip for clip in clips if clip.task == "extension"]
        if not long:
            continue
        curves: Array = np.stack([np.asarray(value(clip), np.float32) for clip in long])
        with warnings.catch_warnings(action="ignore", category=RuntimeWarning):  # a frame that no clip has a value for
            mean = np.nanmean(curves, 0)
        seconds = (np.arange(len(mean)) / long[0].fps).tolist()
        lines.append(Line(label, seconds, [float(point) for point in mean]))
        joins = [join / long[0].fps for join in long[0].joins]
    return lines, joins


def _curves(outcome: Outcome) -> str:
    return "".join(
        line_plot(
            f"{one.kind.replace('_', ' ')} ({one.task}): {one.name}",
            "strength of the corruption",
            one.unit,
            [Line("", one.strengths, one.values)],
            top=None if one.unit or one.better == "lower" else 1.05,
        )
        for one in outcome.curves
    )


def _surprise_plot(outcome: Outcome) -> str:
    """Sorted relative differences of loss: above zero is right; drawn as the share of pairs under each."""
    lines = []
    for kind in dict.fromkeys(one.kind for one in outcome.surprises):
        ratio = sorted(one.invalid / one.valid for one in outcome.surprises if one.kind == kind)
        lines.append(Line(kind, ratio, [(i + 1) / len(ratio) for i in range(len(ratio))]))
    return line_plot(
        "Loss of the invalid clip over the valid one's", "ratio (above 1: surprised)", "", lines, (1.0,), top=1.0
    )


def _sheets(outcome: Outcome) -> str:
    tasks = [*NAMES, *(task for task in dict.fromkeys(c.task for c in outcome.clips) if task not in NAMES)]
    parts = []
    for task in tasks:
        of_task = [clip for clip in outcome.clips if clip.task == task][:SHEET_CLIPS]
        if not of_task:
            continue
        own = {clip.name: clip for clip in outcome.own}
        videos, labels = [], []
        for clip in of_task:
            prompt = clip.told.exam.get("prompt") or clip.told.json["captions"]["en"]["dense"]
            videos.append(_video(clip))
            labels.append(f"{clip.name}: {prompt}")
            if clip.name in own:
                videos.append(_video(own[clip.name]))
                labels.append("the simulator's own")
        sheet = contact_sheet(videos, labels, 2 if own else 1, SHEET_FRAMES)
        given = f" ({of_task[0].given} frames given)" if of_task[0].given else ""
        parts.append(f"<h3>{html.escape(NAMES.get(task, task).capitalize())}{given}</h3>{_picture(sheet)}")
    return "".join(parts)


def _video(clip: Examined) -> Video:
    return Video(clip.frames, clip.fps)


def _picture(frame: Frames) -> str:
    held = io.BytesIO()
    Image.fromarray(frame).save(held, "JPEG", quality=88)
    return f'<img alt="" src="data:image/jpeg;base64,{base64.b64encode(held.getvalue()).decode()}">'
