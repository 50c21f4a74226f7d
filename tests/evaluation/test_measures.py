"""The measures on the simulator's own clips (their ceiling) and on damaged ones (they must notice)."""

from __future__ import annotations

import itertools
from dataclasses import replace
from fnmatch import fnmatch
from functools import cache

import numpy as np
import pytest

from langit.evaluation import discs, expectation, permanence, physics, stability
from langit.evaluation.concerns import CONCERNS, reason
from langit.evaluation.corruptions import CORRUPTIONS, corrupt
from langit.evaluation.curves import BLURRED, WATCHED, damaged, named, read
from langit.evaluation.distribution import distance, kernel_distance
from langit.evaluation.follow import pinpoint
from langit.evaluation.footage import Examined, Told
from langit.evaluation.matrix import Cell, row
from langit.evaluation.outline import share_within
from langit.evaluation.papers import ORDER, Form, Paper, set_papers
from langit.evaluation.physics import restitution
from langit.evaluation.prompts import make_prompts
from langit.evaluation.restaged import RESTAGED
from langit.evaluation.scenes import Length, make_scene
from langit.evaluation.statistics import Reading
from langit.evaluation.violations import KINDS, make_pair
from langit.simulator.camera import project

FORM = Form(height=64, width=64, frames=33, fps=8.0, max_frames=65, given=5, stride=4)


@cache
def papers(task: str, count: int = 3) -> tuple[Paper, ...]:
    if task == "world":
        asked = make_prompts(count, seed=5, languages=("en",), details=("dense",))
        return tuple(Paper(task, number, 0, FORM, prompt) for number, prompt in enumerate(asked))
    return tuple(Paper(task, number, 0, FORM) for number in range(count))


@cache
def own(task: str, count: int = 3) -> tuple[Examined, ...]:
    return tuple(paper.own() for paper in papers(task, count))


def value(readings: list[Reading], name: str) -> float:
    found = next(one for one in readings if one.name == name).estimated()
    assert found is not None, f"{name} was not read"
    return found.value


def test_places_on_the_screen_lead_back_to_places_in_the_world():
    told = own("parabola")[0].told
    screen, depth = project(told.camera, told.positions, *told.size)
    back = told.in_space(screen[:, 0, 0], screen[:, 0, 1], depth[:, 0])
    np.testing.assert_allclose(back, told.positions[:, 0], atol=1e-3)


def test_restitution_from_heights():
    time = np.arange(60) / 30
    drop, speed = np.sqrt(2 * 2 / 9.81), 0.8 * np.sqrt(2 * 9.81 * 2)
    height = np.where(time < drop, 2 - 9.81 / 2 * time**2, speed * (time - drop) - 9.81 / 2 * (time - drop) ** 2)
    assert restitution(np.maximum(height, 0).astype(np.float32)) == pytest.approx(0.8, abs=0.03)
    stays = np.where(time < drop, height, 0).astype(np.float32)
    assert restitution(stays) == pytest.approx(0, abs=0.1)
    assert np.isnan(restitution(np.full(60, np.nan, np.float32)))
    assert np.isnan(restitution(np.full(60, 2, np.float32)))  # it hangs in the air: it did not fall


def test_physics_of_the_simulators_own_clips():
    clips = [clip for task in ("uniform", "collision", "parabola", "fall", "bounce", "static") for clip in own(task)]
    readings = physics.measure(clips)
    assert value(readings, "velocity error, uniform") < 0.2
    assert value(readings, "things followed, uniform") == 1
    assert value(readings, "gravity, relative error") < 0.15
    assert value(readings, "restitution, error") < 0.25
    assert value(readings, "collisions without interpenetration") == 1
    assert value(readings, "things at rest on something") == 1


CURVE = (0.5, 1.0)


@pytest.mark.parametrize("watch", WATCHED, ids=lambda one: f"{one.kind}-{one.name}".replace(" ", "_").replace(",", ""))
def test_damage_worsens_its_measure_more_and_more(watch):
    count = 4 if watch.task == "world" else 2
    clips = papers(watch.task, count)
    damage = [[damaged(paper, watch.kind, watch.top * share) for paper in clips] for share in CURVE]
    readings = [named(watch.name, read(some)) for some in (own(watch.task, count), *damage)]
    better = 1 if readings[0].better == "higher" else -1
    values = [better * found.value for one in readings if (found := one.estimated()) is not None]
    slack = 0.05 * (max(values) - min(values))
    assert len(values) == len(readings)
    assert values[-1] < values[0]
    assert all(later <= before + slack for before, later in itertools.pairwise(values))


