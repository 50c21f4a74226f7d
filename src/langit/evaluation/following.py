"""Readings of prompt following: `prompt_following` per attribute, for English and Indonesian prompts apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from langit.evaluation.footage import Examined
from langit.evaluation.prompt_following import chance, score
from langit.evaluation.prompts import ATTRIBUTES
from langit.evaluation.statistics import Reading, missing, reading

PART = "prompt following"
LANGUAGES = {"en": "English", "id": "Indonesian"}
CHANCE_CLIPS = 24  # clips that are held against each other's prompts


def measure(clips: Sequence[Examined]) -> list[Reading]:
    """Per attribute and language the share of clips that show what is asked; beside it what shuffled prompts give."""
    asked = [(clip, clip.asked) for clip in clips if clip.asked is not None]
    if not asked:
        return [missing(PART, "all attributes", "no clip has a prompt whose answer is known")]
    answers = [score(clip.observation, prompt.expectation) for clip, prompt in asked]
    few = asked[:: max(1, len(asked) // CHANCE_CLIPS)]
    by_chance = chance([clip.observation for clip, _ in few], [prompt.expectation for _, prompt in few])
    readings = []
    for attribute in ATTRIBUTES:
        for code, language in LANGUAGES.items():
            of_language = [a for a, (_, prompt) in zip(answers, asked, strict=True) if prompt.language == code]
            if not of_language:
                continue
            values = [np.nan if (answer := a[attribute]) is None else float(answer) for a in of_language]
            name = f"{attribute.replace('_', ' ')}, {language}"
            shuffled = by_chance[attribute]
            beside = "" if shuffled is None else f"with shuffled prompts {shuffled:.0%}"
            readings.append(
                reading(PART, name, "", "higher", values, published=beside, why="no prompt that was asked tells it")
            )
    return readings
