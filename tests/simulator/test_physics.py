"""The physics obeys the laws that captions and evaluations rely on."""

from __future__ import annotations

import math

import numpy as np
import pytest

from langit.simulator.events import about, multiply, resting, rolling
from langit.simulator.physics import (
    GROUND,
    Body,
    depths_below_centre,
    height_of_centre,
    inertia,
    mass,
    mjcf,
    rotations,
    simulate,
    vertices,
    volume,
)
from langit.simulator.plans import make_thing
from langit.simulator.world import SHAPES, Thing

mujoco = pytest.importorskip("mujoco")


def dropped(thing: Thing, height: float, **settings: float) -> Body:
    return Body(thing, (0.0, 0.0, height + height_of_centre(thing)), **settings)


@pytest.mark.parametrize("gravity", [5.0, 9.81, 15.0])
def test_free_fall_accelerates_as_gravity_says(gravity: float) -> None:
    path = simulate((dropped(make_thing("ball", "small"), 60.0),), gravity=gravity, num_frames=17, fps=8)
    height = path.positions[:, 0, 2].astype(np.float64)
    assert np.diff(height, 2) * 64 == pytest.approx(-gravity, abs=0.01)
    assert np.diff(path.velocities[:, 0, 2]) * 8 == pytest.approx(-gravity, rel=1e-4)


@pytest.mark.parametrize("restitution", [0.3, 0.5, 0.76, 0.9])
@pytest.mark.parametrize("height", [1.5, 4.0])
def test_a_bounce_keeps_the_share_of_speed_that_was_asked_for(restitution: float, height: float) -> None:
    body = dropped(make_thing("ball", "medium"), height, restitution=restitution)
    path = simulate((body,), gravity=9.81, num_frames=400, fps=200)
    speed = path.velocities[:, 0, 2]
    landing = int(np.argmax(speed > 0))
    kept = speed[landing : landing + 12].max() / -speed[:landing].min()
    assert kept == pytest.approx(restitution, abs=0.05)


def test_rubber_bounces_and_matte_hardly_does() -> None:
    rises = {}
    for material in ("rubber", "matte", "metal"):
        body = dropped(make_thing("ball", "medium", material), 3.0)
        height = simulate((body,), gravity=9.81, num_frames=300, fps=100).positions[:, 0, 2]
        landing = int(np.argmin(height[:120]))
        rises[material] = float(height[landing:].max()) - height_of_centre(body.thing)
    assert rises["rubber"] > 1.5 > 0.3 > rises["matte"]
    assert rises["matte"] == rises["metal"], "matte and metal must move alike: relook swaps them"


def test_a_collision_conserves_momentum() -> None:
    ball, target = make_thing("ball", "large"), make_thing("ball", "medium", "rubber")
    bodies = (
        Body(ball, (-1.5, 0.0, 30.0), velocity=(3.0, 0.0, 0.0)),
        Body(target, (1.0, 0.2, 30.0), velocity=(-1.0, 0.0, 0.0)),
    )
    path = simulate(bodies, gravity=9.81, num_frames=17, fps=16)
    weight = np.array([mass(body) for body in bodies])
    momentum = np.einsum("fkc,k->fc", path.velocities.astype(np.float64), weight)
    assert any(contact[:2] == (0, 1) for contacts in path.contacts for contact in contacts)
    assert np.abs(path.velocities[-1, :, 0] - path.velocities[0, :, 0]).min() > 0.5
    assert momentum[:, :2] == pytest.approx(np.broadcast_to(momentum[0, :2], (17, 2)), abs=1e-3 * momentum[0, 0])


