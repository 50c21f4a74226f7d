"""Every verb on small footage: kept is kept, what is asked for is made, and nonsense is one sentence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import langit
from langit.conditioning import SourceCondition
from langit.editing import (
    animate,
    blend,
    extend,
    generate_clip,
    inpaint,
    loop,
    outpaint,
    recut,
    remix,
    storyboard,
    upscale,
)
from langit.editing.footage import open_footage
from langit.generate import sample
from langit.media import read_video, write
from langit.types import InputError, Video
from tests.editing.conftest import moving


def source(path) -> np.ndarray:
    return read_video(path).frames


def changed(one, other) -> float:
    return float(np.abs(one.astype(int) - other.astype(int)).mean())


def test_the_verbs_are_public():
    assert langit.edit.extend is extend
    assert set(langit.edit.__all__) >= {
        "animate",
        "blend",
        "loop",
        "recut",
        "remix",
        "storyboard",
        "upscale",
        "variations",
    }


@pytest.mark.parametrize("seconds", [0.25, 1.0, 3.0])
def test_extend_keeps_the_clip_and_goes_on(footage, course, seconds):
    path = footage("a.mp4")
    after, before = (
        extend(path, seconds=seconds, backward=backward, course=course).video().frames for backward in (False, True)
    )
    assert len(after) == len(before) == 16 + round(seconds * 8)
    np.testing.assert_array_equal(after[:16], source(path))
    np.testing.assert_array_equal(before[-16:], source(path))


def test_a_loop_bends_the_end_or_adds_a_bridge(footage, course, model):
    path = footage("a.mp4")
    bent, bridged = (loop(path, seconds=seconds, course=course).video().frames for seconds in (None, 1.0))
    assert (len(bent), len(bridged)) == (16, 24)
    np.testing.assert_array_equal(bent[:12], source(path)[:12])  # of 5 frames whole groups of 2
    assert changed(bent[12:], source(path)[12:]) > 5
    np.testing.assert_array_equal(bridged[:16], source(path))


def test_a_loops_gap_leads_to_its_beginning(footage, course, monkeypatch):
    """The first group of the clip stands at the end of the window that closes it."""
    from langit.editing.footage import groups_of

    path, seen = footage("a.mp4"), []

    def noting(bundle, plans, on_step=None):
        seen.extend(made := sample(bundle, plans, on_step))
        return made

    edit = loop(path, seconds=1.0, course=course)
    list(edit.making(noting, None))
    np.testing.assert_allclose(seen[-1][:, -1:], groups_of(course.bundle(), source(path)[:2]), atol=1e-5)


@pytest.mark.parametrize("curve", [None, "linear", "ease"])
def test_a_blend_has_both_clips(footage, course, curve):
    a, b = footage("a.mp4"), footage("b.mp4", frames=12, seed=1)
    frames = blend(a, b, seconds=0.5, curve=curve, course=course).video().frames
    overlap = 4 if curve else 0
    assert len(frames) == 16 + 12 + (-overlap if curve else 4)
    np.testing.assert_array_equal(frames[: 16 - overlap], source(a)[: 16 - overlap])
    np.testing.assert_array_equal(frames[-(12 - overlap) :], source(b)[overlap:])


def test_recut_keeps_segments_in_any_order(footage, course):
    path = footage("a.mp4")
    frames = source(path)
    remade = recut(path, "0.5-1,1.5-1.75", course=course).video().frames
    assert len(remade) == 16
    np.testing.assert_array_equal(remade[4:8], frames[4:8])
    np.testing.assert_array_equal(remade[12:14], frames[12:14])
    assert changed(remade[:4], frames[:4]) > 5
    swapped = recut(path, [(1.0, 1.5), (0.0, 0.5)], seconds=0.5, course=course).video().frames
    np.testing.assert_array_equal(swapped, np.concatenate([frames[8:12], swapped[4:8], frames[:4]]))
    cut = recut(path, "1-1.5,0-0.5", rest="cut", course=course).video().frames
    np.testing.assert_array_equal(cut, np.concatenate([frames[8:12], frames[:4]]))


def test_a_prompt_in_a_pictures_place_is_said_to_be_no_picture(course):
    with pytest.raises(InputError, match=r"There is no picture a cone slides; .* a prompt by --prompt"):
        animate("a cone slides", seconds=1, course=course)


def test_pictures_are_keyframes(course, tmp_path):
    paths = []
    for number in range(2):
        paths.append(tmp_path / f"{number}.png")
        Image.fromarray(moving(1, seed=number)[0]).save(paths[-1])
    frames = animate(paths, "a red ball", at=[0, 1.5], seconds=2, course=course).video().frames
    assert len(frames) == 16
    for index, number in ((0, 0), (12, 1)):
        np.testing.assert_array_equal(frames[index], moving(1, seed=number)[0])
    one = animate(paths[0], at=[0.5], seconds=1, course=course).video().frames
    np.testing.assert_array_equal(one[4], moving(1)[0])


def test_inpaint_changes_the_region_alone(footage, course, tmp_path):
    path = footage("a.mp4", frames=24)
    frames = source(path)
    box = inpaint(path, "8,4,12,16", start=1, stop=2, course=course).video().frames
    inside = np.zeros((24, 32, 32), bool)
    inside[8:16, 4:20, 8:20] = True
    np.testing.assert_array_equal(box[~inside], frames[~inside])
    assert changed(box[inside], frames[inside]) > 5
    mask = np.zeros((24, 32, 32, 3), np.uint8)
    for index in range(24):
        mask[index, :, index : index + 8] = 255
    write(Video(mask, 8.0), tmp_path / "mask.mp4", crf=0)
    moved = inpaint(path, tmp_path / "mask.mp4", course=course)
    assert moved.notices == ()
    kept = mask[..., 0] == 0
    kept[:, :, 1:] &= mask[:, :, :-1, 0] == 0  # the codec halves colour: a pixel beside the mask may be grey
    kept[:, :, :-1] &= mask[:, :, 1:, 0] == 0
    np.testing.assert_array_equal(moved.video().frames[kept], frames[kept])


def test_a_mask_of_another_size_is_scaled_and_said(footage, course, tmp_path):
    path = footage("a.mp4")
    mask = np.zeros((64, 64, 3), np.uint8)
    mask[:32] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    edit = inpaint(path, tmp_path / "mask.png", course=course)
    assert edit.notices == ("the mask is 64x64 and the clip 32x32; it is scaled",)
    np.testing.assert_array_equal(edit.video().frames[:, 18:], source(path)[:, 18:])


def test_outpaint_widens_the_frame_around_the_clip(footage, course):
    path = footage("a.mp4")
    edit = outpaint(path, (48, 32), course=course)
    frames = edit.video().frames
    assert frames.shape == (16, 32, 48, 3)
    np.testing.assert_array_equal(frames[:, :, 8:40], source(path))
    large = outpaint(path, (80, 48), course=course)
    assert "the model's size" in " ".join(large.notices)
    height, width = large.size
    assert width / height == pytest.approx(5 / 3, rel=0.2)
    with pytest.raises(InputError, match="would be 5x5 pixels; give a size nearer its own, 32x32"):
        outpaint(path, (320, 160), course=course)


def test_a_remix_starts_from_the_clip(footage, course):
    """The source enters at the strength, window after window."""
    path, levels = footage("a.mp4", frames=40), []

    def noting(bundle, plans, on_step=None):
        levels.extend(c.strength for one in plans for c in one.conditions if isinstance(c, SourceCondition))
        return sample(bundle, plans, on_step)

    edit = remix(path, "a blue cube", strength=0.3, course=course)
    assert len(list(edit.making(noting, None))) == 40
    assert levels == [0.3] * len(levels)
    assert len(levels) > 1


def board_file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "board.yaml"
    path.write_text(text)
    return path


def test_a_storyboard_and_one_card_of_it_again(footage, course, tmp_path):
    footage("end.mp4", frames=8, seed=1)
    board = board_file(
        tmp_path,
        """
