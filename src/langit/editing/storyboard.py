"""storyboard: cards on a timeline inside one clip; each span follows its own prompt.

seconds: 8
prompt: at sunset on the sand       # optional: added to every card's prompt
cards:
  - at: 0
    prompt: a red ball rolls to the right
  - at: 3
    prompt: the red ball hits a blue cube
    picture: hit.png                # the frame at 3 s
  - at: 6
    clip: end.mp4                   # plays from 6 s on, as it is
    seconds: 2                      # its first 2 s
    locked: true                    # stays when the rest is made again
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from langit.catalog import Bundle
from langit.conditioning import Span
from langit.editing.edit import MODELS_OWN, Course, Edit, record_of
from langit.editing.footage import Footage, open_footage
from langit.editing.pieces import edit_of, frames_of
from langit.editing.timeline import Gap, Kept, Piece
from langit.media.record import SourceFile
from langit.media.source import existing_file
from langit.planning import NUM_SEEDS, legal_size
from langit.text.lexicon import names_in
from langit.types import InputError

OTHER_SCENE = 0x85EBCA6B
"""How far apart the seeds of a board's scenes are."""


@dataclass(frozen=True)
class Card:
    """What happens from `at` seconds on, up to the next card."""

    at: float
    prompt: str = ""
    picture: str | None = None
    clip: str | None = None
    seconds: float | None = None  # of the clip
    locked: bool = False


@dataclass(frozen=True)
class Board:
    """The cards in order and what they share. `size` is (width, height)."""

    seconds: float
    cards: tuple[Card, ...]
    prompt: str = ""
    size: tuple[int, int] | None = None
    fps: float | None = None

    def prompt_of(self, card: Card) -> str:
        """What is told of a card's span: its own prompt and what all share."""
        return " ".join(part for part in (card.prompt, self.prompt) if part.strip())

    def worded(self, change: Callable[[str], str]) -> Board:
        """The board with every prompt changed, what the cards share included; a card without one stays without."""
        told = [(card, self.prompt_of(card)) for card in self.cards]
        cards = tuple(replace(card, prompt=change(prompt) if prompt else "") for card, prompt in told)
        return replace(self, cards=cards, prompt="")


def read_board(path: str | Path) -> Board:
    """A board from a YAML file; `InputError` names what is wrong in it, by the numbers of its cards."""
    file = existing_file(path)
    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not a text; give a storyboard in YAML.") from error
    except yaml.YAMLError as error:
        raise InputError(f"{path} is not YAML: {' '.join(str(error).split())}.") from error
    board = board_of(values, str(path))
    return replace(board, cards=tuple(_seen_from(card, file.parent) for card in board.cards))


def _seen_from(card: Card, folder: Path) -> Card:
    """The card with its files named as seen from the board."""

    def near(told: str | None) -> str | None:
        return None if told is None else str(folder / told)

    return replace(card, picture=near(card.picture), clip=near(card.clip))


def board_of(values: Any, name: str = "The storyboard") -> Board:
    """A board from plain values."""
    if not isinstance(values, dict) or not isinstance(values.get("cards"), list) or not values["cards"]:
        raise InputError(
            f"{name} is no storyboard: it needs `seconds` and a list `cards`, each with `at` and a prompt."
        )
    cards = []
    for number, told in enumerate(values["cards"], 1):
        known = {field.name for field in fields(Card)}
        if not isinstance(told, dict) or "at" not in told or not set(told) <= known:
            unknown = f"{', '.join(map(str, set(told) - known))} is not known; " if isinstance(told, dict) else ""
            raise InputError(
                f"Card {number} of {name}: {unknown}a card has `at` and any of {', '.join(sorted(known - {'at'}))}."
            )
        cards.append(_card(number, told))
    known = {field.name for field in fields(Board)}
    if not set(values) <= known:
        raise InputError(
            f"{name}: {', '.join(map(str, set(values) - known))} is not known; a board has {', '.join(sorted(known))}."
        )
    size = values.get("size")
    if isinstance(size, str):
        size = size.lower().split("x")
    try:
        seconds, fps = float(values["seconds"]), values.get("fps")
        width_height = None if size is None else (int(size[0]), int(size[1]))
        fps = None if fps is None else float(fps)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise InputError(f"{name} needs `seconds` as a number, and `size` as width x height such as 64x64.") from error
    board = Board(seconds, tuple(cards), str(values.get("prompt") or ""), width_height, fps)
    _check(board, name)
    return board


