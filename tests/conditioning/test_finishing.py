"""What stands beside decoded frames, and what finishing leaves alone before it is trained."""

from __future__ import annotations

import torch

from langit.conditioning.cast import NUM_COLOURS, NUM_NAMES, Cast
from langit.conditioning.drawing import draft, seen
from langit.conditioning.finishing import BESIDE, Finish, finished, pixels_of
from langit.conditioning.turning import turned
from tests.conditioning.test_drawing import BALL, BLUE, CIRCLE, CUBE, RED, SQUARE, cast


def rolling() -> Cast:
    """A ball that goes to the right, in three latent frames."""
    one = cast((RED, BALL, (0.0, 0.0), 0.5 * CIRCLE, 1.0))
    long = Cast(*(torch.cat([value] * 3) for value in vars(one).values()))
    long.centres[:, 0, :, 0] = torch.linspace(-0.5, 0.5, 12).unflatten(0, (3, 4))
    return long


def test_every_pixel_is_told_its_colour_its_names_and_whether_a_thing_is_there():
    one = cast((RED, BALL, (0.0, 0.0), 0.5 * CIRCLE, 1.0))
    told = pixels_of(one, 32, 48)
    assert told.shape == (1, 4, BESIDE, 32, 48)
    torch.testing.assert_close(told[0, -1, :3].movedim(0, -1), draft(one, seen(one, 32, 48))[0])
    names, things = told[0, 0, 3:-1], told[0, 0, -1]
    assert names[RED, 16, 24] == names[BALL, 16, 24] == things[16, 24] == 1
    assert not things[0].any()
    torch.testing.assert_close(names[:NUM_COLOURS].sum(0), things)
    assert names.shape[0] == NUM_NAMES


def test_what_turns_is_told_as_far_as_it_has_turned():
    ball, cube = cast((RED, BALL, (0.0, 0.0), 0.5 * CIRCLE, 1.0)), cast((BLUE, CUBE, (0.0, 0.0), 0.4 * SQUARE, 1.0))
    told = pixels_of(turned(ball, cube, torch.tensor([0.25])), 32, 32)[0, 0, 3:-1, 16, 16]
    torch.testing.assert_close(told[[RED, BALL, BLUE, CUBE]], torch.tensor([0.75, 0.75, 0.25, 0.25]))


def test_untrained_it_changes_nothing():
    frames = torch.rand(9, 24, 40, 3) * 2 - 1
    assert torch.equal(finished(Finish(), frames, rolling()), frames)


def test_every_frame_is_finished_beside_its_own_cast():
    """The first latent frame has one frame, or as many as the others where a clip is taken up in between."""
    torch.manual_seed(0)
    network, cast = Finish(), rolling()
    torch.nn.init.normal_(network.change.weight, std=0.1)
    frames = torch.rand(9, 24, 40, 3) * 2 - 1
    whole = finished(network, frames, cast)
    beside = pixels_of(cast, 24, 40)
    for frame, (group, time) in enumerate([(0, 3), *((1, k) for k in range(4)), *((2, k) for k in range(4))]):
        alone = network(frames[frame].movedim(-1, 0)[None], beside[group, time][None])[0].movedim(0, -1)
        torch.testing.assert_close(whole[frame], alone)
    later = Cast(*(value[1:] for value in vars(cast).values()))
    torch.testing.assert_close(finished(network, frames[1:], later), whole[1:])
