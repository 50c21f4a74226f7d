"""The one path: requests become plans or a sentence, and the same request gives the same frames in any company."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

import langit
from langit.catalog.bundle import Native
from langit.conditioning import FramesCondition, RegionCondition, SourceCondition
from langit.generate import generate_all
from langit.planning import Request, animate, plan
from langit.sampling import SCHEDULES, SOLVERS
from langit.tokenizer import decode, encode
from langit.types import ClipShape, InputError
from tests.conftest import random_frames

PROMPT = "a red ball bounces"
TOLERANCE = 1  # of 255: sums in another order, then rounding to bytes; of a few pixels at most


def make(bundle, *requests, on_step=None):
    clips = generate_all(bundle, [plan(bundle, request) for request in requests], on_step)
    return [clip.video.frames for clip in clips]


def assert_same(one, two):
    assert one.shape == two.shape
    difference = np.abs(one.astype(int) - two.astype(int))
    assert difference.max() <= TOLERANCE
    assert (difference > 0).mean() < 0.01


# The request becomes a plan


def test_what_is_left_open_is_the_models_own_choice(tiny_bundle):
    made = plan(tiny_bundle, Request(PROMPT))
    assert made.shape == ClipShape(9, 32, 32)
    assert (made.frames, made.fps, made.steps, made.guidance) == (8, 8.0, 4, 3.0)
    assert (made.solver, made.schedule, made.conditions, made.notices) == ("dpmpp", "linear", (), ())
    assert 0 <= made.seed < 2**31
    assert len({plan(tiny_bundle, Request(PROMPT)).seed for _ in range(4)}) > 1


def test_what_is_given_is_kept(tiny_bundle):
    request = Request(
        PROMPT, frames=6, size=(48, 24), fps=12, seed=7, steps=3, guidance=1.5, solver="heun", schedule="cosine"
    )
    made = plan(tiny_bundle, request)
    assert made.shape == ClipShape(7, 24, 48)
    assert (made.frames, made.fps, made.seed, made.steps, made.guidance) == (6, 12, 7, 3, 1.5)
    assert (made.solver, made.schedule, made.notices) == ("heun", "cosine", ())


@pytest.mark.parametrize(("seconds", "fps", "frames"), [(1, None, 8), (0.5, 10, 5), (0.01, None, 1), (1.5, 6, 9)])
def test_seconds_become_frames(tiny_bundle, seconds, fps, frames):
    assert plan(tiny_bundle, Request(PROMPT, seconds=seconds, fps=fps)).frames == frames


@pytest.mark.parametrize(
    ("size", "rounded"), [((33, 32), (32, 32)), ((36, 28), (40, 32)), ((45, 41), (48, 40)), ((30, 17), (32, 16))]
)
def test_sizes_are_rounded_and_said(tiny_bundle, size, rounded):
    made = plan(tiny_bundle, Request(PROMPT, size=size, frames=1))
    assert (made.shape.width, made.shape.height) == rounded
    assert made.notices == (
        f"{size[0]}x{size[1]} became {rounded[0]}x{rounded[1]}: sides are multiples of 8 and 8 pixels",
    )


def test_words_that_are_not_known_are_said(tiny_bundle):
    (notice,) = plan(tiny_bundle, Request("a red xylophone")).notices
    assert "xylophone" in notice


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (Request(""), "The prompt is empty"),
        (Request(" \n\t"), "The prompt is empty"),
        (Request("a " * 2001), "has 4002 characters; at most 4000"),
        (Request(PROMPT, seconds=1, frames=8), "give one of them"),
        (Request(PROMPT, frames=0), "makes 1 to 28800 frames"),
        (Request(PROMPT, frames=-3), "makes 1 to 28800 frames"),
        (Request(PROMPT, frames=28801), "makes 1 to 28800 frames"),
        (Request(PROMPT, seconds=0), "give more than 0"),
        (Request(PROMPT, seconds=-1), "give more than 0"),
        (Request(PROMPT, seconds=float("nan")), "give more than 0"),
        (Request(PROMPT, seconds=float("inf")), "seconds was asked for"),
        (Request(PROMPT, seconds=1e300), "makes 1 to 28800 frames"),
        (Request(PROMPT, fps=0.5), "from 1 to 60"),
        (Request(PROMPT, fps=61), "from 1 to 60"),
        (Request(PROMPT, fps=float("nan")), "from 1 to 60"),
        (Request(PROMPT, size=(0, 32)), "at least 1 pixel"),
        (Request(PROMPT, size=(32, -8)), "at least 1 pixel"),
        (Request(PROMPT, size=(64, 48)), "up to 2304 pixels"),
        (Request(PROMPT, size=(40, 16)), "at most 2 to 1"),
        (Request(PROMPT, size=(16, 40)), "at most 2 to 1"),
        (Request(PROMPT, steps=0), "give 1 to 1000"),
        (Request(PROMPT, steps=1001), "give 1 to 1000"),
        (Request(PROMPT, guidance=-0.1), "give 0 to 30"),
        (Request(PROMPT, guidance=31), "give 0 to 30"),
        (Request(PROMPT, guidance=float("nan")), "give 0 to 30"),
        (Request(PROMPT, seed=-1), "from 0 to 4294967295"),
        (Request(PROMPT, seed=2**32), "from 0 to 4294967295"),
        (Request(PROMPT, solver="magic"), "choose euler, heun, dpmpp"),
        (Request(PROMPT, schedule="magic"), "choose linear, cosine"),
    ],
)
def test_what_the_model_cannot_do_is_told(tiny_bundle, request_, message):
    with pytest.raises(InputError, match=message):
        plan(tiny_bundle, request_)


def test_too_many_words_are_told(tiny_bundle):
    with pytest.raises(InputError, match="reads at most 256"):
        make(tiny_bundle, Request("red " * 300))


def test_a_condition_without_a_prompt_is_enough(tiny_bundle):
    frames = random_frames(9, 32, 32)
    assert plan(tiny_bundle, Request("", conditions=(SourceCondition(frames, 0.5),))).prompt == ""


# The plan becomes frames


@pytest.mark.parametrize("frames", [1, 2, 3, 8, 16, 17])
def test_every_number_of_frames_is_made(tiny_bundle, frames):
    (video,) = make(tiny_bundle, Request(PROMPT, frames=frames, seed=1, steps=1))
    assert video.shape == (frames, 32, 32, 3)
    assert video.dtype == np.uint8


@pytest.mark.parametrize("size", [(48, 24), (24, 48), (8, 8), (48, 48)])
def test_every_aspect_is_made(tiny_bundle, size):
    (video,) = make(tiny_bundle, Request(PROMPT, frames=3, size=size, seed=1, steps=1))
    assert video.shape == (3, size[1], size[0], 3)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_solver_and_schedule_runs_and_tells_its_steps(tiny_bundle, solver, schedule):
    told = []
    request = Request(PROMPT, seed=1, steps=3, solver=solver, schedule=schedule)
    make(tiny_bundle, request, on_step=lambda done, of: told.append((done, of)))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_seed_prompt_guidance_and_steps_each_count(tiny_bundle):
    base = Request(PROMPT, seed=1)
    (first,) = make(tiny_bundle, base)
    assert (make(tiny_bundle, base)[0] == first).all()
    for changed in (
        replace(base, seed=2),
        replace(base, prompt="a blue cube"),
        replace(base, guidance=1.0),
        replace(base, steps=5),
        replace(base, solver="euler"),
        replace(base, schedule="cosine"),
    ):
        assert (make(tiny_bundle, changed)[0] != first).any(), changed


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_clip_is_the_same_alone_and_in_any_company(tiny_bundle, solver):
    """Company of other lengths, sizes, prompts and conditions; a remix beside a new clip passes other noise levels."""
    frames = random_frames(9, 32, 32)
    requests = [
        Request(PROMPT, seed=1, solver=solver),
        Request("a blue cube slides over the sand", seed=2, frames=1, size=(48, 24), solver=solver),
        Request("a pink egg", seed=3, frames=9, conditions=(SourceCondition(frames, 0.15),), solver=solver),
        Request(PROMPT, seed=1, frames=9, conditions=(FramesCondition({0: frames[0]}),), solver=solver),
        Request("a green cone", seed=1, frames=17, size=(24, 40), solver=solver),
    ]
    alone = [make(tiny_bundle, request)[0] for request in requests]
    together = make(tiny_bundle, *requests)
    backwards = make(tiny_bundle, *reversed(requests))[::-1]
    for one, two, three in zip(alone, together, backwards, strict=True):
        assert_same(one, two)
        assert_same(one, three)


def test_one_thread_or_two_make_the_same_clip(tiny_bundle):
    threads = torch.get_num_threads()
    try:
        clips = []
        for count in (1, 2):
            torch.set_num_threads(count)
            clips += make(tiny_bundle, Request(PROMPT, seed=5))
    finally:
        torch.set_num_threads(threads)
    assert_same(*clips)


def test_every_seed_is_another_clip(tiny_bundle):
    clips = make(tiny_bundle, *(Request(PROMPT, seed=seed, steps=1) for seed in (0, 1, 2**31, 2**32 - 1)))
    assert len({clip.tobytes() for clip in clips}) == 4


def test_generation_leaves_the_shared_generator_alone(tiny_bundle):
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    make(tiny_bundle, Request(PROMPT, seed=5, steps=1))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_clips_made_together_must_agree_on_the_course(tiny_bundle):
    with pytest.raises(ValueError, match="share steps, guidance, solver and schedule"):
        make(tiny_bundle, Request(PROMPT, steps=2), Request(PROMPT, steps=3))


def test_guidance_asks_the_transformer_twice_only_inside_its_interval(tiny_bundle, monkeypatch):
    calls = []
    forward = type(tiny_bundle.transformer).forward

    def counted(self, *arguments):
        calls.append(float(arguments[1].max()))
        return forward(self, *arguments)

    monkeypatch.setattr(type(tiny_bundle.transformer), "forward", counted)
    interval = replace(tiny_bundle.config.sampling, guidance_interval=(0.5, 0.95))
    bundle = replace(tiny_bundle, config=replace(tiny_bundle.config, sampling=interval))
    make(bundle, Request(PROMPT, steps=8, guidance=3.0, solver="euler"))
    inside = {level for level in calls if 0.5 <= level <= 0.95}
    assert 0 < len(inside) < 8
    assert len(calls) == 8 + len(inside)
    calls.clear()
    make(bundle, Request(PROMPT, steps=8, guidance=1.0, solver="euler"))
    assert len(calls) == 8


def test_guidance_leads_away_from_a_model_that_sees_no_held_frame(tiny_bundle, monkeypatch):
    """Frames that are held whole are read once; around a region that is made anew they stay in sight."""
    layouts = []
    forward = type(tiny_bundle.transformer).forward

    def noted(self, *arguments):
        layouts.append(arguments[2])
        return forward(self, *arguments)

    monkeypatch.setattr(type(tiny_bundle.transformer), "forward", noted)
    clip = random_frames(9, 32, 32)
    course = {"frames": 9, "steps": 2, "guidance": 3.0, "seed": 1}
    make(tiny_bundle, Request(PROMPT, **course, conditions=(FramesCondition({0: clip[0]}),)), Request(PROMPT, **course))
    whole, seen = layouts[0], layouts[1]
    assert (whole.grids[0].t, seen.grids[0].t) == (5, 4)
    assert seen.grids[1] == whole.grids[1]
    a_frame = whole.grids[0].y * whole.grids[0].x
    assert seen.positions[:a_frame].equal(whole.positions[a_frame : 2 * a_frame])
    layouts.clear()
    free = np.zeros(clip.shape[:3], bool)
    free[:, :16] = True
    make(tiny_bundle, Request(PROMPT, **course, conditions=(RegionCondition(clip, free),)))
    assert {layout.num_patches for layout in layouts} == {whole.bounds[1]}


# Conditions, all the way to pixels


def through_the_tokenizer(bundle, frames):
    clip = torch.from_numpy(frames.astype(np.float32)) / 127.5 - 1
    decoded = decode(bundle.tokenizer, encode(bundle.tokenizer, clip))
    return ((decoded.clamp(-1, 1) + 1) * 127.5).round().byte().numpy()


@pytest.mark.parametrize("solver", SOLVERS)
def test_held_frames_come_out_as_the_tokenizer_shows_them(tiny_bundle, solver):
    source = random_frames(9, 32, 32)
    for indices, kept in (([0], [0]), ([-2, -1], [7, 8]), ([0, -2, -1], [0, 7, 8]), ([3, 4], [3, 4])):
        condition = FramesCondition({index: source[index] for index in indices})
        (video,) = make(tiny_bundle, Request(PROMPT, frames=9, seed=1, solver=solver, conditions=(condition,)))
        shown = through_the_tokenizer(tiny_bundle, source)
        free = [frame for frame in range(9) if frame not in kept]
        np.testing.assert_array_equal(video[kept], shown[kept])
        assert (video[free] != shown[free]).mean() > 0.5


def test_outside_a_region_nothing_changes(tiny_bundle):
    source, free = random_frames(9, 32, 32), np.zeros((9, 32, 32), bool)
    free[3:5, 8:16, 16:32] = True
    (video,) = make(tiny_bundle, Request(PROMPT, frames=9, seed=1, conditions=(RegionCondition(source, free),)))
    shown = through_the_tokenizer(tiny_bundle, source)
    np.testing.assert_array_equal(video[~free], shown[~free])
    assert (video[free] != shown[free]).mean() > 0.5


def test_a_source_is_nearer_the_weaker_its_strength(tiny_bundle):
    """With a prediction of velocity, because at any strength the last step of x prediction takes the network's word."""
    velocity = replace(tiny_bundle.config, transformer=replace(tiny_bundle.config.transformer, prediction="velocity"))
    tiny_bundle = replace(tiny_bundle, config=velocity)
    source = random_frames(9, 32, 32)
    shown = through_the_tokenizer(tiny_bundle, source).astype(int)
    distances = []
    for strength in (0.01, 0.3, 1.0):
        request = Request(PROMPT, frames=9, seed=1, conditions=(SourceCondition(source, strength),))
        distances.append(np.abs(make(tiny_bundle, request)[0] - shown).mean())
    assert distances[0] < 5
    assert distances == sorted(distances)
    (forgotten,) = make(tiny_bundle, Request(PROMPT, frames=9, seed=1))
    np.testing.assert_array_equal(make(tiny_bundle, request)[0], forgotten)  # strength 1 is no source at all