def storyboard(
    board: str | Path | Board | dict[str, Any],
    *,
    base: str | Path | None = None,
    card: int | None = None,
    course: Course = MODELS_OWN,
) -> Edit:
    """The clip of a board. With `base`, what this board gave before, only its unlocked cards are made again, or only `card`
    (counted from 1): all others stay frame for frame."""
    bundle, course = course.bundle(), course.settled()
    made = board_of(board) if isinstance(board, dict) else read_board(board) if isinstance(board, str | Path) else board
    fps = made.fps or bundle.config.native.fps
    native = bundle.config.native
    width, height = legal_size(bundle, *(made.size or (native.width, native.height)))
    frames = frames_of(made.seconds, fps)
    starts = [round(one.at * fps) for one in made.cards] + [frames]
    spans = [
        Span(start, stop, made.prompt_of(one)) for one, (start, stop) in zip(made.cards, pairwise(starts), strict=True)
    ]
    kept, sources = _kept(bundle, made, starts, (height, width), fps)
    files = [footage.file for footage in sources]
    if base is not None:
        whole = open_footage(bundle, base, size=(height, width), fps=fps)
        if whole.num_frames != frames:
            raise InputError(
                f"{base} has {whole.num_frames} frames and the board {frames}; give the clip that this board made."
            )
        again = _again(made, card)
        stays = [
            (starts[k], starts[k + 1], Kept(whole, starts[k], starts[k + 1]))
            for k in range(len(spans))
            if k not in again
        ]
        kept = sorted(
            [*stays, *(one for one in kept if not any(a <= one[0] < b for a, b, _ in stays))], key=lambda one: one[0]
        )
        sources, files = [whole, *sources], [whole.file, *files]
    elif card is not None:
        raise InputError("One card alone can be made again only of a clip that there is; give it as the base.")
    options = {"board": _plain(made), "card": card, "base": base is not None}
    prompt = " | ".join(span.prompt for span in spans if span.prompt)
    record = record_of("storyboard", bundle, course, prompt, options, tuple(files))
    scenes = _scenes([span.prompt for span in spans]) if bundle.cast is not None else [0] * len(spans)
    assert course.seed is not None, "a settled course"
    pieces = _pieces(kept, spans, scenes, frames, course.seed)
    edit = edit_of(
        bundle, course, replace(record, prompt=spans[0].prompt), pieces, sources, size=(height, width), fps=fps
    )
    return replace(edit, record=record)


def _again(board: Board, card: int | None) -> set[int]:
    """The cards to be made again, from 0."""
    if card is None:
        again = {index for index, one in enumerate(board.cards) if not one.locked}
        if not again:
            raise InputError("Every card is locked, so nothing is left to make again; unlock one.")
        return again
    if not 1 <= card <= len(board.cards):
        raise InputError(f"There is no card {card}; the board has cards 1 to {len(board.cards)}.")
    if board.cards[card - 1].locked:
        raise InputError(f"Card {card} is locked; unlock it, or choose another to make again.")
    return {card - 1}


Placed = tuple[int, int, Kept]  # first frame, past frame, what is there


def _kept(
    bundle: Bundle, board: Board, starts: Sequence[int], size: tuple[int, int], fps: float
) -> tuple[list[Placed], list[Footage]]:
    """The pictures and clips of the cards in their places."""
    kept: list[Placed] = []
    sources = []
    for number, (one, start, stop) in enumerate(zip(board.cards, starts[:-1], starts[1:], strict=True), 1):
        path = one.picture or one.clip
        if path is None:
            continue
        footage = open_footage(bundle, path, size=size, fps=fps)
        sources.append(footage)
        count = 1 if one.picture else footage.num_frames
        if one.clip and one.seconds is not None:
            count = footage.at(one.seconds, f"The length of card {number},")
        if start + count > stop:
            what = (
                f"card {number + 1} at {board.cards[number].at:g} s"
                if number < len(board.cards)
                else "the end of the board"
            )
            raise InputError(
                f"Card {number} and {what} contradict each other: {Path(path).name} lasts {count / fps:g} s from {one.at:g} s on. "
                "Give card's clip fewer `seconds`, or move one."
            )
        kept.append((start, start + count, Kept(footage, 0, count)))
    return kept, sources


