"""Records, remakes, variations, and what is kept beside the clips."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

import langit.editing.store as store_module
from langit.editing import (
    animate,
    blend,
    extend,
    generate_clip,
    inpaint,
    loop,
    outpaint,
    recut,
    remake,
    remix,
    storyboard,
    upscale,
    variations,
)
from langit.editing.sheet import save_variations
from langit.editing.store import FOLDER, Store
from langit.generate import sample
from langit.media import probe, read_video
from langit.media.record import Record, find_record, read_record, sidecar_of
from langit.types import InputError

VERBS = {
    "generate": lambda a, b, c: generate_clip("a red ball", seconds=0.5, size=(32, 24), course=c),
    "animate": lambda a, b, c: animate([a, b], "a ball", at=[0.5, 0], seconds=1, size=(32, 24), course=c),
    "extend": lambda a, b, c: extend(a, "a ball", seconds=0.5, backward=True, course=c),
    "loop": lambda a, b, c: loop(a, seconds=0.5, course=c),
    "blend": lambda a, b, c: blend(a, b, seconds=0.5, curve="ease", course=c),
    "recut": lambda a, b, c: recut(a, "0-0.5,1-1.5", course=c),
    "remix": lambda a, b, c: remix(a, "a cube", strength="subtle", course=c),
    "inpaint": lambda a, b, c: inpaint(a, "0,0,8,8", stop=1, course=c),
    "outpaint": lambda a, b, c: outpaint(a, (48, 32), course=c),
    "storyboard": lambda a, b, c: storyboard(
        {"seconds": 2, "cards": [{"at": 0, "prompt": "a ball"}, {"at": 1, "clip": str(a), "seconds": 0.5}]}, course=c
    ),
    "upscale": lambda a, b, c: upscale(a, scale=2, method="lanczos"),
}


@pytest.mark.parametrize("verb", VERBS)
def test_a_file_is_made_again_frame_for_frame(footage, course, tmp_path, verb):
    a, b = footage("a.mp4"), footage("b.mp4", seed=1)
    edit = VERBS[verb](a, b, course)
    path = edit.save(tmp_path / "made.mp4")
    assert edit.num_frames == probe(path).frames
    record = read_record(path)
    assert record.verb == verb
    assert record == Record.from_json(sidecar_of(path).read_text())
    again = remake(path)
    assert again.record == record
    np.testing.assert_array_equal(again.video().frames, edit.video().frames)


def test_every_kind_of_output_remembers(course, tmp_path):
    for name in ("a.mp4", "a.gif", "frames/"):
        edit = generate_clip("a red ball", seconds=0.5, course=course)
        assert read_record(edit.save(tmp_path / name)) == edit.record
    still = generate_clip("a red ball", frames=1, course=course)
    assert read_record(still.save(tmp_path / "a.png")) == still.record
    sidecar_of(tmp_path / "a.mp4").unlink()
    assert find_record(tmp_path / "a.mp4") is not None  # the file alone is enough


def test_what_cannot_be_made_again_is_told(footage, course, tmp_path):
    a = footage("a.mp4")
    with pytest.raises(InputError, match="does not say how it was made"):
        remake(a)
    path = extend(a, seconds=0.5, course=course).save(tmp_path / "made.mp4")
    record = read_record(path)
    footage("a.mp4", seed=3, frames=9) if a.unlink() is None else None
    with pytest.raises(InputError, match="its content has changed since"):
        remake(path)
    a.unlink()
    with pytest.raises(InputError, match="is not there; put it back"):
        remake(path)
    values = json.loads(record.to_json())
    sidecar = tmp_path / "frames.json"
    (tmp_path / "frames").mkdir()
    sidecar.write_text(json.dumps({**values, "model_hash": "another", "sources": []}))
    with pytest.raises(InputError, match="fingerprint another"):
        remake(tmp_path / "frames")
    sidecar.write_text(json.dumps({**values, "verb": "dissolve", "sources": []}))
    with pytest.raises(InputError, match="no verb 'dissolve'"):
        remake(tmp_path / "frames")


def test_variations_have_other_seeds_and_one_sheet(course, tmp_path):
    path = generate_clip("a red ball", seconds=0.5, course=course).save(tmp_path / "a.mp4")
    edits = variations(path, 3)
    assert [edit.seed for edit in edits] == [6, 7, 8]
    told = []
    sheet = save_variations(edits, tmp_path / "all", on_clip=told.append)
    assert told == [1, 2, 3]
    assert probe(sheet).frames == 1
    clips = [read_video(tmp_path / "all" / f"{seed}.mp4").frames for seed in (6, 7, 8)]
    assert (clips[0] != clips[1]).any()
    for bad in (0, 65):
        with pytest.raises(InputError, match="give 1 to 64"):
            variations(path, bad)
    with pytest.raises(InputError, match="draws nothing"):
        variations(upscale(path, method="lanczos").save(tmp_path / "large.mp4"), 2)


def test_an_interrupted_edit_leaves_its_windows_and_goes_on(footage, course, tmp_path, monkeypatch):
    made = []

    def failing(bundle, plans, on_step=None):
        if len(made) == 2:
            raise KeyboardInterrupt
        made.append(plans)
        return sample(bundle, plans, on_step)

    monkeypatch.setattr(store_module, "sample", failing)
    edit = extend(footage("a.mp4"), seconds=4, course=course)
    with pytest.raises(KeyboardInterrupt):
        edit.save(tmp_path / "out" / "b.mp4")
    assert [path.name for path in (tmp_path / "out").iterdir()] == [FOLDER]
    monkeypatch.setattr(store_module, "sample", lambda *arguments: made.append(0) or sample(*arguments))
    edit.save(tmp_path / "out" / "b.mp4")
    assert len(made) == 4  # four windows, two of them from before
    np.testing.assert_array_equal(read_video(tmp_path / "out" / "b.mp4").frames[:16].shape, (16, 32, 32, 3))


def test_the_store_is_limited_and_needs_nothing(tmp_path):
    store = Store(tmp_path / "kept", limit=3000)
    for number in range(4):
        store.put(str(number) * 40, {"x": torch.full((250,), float(number))})
    assert store.get("0" * 40) is None
    assert store.get("3" * 40)["x"][0] == 3
    assert sum(path.stat().st_size for path in store.folder.iterdir()) <= 3000
    store.put("9" * 40, {"x": torch.zeros(1000)})  # larger than all of it
    assert store.get("9" * 40) is None
    (tmp_path / "kept" / f"{'5' * 32}.safetensors").write_bytes(b"damaged")
    assert store.get("5" * 40) is None
    (tmp_path / "file").write_text("")
    Store(tmp_path / "file" / "under").put("1" * 40, {"x": torch.zeros(1)})  # no folder can be made there


def test_another_seed_prompt_or_source_is_not_taken_for_the_same(footage, course, tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(store_module, "sample", lambda *arguments: calls.append(0) or sample(*arguments))
    a, b = footage("a.mp4"), footage("b.mp4", seed=1)
    for number, edit in enumerate(
        (
            extend(a, "a ball", seconds=0.5, course=course),
            extend(a, "a ball", seconds=0.5, course=replace(course, seed=6)),
            extend(a, "a cube", seconds=0.5, course=course),
            extend(b, "a ball", seconds=0.5, course=course),
            extend(a, "a ball", seconds=0.5, course=replace(course, steps=3)),
        ),
        1,
    ):
        edit.save(tmp_path / f"{number}-out.mp4")
        assert len(calls) == number
    extend(a, "a ball", seconds=0.5, course=course).save(tmp_path / "again.mp4")
    assert len(calls) == 5


def test_the_seed_of_what_was_stopped_is_found_again(tmp_path):
    store, words = Store(tmp_path / FOLDER), ["edit", "extend", "a.mp4"]
    assert store.unfinished_seed(words) is None
    store.begin(words, 7)
    assert store.unfinished_seed(words) == 7
    assert store.unfinished_seed([*words, "more"]) is None
    store.finish(words)
    assert store.unfinished_seed(words) is None
