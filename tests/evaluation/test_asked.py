"""What is asked is what the pixels of the prompt's own scene show, by the scene's truth alone."""

from __future__ import annotations

import inspect
from dataclasses import replace

import numpy as np
import pytest

from langit.evaluation import asked
from langit.evaluation.asked import (
    Sight,
    stands_out,
    tells_camera,
    tells_direction,
    tells_happening,
    tells_light_side,
    tells_relation,
    tells_shape,
    tells_size,
)
from langit.evaluation.prompts import asked_happenings, expectation_of, is_decidable, sight_of
from langit.evaluation.scenes import Length, make_scene
from langit.simulator.events import about, multiply, resting
from langit.simulator.plans import make_thing, plan
from langit.simulator.world import Happening, Relation, Scene, Thing

LENGTH = Length(9, 8.0)


def stage(*things: Thing, ground: str = "grass", at: float = 0.0, lift: float = 0.0) -> Sight:
    """Things at rest beside each other, each `at` metres further away, under a low sun; the first `lift` metres up."""
    scene = make_scene("static", 0, 0, LENGTH)
    bodies = [
        resting(thing, 1.6 * k - 0.8, at * k, about((0.0, 0.0, 1.0), 0.0), lift=lift * (k == 0))
        for k, thing in enumerate(things)
    ]
    count, frames = len(things), LENGTH.frames
    path = replace(
        scene.trajectory,
        positions=np.tile(np.array([body.position for body in bodies], np.float32), (frames, 1, 1)),
        quaternions=np.tile(np.array([body.quaternion for body in bodies], np.float32), (frames, 1, 1)),
        velocities=np.zeros((frames, count, 3), np.float32),
        angular_velocities=np.zeros((frames, count, 3), np.float32),
        contacts=((),) * frames,
    )
    lamp = replace(scene.light, time="noon", side="left", direction=(-0.9, 0.0, 0.436))
    return sight_of(replace(scene, things=things, trajectory=path, light=lamp, ground=ground, actors=(0,)))


def test_white_on_snow_is_not_asked_and_red_is():
    white, red = make_thing("ball", "medium", "matte", "white"), make_thing("ball", "medium", "matte", "red")
    assert stands_out(stage(red, ground="snow"), 0)
    faint = stage(white, ground="snow")
    frames = faint.frames.copy()
    frames[faint.mask(0)] = frames[faint.truth.segmentation == 1].mean(0)
    assert not stands_out(replace(faint, frames=frames), 0)


def test_a_speck_makes_a_scene_undecidable():
    sight = stage(make_thing("cube", "medium", "matte", "red"))
    assert is_decidable(sight)
    camera = replace(sight.camera, positions=sight.camera.positions - np.array([0, 40, 0], np.float32))
    assert not is_decidable(sight_of(replace(sight.scene, camera=camera)))


@pytest.mark.parametrize(("turn", "is_told"), [(0.0, True), (np.pi / 2, False)])
def test_an_egg_is_asked_where_it_is_seen_from_its_side(turn, is_told):
    sight = stage(make_thing("egg", "large", "matte", "red"))
    lying = about((0.0, 1.0, 0.0), np.pi / 2)  # its long axis across the screen
    turned = np.array(multiply(about((0.0, 0.0, 1.0), turn), lying), np.float32)
    path = replace(sight.scene.trajectory, quaternions=np.tile(turned, (LENGTH.frames, 1, 1)))
    assert tells_shape(sight_of(replace(sight.scene, trajectory=path)), 0) is is_told


def test_an_egg_that_is_long_only_where_the_edge_cuts_it_is_not_asked():
    sight = stage(make_thing("egg", "large", "matte", "red"))
    lying = about((0.0, 1.0, 0.0), np.pi / 2)
    turns = [multiply(about((0.0, 0.0, 1.0), np.pi / 2 if frame < 4 else 0.0), lying) for frame in range(LENGTH.frames)]
    path = replace(sight.scene.trajectory, quaternions=np.array(turns, np.float32)[:, None])
    turning = sight_of(replace(sight.scene, trajectory=path))
    share = turning.visible_share.copy()
    share[4:] = 0.8
    assert tells_shape(turning, 0)
    assert not tells_shape(replace(turning, truth=replace(turning.truth, visible_share=share)), 0)


def test_the_side_of_the_light_is_asked_where_a_shadow_shows_it():
    sight = stage(make_thing("cube", "large", "matte", "red"))
    assert tells_light_side(sight)
    away = replace(sight.scene.trajectory, positions=sight.positions + np.float32(500))
    assert not tells_light_side(sight_of(replace(sight.scene, trajectory=away)))


def test_the_side_of_a_high_light_is_not_asked():
    sight = stage(make_thing("cube", "large", "matte", "red"))
    high = replace(sight.scene.light, direction=(-0.4, 0.0, 0.917))
    assert not tells_light_side(sight_of(replace(sight.scene, light=high)))