def test_a_condition_that_does_not_fit_the_clip_is_told(tiny_bundle):
    frames = random_frames(9, 32, 32)
    with pytest.raises(InputError, match="scale and trim"):
        make(tiny_bundle, Request(PROMPT, frames=5, conditions=(SourceCondition(frames, 0.5),)))


# A picture comes alive


@pytest.fixture
def picture(tmp_path):
    def save(width, height):
        path = tmp_path / f"{width}x{height}.png"
        Image.fromarray(random_frames(1, height, width)[0]).save(path)
        return path

    return save


def test_a_picture_becomes_the_first_frame(tiny_bundle, picture):
    path = picture(32, 32)
    request = animate(tiny_bundle, Request(PROMPT, seed=1), path)
    (video,) = make(tiny_bundle, request)
    shown = through_the_tokenizer(tiny_bundle, np.asarray(Image.open(path))[None])
    np.testing.assert_array_equal(video[0], shown[0])


@pytest.mark.parametrize("native", [Native(32, 32, 9, max_pixels=48 * 48), Native(max_pixels=128 * 64), Native(48, 48)])
def test_a_picture_of_any_aspect_fits(tiny_bundle, picture, native):
    stride = (4, 8, 8) if native.height > 32 else (2, 4, 4)
    bundle = replace(tiny_bundle, config=replace(tiny_bundle.config, native=native, stride=stride))
    for width, height in [(30, 10), (10, 200), (1, 400), (400, 1)] + [(100 + 9 * step, 150) for step in range(25)]:
        request = animate(bundle, Request(PROMPT), picture(width, height))
        made = plan(bundle, replace(request, frames=1))
        assert made.notices == ()
        assert (made.shape.height, made.shape.width, 3) == request.conditions[0].frames[0].shape


