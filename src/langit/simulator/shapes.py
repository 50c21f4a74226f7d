"""Where rays meet the shapes, in the shape's own unit space.

Every thing is an affine image of one of five unit shapes: a ray is carried into unit space by the inverse of
`rotation * half_extents`, which keeps its parameter t, and met there. The unit shapes are the ball |p| <= 1, the cube
|p| <= 1, the cylinder r <= 1, |z| <= 1, and the cone and pyramid with base half-width 1 at z = -1/2 and tip at z = 3/2:
their centre of mass, the origin, lies a quarter of the height (2) above the base.

N rays; vectors are (3, ..., N), so that each coordinate is contiguous.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

UNIT_SHAPE: dict[str, str] = {
    "ball": "ball",
    "egg": "ball",
    "cube": "cube",
    "plank": "cube",
    "wall": "cube",
    "ramp": "cube",
    "cylinder": "cylinder",
    "rod": "cylinder",
    "cone": "cone",
    "pyramid": "pyramid",
}
"""The unit shape of each thing's shape: a wall and a ramp are boxes, placed by their pose; a rod is a thin cylinder."""

KINDS = ("ball", "cube", "cylinder", "cone", "pyramid")

Z_RANGE: dict[str, tuple[float, float]] = {
    "ball": (-1.0, 1.0),
    "cube": (-1.0, 1.0),
    "cylinder": (-1.0, 1.0),
    "cone": (-0.5, 1.5),
    "pyramid": (-0.5, 1.5),
}
"""Lowest and highest z of each unit shape; in x and y all lie in [-1, 1]."""

_FAR = torch.inf
_TINY = 1e-12  # keeps 1 / x finite for rays exactly parallel to a face


