"""The exam of the editing verbs: `langit evaluate --editing`.

Reading order: `measures` (whether a join shows, a loop closes, what was kept is kept, what drifts), `sources` (the clips
that are edited, real and simulated), `trials` (one edit each, and what is read from it), `chains`, `boards` and `remixes`
(ten extensions, storyboards, strengths), `exam` (all of it, kept in a folder), `report`.
"""

from langit.evaluation.editing.measures import (
    Drift,
    changes,
    drift,
    jump,
    kept_error,
    loop_closure,
    seam_error,
    structure_kept,
)

__all__ = ["Drift", "changes", "drift", "jump", "kept_error", "loop_closure", "seam_error", "structure_kept"]