def _scenes(prompts: Sequence[str]) -> list[int]:
    """Which scene each card belongs to: where a prompt names other things than the scene did so far, another one begins.

    A card that names some of these, or these and more, or none, goes on with them.
    """
    scenes: list[int] = []
    named: frozenset[int] = frozenset()
    for prompt in prompts:
        names = names_in(prompt)
        if not scenes:
            scenes, named = [0], names
        elif names <= named or named <= names:
            scenes.append(scenes[-1])
            named |= names
        else:
            scenes.append(scenes[-1] + 1)
            named = names
    return scenes


def _pieces(
    kept: Sequence[Placed], spans: Sequence[Span], scenes: Sequence[int], frames: int, seed: int
) -> list[Piece]:
    """What is kept in its places, and gaps that know the spans between; another scene is a gap of its own, with its own seed."""
    cuts = [span.start for span, (before, scene) in zip(spans[1:], pairwise(scenes), strict=True) if scene != before]
    pieces: list[Piece] = []
    at = 0
    for start, stop, piece in [*kept, (frames, frames, None)]:
        for begin, end in pairwise([at, *(cut for cut in cuts if at < cut < start), start]):
            if end > begin:
                touched = [(span, scene) for span, scene in zip(spans, scenes, strict=True) if _meet(span, begin, end)]
                own = tuple(Span(span.start - begin, span.stop - begin, span.prompt) for span, _ in touched)
                scene_seed = (seed + touched[0][1] * OTHER_SCENE) % NUM_SEEDS
                pieces.append(Gap(end - begin, own, scene_seed, opens=begin in cuts, closes=end in cuts))
        if piece is not None:
            pieces.append(piece)
        at = stop
    return pieces


def _meet(span: Span, begin: int, end: int) -> bool:
    return span.start < end and span.stop > begin


def _card(number: int, told: dict[str, Any]) -> Card:
    try:
        card = Card(
            float(told["at"]),
            str(told.get("prompt") or ""),
            None if told.get("picture") is None else str(told["picture"]),
            None if told.get("clip") is None else str(told["clip"]),
            None if told.get("seconds") is None else float(told["seconds"]),
            bool(told.get("locked", False)),
        )
    except (TypeError, ValueError) as error:
        raise InputError(
            f"Card {number}: `at` and `seconds` are numbers of seconds, not {told.get('at')!r}."
        ) from error
    if card.picture and card.clip:
        raise InputError(f"Card {number} has both a picture and a clip; give it one, or make two cards.")
    if not (card.prompt.strip() or card.picture or card.clip):
        raise InputError(f"Card {number} says nothing; give it a prompt, a picture or a clip.")
    return card


def _check(board: Board, name: str) -> None:
    for number, (one, other) in enumerate(pairwise(board.cards), 1):
        if other.at <= one.at:
            raise InputError(
                f"Cards {number} and {number + 1} of {name} contradict each other: {one.at:g} s, then {other.at:g} s; "
                "put cards in the order of their times, no two at one time."
            )
    if board.cards[0].at < 0 or board.cards[-1].at >= board.seconds:
        last = len(board.cards)
        raise InputError(
            f"Cards 1 to {last} of {name} lie from {board.cards[0].at:g} to {board.cards[-1].at:g} s; "
            f"the board lasts from 0 to {board.seconds:g} s."
        )
    if board.cards[0].at > 0:
        raise InputError(f"The first card of {name} is at {board.cards[0].at:g} s; begin with one at 0.")


def _plain(board: Board) -> dict[str, Any]:
    """The board as plain values, for the record; files by name alone do not change what it says."""
    cards = [
        {key: value for key, value in vars(card).items() if value not in (None, "", False)} | {"at": card.at}
        for card in board.cards
    ]
    shared = {"prompt": board.prompt, "size": list(board.size) if board.size else None, "fps": board.fps}
    return {"seconds": board.seconds, "cards": cards, **{key: value for key, value in shared.items() if value}}


def sources_of(board: dict[str, Any], files: Sequence[SourceFile]) -> dict[str, Any]:
    """The board with its pictures and clips at these places, in order."""
    left = list(files)
    cards = []
    for card in board["cards"]:
        kind = next((kind for kind in ("picture", "clip") if card.get(kind)), None)
        cards.append(card if kind is None else {**card, kind: left.pop(0).path})
    return {**board, "cards": cards}
