"""Long sources stream, and chains of edits do not decay."""

from __future__ import annotations

import os
import tracemalloc

import numpy as np
import pytest
import torch

from langit.editing import extend, generate_clip, inpaint, recut, remix
from langit.editing.edit import Course
from langit.editing.film import Film, frames_of
from langit.editing.footage import open_footage
from langit.editing.store import FOLDER, Store
from langit.generate import sample
from langit.media import VideoWriter, probe
from langit.types import InputError
from tests.editing.conftest import moving

LONG = {
    "extend": lambda p, c: extend(p, seconds=1, course=c),
    "extend backward": lambda p, c: extend(p, seconds=1, backward=True, course=c),
    "recut": lambda p, c: recut(p, "0-1,2-5,6-15", course=c),
    "inpaint": lambda p, c: inpaint(p, "4,4,8,8", course=c),
    "remix": lambda p, c: remix(p, "a cube", course=c),
}


def long_footage(path, frames: int):
    with VideoWriter(path, 8.0, (32, 32)) as out:
        for index in range(frames):
            out.write(np.roll(moving(1)[0], index, 1))
    return path


def peak(edit) -> int:
    """Bytes that Python and numpy held at most while the frames were made."""
    tracemalloc.start()
    try:
        for _ in edit.frames():
            pass
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("verb", LONG)
def test_a_long_source_takes_the_memory_of_a_window(course, tmp_path, verb):
    short, long = (long_footage(tmp_path / f"{frames}.mp4", frames) for frames in (121, 481))
    LONG[verb](short, course).video()  # what is loaded once
    whole = 360 * 32 * 32 * 3
    assert peak(LONG[verb](long, course)) - peak(LONG[verb](short, course)) < whole / 4


def test_ten_edits_do_not_decay(course, tmp_path):
    """What was made first is shown by the tenth file's own edit as it was made, and goes on from latents throughout."""
    first = generate_clip("a red ball", seconds=1, course=course)
    core, path, before = first.video().frames, first.save(tmp_path / "0.mp4"), 0
    for number in range(1, 11):
        if number % 3 == 1:
            edit = extend(path, seconds=0.5, course=course)
            assert open_footage(course.bundle(), path).end is not None or number > 1
        elif number % 3 == 2:
            edit, before = extend(path, seconds=0.25, backward=True, course=course), before + 2
        else:
            length = probe(path).frames
            edit = recut(path, f"0-{(length - 2) / 8}", rest="cut", course=course)
        path = edit.save(tmp_path / f"{number}.mp4")
        assert open_footage(course.bundle(), path).exact is not None
    kept = np.stack(list(open_footage(course.bundle(), path).frames()))
    np.testing.assert_array_equal(kept[before : before + 6], core[:6])


def test_ten_extensions_hand_latents_on(course, tmp_path):
    """No extension of our own clips encodes a frame of what came before: all begin with latents."""
    path = generate_clip("a red ball", seconds=1, course=course).save(tmp_path / "0.mp4")
    for number in range(1, 11):
        opened = open_footage(course.bundle(), path)
        assert opened.end is not None
        seen = []

        def noting(bundle, plans, on_step=None, seen=seen):
            seen.extend(made := sample(bundle, plans, on_step))
            return made

        edit = extend(path, seconds=0.5, course=course)
        list(edit.making(noting, None))
        np.testing.assert_array_equal(seen[0][:, 1:2], opened.end.groups)
        path = edit.save(tmp_path / f"{number}.mp4")
    assert probe(path).frames == 8 + 40


def test_another_models_latents_are_left_alone(course, tmp_path):
    """A clip of one model is extended by another: from its exact frames, encoded by the other's tokenizer."""
    path = generate_clip("a red ball", seconds=1, course=course).save(tmp_path / "0.mp4")
    embedded = Course(seed=1, steps=1)
    opened = open_footage(embedded.bundle(), path)
    assert opened.exact is not None
    assert opened.end is None
    longer = extend(path, seconds=0.5, course=embedded).video().frames
    np.testing.assert_array_equal(longer[:8], np.stack(list(opened.frames())))
    assert len(longer) == 12


def test_a_film_keeps_frames_without_loss(tmp_path):
    store, noise = Store(tmp_path / FOLDER), np.random.default_rng(0).integers(0, 256, (70, 9, 31, 3), np.uint8)
    film = Film(store)
    for frame in noise:
        film.add(frame)
    film.keep("a" * 64, {"x": torch.ones(1)})
    film.discard()  # too late to forget it
    np.testing.assert_array_equal(np.stack(list(frames_of(store.film("a" * 64)))), noise)
    assert int(store.get("a" * 64)["count"]) == 70
    assert store.film("b" * 64) is None
    assert not list(store.folder.glob("*.part"))
    store.film("a" * 64).write_bytes(b"damaged")
    with pytest.raises(InputError, match="is damaged; delete it"):
        list(frames_of(store.film("a" * 64)))


def test_a_film_that_is_too_large_or_has_no_disk_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr("langit.editing.film.LARGEST", 1000)
    noise = np.random.default_rng(0).integers(0, 256, (100, 16, 16, 3), np.uint8)
    film = Film(Store(tmp_path / FOLDER))
    for frame in noise:
        film.add(frame)
    film.keep("a" * 64, {})
    assert not (tmp_path / FOLDER).exists()
    (tmp_path / "file").write_text("")
    film = Film(Store(tmp_path / "file" / "under"))
    film.add(noise[0])
    film.keep("a" * 64, {})


def test_what_a_killed_process_left_goes(tmp_path):
    store = Store(tmp_path / FOLDER)
    store.put("a" * 64, {"x": torch.ones(1)})
    old, new = store.folder / "old.part", store.folder / "new.part"
    old.touch()
    new.touch()
    os.utime(old, (0, 0))
    store.put("b" * 64, {"x": torch.ones(1)})
    assert not old.exists()
    assert new.exists()
