"""Casts as numbers: there and back, and what is made of numbers that no cast gave."""

from __future__ import annotations

import torch

from langit.conditioning.cast import (
    BANDS,
    CAST,
    CODES,
    DIRECTIONS,
    NAMED,
    NUM_COLOURS,
    NUM_NAMES,
    ROWS,
    THINGS,
    Cast,
    CastCode,
    cast_layout,
    settled,
)

FRAMES = 4


def random_cast(seed: int, latent_frames: int = 3, things: int = 2) -> Cast:
    """Things of random paths; the other rows are empty."""
    torch.manual_seed(seed)
    f = latent_frames
    names = torch.zeros(f, THINGS, NUM_NAMES)
    for thing in range(things):
        names[:, thing, [(seed + thing) % NUM_COLOURS, NUM_COLOURS + thing]] = 1
    there = names.sum(-1).clamp(max=1)
    return Cast(
        names,
        torch.rand(f, THINGS, 3) * there[..., None],
        torch.randn(f, THINGS, 1, 2).expand(-1, -1, FRAMES, -1) * there[..., None, None],
        (0.2 + torch.rand(f, THINGS, 1, 1)).expand(-1, -1, FRAMES, DIRECTIONS) * there[..., None, None],
        torch.rand(f, THINGS) * there,
        torch.rand(f, 1, 3).expand(-1, BANDS, -1),
        torch.randn(f, 1, 1, 2).expand(-1, 2, BANDS, -1),
    )


CASTS = [random_cast(seed) for seed in range(40)]
CODE = CastCode.fit(CASTS)


def test_a_cast_comes_back_from_its_numbers():
    """Few enough things vary here that no component is missing."""
    rows = CODE.encode(CASTS[3])
    assert rows.shape == (3 * ROWS, CAST)
    back = CODE.decode(rows)
    there = CASTS[3].names.sum(-1) > 0
    for name, value in vars(CASTS[3]).items():
        mine = getattr(back, name)
        if name not in ("bands", "drift", "names"):
            mine, value = mine[there], value[there]
        torch.testing.assert_close(mine, value, atol=2e-3, rtol=1e-3)


def test_empty_rows_are_nothing_and_the_backdrop_is_the_last():
    rows = CODE.encode(CASTS[0]).unflatten(0, (-1, ROWS))
    assert not rows[:, 2:THINGS].any()
    assert not rows[:, -1, :-CODES].any()
    assert rows[:, -1, -CODES:].any()


def test_a_thing_is_what_it_mostly_is_in_all_frames():
    rows = CODE.encode(CASTS[1]).unflatten(0, (-1, ROWS)).clone()
    rows[0, 0, 7] = 2 * NAMED  # another colour in one frame alone
    rows[1:, 0, 7] = -NAMED
    rows[:, 1, NUM_COLOURS:NUM_NAMES] = 0.1  # too little of any kind to be there
    names = CODE.decode(settled(rows.flatten(0, 1))).names
    assert torch.equal(names[:, 0], CASTS[1].names[:, 0])
    assert not names[:, 1].any()
    assert set(names.unique().tolist()) == {0, 1}


def test_stored_it_is_the_same():
    tensors = CODE.tensors()
    assert {name: tuple(tensor.shape) for name, tensor in tensors.items()} == CastCode.shapes(FRAMES)
    assert torch.equal(CastCode.from_tensors(tensors).encode(CASTS[0]), CODE.encode(CASTS[0]))


def test_a_clip_that_goes_on_begins_with_the_last_rows_and_the_frame_before_them():
    rows = CODE.encode(CASTS[5])
    kept = CODE.last_frames(rows, 1)
    assert torch.equal(kept[ROWS:], rows[-ROWS:])
    still, whole = CODE.decode(kept[:ROWS]), CODE.decode(rows)
    there = whole.names[1].sum(-1) > 0
    for frame in range(FRAMES):
        torch.testing.assert_close(still.centres[0, there, frame], whole.centres[1, there, -1], atol=2e-3, rtol=1e-3)
    assert len(CODE.last_frames(rows[:ROWS], 1)) == 2 * ROWS


def test_rows_have_places_of_their_own():
    """Also for sinusoids, which come back after two."""
    layout = cast_layout([2, 1])
    assert layout.bounds == (0, 2 * ROWS, 3 * ROWS)
    places = layout.places[:ROWS, 1]
    assert places.max() - places.min() < 1
    assert len(places.unique()) == ROWS
