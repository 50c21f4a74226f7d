"""The pattern of what lies still goes where the camera's motion carries it; things, shade and what comes into sight are as made."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from langit.catalog import load
from langit.conditioning import Condition, FramesCondition, Passage, SourceCondition
from langit.conditioning.cast import BANDS, DIRECTIONS, NUM_COLOURS, NUM_NAMES, THINGS, Cast
from langit.conditioning.world import ABOUT, MOST, World
from langit.editing.footage import groups_of
from langit.generate import generate_all, make_passage
from langit.planning import Request, plan

SIDE, FRAMES = 64, 4
LIGHT = torch.linspace(0.6, 0.1, SIDE)[:, None, None].expand(SIDE, SIDE, 3)
"""Of ground and sky, row by row."""
ACROSS = 4
"""Pixels by which the camera carries the world in a latent frame."""
RADIUS = 0.25
"""Of the thing in the middle, in half sides."""


def cast(across: float = ACROSS, thing: bool = False) -> Cast:
    drift = torch.zeros(1, 2, BANDS, 2)
    drift[..., 1] = across / (SIDE / 2)
    names = torch.zeros(1, THINGS, NUM_NAMES)
    names[:, 0, [0, NUM_COLOURS]] = float(thing)
    return Cast(
        names,
        torch.zeros(1, THINGS, 3),
        torch.zeros(1, THINGS, FRAMES, 2),
        torch.full((1, THINGS, FRAMES, DIRECTIONS), RADIUS),
        torch.zeros(1, THINGS),
        torch.zeros(1, BANDS, 3),
        drift,
    )


def made(seed: int, frames: int = FRAMES) -> Tensor:
    """Frames (F, H, W, 3) of a ground with a pattern of its own, as a model makes it for each latent frame."""
    noise = torch.randn(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))
    soft = functional.avg_pool2d(noise, 3, 1, 1).movedim(1, -1)
    return (LIGHT + 0.06 * soft).expand(frames, -1, -1, -1)


def pattern(frame: Tensor) -> Tensor:
    return frame - frame.mean(1, keepdim=True)


def alike(one: Tensor, other: Tensor) -> float:
    """How much two patterns go together, 1 if they are the same."""
    return float(functional.cosine_similarity(pattern(one).flatten(), pattern(other).flatten(), dim=0))


def test_a_pattern_goes_along_with_the_camera_and_not_its_own_way() -> None:
    world, first = World(), made(0, 1)
    world.shown(first, cast(0))
    later = [world.shown(made(1), cast()), world.shown(made(2), cast())]
    for passed, frame in ((ACROSS // 2, later[0][1]), (ACROSS, later[0][3]), (2 * ACROSS, later[1][3])):
        seen_before = slice(8, SIDE - 8 - passed)
        moved = frame[:, passed:][:, seen_before]
        assert alike(moved, first[0][:, seen_before]) > 0.9
    own = slice(8 + 2 * ACROSS, SIDE - 8)
    assert abs(alike(later[1][3][:, own], made(2)[3][:, own])) < 0.3


def test_what_comes_into_sight_is_as_it_is_made_and_stays() -> None:
    world = World()
    world.shown(made(0, 1), cast(0))
    shown, own = world.shown(made(1), cast()), made(1)
    assert torch.equal(shown[3][:, : ACROSS - 2], own[3][:, : ACROSS - 2])
    for seed in (2, 3, 4, 5):
        shown = world.shown(made(seed), cast())
    entered = slice(0, 10)  # since then: passed on from frame to frame, and not made again each time
    assert alike(shown[3][:, 5:15], shown[2][:, 4:14]) > 0.9
    assert alike(made(5)[3][:, entered], shown[3][:, entered]) < 0.6


def test_things_and_what_is_about_them_are_as_they_are_made() -> None:
    world = World()
    world.shown(made(0, 1), cast(0, thing=True))
    shown = world.shown(made(1), cast(thing=True))
    reach = int(RADIUS * SIDE / 2) + ABOUT
    middle = slice(SIDE // 2 - reach + 2, SIDE // 2 + reach - 2)
    at_its_height = shown[:, SIDE // 2, middle]
    assert torch.equal(at_its_height, made(1)[:, SIDE // 2, middle])
    assert not torch.equal(shown, made(1))


def test_a_thing_leaves_nothing_of_itself_where_it_was() -> None:
    world, red = World(), made(0, 1).clone()
    reach = slice(SIDE // 2 - 7, SIDE // 2 + 7)
    red[:, reach, reach] = torch.tensor([0.9, -0.9, -0.9])
    world.shown(red, cast(0, thing=True))
    shown = world.shown(made(1), cast())
    assert (shown - LIGHT).abs().max() < 0.3


@pytest.mark.parametrize("width", [3, 20])
def test_shade_is_not_carried_along(width: int) -> None:
    shade = torch.zeros(SIDE, SIDE, 3)
    shade[40:52, 30 : 30 + width] = -0.35
    world = World()
    world.shown(made(0, 1) + shade, cast(0))
    assert (world.shown(made(1), cast()) - LIGHT).min() > -0.15


def test_what_is_in_the_shade_is_as_it_is_made() -> None:
    shade = torch.zeros(SIDE, SIDE, 3)
    shade[40:52, 20:40] = -0.35
    world = World()
    world.shown(made(0, 1), cast(0))
    shown, own = world.shown(made(1) + shade, cast()), made(1) + shade
    torch.testing.assert_close(shown[3][42:50, 26:36], own[3][42:50, 26:36])


def test_what_is_shown_much_larger_is_made_anew() -> None:
    """A pattern from far away would be a blur."""
    zoom = torch.zeros(1, 2, BANDS, 2)
    zoom[0, :, :, 0] = torch.linspace(-0.2, 0.2, BANDS)
    zoom[0, :, :, 1] = torch.tensor([-0.2, 0.2])[:, None]
    world = World()
    world.shown(made(0, 1), cast(0))
    for seed in range(1, 6):
        shown = world.shown(made(seed), replace(cast(0), drift=zoom))
    middle = slice(16, 48)
    steps = [pattern(frame)[middle, middle].diff(dim=1).std() for frame in (shown[3], made(5)[3])]
    assert steps[0] > 0.4 * steps[1]


def test_it_remembers_a_few_frames_however_long_the_clip_is() -> None:
    world = World()
    world.shown(made(0, 1), cast(0))
    for seed in range(1, 3 * MOST):
        world.shown(made(seed), cast(16))
        assert len(world.pictures) == len(world.clear) == len(world.places) <= MOST
    assert len(world.pictures) == MOST


def test_what_shows_nothing_new_is_not_remembered() -> None:
    world = World()
    world.shown(made(0, 1), cast(0))
    first = world.shown(made(1), cast())[3]
    remembered = len(world.pictures)
    for seed in range(2, 5):
        shown = world.shown(made(seed), cast(0))  # the camera rests where it has come to
        assert alike(shown[3], first) > 0.85
    assert len(world.pictures) == remembered


def test_under_a_camera_that_has_not_moved_frames_are_as_they_are_made() -> None:
    world = World()
    for seed in range(4):
        assert torch.equal(world.shown(made(seed), cast(0)), made(seed))
    shown = world.shown(made(4), cast())
    assert alike(shown[3][:, 12:-8], made(3)[3][:, 8:-12]) > 0.9


def test_only_clips_that_are_made_as_a_whole_go_along(monkeypatch: pytest.MonkeyPatch) -> None:
    """What knows its own frames, or what follows, has its world from there."""
    asked = []
    monkeypatch.setattr(World, "shown", lambda self, frames, cast: asked.append(frames) or frames)
    bundle, source = load("embedded"), np.zeros((9, 64, 64, 3), np.uint8)

    def goes_along(*conditions: Condition, passage: Passage | None = None) -> bool:
        asked.clear()
        p = plan(bundle, Request("a red ball", frames=9, size=(64, 64), seed=0, conditions=conditions))
        if passage is None:
            generate_all(bundle, [p])
        else:
            list(make_passage(bundle, p, passage))
        return bool(asked)

    assert goes_along()
    assert goes_along(FramesCondition({0: source[0]}))
    assert not goes_along(SourceCondition(source, 0.5))
    assert not goes_along(FramesCondition({4: source[0]}))
    assert goes_along(passage=Passage(8))
    assert not goes_along(passage=Passage(8, after=groups_of(bundle, source)))