def span(kind: str, origin: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
    """Parameters t, each (..., N), at which the rays origin + t * direction (3, ..., N) enter and leave a unit shape.

    A ray whose line misses has enter > leave. Directions need no unit length, so t keeps the meaning it had outside."""
    return _SPANS[kind](origin, direction)


def normal(kind: str, point: Tensor) -> tuple[Tensor, Tensor]:
    """Outward normals (3, ..., N), not of unit length, and the number of the face, for points (3, ..., N) on a unit
    shape. To carry a normal back to the world, apply the transpose of the world-to-unit matrix."""
    return _NORMALS[kind](point)


def _nearest(origin: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
    """The parameter of each line's point nearest to the centre, and that point: quadratics around it stay exact."""
    closest = -dot(origin, direction) / dot(direction, direction)
    return closest, origin + closest * direction


def _ball_span(origin: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
    squared = dot(direction, direction)
    closest = -dot(origin, direction) / squared
    point = origin + closest * direction
    inside = 1 - dot(point, point)
    half = (inside.clamp(min=0) / squared).sqrt()
    enter = torch.where(inside > 0, closest - half, _FAR)
    return enter, closest + half


def _cube_span(origin: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
    inverse = 1 / (direction + _TINY)
    middle = -origin * inverse
    half = inverse.abs()
    enter, leave = middle - half, middle + half
    return (
        torch.maximum(torch.maximum(enter[0], enter[1]), enter[2]),
        torch.minimum(torch.minimum(leave[0], leave[1]), leave[2]),
    )


def _cylinder_span(origin: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
    closest, point = _nearest(origin, direction)
    a = direction[0] * direction[0] + direction[1] * direction[1] + _TINY
    b = point[0] * direction[0] + point[1] * direction[1]
    inside = b * b - a * (point[0] * point[0] + point[1] * point[1] - 1)
    root = inside.clamp(min=0).sqrt()
    inverse = 1 / (direction[2] + _TINY)
    middle, half = -point[2] * inverse, inverse.abs()
    enter = torch.maximum((-b - root) / a, middle - half)
    leave = torch.minimum((-b + root) / a, middle + half)
    return torch.where(inside > 0, enter + closest, _FAR), leave + closest


def _cone_span(origin: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
    """A line meets a convex surface twice: of its meetings with the double cone and the base, those on the cone."""
    closest, point = _nearest(origin, direction)
    radius, slope = (1.5 - point[2]) / 2, -direction[2] / 2  # of the cone at the nearest point, and its growth with t
    a = direction[0] * direction[0] + direction[1] * direction[1] - slope * slope
    b = point[0] * direction[0] + point[1] * direction[1] - radius * slope
    c = point[0] * point[0] + point[1] * point[1] - radius * radius
    inside = b * b - a * c
    root = inside.clamp(min=0).sqrt()
    enter = torch.full_like(a, _FAR)
    leave = torch.full_like(a, -_FAR)
    for t in ((-b - root) / a, (-b + root) / a):
        z = point[2] + t * direction[2]
        valid = (z >= -0.5) & (z <= 1.5) & (inside > 0)
        enter = torch.where(valid, torch.minimum(enter, t), enter)
        leave = torch.where(valid, torch.maximum(leave, t), leave)
    t = (-0.5 - point[2]) / direction[2]
    x, y = point[0] + t * direction[0], point[1] + t * direction[1]
    valid = x * x + y * y <= 1
    enter = torch.where(valid, torch.minimum(enter, t), enter)
    leave = torch.where(valid, torch.maximum(leave, t), leave)
    return enter + closest, leave + closest


def _pyramid_span(origin: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
    lift, rise = 0.75 - origin[2] / 2, direction[2] / 2  # the sides are |x| + z / 2 <= 3/4 and |y| + z / 2 <= 3/4
    enter = torch.full_like(lift, -_FAR)
    leave = torch.full_like(lift, _FAR)
    for room, speed in (
        (origin[2] + 0.5, -direction[2]),
        (lift - origin[0], rise + direction[0]),
        (lift + origin[0], rise - direction[0]),
        (lift - origin[1], rise + direction[1]),
        (lift + origin[1], rise - direction[1]),
    ):
        t = room / speed
        enter = torch.where(speed < 0, torch.maximum(enter, t), enter)
        leave = torch.where(speed > 0, torch.minimum(leave, t), leave)
    return enter, leave


def _ball_normal(point: Tensor) -> tuple[Tensor, Tensor]:
    return point, torch.zeros_like(point[0], dtype=torch.int16)


def _cube_normal(point: Tensor) -> tuple[Tensor, Tensor]:
    size = point.abs()
    along_x = (size[0] >= size[1]) & (size[0] >= size[2])
    along_y = ~along_x & (size[1] >= size[2])
    chosen = torch.stack([along_x, along_y, ~(along_x | along_y)])
    outward = torch.where(chosen, point, 0.0)
    face = along_y.to(torch.int16) * 2 + chosen[2].to(torch.int16) * 4
    return outward, face + (dot(outward, torch.ones_like(outward)) > 0).to(torch.int16)


def _cylinder_normal(point: Tensor) -> tuple[Tensor, Tensor]:
    cap = point[2] * point[2] > point[0] * point[0] + point[1] * point[1]
    outward = torch.stack(
        [torch.where(cap, 0.0, point[0]), torch.where(cap, 0.0, point[1]), torch.where(cap, point[2], 0.0)]
    )
    return outward, cap.to(torch.int16) * (1 + (point[2] > 0).to(torch.int16))


def _cone_normal(point: Tensor) -> tuple[Tensor, Tensor]:
    radius = (point[0] * point[0] + point[1] * point[1]).sqrt()
    base = (point[2] + 0.5).abs() < ((1.5 - point[2]) / 2 - radius).abs()
    outward = torch.stack(
        [torch.where(base, 0.0, point[0]), torch.where(base, 0.0, point[1]), torch.where(base, -1.0, radius / 2)]
    )
    return outward, base.to(torch.int16)


def _pyramid_normal(point: Tensor) -> tuple[Tensor, Tensor]:
    across_x = point[0].abs() >= point[1].abs()
    reach = torch.where(across_x, point[0], point[1])
    base = (point[2] + 0.5).abs() < ((0.75 - point[2] / 2) - reach.abs()).abs()
    side = reach.sign()
    outward = torch.stack(
        [
            torch.where(base | ~across_x, 0.0, side),
            torch.where(base | across_x, 0.0, side),
            torch.where(base, -1.0, 0.5),
        ]
    )
    face = 1 + across_x.to(torch.int16) * 2 + (side > 0).to(torch.int16)
    return outward, torch.where(base, 0, face).to(torch.int16)


def dot(a: Tensor, b: Tensor) -> Tensor:
    """Products over the leading axis of 3, summed in a fixed order: every device and batch size gives the same bits."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


_SPANS: dict[str, Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]] = {
    "ball": _ball_span,
    "cube": _cube_span,
    "cylinder": _cylinder_span,
    "cone": _cone_span,
    "pyramid": _pyramid_span,
}
_NORMALS: dict[str, Callable[[Tensor], tuple[Tensor, Tensor]]] = {
    "ball": _ball_normal,
    "cube": _cube_normal,
    "cylinder": _cylinder_normal,
    "cone": _cone_normal,
    "pyramid": _pyramid_normal,
}
