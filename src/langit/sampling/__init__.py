"""From noise to clean patches, as pure functions over one contract: `denoise(x: (N, P), sigma: (N,)) -> x0: (N, P)`.

A schedule is a list of noise levels from 1 to 0; `levels_of` gives each patch its own course (held patches stay at 0);
a solver follows it; guidance wraps `denoise`.
"""

from langit.sampling.guidance import guided, seeing
from langit.sampling.schedules import SCHEDULES, levels_of
from langit.sampling.solvers import SOLVERS, Denoise
from langit.sampling.unipc import unipc

SOLVERS["unipc"] = unipc

__all__ = ["SCHEDULES", "SOLVERS", "Denoise", "guided", "levels_of", "seeing"]