ONE_OF_EACH = tuple(one for task in ORDER for one in papers(task, 1))


@cache
def undamaged() -> dict[str, Examined]:
    return {paper.name: paper.own() for paper in ONE_OF_EACH}


@pytest.mark.parametrize("kind", CONCERNS)
def test_only_the_right_measures_move(kind):
    cells = list(row(ONE_OF_EACH, undamaged(), kind))
    assert len(cells) > 3
    astray = [f"{cell.name} from {cell.before:.3g} to {cell.after}" for cell in cells if not cell.is_as_told]
    assert not astray, f"{kind} should not have moved {', '.join(astray)}"


def test_every_kind_of_damage_has_its_measure_and_its_concerns():
    kinds = set(CORRUPTIONS) | set(RESTAGED)
    assert set(CONCERNS) == kinds
    assert {watch.kind for watch in WATCHED} | {BLURRED} == kinds
    names = {one.name for clips in (own("world", 1), own("static", 1)) for one in read(clips)}
    names |= {one.name for one in read([clip for task in ORDER[1:] for clip in own(task, 1)])}
    for kind, concern in CONCERNS.items():
        for pattern in (pattern for _, patterns in concern.moves for pattern in patterns):
            assert any(fnmatch(name, pattern) for name in names), f"{kind} may move {pattern}, which nothing reads"
    assert reason("noise", "flicker, static scenes")
    assert not reason("noise", "velocity error, uniform")


def test_a_measure_that_moves_and_should_not_is_told():
    cell = Cell("noise", 0.1, "physics", "velocity error, uniform", "m/s", before=0.03, after=0.05, why="")
    assert cell.is_as_told
    assert not replace(cell, after=0.2).is_as_told
    assert not replace(cell, after=None).is_as_told
    assert replace(cell, after=0.2, why="it jumps").is_as_told


def test_a_ball_is_placed_to_hundredths_of_a_pixel_by_its_outline():
    for task in ("uniform", "collision", "parabola"):
        apart = []
        for clip in own(task):
            for thing in physics.acting(clip):
                placed, told = pinpoint(clip, thing), clip.told.centroids[:, thing]
                steps = np.diff(np.stack([placed.x, placed.y], -1) - told, axis=0)[placed.whole[1:] & placed.whole[:-1]]
                apart.append(np.abs(steps).mean() * clip.told.size[0])
        assert np.mean(apart) < 0.06, task  # pixels a frame; centroids of what is seen have 0.12


def test_a_thing_that_hangs_in_the_air_is_not_supported():
    readings = []
    for paper in papers("fall", 2):
        clip = paper.own()
        still = np.repeat(clip.frames[:1], len(clip.frames), 0)  # it stays where it was dropped
        readings.append(physics.is_supported(replace(clip, frames=still)))
    known = [one for one in readings if not np.isnan(one)]
    assert known == [0.0] * len(known)
    assert known


def test_a_thing_that_stays_hidden_does_not_reappear():
    gone = [damaged(paper, "vanish", 0.75) for paper in papers("occlusion", 2)]
    readings = permanence.measure(gone)
    assert value(readings, "occluded things that reappear") == 0
    exit_time = next(one for one in readings if one.name == "exit time error")
    assert exit_time.estimated() is None
    assert exit_time.why == "none reappeared"


def test_the_seam_of_a_join_is_seen_where_it_is():
    clip = own("extension", 1)[0]
    frames = clip.frames.copy()
    join = clip.joins[0]
    frames[join:] = np.clip(frames[join:].astype(int) + 12, 0, 255).astype(np.uint8)
    brighter = replace(clip, frames=frames)
    assert stability.seam(brighter, join) == pytest.approx(12, abs=2)
    assert stability.seam(brighter, clip.joins[1]) < 1
    assert stability.background_drift(brighter) < 1  # it is told as a seam, and not once more
    gone = clip.frames.astype(int) + np.linspace(0, 20, len(frames)).astype(int)[:, None, None, None]
    drifting = replace(clip, frames=np.clip(gone, 0, 255).astype(np.uint8))
    assert stability.background_drift(drifting) == pytest.approx(20, abs=4)


def test_flicker_does_not_count_steady_change():
    ramp = np.broadcast_to(np.arange(0, 66, 2, dtype=np.uint8)[:, None, None, None], (33, 16, 16, 3)).copy()
    clip = replace(own("static", 1)[0], frames=ramp)
    assert stability.flicker(clip) == 0
    blinking = ramp.copy()
    blinking[::2] += 10
    assert stability.flicker(replace(clip, frames=blinking)) > 5


