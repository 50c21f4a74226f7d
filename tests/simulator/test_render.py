"""The renderer against geometry worked out by hand, and its promises: the same bytes everywhere, sub-pixel edges."""

from __future__ import annotations

import hashlib
import math
import subprocess
import sys
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from langit.simulator import camera as pinhole
from langit.simulator.render import render
from langit.simulator.shapes import KINDS, Z_RANGE, normal, span
from langit.simulator.world import (
    COLOURS,
    GROUNDS,
    LIGHTS,
    MATERIALS,
    SHAPES,
    Camera,
    Light,
    Scene,
    Thing,
    Trajectory,
    Truth,
)

ELEVATIONS = {"noon": 1.1, "sunset": 0.25, "night": 0.75}
UPRIGHT = (1.0, 0.0, 0.0, 0.0)


def thing(
    shape: str, colour: str = "red", material: str = "matte", half: tuple[float, float, float] = (0.5, 0.5, 0.5)
) -> Thing:
    return Thing(shape, colour, material, "medium", half)


def scene(
    things: Sequence[Thing],
    places: Sequence[tuple[float, float, float]],
    *,
    num_frames: int = 1,
    velocity: tuple[float, float, float] = (0.0, 0.0, 0.0),
    turn: tuple[float, float, float, float] = UPRIGHT,
    time: str = "noon",
    azimuth: float = math.pi,
    ground: str = "grass",
    travel: tuple[float, float, float] = (0.0, 0.0, 0.0),
    eye: tuple[float, float, float] = (0.0, -8.0, 1.5),
    target: tuple[float, float, float] = (0.0, 0.0, 0.75),
) -> Scene:
    """Things that drift by `velocity` metres a frame, the camera by `travel`; light from world azimuth `azimuth`."""
    steps = np.arange(num_frames, dtype=np.float32)[:, None]
    positions = np.array(places, np.float32).reshape(1, -1, 3) + steps[..., None] * np.array(velocity, np.float32)
    quaternions = np.broadcast_to(np.array(turn, np.float32), (num_frames, len(things), 4)).copy()
    zero = np.zeros_like(positions)
    trajectory = Trajectory(positions, quaternions, zero, zero, tuple(() for _ in range(num_frames)), 8.0)
    drift = steps * np.array(travel, np.float32)
    camera = Camera(
        "static", "eye level", np.array(eye, np.float32) + drift, np.array(target, np.float32) + drift, math.radians(42)
    )
    height = ELEVATIONS[time]
    direction = (math.cos(height) * math.cos(azimuth), math.cos(height) * math.sin(azimuth), math.sin(height))
    light = Light(time, "left", direction)
    return Scene(0, "still", tuple(things), trajectory, camera, light, ground, 9.81)


def frames_and_truth(one: Scene, height: int = 64, width: int = 64) -> tuple[NDArray[np.uint8], Truth]:
    ((frames, truth),) = render([one], height, width)
    assert truth is not None
    return frames, truth


def some_scenes() -> list[Scene]:
    every = [thing(shape, list(COLOURS)[i], MATERIALS[i % 3]) for i, shape in enumerate(SHAPES)]
    places = [(0.9 * i - 2.7, 0.6 * (i % 2), 0.5) for i in range(len(every))]
    tilt = (0.9, 0.3, 0.2, 0.1)
    wall = thing("wall", "white", half=(1.0, 0.08, 0.8))
    return [
        scene(every, places, num_frames=3, turn=tilt, time="sunset", ground="wood"),
        scene([thing("egg", "pink", "metal"), wall], [(0, 1, 0.5), (0.3, -1, 0.8)], num_frames=4, travel=(0.1, 0, 0)),
        scene([thing("cone", "blue", "rubber")], [(0, 0, 0.25)], num_frames=2, time="night", ground="tiles"),
        scene([], [], num_frames=2, ground="snow", time="sunset", azimuth=math.pi / 2),
    ]


