"""The exam of editing at its smallest: it runs to a report, goes on where it stopped, and says what a model cannot do."""

from __future__ import annotations

import html
import json
from dataclasses import replace

import numpy as np
import pytest

from langit.catalog import load
from langit.evaluation.editing import exam, report, sources
from langit.evaluation.editing.boards import spans_of
from langit.evaluation.editing.run import Settings
from langit.evaluation.editing.shelf import Shelf
from langit.types import InputError
from tests.editing.conftest import moving

SMALLEST = Settings(count=1, chains=1, boards=1, remixes=1, extension_seconds=0.5)


def quiet(what: str, done: int, total: int) -> None:
    pass


@pytest.fixture(scope="module")
def examined(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report, "QUICK", SMALLEST)
        patch.setattr(sources, "real_clips", list)
        told = []
        page, _ = report.evaluate_editing(model, folder, True, None, 0, quiet, told.append)
    return page, json.loads((folder / "report.json").read_text()), told


def test_every_verb_has_its_rows(examined):
    _, found, told = examined
    rows = {(row["part"], row["name"]): row for row in found["rows"]}
    for verb in ("extend", "extend backward", "loop", "blend", "recut", "storyboard"):
        assert rows["joins", f"{verb}, simulated clips"]["model"]["count"] == 1
    assert rows["joins", "the middle one of all joins"]["model"]["count"] > 6
    assert rows["joins", "the largest jump inside what is made"]["model"]["value"] > 0
    assert 0 <= rows["joins", "of at most 1.2 times the two changes before and after"]["model"]["value"] <= 1
    for verb in ("loop", "loop by a bridge"):
        assert rows["wraps of loops", f"{verb}, simulated clips"]["model"]["value"] > 0
    for verb in ("extend", "blend by a curve", "recut", "inpaint", "outpaint"):
        assert rows["what was to stay", f"{verb}, simulated clips"]["model"]["value"] <= 1
    assert rows["ten extensions", "count and identity kept"]["simulator"]["value"] == 1
    assert rows["storyboards", "a span follows its own prompt"]["model"]["count"] == 3
    assert rows["remixes", "structure kept, mild, 0.7"]["model"] is not None
    assert len(found["lines"]["remixes"]["structure kept"]) == len(found["strengths"])
    assert "takes about" in told[0]
    assert "No real footage" in told[1]
    assert ("joins", "extend, more simulated clips") in rows


def test_the_page_holds_all(examined):
    page, found, _ = examined
    text = page.read_text()
    for row in found["rows"]:
        assert html.escape(row["name"]) in text
    assert "data:image/jpeg" in text
    assert "<svg" in text


def test_what_is_there_is_not_made_again(examined, model, monkeypatch):
    page, found, _ = examined
    monkeypatch.setattr(report, "QUICK", SMALLEST)
    monkeypatch.setattr(sources, "real_clips", list)
    monkeypatch.setattr("langit.generate.sample", lambda *arguments: pytest.fail("made again"))
    monkeypatch.setattr(report, "expected_seconds", lambda bundle, settings: None)
    report.evaluate_editing(model, page.parent, True, None, 0, quiet, lambda sentence: None)
    again = json.loads((page.parent / "report.json").read_text())
    assert again["rows"] == found["rows"]
    with pytest.raises(InputError, match="of another model or of other settings"):
        report.evaluate_editing(model, page.parent, True, None, 1, quiet, lambda sentence: None)


def test_a_folder_of_other_things_is_refused(model, tmp_path):
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(InputError, match="holds other files"):
        report.evaluate_editing(model, tmp_path, True, None, 0, quiet, lambda sentence: None)
    with pytest.raises(InputError, match="is a file"):
        report.evaluate_editing(model, tmp_path / "letter.txt", True, None, 0, quiet, lambda sentence: None)


def test_a_model_that_cannot_is_told_verb_by_verb(model, tmp_path, monkeypatch):
    bundle = load(model)
    short = replace(bundle, config=replace(bundle.config, native=replace(bundle.config.native, max_frames=5)))
    monkeypatch.setattr("langit.editing.edit.load", lambda *names: short)
    monkeypatch.setattr(sources, "real_clips", list)
    found = exam.examine_editing(bundle, model, tmp_path, replace(SMALLEST, chains=1), quiet)
    rows = {row.name: row for part in found.parts.values() for row in part.rows}
    assert "too short to hold what is known" in rows["extend, simulated clips"].why
    assert "cannot do this edit" in found.parts["ten extensions"].rows[0].why
    still = replace(bundle, config=replace(bundle.config, native=replace(bundle.config.native, frames=1)))
    assert "motion needs 9" in exam.examine_editing(still, model, tmp_path, SMALLEST, quiet).parts["verbs"].rows[0].why


def test_a_shelf_keeps_frames_exactly(tmp_path):
    shelf, clip = Shelf(tmp_path, 8.0), moving(5)
    np.testing.assert_array_equal(shelf.frames("a", lambda: clip), clip)
    np.testing.assert_array_equal(shelf.frames("a", lambda: pytest.fail("made again")), clip)
    (tmp_path / "clips" / "a.png").write_bytes(b"damaged")
    with pytest.raises(InputError, match="is damaged; delete it"):
        shelf.frames("a", lambda: clip)
    assert [len(span) for span in spans_of(moving(48))] == [16, 16, 16]
