"""Clips as files: what they tell is true of their own pixels, they appear whole, and the same call finishes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from langit.media import read_video
from langit.simulator import export
from langit.simulator.export import export_clips
from langit.simulator.world import EVENTS
from langit.types import InputError

SMALL: dict[str, Any] = {"seed": 5, "height": 48, "width": 64, "seconds": 1.0, "fps": 8.0}


def told(folder: Path, index: int) -> Any:
    return json.loads((folder / f"{index:05d}.json").read_text())


def contents(folder: Path) -> dict[str, bytes]:
    """Of all files but the sheet and the footage, whose encoder rounds a little differently from time to time."""
    files = [path for path in folder.iterdir() if path.name != "sheet.png" and path.suffix != ".mp4"]
    return {path.name: path.read_bytes() for path in files}


def footage(folder: Path, index: int) -> NDArray[np.int16]:
    return read_video(folder / f"{index:05d}.mp4").frames.astype(np.int16)


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export") / "new" / "clips"
    heard: list[int] = []
    assert export_clips(folder, count=3, **SMALL, on_clip=heard.append) == folder / "sheet.png"
    assert heard == [1, 2, 3]
    return folder


def test_a_folder_holds_footage_truth_segmentation_and_a_sheet(three: Path) -> None:
    endings = ("json", "mp4", "segmentation.png")
    clips = {f"{index:05d}.{ending}" for index in range(3) for ending in endings}
    assert {path.name for path in three.iterdir()} == clips | {"sheet.png", "export.json"}
    with Image.open(three / "sheet.png") as sheet:
        assert sheet.width > 64 * 6
    video = read_video(three / "00000.mp4")
    assert (video.num_frames, video.height, video.width, video.fps) == (8, 48, 64, 8.0)


def test_the_truth_agrees_with_the_segmentation(three: Path) -> None:
    for index in range(3):
        clip = told(three, index)
        with Image.open(three / clip["files"]["segmentation"]) as picture:
            assert picture.mode == "P"
            every = np.asarray(picture).reshape(clip["frames"], clip["height"], clip["width"])
        assert every.max() < len(clip["segmentation"]) == 2 + len(clip["things"])
        for k, thing in enumerate(clip["things"]):
            for frame, box in enumerate(thing["boxes"]):
                rows, columns = np.nonzero(every[frame] == 2 + k)
                if box is None:
                    assert rows.size == 0
                    assert thing["visible_share"][frame] == 0
                    continue
                seen = (columns.min() / 64, rows.min() / 48, (columns.max() + 1) / 64, (rows.max() + 1) / 48)
                assert box == pytest.approx(seen)


def test_what_is_told_is_the_scene_to_the_last_bit(three: Path) -> None:
    clip = told(three, 1)
    settings = export.Settings(**SMALL, event=None, split="train")
    scene = export.make_scene(settings, 1)
    assert clip["scene_seed"] == scene.seed
    assert (clip["event"], clip["ground"], clip["light"]["time"]) == (scene.event, scene.ground, scene.light.time)
    assert clip["camera"]["fov"] == scene.camera.vertical_fov
    np.testing.assert_array_equal(np.array(clip["camera"]["positions"], np.float32), scene.camera.positions)
    for name in ("positions", "quaternions", "velocities", "angular_velocities"):
        values = np.array([thing[name] for thing in clip["things"]], np.float32).swapaxes(0, 1)
        np.testing.assert_array_equal(values, getattr(scene.trajectory, name))
    assert [len(clip["contacts"]), clip["gravity"], clip["fps"]] == [8, scene.gravity, 8.0]
    assert [thing["shape"] for thing in clip["things"]] == [thing.shape for thing in scene.things]
    assert {language: set(captions) for language, captions in clip["captions"].items()} == {
        "en": {"dense", "short"},
        "id": {"dense", "short"},
    }
    assert all(text for captions in clip["captions"].values() for text in captions.values())


def test_a_clip_is_the_same_whatever_the_count_and_the_slices(
    three: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "SLICE_PIXELS", 3 * 64 * 48)
    export_clips(tmp_path / "one", count=1, **SMALL)
    alone, together = contents(tmp_path / "one"), contents(three)
    assert all(alone[name] == together[name] for name in alone)
    assert np.abs(footage(tmp_path / "one", 0) - footage(three, 0)).mean() < 1
    assert np.abs(footage(three, 1) - footage(three, 0)).mean() > 10


def test_a_stopped_export_is_finished_and_whole_clips_are_kept(tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    def stop(done: int) -> None:
        if done == 1:
            raise Stop

    folder = tmp_path / "clips"
    with pytest.raises(Stop):
        export_clips(folder, count=2, **SMALL, on_clip=stop)
    first = (folder / "00000.mp4").stat().st_mtime_ns
    (folder / ".00001.part").mkdir()  # of a process that was killed
    (folder / ".00001.part" / "00001.mp4").write_bytes(b"half")
    (folder / ".sheet.png.0badcafe.part").write_bytes(b"half")
    export_clips(folder, count=2, **SMALL)
    assert (folder / "00000.mp4").stat().st_mtime_ns == first
    assert not list(folder.glob(".*"))
    whole = contents(folder)
    for damaged in ("00000.json", "00000.mp4", "00000.segmentation.png"):
        file = folder / damaged
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
        export_clips(folder, count=2, **SMALL)
        assert contents(folder) == whole
        assert len(footage(folder, 0)) == 8


def test_a_clip_that_fails_leaves_nothing_of_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(export, "_write_segmentation", no_room)
    with pytest.raises(OSError, match=r"There is no room left to write .*clips") as caught:
        export_clips(tmp_path / "clips", count=1, **SMALL)
    assert not isinstance(caught.value, InputError)
    assert [path.name for path in (tmp_path / "clips").iterdir()] == ["export.json"]


def test_other_settings_need_overwrite_and_other_files_are_never_touched(three: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"other settings; pass --overwrite .* or name another folder"):
        export_clips(three, count=1, **{**SMALL, "seed": 6})
    folder = tmp_path / "clips"
    export_clips(folder, count=2, **SMALL)
    (folder / "notes.txt").write_text("mine")
    export_clips(folder, count=1, **{**SMALL, "seed": 6}, event="fall", overwrite=True)
    names = {"00000.json", "00000.mp4", "00000.segmentation.png", "export.json", "sheet.png", "notes.txt"}
    assert {path.name for path in folder.iterdir()} == names
    assert (told(folder, 0)["event"], told(folder, 0)["seed"]) == ("fall", 6)

    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "00000.mp4").write_bytes(b"my footage")
    with pytest.raises(InputError, match=r"holds other files \(00000\.mp4\)"):
        export_clips(mine, count=1, **SMALL, overwrite=True)
    with pytest.raises(InputError, match="is a file"):
        export_clips(mine / "00000.mp4" / "clips", count=1, **SMALL)
    assert (mine / "00000.mp4").read_bytes() == b"my footage"


def test_test_clips_hold_a_reserved_pair(tmp_path: Path) -> None:
    export_clips(tmp_path / "clips", count=2, **SMALL, split="test")
    assert all(told(tmp_path / "clips", index)["reserved"] for index in range(2))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"event": "explode"}, f"no event 'explode'; the events are {', '.join(EVENTS)}"),
        ({"split": "val"}, "no split 'val'; the splits are train, test"),
        ({"height": 8}, "64x8 .* even numbers of pixels from 16 to 1024"),
        ({"width": 65}, "65x48 .* even"),
        ({"width": 1024, "height": 1024, "seconds": 30.0, "fps": 60.0}, "1800 frames of 1024x1024"),
        ({"seconds": float("nan")}, "nan seconds"),
        ({"seconds": 0.1}, "at least two frames"),
        ({"seconds": float("inf")}, "inf seconds"),
        ({"fps": float("nan")}, "fps of nan"),
        ({"fps": 0.0}, "fps of 0"),
        ({"seed": -1}, "seed of -1"),
        ({"count": 0}, "0 clips"),
    ],
)
def test_what_the_world_does_not_know_is_one_sentence(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        export_clips(tmp_path / "clips", **{"count": 1, **SMALL, **change})
    assert not (tmp_path / "clips").exists()