def inside(kind: str, point: torch.Tensor) -> torch.Tensor:
    x, y, z = point
    slant = (1.5 - z) / 2
    tests: dict[str, torch.Tensor] = {
        "ball": x * x + y * y + z * z <= 1,
        "cube": (x.abs() <= 1) & (y.abs() <= 1) & (z.abs() <= 1),
        "cylinder": (x * x + y * y <= 1) & (z.abs() <= 1),
        "cone": (x * x + y * y <= slant * slant) & (z >= -0.5) & (z <= 1.5),
        "pyramid": (x.abs() <= slant) & (y.abs() <= slant) & (z >= -0.5) & (z <= 1.5),
    }
    return tests[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_spans_agree_with_marching(kind: str) -> None:
    rng = np.random.default_rng(0)
    away = rng.standard_normal((3, 400))
    origin = torch.tensor(10 * away / np.linalg.norm(away, axis=0), dtype=torch.float32)
    goal = torch.tensor(rng.uniform(-1.2, 1.2, (3, 400)), dtype=torch.float32)
    direction = (goal - origin) / 4
    enter, leave = span(kind, origin, direction)
    t = torch.linspace(0, 8, 8001)[:, None]
    within = inside(kind, origin[:, None] + t * direction[:, None])  # (T, N)
    met = within.any(0)
    clear = met == (enter < leave)
    assert clear.float().mean() > 0.99  # marching may step over a grazed edge
    both = met & (enter < leave)
    assert both.sum() > 100
    first = torch.where(within, t, torch.inf).amin(0)
    last = torch.where(within, t, -torch.inf).amax(0)
    torch.testing.assert_close(enter[both], first[both], atol=2e-3, rtol=0)
    torch.testing.assert_close(leave[both], last[both], atol=2e-3, rtol=0)

    surface = (origin + enter * direction)[:, both]
    outward, _ = normal(kind, surface)
    outward = outward / outward.norm(dim=0)
    assert ((outward * direction[:, both]).sum(0) < 1e-3).all()
    assert inside(kind, surface - 1e-3 * outward).float().mean() > 0.97  # tips and creases may leave on the other side
    assert not inside(kind, surface + 1e-3 * outward).any()


@pytest.mark.parametrize("kind", KINDS)
def test_rays_parallel_to_faces_still_meet(kind: str) -> None:
    direction = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]]).T
    enter, leave = span(kind, -5 * direction + 0.01, direction)
    assert (enter < leave).all()
    assert (enter > 3).all()
    assert (leave < 7).all()


def test_the_centre_of_mass_of_a_cone_is_a_quarter_up() -> None:
    assert Z_RANGE["cone"] == Z_RANGE["pyramid"] == (-0.5, 1.5)
    cone = thing("cone", half=(0.5, 0.5, 0.8))
    one = scene([cone], [(0, 0, 0.4)])  # stands on the ground
    _, truth = frames_and_truth(one, 256, 256)
    ends, _ = pinhole.project(one.camera, np.array([[[0, 0, 1.6], [0, -0.4, 0]]], np.float32), 256, 256)
    assert truth.boxes[0, 0, 1] == pytest.approx(ends[0, 0, 1], abs=2 / 256)
    assert truth.boxes[0, 0, 3] == pytest.approx(ends[0, 1, 1], abs=3 / 256)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (48, 80)])
