"""How the camera's motion carries the resting world over the screen."""

from __future__ import annotations

import math

import numpy as np
import pytest

from langit.simulator.camera import FASTEST, axes, drift, project, rays
from langit.simulator.world import Camera


def moving(positions, targets):
    return Camera("", "", np.array(positions, np.float32), np.array(targets, np.float32), math.radians(40))


def test_a_resting_camera_carries_nothing():
    camera = moving([[0, -6, 2]] * 3, [[0, 0, 1]] * 3)
    np.testing.assert_allclose(drift(camera, range(3), 8, 8), 0, atol=1e-5)


@pytest.mark.parametrize("size", [(8, 8), (6, 12)])
def test_a_point_of_the_ground_was_where_its_drift_says(size):
    """Each point of the ground that a cell's middle shows, projected into the frame shown before."""
    rows, columns = size
    camera = moving([[0, -6, 2], [1, -6, 2], [0.3, -5.5, 2.4]], [[0, 0, 0.5], [0.2, 0, 0.5], [0.1, 0, 0.6]])
    found = drift(camera, (0, 2), rows, columns)
    assert not found[0].any()
    toward = rays(camera, rows, columns)[2].reshape(-1, 3)
    down = toward[:, 2] < -0.1
    points = camera.positions[2] + toward * (camera.positions[2, 2] / -toward[:, 2:])
    was, _ = project(camera, np.broadcast_to(points, (3, *points.shape)), rows, columns)
    now = was[2] * (columns, rows)
    carried = (now - was[0] * (columns, rows))[:, ::-1]
    quiet = down & (abs(carried) < FASTEST).all(-1)
    assert quiet.sum() > 10
    np.testing.assert_allclose(found[1].reshape(-1, 2)[quiet], carried[quiet], atol=2e-3)


def test_a_sky_is_carried_by_turning_alone():
    level = moving([[0, -6, 2], [1, -6, 2]], [[0, 0, 2], [1, 0, 2]])
    np.testing.assert_allclose(drift(level, range(2), 8, 8)[1, :4], 0, atol=1e-5)
    turned = moving([[0, -6, 2]] * 2, [[0, 0, 2], [1, 0, 2]])
    carried = drift(turned, range(2), 8, 8)[1, :4]
    assert (carried[..., 1] < -0.5).all()  # to the right, so the sky goes left
    assert axes(turned)[2][1, 0] > 0