def test_a_ball_rolls_and_a_cube_slides() -> None:
    ball = rolling(make_thing("ball", "medium"), -1.0, 2.0)
    skidding = Body(ball.thing, (0.0, 3.0, ball.position[2]), velocity=(2.0, 0.0, 0.0), friction=0.8, rolling=0.0)
    cube = resting(make_thing("cube", "medium"), 0.0, -3.0, (1.0, 0.0, 0.0, 0.0))
    cube = Body(cube.thing, cube.position, velocity=(3.0, 0.0, 0.0), friction=0.3)
    path = simulate((ball, skidding, cube), gravity=9.81, num_frames=25, fps=8)
    turning, speed = path.angular_velocities[:, :, 1], path.velocities[:, :, 0]
    assert turning[1:, 0] * ball.position[2] == pytest.approx(speed[1:, 0], rel=0.02)
    assert turning[-1, 1] * ball.position[2] == pytest.approx(speed[-1, 1], rel=0.02), "friction makes a skid a roll"
    assert speed[-1, 1] == pytest.approx(2.0 * 5 / 7, rel=0.03), "what pure friction leaves a solid ball"
    assert np.abs(turning[:, 2]).max() < 0.5
    distance = path.positions[-1, 2, 0] - path.positions[0, 2, 0]
    assert distance == pytest.approx(3.0**2 / (2 * 0.3 * 9.81), rel=0.05)