seconds: 4
prompt: on the sand
cards:
  - {at: 0, prompt: a red ball rolls}
  - {at: 1.5, prompt: the red ball stops}
  - {at: 3, clip: end.mp4, locked: true}
""",
    )
    edit = storyboard(board, course=course)
    first = edit.video().frames
    assert first.shape == (32, 32, 32, 3)
    assert edit.record.prompt == "a red ball rolls on the sand | the red ball stops on the sand | on the sand"
    np.testing.assert_array_equal(first[24:], source(tmp_path / "end.mp4"))
    made = edit.save(tmp_path / "made.mp4")
    again = storyboard(board, base=made, card=2, course=replace(course, seed=9)).video().frames
    np.testing.assert_array_equal(again[:12], first[:12])
    np.testing.assert_array_equal(again[24:], first[24:])
    assert changed(again[12:24], first[12:24]) > 2
    unlocked = storyboard(board, base=made, course=replace(course, seed=9)).video().frames
    np.testing.assert_array_equal(unlocked[24:], first[24:])
    assert changed(unlocked[:12], first[:12]) > 2


def test_upscale_by_lanczos_and_motion(footage):
    path = footage("a.mp4", sound=True)
    edit = upscale(path, scale=2, fps=16, method="lanczos")
    video = edit.video()
    assert video.frames.shape == (32, 64, 64, 3)
    assert (video.fps, edit.record.options["method"]) == (16, "lanczos")
    assert changed(video.frames[::2, ::2, ::2], source(path)) < 8
    assert video.audio.seconds == pytest.approx(2, abs=0.01)


# Footage of every kind


def test_other_footage_comes_to_the_models_size_and_rate(footage, course):
    path = footage("wide.mp4", frames=50, height=90, width=160, fps=25.0)
    edit = extend(path, seconds=1, course=course)
    frames = edit.video().frames
    assert edit.fps == 8
    assert len(frames) == 16 + 8
    assert "wide.mp4 is 160x90; it is worked on at 40x24, the model's size" in edit.notices
    with_rule = read_video(path, fps=8, size=edit.size).frames
    np.testing.assert_array_equal(frames[:16], with_rule)


def test_a_clip_of_one_frame_is_gone_on_with(course, tmp_path):
    Image.fromarray(moving(1)[0]).save(tmp_path / "one.png")
    frames = extend(tmp_path / "one.png", seconds=1, course=course).video().frames
    assert len(frames) == 9
    np.testing.assert_array_equal(frames[0], moving(1)[0])


def test_what_is_ours_is_kept_exactly_and_gone_on_with_by_its_latents(course, tmp_path):
    """Three edits in a row: the frames that came first have not been through a codec."""
    first = generate_clip("a red ball", seconds=1, course=course)
    whole = first.video().frames
    path = first.save(tmp_path / "0.mp4")
    for number in range(1, 4):
        opened = open_footage(course.bundle(), path)
        assert opened.end is not None
        assert opened.prompt == "a red ball"
        edit = extend(path, seconds=0.5, course=course)
        frames = edit.video().frames
        np.testing.assert_array_equal(frames[: len(whole)], whole)
        whole, path = frames, edit.save(tmp_path / f"{number}.mp4")
    assert len(whole) == 8 + 12


# Sound


def test_sound_is_kept_cut_and_faded_with_its_frames(footage, course):
    path = footage("a.mp4", sound=True)
    audio = extend(path, seconds=1, course=course).video().audio
    assert audio.seconds == pytest.approx(3, abs=0.01)
    loud = np.abs(audio.samples[0]).reshape(-1, 800).max(1)  # tenths of a second
    assert loud[1:18].min() > 0.3
    assert loud[20:].max() == 0
    assert np.abs(audio.samples[0, 15920:16000]).max() < 0.1
    cut = recut(path, "0-0.5,1-1.5", rest="cut", course=course).video().audio
    assert cut.seconds == pytest.approx(1, abs=0.01)
    whole = inpaint(path, "0,0,8,8", course=course).video().audio
    assert np.abs(whole.samples[0]).reshape(-1, 800).max(1)[1:].min() > 0.3
    assert loop(footage("b.mp4"), course=course).video().audio is None


# What cannot be done


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda p, c: recut(p, "0-1,0.5-1.5", course=c), "0-1 and 0.5-1.5 overlap"),
        (lambda p, c: recut(p, "0-9", course=c), "9 s lies outside a.mp4, which is 2 s long"),
        (lambda p, c: recut(p, "1-0.5", course=c), "holds no frame"),
        (lambda p, c: recut(p, "one-two", course=c), "write start-stop in seconds"),
        (lambda p, c: recut(p, [], course=c), "No segment"),
        (lambda p, c: recut(p, "1-1.5,0-0.5", rest="remake", course=c), "use bridge or cut"),
        (lambda p, c: recut(p, "0-1", rest="burn", course=c), "the ways are remake, bridge, cut"),
        (lambda p, c: extend(p, seconds=0, course=c), "give more than 0"),
        (lambda p, c: extend(p, seconds=float("nan"), course=c), "give more than 0"),
        (lambda p, c: extend(p, seconds=1e9, course=c), "at most 3600"),
        (lambda p, c: extend(p, "x " * 3000, course=c), "at most 4000 are read"),
        (lambda p, c: extend("nowhere.mp4", course=c), "There is no file nowhere.mp4"),
        (lambda p, c: extend(p, course=replace(c, seed=-1)), "give a whole number"),
        (lambda p, c: blend(p, p, curve="zigzag", course=c), "the curves are linear"),
        (lambda p, c: blend(p, p, curve="ease", seconds=4, course=c), "each must be longer"),
        (lambda p, c: remix(p, " ", course=c), "needs a prompt"),
        (lambda p, c: remix(p, "a ball", strength="brutal", course=c), "give subtle, mild, strong"),
        (lambda p, c: remix(p, "a ball", strength=0, course=c), "give subtle, mild, strong"),
        (lambda p, c: inpaint(p, "20,20,40,40", course=c), "does not lie inside the clip, which is 32x32"),
        (lambda p, c: inpaint(p, "1,2,3", course=c), "write x,y,w,h"),
        (lambda p, c: inpaint(p, "0,0,8,8", start=1.5, stop=1, course=c), "the end comes after the start"),
        (lambda p, c: outpaint(p, (16, 16), course=c), "larger in at least one side"),
        (lambda p, c: outpaint(p, (320, 32), course=c), "at most 2 to 1"),
        (lambda p, c: upscale(p, scale=9), "give 1 to 4"),
        (lambda p, c: upscale(p, scale=1), "changes nothing"),
        (lambda p, c: upscale(p, fps=4), "from the clip's own, 8"),
        (lambda p, c: upscale(p, method="magic"), "the upscalers are"),
        (lambda p, c: animate([p, p], at=[0, 0.05], course=c), "are both frame 0"),
        (lambda p, c: animate([p, p], course=c), "2 pictures and 1 times"),
        (lambda p, c: animate(p, at=[5], seconds=2, course=c), "give a time inside it"),
    ],
)
def test_nonsense_is_one_sentence_and_the_source_is_untouched(footage, course, ask, message):
    path = footage("a.mp4")
    before = path.read_bytes()
    with pytest.raises(InputError, match=message):
        ask(path, course)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("board", "message"),
    [
        (
            "seconds: 2\ncards: [{at: 0, prompt: a}, {at: 0, prompt: b}]",
            "Cards 1 and 2 of .* contradict each other: 0 s, then 0 s",
        ),
        ("seconds: 2\ncards: [{at: 0, clip: a.mp4}, {at: 1, prompt: b}]", "Card 1 and card 2 at 1 s contradict"),
        ("seconds: 1\ncards: [{at: 0, clip: a.mp4}]", "Card 1 and the end of the board contradict"),
        ("seconds: 2\ncards: [{at: 0, prompt: a}, {at: 5, prompt: b}]", "the board lasts from 0 to 2 s"),
        ("seconds: 2\ncards: [{at: 1, prompt: a}]", "begin with one at 0"),
        ("seconds: 2\ncards: [{at: 0}]", "Card 1 says nothing"),
        ("seconds: 2\ncards: [{at: 0, picture: a.png, clip: a.mp4}]", "both a picture and a clip"),
        ("seconds: 2\ncards: [{at: 0, prmpt: a}]", "prmpt is not known"),
        ("seconds: 2\ncards: [{at: soon, prompt: a}]", "numbers of seconds"),
        ("seconds: long\ncards: [{at: 0, prompt: a}]", "needs `seconds` as a number"),
        ("cards: []", "is no storyboard"),
        ("{", "is not YAML"),
        ("seconds: 2\ncards: [{at: 0, clip: nowhere.mp4}]", "There is no file"),
    ],
)
def test_contradictory_boards_name_their_cards(footage, course, tmp_path, board, message):
    footage("a.mp4")
    with pytest.raises(InputError, match=message):
        storyboard(board_file(tmp_path, board), course=course)


def test_cards_that_cannot_be_made_again(footage, course, tmp_path):
    board = board_file(tmp_path, "seconds: 2\ncards: [{at: 0, prompt: a, locked: true}]")
    base = footage("a.mp4")
    for options, message in (
        ({"base": base}, "Every card is locked"),
        ({"base": base, "card": 1}, "Card 1 is locked"),
        ({"base": base, "card": 3}, "cards 1 to 1"),
        ({"card": 1}, "give it as the base"),
        ({"base": footage("b.mp4", frames=9)}, "9 frames and the board 16"),
    ):
        with pytest.raises(InputError, match=message):
            storyboard(board, course=course, **options)