def test_the_kernel_distance_is_zero_on_average_between_equals_and_grows_with_a_shift():
    rng = np.random.default_rng(0)
    equal = [kernel_distance(rng.normal(size=(40, 16)), rng.normal(size=(40, 16))) for _ in range(30)]
    assert abs(np.mean(equal)) < 3 * np.std(equal) / 30**0.5
    x, y = rng.normal(size=(40, 16)), rng.normal(size=(40, 16))
    shifted = [distance(x, y + shift) for shift in (0.0, 0.5, 1.0)]
    assert shifted[0].value < shifted[1].value < shifted[2].value
    assert shifted[2].low > shifted[0].high


def test_scenes_and_pairs_are_the_same_whatever_else_is_made():
    length = Length(17, 8.0)
    for task in ("uniform", "pan", "occlusion"):
        a, b = make_scene(task, 3, 5, length), make_scene(task, 3, 5, length)
        np.testing.assert_array_equal(a.trajectory.positions, b.trajectory.positions)
        assert a.things == b.things
    first, again = make_pair("recolour", 0, 1, length, 32, 32), make_pair("recolour", 0, 1, length, 32, 32)
    np.testing.assert_array_equal(first.invalid, again.invalid)


@pytest.mark.parametrize("kind", KINDS)
def test_invalid_clips_differ_from_the_valid_ones_and_not_in_their_length(kind):
    pair = make_pair(kind, 0, 0, Length(17, 8.0), 48, 48)
    for valid in pair.valid:
        assert valid.shape == pair.invalid.shape
        assert np.abs(valid.astype(int) - pair.invalid).max() > 30


def test_surprise_counts_pairs_and_the_same_clip_surprises_alike(tiny_bundle):
    pair = make_pair("vanish", 0, 0, Length(9, 8.0), 32, 32)
    one, two = expectation.losses(tiny_bundle, [pair.invalid, pair.invalid], pair.prompt, 0)
    assert one == pytest.approx(two, rel=1e-5)
    surprise = expectation.surprise(tiny_bundle, pair, 0)
    assert surprise == expectation.surprise(tiny_bundle, pair, 0)
    right = replace(surprise, valid=1.0, invalid=2.0)
    wrong = replace(surprise, valid=2.0, invalid=1.0)
    readings = expectation.measure([right, right, wrong, replace(right, invalid=1.0)])
    assert value(readings, "all kinds") == pytest.approx(2.5 / 4)


def test_a_model_that_does_less_has_fewer_papers_and_a_reason():
    picture = replace(FORM, frames=1, max_frames=1, given=1)
    none, why = set_papers(picture, 1, 0)
    assert none == []
    assert all("1 frames at a time" in one for one in why.values())
    short = replace(FORM, max_frames=40)
    some, why = set_papers(short, 1, 0)
    assert "pan" not in {paper.task for paper in some}
    assert why["pan"].startswith("away and back takes 65 frames")


def test_truth_is_read_back_from_its_json():
    clip = own("collision", 1)[0]
    again = Told.of(clip.told.json)
    np.testing.assert_array_equal(again.positions, clip.told.positions)
    assert again.facts().things == clip.told.things
    assert corrupt(clip.frames, "flicker", 0.0) is clip.frames


@pytest.mark.parametrize("task", discs.MOTIONS)
def test_flat_discs_are_read_to_thousandths_of_their_world(task):
    exact = [discs.make_clip(task, number, finer=16) for number in range(2)]
    assert np.mean([physics.velocity_error(clip, in_units=True) for clip in exact]) < 0.004
    assert np.mean([discs.centroid_error(clip) for clip in exact]) < 0.003
    assert np.mean([physics.velocity_error(clip, in_units=True, biased=True) for clip in exact]) > 0.01
    coarse = discs.make_clip(task, 0)
    assert physics.velocity_error(coarse, in_units=True) < 0.02


@pytest.mark.parametrize("turn", [0.0, 0.3, 0.7, np.pi / 4])
def test_the_share_of_a_pixel_within_an_edge(turn):
    right, down = np.cos(turn), np.sin(turn)
    points = (np.arange(400) + 0.5) / 400 - 0.5
    for out in (-0.9, -0.5, -0.2, 0.0, 0.1, 0.4, 0.65, 0.8):
        within = (points * right + points[:, None] * down < -out).mean()
        assert share_within(*(np.array([one]) for one in (out, right, down)))[0] == pytest.approx(within, abs=0.004)
