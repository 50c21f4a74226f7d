"""What is known before generation starts: each kind of condition fixes some patches of a clip.

`held` has the one value that every kind becomes; `cast`, `frames`, `latents`, `region`, `source`, `spans` and
`turning` have the kinds;
`passages` says how frames between what is known are made window by window; `tasks` draws what training holds and how
noisy the rest is, so that a model learns the very situations that generation and editing make.
"""

from langit.conditioning.cast import CastCondition
from langit.conditioning.frames import FramesCondition
from langit.conditioning.held import Condition, Held
from langit.conditioning.latents import LatentsCondition
from langit.conditioning.passages import Known, Passage, Window
from langit.conditioning.region import RegionCondition
from langit.conditioning.source import SourceCondition
from langit.conditioning.spans import Span, SpansCondition
from langit.conditioning.turning import TurnCondition

__all__ = [
    "CastCondition",
    "Condition",
    "FramesCondition",
    "Held",
    "Known",
    "LatentsCondition",
    "Passage",
    "RegionCondition",
    "SourceCondition",
    "Span",
    "SpansCondition",
    "TurnCondition",
    "Window",
]
