"""The whole exam of a model of random weights, its report, stopping and taking up, clips of others, and bad input."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from langit.catalog import Bundle
from langit.cli import app
from langit.evaluation.commands import evaluate_clips
from langit.evaluation.concerns import CONCERNS
from langit.evaluation.exam import Outcome, Settings, examine, windows_to_make
from langit.evaluation.footage import read_folder
from langit.evaluation.papers import NAMES, Form
from langit.evaluation.report import terminal_table, told, write_report
from langit.evaluation.statistics import Estimate
from langit.simulator.export import export_clips
from langit.types import InputError

SMALL = Settings(count=1, pairs=1, curve_clips=1, matrix_clips=1)


class Stopped(Exception):
    pass


def quietly(what: str, done: int, total: int) -> None:
    assert 0 <= done <= total, (what, done, total)


@pytest.fixture(scope="module")
def stopped_and_taken_up(tiny_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    folder = tmp_path_factory.mktemp("exam") / "report"

    def stop_soon(what: str, done: int, total: int) -> None:
        if what.startswith("making clips: uniform"):
            raise Stopped

    with pytest.raises(Stopped):
        examine(tiny_bundle, folder, SMALL, stop_soon)
    return folder, examine(tiny_bundle, folder, SMALL, quietly)


def test_a_stopped_exam_makes_only_what_is_missing(stopped_and_taken_up, tiny_bundle):
    folder, outcome = stopped_and_taken_up
    made = {path.stem.split("-")[0] for path in (folder / "clips").glob("*.json")}
    assert made == set(NAMES)
    assert windows_to_make(folder, Form.of(tiny_bundle), SMALL) == 0
    before = (folder / "clips" / "world-000.png").stat().st_mtime_ns
    again = examine(tiny_bundle, folder, SMALL, quietly)
    assert (folder / "clips" / "world-000.png").stat().st_mtime_ns == before
    assert again.rows == outcome.rows
    assert [path.name for path in folder.rglob("*.part*")] == []


def test_every_row_has_a_value_with_an_interval_or_a_reason(stopped_and_taken_up):
    _, outcome = stopped_and_taken_up
    parts = {row.part for row in outcome.rows}
    assert {"prompt following", "physics", "permanence"} <= parts
    assert {"violation of expectation", "stability", "distribution"} <= parts
    for row in outcome.rows:
        assert (row.model is None) == bool(row.why), row
        if row.model is not None:
            assert row.model.low <= row.model.value <= row.model.high


def test_the_report_says_all_and_stands_alone(stopped_and_taken_up):
    folder, outcome = stopped_and_taken_up
    page = write_report(outcome, {"model": "random <b>", "weights": "abc", "commit": "def"}, folder)
    text = page.read_text()
    assert "random &lt;b&gt;" in text
    words = re.sub("base64,[A-Za-z0-9+/=]*", "", text)  # a picture's letters may be these four
    assert "http" not in words.replace("http-equiv", "")
    assert text.count("data:image/jpeg;base64,") == len(NAMES)
    for row in outcome.rows:
        assert row.name.replace("&", "&amp;") in text
    found = json.loads((folder / "report.json").read_text())
    assert found["weights"] == "abc"
    assert len(found["rows"]) == len(outcome.rows)
    assert found["curves"]
    assert {cell["kind"] for cell in found["matrix"]} == set(CONCERNS)
    assert text.count("And nothing else moves") == 1


def test_the_terminals_table_keeps_its_brackets_and_its_reasons(stopped_and_taken_up):
    _, outcome = stopped_and_taken_up
    console = Console(width=200, file=io.StringIO())
    console.print(terminal_table(outcome.rows))
    text = console.file.getvalue()
    for row in outcome.rows:
        assert row.name in text
        assert (told(row.model, row.unit) if row.model else "not applicable: ") in text


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--truth", "truth"], "--truth was given without --clips"),
        (["--clips", "clips", "--quick"], "choose what a model is asked"),
        (["--clips", "nowhere"], "There is no folder nowhere"),
    ],
)
def test_the_command_refuses_what_has_no_effect(arguments, sentence, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["evaluate", *arguments])
    assert isinstance(result.exception, InputError)
    assert sentence in str(result.exception)


def test_estimates_are_told_with_their_intervals():
    assert told(Estimate(0.5, 0.25, 0.75, 8), "") == "50.0% [25%, 75%]"
    assert told(Estimate(0.0123, 0.01, 0.02, 8), "m/s") == "0.0123 [0.01, 0.02] m/s"
    assert told(None, "m/s") == "not applicable"


def test_a_folder_of_another_exam_is_refused(stopped_and_taken_up, tiny_bundle, tmp_path):
    folder, _ = stopped_and_taken_up
    with pytest.raises(InputError, match="another model or of other settings"):
        examine(tiny_bundle, folder, Settings(count=2, pairs=1, curve_clips=1), quietly)
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(InputError, match="holds other files"):
        examine(tiny_bundle, tmp_path, SMALL, quietly)
    with pytest.raises(InputError, match="is a file"):
        examine(tiny_bundle, tmp_path / "letter.txt", SMALL, quietly)
    with pytest.raises(InputError, match="count of 0"):
        Settings(count=0)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    export_clips(folder, count=2, seed=3, height=48, width=48, seconds=2.0, fps=8.0, event="roll")
    return folder


def test_clips_made_by_anything_are_examined(simulated, tmp_path):
    page, table = evaluate_clips(simulated, simulated, tmp_path / "report", quietly)
    assert page.is_file()
    assert table.row_count > 20
    rows = json.loads((tmp_path / "report" / "report.json").read_text())["rows"]
    by_name = {row["name"]: row for row in rows}
    assert by_name["colour, English"]["model"]["count"] == 2
    assert by_name["all kinds"]["why"] == "it needs the model's own denoising loss, and only clips were given"
    assert by_name["velocity error, collision"]["why"] == "there are no clips of its kind"


def test_what_cannot_be_examined_is_told_in_a_sentence(simulated, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError, match="holds no clips"):
        read_folder(empty, simulated)
    with pytest.raises(InputError, match="There is no folder"):
        read_folder(tmp_path / "nowhere", simulated)
    with pytest.raises(InputError, match=r"00000.mp4 has no truth"):
        read_folder(simulated, empty)
    wrong = tmp_path / "wrong"
    wrong.mkdir()
    truth = json.loads((simulated / "00000.json").read_text())
    (wrong / "00001.json").write_text((simulated / "00001.json").read_text())
    (wrong / "00000.json").write_text(json.dumps(truth | {"width": 64}))
    with pytest.raises(InputError, match=r"has 16 frames of 48x48, but its truth tells of 16 frames of 64x48"):
        read_folder(simulated, wrong)
    (wrong / "00000.json").write_text(json.dumps({"things": []}))
    with pytest.raises(InputError, match="is not the truth of a clip"):
        read_folder(simulated, wrong)