def test_a_size_is_asked_where_the_usual_camera_tells_it_and_the_thing_is_whole():
    sight = stage(make_thing("cube", "medium", "matte", "red"))
    usual = replace(sight.camera, positions=sight.camera.positions * np.array([1, 1, 0], np.float32) + [0, 0, 2])
    plain = sight_of(replace(sight.scene, camera=usual))
    assert tells_size(plain, 0)
    higher = replace(usual, positions=usual.positions * np.array([1, 1, 1.12], np.float32))
    assert not tells_size(sight_of(replace(sight.scene, camera=higher)), 0)
    assert not tells_size(replace(plain, truth=replace(plain.truth, visible_share=plain.visible_share * 0.9)), 0)
    lifted = plain.positions + np.array([0, 0, 0.5], np.float32)  # as if it stood on something
    on_something = replace(plain.scene, trajectory=replace(plain.scene.trajectory, positions=lifted))
    assert not tells_size(sight_of(on_something), 0)


def test_a_flight_that_skims_the_ground_is_not_asked():
    sight = stage(make_thing("cube", "medium", "matte", "red"))
    flies, told = Happening(0.0, "flies", 0, direction="right"), []
    for height in (0.1, 0.6):
        path = sight.positions.copy()
        path[:, 0, 0] = np.linspace(-1.5, 1.5, LENGTH.frames)
        path[1:, 0, 2] += height
        moving = replace(sight.scene.trajectory, positions=path)
        told.append(tells_happening(sight_of(replace(sight.scene, trajectory=moving)), flies))
    assert told == [False, True]


def test_a_relation_is_not_asked_of_what_is_half_hidden():
    sight = stage(make_thing("cube", "medium", "matte", "red"), make_thing("ball", "medium", "matte", "blue"))
    relation = Relation("left_of", 0, 1)
    assert tells_relation(sight, relation)
    hidden = replace(sight.truth, visible_share=sight.visible_share * np.array([1, 0.5], np.float32))
    assert not tells_relation(replace(sight, truth=hidden), relation)


def test_the_camera_is_asked_where_the_ground_has_grain():
    sight = stage(make_thing("cube", "medium", "matte", "red"), ground="tiles")
    assert tells_camera(sight)
    plain = np.full_like(sight.frames, 200)
    assert not tells_camera(replace(sight, frames=plain))


def test_depth_is_not_asked_of_what_is_in_the_air():
    cube, ball = make_thing("cube", "medium", "matte", "red"), make_thing("ball", "medium", "matte", "blue")
    relation = Relation("in_front_of", 0, 1)
    assert tells_relation(stage(cube, ball, at=2.5), relation)
    assert not tells_relation(stage(cube, ball, at=2.5, lift=1.0), relation)
    assert not tells_relation(stage(cube, ball, at=0.5), relation)


@pytest.mark.parametrize(("velocity", "is_told"), [((1.0, 0.1, 0.0), True), ((1.0, 0.9, 0.0), False)])
def test_a_direction_is_asked_where_it_is_clear(velocity, is_told):
    sight = stage(make_thing("ball", "medium", "matte", "red"))
    path = replace(sight.scene.trajectory, velocities=np.tile(np.array(velocity, np.float32), (LENGTH.frames, 1, 1)))
    moving = replace(sight, scene=replace(sight.scene, trajectory=path))
    assert tells_direction(moving, Happening(0.0, "rolls", 0, direction="right")) is is_told


def test_a_turn_that_changes_no_pixel_is_not_asked():
    sight = stage(make_thing("cube", "medium", "matte", "red"))
    spins = Happening(0.0, "spins", 0)
    assert not tells_happening(sight, spins)
    flickering = sight.frames.copy()
    flickering[::2][sight.mask(0)[::2]] //= 2
    assert tells_happening(replace(sight, frames=flickering), spins)


def test_hits_at_about_one_time_are_not_asked():
    scene = next(scene for seed in range(200) if (scene := plan(seed, split="train")).event == "topple")
    sight = sight_of(scene)
    hits = [h for h in sight.facts.happenings if h.kind == "hits"]
    ways = np.linalg.norm(np.ptp(sight.positions, axis=0), axis=-1)
    furthest = max((k for k in range(len(ways)) if k != scene.actors[0]), key=lambda k: float(ways[k]))
    first = replace(hits[0], subject=scene.actors[0], object=furthest, time=0.5)
    rolls = Happening(0.0, "rolls", first.subject, direction="left")
    count = []
    for later in (0.1, 0.6):
        told = (rolls, first, replace(first, time=first.time + later))
        chosen = asked_happenings(replace(sight, facts=replace(sight.facts, happenings=told)))
        count.append(sum(h.kind == "hits" for h in chosen))
    assert count[0] == 0 < count[1]


def test_what_is_struck_is_not_asked_in_place_of_an_actor_whose_act_is_not_seen():
    sight = stage(make_thing("ball", "medium", "matte", "red"), make_thing("ball", "medium", "matte", "blue"))
    path = sight.positions.copy()
    path[:, 1, 0] = np.linspace(0.1, 1.7, LENGTH.frames)
    moved = sight_of(replace(sight.scene, trajectory=replace(sight.scene.trajectory, positions=path)))
    little, far = Happening(0.0, "rolls", 0, direction="right"), Happening(0.0, "rolls", 1, direction="right")
    asked = [
        [(h.kind, h.subject) for h in asked_happenings(replace(moved, facts=replace(moved.facts, happenings=told)))]
        for told in ((far,), (little, far))
    ]
    assert asked == [[("rolls", 1)], []]


def test_what_is_asked_is_read_from_the_scene_alone():
    source = inspect.getsource(asked)
    assert "observation" not in source
    scene: Scene = make_scene("collision", 1, 0, LENGTH)
    assert expectation_of(sight_of(scene)) == expectation_of(sight_of(scene))
