"""Facts to sentences: a dense caption says all of them, a short one a few, as a user would.

What to say is chosen first, the same in both languages; how to say it is chosen after, by a stream of its own. So the
captions of the same facts and the same `rng` in two languages say the same.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from langit.simulator.dense_captions import DenseCaption
from langit.simulator.short_captions import short_caption
from langit.simulator.wording import Wording
from langit.simulator.world import Facts

Language = Literal["en", "id"]
Detail = Literal["dense", "short"]


def caption(facts: Facts, *, language: Language, detail: Detail, rng: np.random.Generator) -> str:
    """A caption that says only what `facts` hold.

    Dense: every thing with its looks and place, every relation and happening in order, camera, light and ground. Short:
    3 to 14 words. Raises ValueError for another language or detail.
    """
    if language not in ("en", "id") or detail not in ("dense", "short"):
        raise ValueError(f"no {detail!r} caption in {language!r}: ask for 'dense' or 'short', in 'en' or 'id'")
    contents, words = (np.random.default_rng(seed) for seed in rng.integers(2**63, size=2))
    if detail == "dense":
        return DenseCaption(facts, Wording(language, words)).text()
    return short_caption(facts, language, contents, words)
