"""The watermark, put into an edit's frames as they are made."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np

from langit.conditioning import Known
from langit.editing.edit import Edit
from langit.generate import OnStep, Sampler
from langit.media import open_frames
from langit.provenance import Payload, can_mark, mark, read_mark
from langit.types import Frames

GROUP = 64
"""Frames at a time: a clip of any length is marked in constant memory."""


def can_be_marked(edit: Edit) -> bool:
    """Whether the edit is long and large enough for a mark that lasts."""
    return can_mark((edit.num_frames, *edit.size, 3))


def marked_like(edit: Edit, path: Path) -> Edit:
    """The edit with the watermark that the file at `path` carries, if it carries one and the edit makes every frame anew."""
    if edit.record.verb != "generate" or not can_be_marked(edit):
        return edit
    with open_frames(path) as frames:
        payload = read_mark(np.stack(list(islice(frames, GROUP))))
    return edit if payload is None else marked(edit, payload)


def marked(edit: Edit, payload: Payload) -> Edit:
    """The edit with a watermark in its frames where its size supports one, else as it is.

    What its frames end with is handed on as it was made, so that whatever goes on from here sees no mark.
    """
    if not can_be_marked(edit):
        return edit

    def making(sampler: Sampler, on_step: OnStep | None) -> Generator[Frames, None, Known | None]:
        ends: list[Known | None] = []

        def listening() -> Generator[Frames, None, None]:
            ends.append((yield from edit.making(sampler, on_step)))

        frames, held = listening(), list[Frames]()
        while group := list(islice(frames, GROUP)):
            # Too few at the end for a mark of their own: they share that of the frames before.
            if held and not can_mark((len(group), *group[0].shape)):
                held += group
                break
            if held:
                yield from mark(np.stack(held), payload)
            held = group
        if held:
            yield from mark(np.stack(held), payload)
        for _ in frames:  # to its end, for what it returns
            pass
        return ends[0] if ends else None

    return replace(edit, making=making)
