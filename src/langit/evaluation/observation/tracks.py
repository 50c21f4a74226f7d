"""Patches to tracks: what is seen, followed from frame to frame.

Patches are linked colour by colour, by place, and what belongs to one thing is joined: the stretches before and after it
was hidden, and the same patch under a changed colour. Which of them are things, `judge` says, and what they are, `namer`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from langit.evaluation.observation.judge import are_things, numbers_of
from langit.evaluation.observation.namer import Named, name_chains
from langit.evaluation.observation.patches import Patch, patches_of
from langit.evaluation.observation.seen import Track
from langit.evaluation.observation.segmenter import SEEN_SHAPES, Segmentation
from langit.simulator.world import COLOURS, MATERIALS, SIZES, Array

FEWEST_FRAMES = 3
FEWEST_LARGEST = 20.0  # pixels in the frame that shows most of it
FEWEST_TOTAL = 60.0  # pixels over all frames, of a track
FARTHEST = 0.30  # of the frame, between a predicted and a found place, for the same thing one frame later
SAME_PLACE = 0.08  # of the frame, for a patch that changed its colour
SURE_WALL = 0.8
SURE_EGG = 0.55  # of ball or egg
SURE_METAL = 0.5
TOGETHER = 0.3  # share of the frames of the shorter of two chains of one thing, in which both are seen
NEAR_COLOURS: tuple[set[str], ...] = (
    {"red", "pink"},
    {"red", "orange"},
    {"orange", "yellow"},
    {"pink", "white"},
    {"pink", "purple"},
    {"purple", "blue"},
    {"blue", "cyan"},
    {"cyan", "green"},
    {"blue", "black"},
    {"purple", "black"},
)
"""Colours that are easily taken for each other."""

Chain = list[Patch]
"""Patches of one thing, in the order of frames, one a frame."""


def tracks_of(seen: Segmentation, horizon: Array, camera_height: Array, chains: list[Chain]) -> tuple[Track, ...]:
    """What is followed, named, without the camera's motion taken out (see `backdrop`)."""
    height, width = seen.depth.shape[1:]
    named = name_chains(seen, horizon, camera_height, chains)
    return tuple(track_of(chain, one, len(seen.what), height * width) for chain, one in zip(chains, named, strict=True))


def find_chains(seen: Segmentation) -> list[Chain]:
    """The things that are followed, largest first, not yet named."""
    chains = find_candidates(seen)
    things = are_things(judged(seen, chains))
    return [chain for chain, is_thing in zip(chains, things, strict=True) if is_thing]


def judged(seen: Segmentation, chains: list[Chain]) -> Array:
    """What `judge` sees of chains."""
    return numbers_of(chains, len(seen.what), seen.light_time.mean(0), seen.ground.mean(0))


def find_candidates(seen: Segmentation) -> list[Chain]:
    """All that is followed, things or not, largest first."""
    patches = patches_of(seen)
    chains: list[Chain] = []
    for colour in range(len(COLOURS)):
        mine = [[patch for patch in of_frame if patch.colour == colour] for of_frame in patches]
        chains += _join_in_time(_link(mine))
    kept = [chain for chain in _join_recoloured(_join_flickering(chains)) if _is_something(chain, len(seen.what))]
    kept.sort(key=lambda chain: -sum(patch.area for patch in chain))
    return kept


def _is_something(chain: Chain, num_frames: int) -> bool:
    areas = [patch.area for patch in chain]
    return (
        (len(chain) >= FEWEST_FRAMES or len(chain) == num_frames)
        and sum(areas) >= FEWEST_TOTAL * min(1, num_frames / 9)
        and max(areas) >= FEWEST_LARGEST
    )


def _link(frames: list[list[Patch]]) -> list[Chain]:
    """Chains of patches of one colour, frame to frame."""
    chains: list[Chain] = []
    for patches in frames:
        if not patches:
            continue
        frame = patches[0].frame
        live = [chain for chain in chains if frame - chain[-1].frame <= 3]
        taken: set[int] = set()
        if live:
            costs = np.array([[_distance(chain, patch) for patch in patches] for chain in live])
            for row, column in zip(*linear_sum_assignment(costs), strict=True):
                if costs[row, column] < FARTHEST:
                    live[row].append(patches[column])
                    taken.add(int(column))
        chains += [[patch] for k, patch in enumerate(patches) if k not in taken]
    return chains


def _distance(chain: Chain, patch: Patch) -> float:
    """How far a patch lies from where the chain would be, with a little for a change of area."""
    last = chain[-1]
    x, y = last.x, last.y
    if len(chain) > 1:
        steps = last.frame - chain[-2].frame
        ahead = patch.frame - last.frame
        x, y = x + (x - chain[-2].x) / steps * ahead, y + (y - chain[-2].y) / steps * ahead
    apart = min(np.hypot(patch.x - x, patch.y - y), np.hypot(patch.x - last.x, patch.y - last.y) + 0.03)
    return float(apart + 0.05 * abs(np.log(patch.area / last.area)))


