"""Facts are read from states, so scenes are built by hand here and their facts are known."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from langit.simulator.events import about, resting, rolling
from langit.simulator.facts import BOUNCE_RISE, estimated_share, read_facts
from langit.simulator.physics import Body, simulate
from langit.simulator.plans import make_thing
from langit.simulator.world import Camera, Facts, Happening, Light, Scene, Thing, Truth

UPRIGHT = (1.0, 0.0, 0.0, 0.0)


def scene_of(
    *bodies: Body, num_frames: int = 33, fps: float = 8.0, gravity: float = 9.81, height: float = 2.0
) -> Scene:
    """The bodies, seen by a fixed camera that looks along +y."""
    path = simulate(bodies, gravity=gravity, num_frames=num_frames, fps=fps)
    ones = np.ones((num_frames, 1), np.float32)
    camera = Camera(
        "static",
        "eye level",
        ones * np.array([0.0, -9.5, height], np.float32),
        ones * np.array([0.0, 0.0, 1.4], np.float32),
        math.radians(44),
    )
    light = Light("noon", "left", (-0.6, 0.0, 0.8))
    return Scene(0, "still", tuple(body.thing for body in bodies), path, camera, light, "sand", gravity, (0,))


def told(facts: Facts, subject: int = 0) -> list[str]:
    return [one.kind for one in facts.happenings if one.subject == subject]


def one_of(facts: Facts, kind: str, subject: int = 0) -> Happening:
    (found,) = (one for one in facts.happenings if one.kind == kind and one.subject == subject)
    return found


@pytest.mark.parametrize("shape", ["ball", "cube", "cylinder", "cone", "pyramid", "egg", "plank"])
def test_what_rests_is_still_and_nothing_else(shape: str) -> None:
    facts = read_facts(scene_of(resting(make_thing(shape, "medium"), 0.0, 0.0, UPRIGHT)))
    assert facts.happenings == (Happening(0.0, "still", 0),)
    assert facts.places == ("centre",)


@pytest.mark.parametrize("restitution", [0.5, 0.65, 0.76])
@pytest.mark.parametrize("height", [2.0, 3.0, 3.7])
def test_bounces_are_counted_as_the_full_motion_has_them(height: float, restitution: float) -> None:
    """Eight frames a second against the peaks of two hundred."""
    ball = replace(resting(make_thing("ball", "small"), 0.0, 0.0, UPRIGHT, lift=height), restitution=restitution)
    facts = read_facts(scene_of(ball))
    fine = simulate((ball,), gravity=9.81, num_frames=801, fps=200).positions[:, 0, 2] - ball.thing.half_extents[0]
    speed = np.diff(fine)
    peaks = fine[1:-1][(speed[:-1] > 0) & (speed[1:] <= 0)]
    turns = np.flatnonzero((speed[:-1] < 0) & (speed[1:] >= 0)) / 200
    sure = int((peaks > BOUNCE_RISE * 1.2).sum())
    most = int((peaks > BOUNCE_RISE * 0.8).sum()) + 1  # the clip may end in a rise
    happening = one_of(facts, "bounces")
    assert sure <= (happening.count or 0) <= most
    assert happening.time == pytest.approx(turns[0], abs=0.05)
    assert told(facts)[:2] == ["falls", "bounces"]


def test_a_dull_thing_falls_and_does_not_bounce() -> None:
    facts = read_facts(scene_of(resting(make_thing("cube", "small"), 0.0, 0.0, UPRIGHT, lift=2.5)))
    assert told(facts) == ["falls", "stops"]
    assert facts.places == ("top",)


@pytest.mark.parametrize(
    ("heading", "way"), [(0.0, "right"), (math.pi, "left"), (math.pi / 2, "away"), (-math.pi / 2, "towards")]
)
def test_rolls_and_slides_with_their_directions(heading: float, way: str) -> None:
    along = np.array([math.cos(heading), math.sin(heading), 0.0])
    ball, cube = make_thing("ball", "small"), make_thing("cube", "small")
    turning = np.cross([0.0, 0.0, 1.0], along) * 1.5 / ball.half_extents[0]
    roller = Body(
        ball,
        tuple((-1.5 * along + (0, 0, ball.half_extents[2])).tolist()),
        velocity=tuple((1.5 * along).tolist()),
        angular_velocity=tuple(turning.tolist()),
        friction=0.8,
    )
    slider = Body(
        cube,
        tuple((-1.5 * along + (0, 0, cube.half_extents[2])).tolist()),
        velocity=tuple((2.5 * along).tolist()),
        friction=0.2,
    )
    facts = read_facts(scene_of(roller))
    assert told(facts)[0] == "rolls"
    assert "slides" not in told(facts)
    assert one_of(facts, "rolls").direction == way
    facts = read_facts(scene_of(slider))
    assert told(facts) == ["slides", "stops"]
    assert one_of(facts, "slides").direction == way
    assert one_of(facts, "stops").time == pytest.approx(2.5 / (0.2 * 9.81), abs=0.2)


def test_the_one_that_moves_hits_the_one_that_rests() -> None:
    ball = rolling(make_thing("ball", "medium"), -2.5, 3.0)
    cube = resting(make_thing("cube", "medium"), 0.6, 0.0, UPRIGHT)
    for bodies, striker in (((ball, cube), 0), ((cube, ball), 1)):
        facts = read_facts(scene_of(*bodies))
        (hit,) = (one for one in facts.happenings if one.kind == "hits")
        assert (hit.subject, hit.object, hit.direction) == (striker, 1 - striker, "right")
        assert hit.time == pytest.approx((3.1 - 0.8 - 0.68) / 3.0, abs=0.13)
        assert "still" not in told(facts, 1 - striker)


def test_a_miss_is_no_hit_and_the_bystander_is_still() -> None:
    ball = rolling(make_thing("ball", "small"), -2.5, 2.0)
    facts = read_facts(scene_of(ball, resting(make_thing("cube", "medium"), 0.0, 1.8, UPRIGHT)))
    assert "hits" not in told(facts)
    assert told(facts, 1) == ["still"]


def test_a_struck_plank_topples_and_a_struck_stack_comes_down() -> None:
    ball = replace(rolling(make_thing("ball", "medium"), -2.5, 4.0), density=600.0)
    plank = resting(make_thing("plank", "medium"), 0.5, 0.0, about((0.0, 0.0, 1.0), math.pi / 2))
    facts = read_facts(scene_of(ball, plank))
    assert told(facts, 1)[0] == "topples"
    assert one_of(facts, "hits").time <= one_of(facts, "topples", 1).time + 0.13
    low = resting(make_thing("cube", "small"), 0.6, 0.0, UPRIGHT)
    high = replace(resting(make_thing("cylinder", "small"), 0.6, 0.0, UPRIGHT, lift=2 * low.position[2]), friction=0.15)
    facts = read_facts(scene_of(ball, low, high))
    assert "topples" in told(facts, 2)
    assert [(one.kind, one.subject, one.object) for one in facts.relations if one.kind == "on"] == [("on", 2, 1)]
    undisturbed = read_facts(scene_of(low, high))
    assert told(undisturbed, 0) == told(undisturbed, 1) == ["still"]


def test_behind_a_wall_and_out_again() -> None:
    ball = replace(rolling(make_thing("ball", "small"), -2.6, 1.8), position=(-2.6, 0.8, 0.58))
    wall = Body(Thing("wall", "white", "matte", "large", (1.0, 0.12, 0.9)), (0.0, -0.4, 0.9), fixed=True)
    facts = read_facts(scene_of(ball, wall))
    goes, comes = one_of(facts, "goes_behind"), one_of(facts, "comes_out")
    assert (goes.object, comes.object) == (1, 1)
    assert 0.5 < goes.time < comes.time < 3.0
    assert goes.direction == comes.direction == "right"
    assert "still" not in told(facts, 1), "props are not told as acting"
    before = replace(ball, position=(-2.6, -1.6, 0.58))
    assert not {"goes_behind", "comes_out"} & set(told(read_facts(scene_of(before, wall))))


def test_a_thing_that_flies_leaves_the_frame() -> None:
    ball = resting(make_thing("ball", "small"), -2.4, 0.0, UPRIGHT, lift=1.0)
    facts = read_facts(scene_of(replace(ball, velocity=(4.0, 0.0, 4.0), restitution=0.3)))
    assert told(facts)[0] == "flies"
    assert one_of(facts, "flies").direction == "right"
    assert one_of(facts, "leaves").direction == "right"
    assert told(facts)[-1] == "leaves"


def test_spins_and_swings() -> None:
    cube = resting(make_thing("cube", "medium"), 0.0, 0.0, UPRIGHT)
    facts = read_facts(scene_of(replace(cube, angular_velocity=(0.0, 0.0, 4.0), friction=0.02)))
    assert told(facts) == ["spins"]
    cylinder = resting(make_thing("cylinder", "medium"), 0.0, 0.0, UPRIGHT)
    facts = read_facts(scene_of(replace(cylinder, angular_velocity=(0.0, 0.0, 4.0), friction=0.02)))
    assert "spins" not in told(facts), "nobody sees a plain cylinder turn about its own axis"
    tilt, up = about((0.0, 1.0, 0.0), 0.7), np.array([math.sin(0.7), 0.0, math.cos(0.7)])
    rod = Thing("rod", "white", "matte", "small", (0.04, 0.04, 1.0))
    hung = Body(make_thing("ball", "small"), tuple((np.array([0, 0, 4.0]) - 2.4 * up).tolist()), tilt, hangs_from=1)
    bar = Body(rod, tuple((np.array([0, 0, 4.0]) - up).tolist()), tilt, hinge=(0.0, 1.0, 0.0))
    facts = read_facts(scene_of(hung, bar))
    assert told(facts) == ["swings"]
    assert one_of(facts, "swings").direction == "right"


def test_down_a_ramp() -> None:
    slope = math.radians(20)
    tilt = about((0.0, 1.0, 0.0), slope)
    normal = np.array([math.sin(slope), 0.0, math.cos(slope)])
    down = np.array([math.cos(slope), 0.0, -math.sin(slope)])
    prop = Thing("ramp", "white", "matte", "large", (1.8, 0.9, 0.5))
    board = Body(prop, tuple((-1.8 * down - 0.5 * normal).tolist()), tilt, fixed=True, friction=0.9)
    ball = make_thing("ball", "small")
    at = -2.8 * down + normal * (ball.half_extents[2] + 0.002)
    facts = read_facts(scene_of(Body(ball, tuple(at.tolist()), friction=0.9), board))
    assert one_of(facts, "rolls_down").object == 1
    assert "slides" not in told(facts)
    cube = make_thing("cube", "small")
    at = -2.8 * down + normal * (cube.half_extents[2] + 0.002)
    facts = read_facts(scene_of(Body(cube, tuple(at.tolist()), tilt, friction=0.05), board))
    assert any(one.kind == "slides" and one.object == 1 for one in facts.happenings)
    assert not {"rolls_down", "topples", "hits"} & set(told(facts))


def test_places_and_relations_of_the_first_frame() -> None:
    left = resting(make_thing("cube", "small"), -2.2, 0.0, UPRIGHT)
    right = resting(make_thing("cone", "small"), 2.2, 0.0, UPRIGHT)
    back = resting(make_thing("ball", "large"), 0.3, 3.0, UPRIGHT)
    near = resting(make_thing("egg", "small"), 0.0, -1.5, UPRIGHT)
    facts = read_facts(scene_of(left, right, back, near))
    assert facts.places == ("left", "right", "centre", "centre")
    relations = {(one.kind, one.subject, one.object) for one in facts.relations}
    assert ("left_of", 0, 1) in relations
    assert ("right_of", 1, 2) in relations
    assert ("behind", 2, 3) in relations
    assert not any(one.kind == "on" for one in facts.relations)


def test_what_is_never_seen_is_not_told() -> None:
    ball = rolling(make_thing("ball", "small"), -2.0, 1.5)
    far = replace(rolling(make_thing("ball", "medium"), 0.0, 1.0), position=(30.0, 0.0, 0.8))
    scene = scene_of(ball, far)
    facts = read_facts(scene)
    assert told(facts, 1) == []
    assert facts.places[1] is None
    assert not facts.relations
    num_frames = scene.num_frames
    nothing = np.zeros((num_frames, 2), np.float32)
    truth = Truth(
        segmentation=np.zeros((num_frames, 1, 1), np.uint8),
        boxes=np.full((num_frames, 2, 4), np.nan, np.float32),
        visible_share=nothing,
        centroids=np.zeros((num_frames, 2, 2), np.float32),
        depth=np.zeros((num_frames, 1, 1), np.float32),
    )
    assert read_facts(scene, truth).happenings == ()
    seen = replace(truth, visible_share=np.stack([nothing[:, 0] + 1, nothing[:, 1]], -1))
    assert told(read_facts(scene, seen)) == told(facts)


def test_the_share_seen_counts_what_stands_before() -> None:
    ball = resting(make_thing("ball", "medium"), 0.0, 1.0, UPRIGHT)
    wall = Body(Thing("wall", "white", "matte", "large", (1.2, 0.1, 1.2)), (0.0, -0.8, 1.2), fixed=True)
    assert estimated_share(scene_of(ball, wall, num_frames=3))[0].tolist() == [0.0, 1.0]
    half = replace(wall, position=(-1.2, -0.8, 1.2))
    assert estimated_share(scene_of(ball, half, num_frames=3))[0, 0] == pytest.approx(0.5, abs=0.15)
    edge = resting(make_thing("ball", "medium"), 3.9, 0.0, UPRIGHT)
    assert estimated_share(scene_of(edge, num_frames=3))[0, 0] == pytest.approx(0.5, abs=0.25)
