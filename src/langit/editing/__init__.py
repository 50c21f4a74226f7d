"""The editing verbs: `langit.edit.VERB(...)`. Each is a list of conditions and a call of the one path in `generate`.

| what | file |
|---|---|
| an edit that is ready to be made; the course of its sampling | `edit.py` |
| sources at one size and rate, frame by frame | `footage.py`, `sliding.py` |
| kept pieces and gaps between them, and their joins | `timeline.py`, `pieces.py`, `joins.py` |
| what a model cannot do | `ability.py` |
| their sound | `sound.py` |
| the verbs | `animate.py`, `extend.py`, `loop.py`, `blend.py`, `recut.py`, `storyboard.py`, `inpaint.py`, `remix.py`,
`upscale.py` |
| generate as an edit, of any length | `long.py` |
| made again, from the record; with other seeds | `again.py` |
| what is kept beside the clips | `store.py`, `film.py` |
"""

from langit.editing.again import remake, variations
from langit.editing.animate import animate
from langit.editing.blend import blend
from langit.editing.edit import Course, Edit
from langit.editing.extend import extend
from langit.editing.inpaint import inpaint, outpaint
from langit.editing.long import generate_clip
from langit.editing.loop import loop
from langit.editing.recut import recut
from langit.editing.remix import remix
from langit.editing.storyboard import storyboard
from langit.editing.upscale import upscale

__all__ = [
    "Course",
    "Edit",
    "animate",
    "blend",
    "extend",
    "generate_clip",
    "inpaint",
    "loop",
    "outpaint",
    "recut",
    "remake",
    "remix",
    "storyboard",
    "upscale",
    "variations",
]