def test_a_size_that_was_asked_for_is_said_when_it_is_rounded(tiny_bundle, picture):
    request = animate(tiny_bundle, Request(PROMPT, size=(33, 30), seed=1), picture(40, 40))
    made = plan(tiny_bundle, request)
    assert made.notices == ("33x30 became 32x32: sides are multiples of 8 and 8 pixels",)
    assert make(tiny_bundle, request)[0].shape == (8, 32, 32, 3)


# The public function


def test_generate_runs_from_a_folder_and_saves(tiny_bundle, picture, tmp_path):
    from tests.catalog.test_bundle import save

    folder = save(tiny_bundle, tmp_path / "model")
    clip = langit.generate(PROMPT, model=str(folder), frames=3, seed=4, steps=2, image=picture(32, 32))
    assert clip.model == str(folder)
    assert clip.elapsed > 0
    assert clip.video.frames.shape == (3, 32, 32, 3)
    path = clip.save(tmp_path / "clip.mp4")
    assert path.stat().st_size > 0
    with pytest.raises(InputError, match="overwrite"):
        clip.save(path)


def test_langit_generate_is_the_function_however_it_is_imported():
    code = (
        "import langit; first = langit.generate; import langit.generate as module;"
        "from langit.generate import generate;"
        "assert callable(first) and first is module and module.generate is generate and langit.generate is module;"
        "assert langit.Clip is module.Clip"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