@pytest.mark.parametrize("shape", SHAPES)
def test_things_at_rest_stay_on_the_ground_as_they_stand(shape: str) -> None:
    body = resting(make_thing(shape, "medium"), 0.5, -0.3, about((0.0, 0.0, 1.0), 0.7))
    path = simulate((body,), gravity=9.81, num_frames=65, fps=8)
    assert np.abs(path.positions[:, 0] - path.positions[0, 0]).max() < 0.002
    assert np.abs((path.quaternions[:, 0] * np.array(body.quaternion)).sum(-1)).min() > 1 - 1e-5
    weight = mass(body) * 9.81
    for contacts in path.contacts[2:]:
        assert [(a, b) for a, b, _ in contacts] == [(GROUND, 0)]
        assert contacts[0][2] == pytest.approx(weight, rel=0.02)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_geometry_is_where_the_pose_says(shape: str) -> None:
    """MuJoCo moves meshes to their own inertial frame; the geom's corners must still be ours."""
    thing = make_thing(shape, "medium")
    turn = multiply(about((0.0, 0.0, 1.0), 0.4), about((1.0, 0.0, 0.0), 0.9))
    body = Body(thing, (0.3, -0.2, 5.0), turn)
    model = mujoco.MjModel.from_xml_string(mjcf((body,), (), 9.81, 0.003))
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    geom = model.geom("g0").id
    assert data.body("b0").xpos == pytest.approx(np.array(body.position))
    assert data.body("b0").xipos == pytest.approx(np.array(body.position)), "its frame is on its centre of mass"
    assert model.body_mass[1] == pytest.approx(mass(body))
    if shape in ("cone", "pyramid"):
        at = model.mesh_vertadr[0]
        own = model.mesh_vert[at : at + model.mesh_vertnum[0]].astype(np.float64)
        world = own @ data.geom_xmat[geom].reshape(3, 3).T + data.geom_xpos[geom]
        ours = vertices(thing) @ rotations(np.array(turn)).T + np.array(body.position)
        assert len(world) == len(ours)
        gaps = np.linalg.norm(world[:, None] - ours[None], axis=-1).min(0)
        assert gaps.max() < 1e-4
    else:
        assert data.geom_xpos[geom] == pytest.approx(np.array(body.position))
        assert data.geom_xmat[geom].reshape(3, 3) == pytest.approx(rotations(np.array(turn)), abs=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_volume_centre_and_inertia_are_those_of_the_solid(shape: str) -> None:
    """Against points thrown into the solid."""
    thing = make_thing(shape, "large")
    rng, half = np.random.default_rng(0), np.array(thing.half_extents)
    low, high = -half.copy(), half.copy()
    if shape in ("cone", "pyramid"):
        low[2], high[2] = -half[2] / 2, 1.5 * half[2]
    points = rng.uniform(low, high, (200_000, 3))
    unit = points / half
    match shape:
        case "ball" | "egg":
            inside = (unit**2).sum(-1) < 1
        case "cylinder":
            inside = (unit[:, :2] ** 2).sum(-1) < 1
        case "cone":
            inside = np.linalg.norm(unit[:, :2], axis=-1) < (1.5 - unit[:, 2]) / 2
        case "pyramid":
            inside = np.abs(unit[:, :2]).max(-1) < (1.5 - unit[:, 2]) / 2
        case _:
            inside = np.ones(len(points), bool)
    body = Body(thing, (0.0, 0.0, 0.0))
    solid = points[inside]
    assert volume(thing) == pytest.approx(inside.mean() * np.prod(high - low), rel=0.02)
    assert np.abs(solid.mean(0)).max() < 0.01 * half.max()
    squares = (solid**2).mean(0)
    assert inertia(body) == pytest.approx(mass(body) * (squares.sum() - squares), rel=0.02)


def test_the_lowest_point_of_a_tilted_thing() -> None:
    tilted = np.array(about((1.0, 0.0, 0.0), math.pi / 2))
    egg, cone, ball = make_thing("egg", "medium"), make_thing("cone", "medium"), make_thing("ball", "small")
    assert depths_below_centre(egg, tilted) == pytest.approx(egg.half_extents[0])
    assert depths_below_centre(cone, tilted) == pytest.approx(cone.half_extents[0])
    assert depths_below_centre(ball, tilted) == pytest.approx(ball.half_extents[0])
    assert depths_below_centre(cone, np.array([1.0, 0, 0, 0])) == pytest.approx(height_of_centre(cone))


def test_a_pendulum_keeps_its_length_energy_and_period() -> None:
    length, angle = 2.5, 0.2
    ball = make_thing("ball", "small")
    tilt = about((0.0, 1.0, 0.0), angle)
    up = np.array([math.sin(angle), 0.0, math.cos(angle)])
    pivot = np.array([0.0, 0.0, 4.0])
    rod = Thing("rod", "white", "matte", "small", (0.001, 0.001, (length - 0.4) / 2))
    bodies = (
        Body(ball, tuple((pivot - up * length).tolist()), tilt, hangs_from=1),
        Body(rod, tuple((pivot - up * rod.half_extents[2]).tolist()), tilt, hinge=(0.0, 1.0, 0.0)),
    )
    path = simulate(bodies, gravity=9.81, num_frames=401, fps=50)
    assert np.linalg.norm(path.positions[:, 0] - pivot, axis=-1) == pytest.approx(length, abs=1e-3)
    assert path.positions[:, 0, 2].max() == pytest.approx(path.positions[0, 0, 2], abs=0.01)
    crossings = np.flatnonzero(np.diff(np.sign(path.positions[:, 0, 0])) != 0)
    radius = ball.half_extents[0]
    expected = 2 * math.pi * math.sqrt((length**2 + 0.4 * radius**2) / (length * 9.81)) * (1 + angle**2 / 16)
    assert 2 * np.diff(crossings).mean() / 50 == pytest.approx(expected, rel=0.02)


def test_frames_do_not_depend_on_how_many_follow() -> None:
    bodies = (
        rolling(make_thing("ball", "medium"), -2.0, 2.0),
        resting(make_thing("cube", "small"), 0.5, 0, (1, 0, 0, 0)),
    )
    short = simulate(bodies, gravity=9.81, num_frames=9, fps=8)
    long = simulate(bodies, gravity=9.81, num_frames=33, fps=8)
    assert np.array_equal(short.positions, long.positions[:9])
    assert short.contacts == long.contacts[:9]


def test_bodies_inside_each_other_are_refused() -> None:
    cube = resting(make_thing("cube", "medium"), 0.0, 0.0, (1.0, 0.0, 0.0, 0.0))
    ball = resting(make_thing("ball", "medium"), 0.8, 0.0, (1.0, 0.0, 0.0, 0.0))
    with pytest.raises(ValueError, match="inside each other"):
        simulate((cube, ball), gravity=9.81, num_frames=9, fps=8)