def test_a_balls_centroid_is_finer_than_a_pixel(height: int, width: int) -> None:
    flying = scene(
        [thing("ball", "black", half=(0.4,) * 3)],
        [(-0.35, 0, 2.2)],
        num_frames=24,
        velocity=(0.021, 0, 0.003),
        target=(0, 0, 2.0),
    )
    empty = scene([], [], num_frames=24, target=(0, 0, 2.0))
    (frames, truth), (bare, _) = render([flying, empty], height, width)
    assert truth is not None
    sky = slice(0, height * 3 // 4)  # above the ball's shadow
    darker = (bare[:, sky].astype(np.float64) - frames[:, sky]).sum(-1)
    ball = np.pad(truth.segmentation[:, sky] == 2, ((0, 0), (1, 1), (1, 1)))
    core = ball[:, 1:-1, :-2] & ball[:, 1:-1, 2:] & ball[:, :-2, 1:-1] & ball[:, 2:, 1:-1]
    rim = darker / (darker * core).sum((1, 2), keepdims=True) * core.sum((1, 2), keepdims=True)
    alpha = np.where(core, 1, rim.clip(0, 1))
    x = (alpha.sum(1) * (np.arange(width) + 0.5)).sum(-1) / alpha.sum((1, 2))
    y = (alpha.sum(2) * (np.arange(height) + 0.5)[sky]).sum(-1) / alpha.sum((1, 2))
    error = np.hypot(x - truth.centroids[:, 0, 0] * width, y - truth.centroids[:, 0, 1] * height)
    assert error.max() < 0.1


def test_the_bytes_of_a_scene_are_its_own() -> None:
    scenes = some_scenes()
    together = render(scenes, 48, 64)
    for one, (frames, truth) in zip(scenes, together, strict=True):
        ((alone, own),) = render([one], 48, 64)
        np.testing.assert_array_equal(alone, frames)
        assert own is not None
        assert truth is not None
        for name in ("segmentation", "boxes", "visible_share", "centroids", "depth"):
            np.testing.assert_array_equal(getattr(own, name), getattr(truth, name))


def test_scenes_rendered_in_one_group_keep_their_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    scenes = some_scenes()
    apart = render(scenes, 64, 64)
    monkeypatch.setitem(sys.modules["langit.simulator.render"].__dict__["_PIXELS_PER_GROUP"], "cpu", 1 << 30)
    for (frames, truth), (own, own_truth) in zip(render(scenes, 64, 64), apart, strict=True):
        np.testing.assert_array_equal(frames, own)
        assert truth is not None
        assert own_truth is not None
        np.testing.assert_array_equal(truth.segmentation, own_truth.segmentation)
        np.testing.assert_array_equal(truth.visible_share, own_truth.visible_share)


def digest() -> str:
    return hashlib.sha256(b"".join(frames.tobytes() for frames, _ in render(some_scenes(), 48, 48))).hexdigest()


def test_another_process_renders_the_same_bytes() -> None:
    folder = __file__.rpartition("/")[0]
    code = f"import sys; sys.path.insert(0, {folder!r}); import test_render; print(test_render.digest())"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == digest()


def test_chosen_frames_are_those_of_the_whole_clip() -> None:
    moving = some_scenes()[1]
    ((whole, _),) = render([moving], 32, 32, truth=False)
    ((some, nothing),) = render([moving], 32, 32, frames=slice(1, None, 2), truth=False)
    assert nothing is None
    np.testing.assert_array_equal(some, whole[1::2])


def test_empty_frames_are_refused() -> None:
    assert render([], 8, 8) == []
    with pytest.raises(ValueError, match="at least one pixel"):
        render(some_scenes(), 0, 8)
    with pytest.raises(ValueError, match="chooses none"):
        render(some_scenes(), 8, 8, frames=slice(90, None))


def test_segmentation_and_depth_follow_the_geometry() -> None:
    one = scene([thing("ball"), thing("wall", half=(1, 0.1, 0.8))], [(-0.5, 0, 0.5), (0.6, -1, 0.8)])
    frames, truth = frames_and_truth(one)
    assert frames.shape == (1, 64, 64, 3)
    directions = pinhole.rays(one.camera, 64, 64)[0]
    np.testing.assert_array_equal(truth.segmentation[0] == 0, (directions[..., 2] >= 0) & (truth.segmentation[0] < 2))
    ground = truth.segmentation[0] == 1
    expected = one.camera.positions[0, 2] / -directions[..., 2][ground]
    np.testing.assert_allclose(truth.depth[0][ground], expected, rtol=1e-3)
    assert np.isinf(truth.depth[0][truth.segmentation[0] == 0]).all()
    offset = one.camera.positions[0] - np.array([-0.5, 0, 0.5])
    b = directions @ offset
    inside_root = b * b - (offset @ offset - 0.25)
    alone = inside_root > 0
    ball = truth.segmentation[0] == 2
    assert (alone[ball]).all()
    assert (truth.segmentation[0][alone] >= 2).all()  # where the ball is not seen, the wall is before it
    np.testing.assert_allclose(truth.depth[0][ball], (-b - np.sqrt(np.maximum(inside_root, 0)))[ball], rtol=1e-4)
    assert 0 < ball.sum() < alone.sum()
    assert truth.visible_share[0, 0] == pytest.approx(ball.sum() / alone.sum())
    rows, columns = np.nonzero(ball)
    np.testing.assert_allclose(
        truth.boxes[0, 0] * 64, [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], rtol=1e-6
    )


@pytest.mark.parametrize(("x", "low", "high"), [(0.0, 1.0, 1.0), (3.07, 0.4, 0.6), (4.5, 0.0, 0.0), (30.0, 0.0, 0.0)])
def test_visible_share_counts_what_the_frame_cuts_off(x: float, low: float, high: float) -> None:
    _, truth = frames_and_truth(scene([thing("ball")], [(x, 0, 0.5)]))
    assert low <= truth.visible_share[0, 0] <= high
    assert np.isnan(truth.boxes[0, 0]).all() == (high == 0)


def test_the_ground_hides_what_is_below_it() -> None:
    _, truth = frames_and_truth(scene([thing("ball")], [(0, 0, 0)], eye=(0, -8, 4), target=(0, 0, 0)))
    _, whole = frames_and_truth(scene([thing("ball")], [(0, 0, 0.5)], eye=(0, -8, 4), target=(0, 0, 0)))
    share = (truth.segmentation == 2).sum() / (whole.segmentation == 2).sum()
    assert 0.5 < share < 0.9
    contact = truth.boxes[0, 0, 3]  # the nearest point of the circle in which the ball stands in the ground
    expected, _ = pinhole.project(
        scene([], [], eye=(0, -8, 4), target=(0, 0, 0)).camera, np.array([[[0, -0.5, 0]]], np.float32), 64, 64
    )
    assert contact == pytest.approx(expected[0, 0, 1], abs=1.5 / 64)


def test_things_hidden_or_behind_the_camera_are_not_seen() -> None:
    wall = thing("wall", half=(2, 0.1, 1.5))
    _, truth = frames_and_truth(scene([thing("cube"), wall, thing("cone")], [(0, 1, 0.5), (0, -1, 1.5), (0, -12, 0.3)]))
    assert truth.visible_share[0].tolist() == [0.0, 1.0, 0.0]
    assert np.isnan(truth.boxes[0, [0, 2]]).all()
    assert np.isnan(truth.centroids[0, 2]).all()
    around_the_camera = scene([thing("ball", half=(3, 3, 3)), thing("cube")], [(0, -8, 1), (0, 0, 0.5)])
    assert frames_and_truth(around_the_camera)[1].visible_share[0, 1] == 1


@pytest.mark.parametrize(("azimuth", "side"), [(math.pi, 1.0), (0.0, -1.0)])
def test_shadows_fall_away_from_the_light(azimuth: float, side: float) -> None:
    lit, _ = frames_and_truth(scene([thing("cube")], [(0, 0, 0.5)], azimuth=azimuth))
    bare, _ = frames_and_truth(scene([], []))
    one = scene([], [], azimuth=azimuth)
    length = 1 / math.tan(ELEVATIONS["noon"])  # of the shadow of a cube one metre high
    points = np.array([[[side * (0.5 + 0.7 * length), 0, 0], [-side * 1.3, 0, 0]]], np.float32)
    ((shadow, open_ground),) = (pinhole.project(one.camera, points, 64, 64)[0] * 64).astype(int)
    assert lit[0, shadow[1], shadow[0]].mean() < 0.8 * bare[0, shadow[1], shadow[0]].mean()
    np.testing.assert_array_equal(lit[0, open_ground[1], open_ground[0]], bare[0, open_ground[1], open_ground[0]])


def test_things_shade_each_other() -> None:
    pair = [thing("cube", "white", half=(0.5, 0.5, 0.5)), thing("cube", "white", half=(0.3, 0.3, 0.8))]
    places = [(0.6, 0, 0.5), (-0.6, 0, 0.8)]
    both, truth = frames_and_truth(scene(pair, places, time="sunset", eye=(0, -6, 4)))
    alone, _ = frames_and_truth(scene(pair[:1], places[:1], time="sunset", eye=(0, -6, 4)))
    seen = (truth.segmentation[0] == 2).nonzero()
    darker = both[0][seen].astype(int).sum(-1) < alone[0][seen].astype(int).sum(-1) - 30
    assert 0.1 < darker.mean() < 0.9


@pytest.mark.parametrize("time", LIGHTS)
@pytest.mark.parametrize("material", MATERIALS)
def test_colours_are_told_apart_at_any_hour(time: str, material: str) -> None:
    """The mean colour of each thing, white-balanced by that of a white one, is nearest to its own name."""
    names = list(COLOURS)
    scenes = [scene([thing("egg", name, material)], [(0, 0, 0.5)], time=time, ground="tiles") for name in names]
    means = []
    for frames, truth in render(scenes, 64, 64):
        assert truth is not None
        linear = (frames[0][truth.segmentation[0] == 2] / 255.0) ** 2.2
        means.append(linear.mean(0))
    seen = np.sqrt(np.array(means) / np.array(means)[names.index("white")])
    table = np.sqrt(np.array([COLOURS[name] for name in names]) / 0.92)
    nearest = np.linalg.norm(seen[:, None] - table[None], axis=-1).argmin(1)
    assert [names[i] for i in nearest] == names


def test_materials_look_different() -> None:
    images = [frames_and_truth(scene([thing("ball", "red", m)], [(0, 0, 0.5)]))[0].astype(float) for m in MATERIALS]
    ball = frames_and_truth(scene([thing("ball")], [(0, 0, 0.5)]))[1].segmentation == 2
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert np.abs(images[a] - images[b])[ball].mean() > 8


def test_a_thin_rod_has_no_gaps() -> None:
    rod = thing("rod", "black", half=(0.015, 0.015, 1.2))
    tilt = (math.cos(0.3), 0.0, math.sin(0.3), 0.0)
    one = scene([rod], [(0, 0, 2.2)], turn=tilt, target=(0, 0, 2))
    with_rod = frames_and_truth(one)[0].astype(int)
    bare = frames_and_truth(scene([], [], target=(0, 0, 2)))[0].astype(int)
    touched = (np.abs(with_rod - bare).sum(-1)[0] > 12).any(1)
    first, last = np.nonzero(touched)[0][[0, -1]]
    assert last - first > 15
    assert touched[first : last + 1].all()


@pytest.mark.parametrize("ground", GROUNDS)
def test_the_ground_is_calm_under_a_moving_camera(ground: str) -> None:
    """No pixel of ground or horizon flickers: a tenth of a pixel's way changes no pixel much."""
    frames, truth = frames_and_truth(scene([], [], num_frames=12, travel=(0.011, 0, 0.002), ground=ground))
    change = np.abs(np.diff(frames.astype(int), axis=0))
    assert change.max() <= 12
    near = frames[0][-24:]
    assert 0 < near.astype(float).std((0, 1)).max() < 30
    assert set(np.unique(truth.segmentation)) == {0, 1}
