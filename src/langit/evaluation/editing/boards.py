"""Storyboards of unrelated cards: what is followed, and what comes from the neighbour.

Only what every frame shows is asked (`ASKED`): spans are too short for what happens in them to be seen surely.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from langit import editing
from langit.editing import Course
from langit.evaluation.editing.run import Part, Run, Shown, not_applicable, row_of
from langit.evaluation.observation import observe
from langit.evaluation.prompt_following import score
from langit.evaluation.prompts import Attribute, Expectation, Prompt
from langit.types import Frames

ASKED: tuple[Attribute, ...] = (
    "count", "colour", "shape", "binding", "material", "size", "light", "light_side", "ground",
)  # fmt: skip
PART = "storyboards"
CARDS = 3
CARD_SECONDS = 2.0


@dataclass(frozen=True, eq=False)
class Board:
    """A board of `CARDS` cards of `CARD_SECONDS`; each card's prompt is also made alone."""

    number: int
    prompts: tuple[Prompt, ...]
    model: str
    seed: int

    @property
    def name(self) -> str:
        return f"board-{self.number:03d}"

    def make(self) -> Frames:
        cards = [{"at": index * CARD_SECONDS, "prompt": one.text} for index, one in enumerate(self.prompts)]
        board = {"seconds": CARDS * CARD_SECONDS, "cards": cards}
        return editing.storyboard(board, course=self._course(self.name)).video().frames

    def make_alone(self, card: int) -> Frames:
        """The clip of one card's prompt, as long as its span."""
        course = self._course(f"{self.name} {card}")
        return editing.generate_clip(self.prompts[card].text, seconds=CARD_SECONDS, course=course).video().frames

    def _course(self, what: str) -> Course:
        return Course(self.model, seed=zlib.crc32(f"{self.seed} {what}".encode()))


def make_boards(prompts: Sequence[Prompt], model: str, seed: int) -> list[Board]:
    return [
        Board(number, tuple(prompts[number * CARDS : (number + 1) * CARDS]), model, seed)
        for number in range(len(prompts) // CARDS)
    ]


def spans_of(frames: Frames) -> list[Frames]:
    """The frames of each card."""
    return [np.asarray(part) for part in np.array_split(frames, CARDS)]


def followed(frames: Frames, fps: float, asked: Expectation) -> float:
    """Share of what is asked of a clip that it shows; NaN where nothing is."""
    answers = score(observe(frames, fps), asked)
    told = [answers[name] for name in ASKED if answers[name] is not None]
    return float(np.mean([float(bool(one)) for one in told])) if told else float("nan")


def measure(run: Run, boards: Sequence[Board]) -> Part:
    """All boards, span by span; beside them each card's prompt made alone."""
    in_span, alone, leaked, by_chance, shown = [], [], [], [], []
    for done, board in enumerate(boards):
        run.on_progress(PART, done, len(boards))
        frames = run.made(board.name, board.make)
        if isinstance(frames, str):
            return Part((not_applicable(PART, "all of it", frames),))
        shown.append(Shown(PART, " | ".join(one.text[:60] for one in board.prompts), frames))
        for card, span in enumerate(spans_of(frames)):
            own = run.made(f"{board.name}-card-{card}", partial(board.make_alone, card))
            if isinstance(own, str):
                return Part((not_applicable(PART, "all of it", own),))
            asked, neighbour = (board.prompts[k].expectation for k in (card, (card + 1) % CARDS))
            in_span.append(followed(span, run.fps, asked))
            alone.append(followed(own, run.fps, asked))
            leaked.append(followed(span, run.fps, neighbour))
            by_chance.append(followed(own, run.fps, neighbour))
    run.on_progress(PART, len(boards), len(boards))
    less = [100 * (one - other) for one, other in zip(alone, in_span, strict=True)]
    rows = (
        row_of(PART, "a span follows its own prompt", "", "higher", in_span, alone, "reference: the prompt made alone"),
        row_of(PART, "less than the prompt alone", "points", "lower", less, [], "aim: at most 5"),
        row_of(PART, "a span shows its neighbour's prompt", "", "lower", leaked, by_chance, "reference: by chance"),
    )
    return Part(rows, tuple(shown[:3]))
