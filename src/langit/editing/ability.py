"""What a model cannot do to a clip: one sentence, which says which model can."""

from __future__ import annotations

from collections.abc import Sequence

from langit.catalog import Bundle
from langit.conditioning.passages import CONTEXT_GROUPS
from langit.editing.footage import Footage
from langit.editing.timeline import Gap, Kept, Piece
from langit.transformer.experts import Experts
from langit.types import InputError

HOLDS = "Wan-AI/Wan2.2-TI2V-5B-Diffusers"
"""Of the open weights the one with a noise level to every patch: it holds whatever is known, as langit's own models do."""


def why_not(bundle: Bundle, pieces: Sequence[Piece], closed: bool = False) -> str | None:
    """The reason why a model cannot make the gaps among these pieces; None where it can."""
    for index, piece in enumerate(pieces):
        if not isinstance(piece, Gap):
            continue
        begins = index == 0
        alone = begins and len(pieces) == 1 and not closed
        if bundle.takes_frames_beside and begins:
            return (
                "it goes on from a picture and cannot make frames before the first one that stays; "
                f"use the embedded model or {HOLDS}"
            )
        native, least = bundle.config.native, fewest_frames(bundle)
        if native.max_frames < least and not (alone and piece.frames <= native.max_frames):
            return (
                f"it makes clips of at most {native.max_frames} frames, too short to hold what is known and make more, which "
                f"takes {least}; use the embedded model, or another that makes clips of {least} frames or more"
            )
    return None


def check_ability(bundle: Bundle, verb: str, pieces: Sequence[Piece], closed: bool = False) -> None:
    """`InputError` for a model that cannot make the gaps among these pieces."""
    if why := why_not(bundle, pieces, closed):
        raise InputError(f"The model {bundle.config.name} cannot do this edit ({verb}): {why}.")


def fewest_frames(bundle: Bundle) -> int:
    """Of a window that holds something on both sides and has room between."""
    return 1 + (2 * CONTEXT_GROUPS + 1) * bundle.tokenizer.stride[0]


def notices(bundle: Bundle, pieces: Sequence[Piece], footage: Sequence[Footage]) -> list[str]:
    """What a model does, but was not made for."""
    if not any(isinstance(piece, Gap) for piece in pieces):
        return []
    found, transformer = [], bundle.transformer
    holds = any(isinstance(piece, Kept) or piece.around is not None for piece in pieces)
    one_level = isinstance(transformer, Experts) and not transformer.per_patch and not bundle.takes_frames_beside
    if holds and one_level:
        found.append(
            f"{bundle.config.name} was made for prompts alone: it holds what stays of a clip by force, and joins may show; the "
            f"embedded model and {HOLDS} hold it as they were trained to"
        )
    foreign = [one.path.name for one in footage if one.record is None]
    if foreign and bundle.cast is not None:
        found.append(
            f"nothing says that langit made {' and '.join(dict.fromkeys(foreign))}: {bundle.config.name} knows its simulated world "
            f"alone, and real footage turns into that where it makes something; a model such as {HOLDS} knows that"
        )
    return found
