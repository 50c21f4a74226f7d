"""What is known before generation starts: each kind of condition fixes some patches of a clip.

`held` has the one value that every kind becomes; `frames`, `region` and `source` are the kinds; `tasks` draws what
training holds and how noisy the rest is, so that a model learns the very situations that generation and editing make.
"""

from langit.conditioning.frames import FramesCondition
from langit.conditioning.held import Condition, Held
from langit.conditioning.region import RegionCondition
from langit.conditioning.source import SourceCondition

__all__ = ["Condition", "FramesCondition", "Held", "RegionCondition", "SourceCondition"]