def _join_in_time(chains: list[Chain]) -> list[Chain]:
    """Chains of one colour that share few frames are one thing, seen again, or in two pieces for a moment."""
    chains = sorted(chains, key=lambda chain: chain[0].frame)
    joined: list[Chain] = []
    for chain in chains:
        before = [other for other in joined if _follows(other, chain)]
        if before:
            nearest = min(before, key=lambda other: (len(other) < FEWEST_FRAMES, _distance(other, chain[0])))
            largest = {patch.frame: patch for patch in sorted([*nearest, *chain], key=_area)}
            nearest[:] = [largest[frame] for frame in sorted(largest)]
        else:
            joined.append(chain)
    return joined


def _follows(other: Chain, chain: Chain) -> bool:
    shared = {patch.frame for patch in other} & {patch.frame for patch in chain}
    return other[-1].frame < chain[-1].frame and len(shared) <= TOGETHER * min(len(other), len(chain))


def _near_colours(one: Chain, other: Chain) -> bool:
    names = list(COLOURS)
    return {names[one[0].colour], names[other[0].colour]} in NEAR_COLOURS


def _join_flickering(chains: list[Chain]) -> list[Chain]:
    """Chains of colours that are easily taken for each other, and take turns in one place, are one thing."""
    joined: list[Chain] = []
    for chain in sorted(chains, key=lambda one: -sum(patch.area for patch in one)):
        for other in joined:
            known = {patch.frame: patch for patch in other}
            new = [patch for patch in chain if patch.frame not in known]
            turns = [_is_turn(patch, known) for patch in new]
            if _near_colours(chain, other) and len(new) >= 0.7 * len(chain) and np.mean(turns) > 0.7:
                other[:] = sorted([*other, *new], key=lambda patch: patch.frame)
                break
        else:
            joined.append(chain)
    return joined


def _is_turn(patch: Patch, known: dict[int, Patch]) -> bool:
    """Whether one of the other chain's patches is in the same place a frame or two before or after."""
    beside = [known[frame] for step in (1, 2) for frame in (patch.frame - step, patch.frame + step) if frame in known]
    return any(np.hypot(one.x - patch.x, one.y - patch.y) < SAME_PLACE for one in beside)


def _area(patch: Patch) -> float:
    return patch.area


def _join_recoloured(chains: list[Chain]) -> list[Chain]:
    """A chain that ends where another of a different colour begins in the next frame, as large, goes on in it."""
    chains = sorted(chains, key=lambda chain: chain[0].frame)
    joined: list[Chain] = []
    for chain in chains:
        start = chain[0]
        for other in joined:
            last = other[-1]
            near = np.hypot(start.x - last.x, start.y - last.y) < SAME_PLACE
            if 0 < start.frame - last.frame <= 2 and near and 0.6 < start.area / last.area < 1.6:
                other += chain
                break
        else:
            joined.append(chain)
    return joined


def track_of(chain: Chain, named: Named, num_frames: int, num_pixels: int) -> Track:
    """A chain of patches in frames of `num_pixels`, as a track."""
    numbers = {each: np.full(num_frames, np.nan, np.float32) for each in ("x", "y", "depth", "change")}
    boxes = np.full((num_frames, 4), np.nan, np.float32)
    area = np.zeros(num_frames, np.float32)
    visible, whole = np.zeros(num_frames, bool), np.zeros(num_frames, bool)
    colours, shapes = (np.full(num_frames, -1, np.int8) for _ in range(2))
    for patch in chain:
        t = patch.frame
        numbers["x"][t], numbers["y"][t], numbers["depth"][t] = patch.x, patch.y, patch.depth
        numbers["change"][t] = patch.change
        boxes[t], area[t] = patch.box, patch.area / num_pixels
        visible[t], whole[t] = True, patch.is_whole
        colours[t], shapes[t] = patch.colours.argmax(), patch.shape
    colour = sum((patch.colours for patch in chain), np.zeros(len(COLOURS)))
    chances = {"colour": colour / colour.sum(), **named}
    return Track(
        colour=list(COLOURS)[int(colour.argmax())],
        shape=_shape(named["shape"]),
        material=_material(named["material"]),
        size=list(SIZES)[int(named["size"].argmax())],
        certainty={each: float(value.max()) for each, value in chances.items()},
        x=numbers["x"],
        y=numbers["y"],
        area=area,
        boxes=boxes,
        visible=visible,
        whole=whole,
        depth=numbers["depth"],
        steady_x=numbers["x"].copy(),
        steady_y=numbers["y"].copy(),
        change=numbers["change"],
        colours_seen=colours,
        shapes_seen=shapes,
        shapes=named["shape"].astype(np.float32),
    )


def _shape(chances: NDArray[np.float64]) -> str:
    """The likeliest; a wall is a box like others, and an egg a ball as it turns: they must be surer."""
    wall = SEEN_SHAPES.index("wall")
    if chances[wall] < SURE_WALL:
        chances = np.where(np.arange(len(chances)) == wall, 0.0, chances)
    ball, egg = (float(chances[SEEN_SHAPES.index(name)]) for name in ("ball", "egg"))
    if egg == chances.max() and egg < SURE_EGG * (ball + egg):
        return "ball"
    return SEEN_SHAPES[int(chances.argmax())]


def _material(chances: NDArray[np.float64]) -> str:
    """Metal or not first: matte and rubber hardly differ."""
    if chances[MATERIALS.index("metal")] > SURE_METAL:
        return "metal"
    return max((name for name in MATERIALS if name != "metal"), key=lambda name: float(chances[MATERIALS.index(name)]))
