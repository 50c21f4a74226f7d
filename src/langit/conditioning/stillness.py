"""What rests in a clip is one picture in all its frames.

A model makes every latent frame by itself, a little otherwise each time: what nobody touches flickers, colours run into the
ground about their things, and the next window begins with the error. But a cast says what moves, drawn as a draft of the clip in
flat colours (`drawing`). Where that stands still under a still camera the made latents give way to one: to what is known of
the place from before, or else to what is in the middle of all that were made of it.

A draft has no shadows. So in a clip in which anything moves only places give way of which much the same was made.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from langit.conditioning.cast import Cast, CastCondition
from langit.conditioning.frames import FramesCondition
from langit.conditioning.held import Condition
from langit.conditioning.latents import LatentsCondition
from langit.conditioning.spans import SpansCondition
from langit.conditioning.turning import Turning
from langit.tokenizer import Tokenizer, decode, encode

RESTS = (0.05, 0.1)
"""How far the latents of frames may be from those of one of them that stands still: up to the first they rest, from the second on
they move. A camera that drifts by a pixel in half a second gives 0.06 to 0.3.

As all distances here the root of the mean square over the channels, of latents of about unit variance."""
NO_DRIFT = 0.003
"""What none is as it comes back from a cast's numbers, at most (`onward` makes it none under a camera that is still)."""
NOTHING_MOVES = 0.2
"""How far those of a draft are in any place, at most, where nothing in the clip moves: 0.04 to 0.1, and 0.3 after many windows. Of
one in which something moves, 1 to 5."""
ALIKE = (0.4, 0.7)
"""How far made latents may be from one that is known, where other things move: up to the first it is the same thing, from the
second on another. At 1.2 the shadows of things that roll would be wiped away (of the exam's, 70% go with their things, then 64),
here they stay (71)."""


@torch.inference_mode()
def stilled(
    clip: Tensor, draft: Tensor, cast: Cast | Turning, conditions: Sequence[Condition], tokenizer: Tokenizer
) -> Tensor:
    """The latents (C, F, h, w) of a clip with this cast, in which what rests by its `draft` (C, F, h, w) is the same throughout.

    Clips that know more of their own frames than the first ones (a source, a region, what follows), or in which one thing turns
    into another, are left as they are.
    """
    if isinstance(cast, Turning) or cast.drift.abs().mean() > NO_DRIFT or not know_the_beginning(conditions):
        return clip
    groups = next((one.latents for one in conditions if isinstance(one, LatentsCondition)), clip[:, :0])
    first = 1 + groups.shape[1]
    picture, made = clip[:, :1], clip[:, first:]
    if not made.shape[1]:
        return clip
    moves = distance(draft[:, 1:], draft[:, 1:].median(1, keepdim=True).values)
    share = falling(moves, RESTS).amin(0).expand(made.shape[1:])
    frames = next((one.frames for one in conditions if isinstance(one, FramesCondition)), None)
    if groups.shape[1]:
        one = groups[:, -1:]
    elif frames is not None:
        one = _group_of(tokenizer, torch.from_numpy(frames[0].astype(np.float32)) / 127.5 - 1)
    else:
        one = made.median(1, keepdim=True).values
    if moves.max() >= NOTHING_MOVES:
        share = share * falling(distance(made, one), ALIKE)
    if frames is None:  # the picture was made, too
        shown = decode(tokenizer, torch.cat([picture, one], 1))[1]
        picture = led(picture, encode(tokenizer, shown[None]), share[:1])
    return torch.cat([picture, clip[:, 1:first], led(made, one, share)], 1)


def steadied(frames: Tensor, latent: Tensor, before: Tensor) -> Tensor:
    """A group of frames (F, H, W, 3), the same throughout where its `latent` frame (C, 1, h, w) is the one `before` it, to the last
    bit: of such latents a decoder makes frames that differ by half a level, over and over."""
    moves = (latent != before).any(0)[None].float()  # (1, 1, h, w)
    if moves.all():
        return frames
    beside = functional.max_pool2d(moves, 3, stride=1, padding=1)
    share = functional.interpolate(1 - beside, frames.shape[1:3], mode="bilinear").movedim(1, -1)  # (1, H, W, 1)
    return frames.lerp(frames.mean(0, keepdim=True), share)


def distance(one: Tensor, other: Tensor) -> Tensor:
    """Between latents (C, ...): (...)."""
    return (one - other).square().mean(0).sqrt()


def falling(distance: Tensor, bounds: tuple[float, float]) -> Tensor:
    """1 up to the first bound, 0 from the second on."""
    full, none = bounds
    return ((none - distance) / (none - full)).clamp(0, 1)


def led(made: Tensor, known: Tensor, share: Tensor) -> Tensor:
    """From the made to the known by that share; to the last bit where it is all of it, so that chains do not wear it down."""
    return torch.where(share >= 1, known, made + share * (known - made))


def _group_of(tokenizer: Tokenizer, frame: Tensor) -> Tensor:
    """The latent group (C, 1, h, w) of a frame (H, W, 3) that stays."""
    return encode(tokenizer, frame.expand(1 + tokenizer.stride[0], -1, -1, -1))[:, 1:]


def know_the_beginning(conditions: Sequence[Condition]) -> bool:
    """Whether conditions hold nothing but a clip's first frame and the groups after it, or no pictures at all."""
    return all(
        set(one.frames) == {0}
        if isinstance(one, FramesCondition)
        else one.start == 1
        if isinstance(one, LatentsCondition)
        else isinstance(one, CastCondition | SpansCondition)
        for one in conditions
    )
