"""langit: text, pictures and footage in, video out.

import langit
clip = langit.generate("a red ball bounces past a blue cube at sunset", seconds=4, seed=1)
clip.save("ball.mp4")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langit import editing as edit
    from langit.generate import Clip, generate
    from langit.training import load_recipe, train, train_finish, train_tokenizer

__version__ = "0.1.0"
__all__ = ["Clip", "edit", "generate", "load_recipe", "train", "train_finish", "train_tokenizer"]

_HOMES = {
    "Clip": "langit.generate",
    "load_recipe": "langit.training",
    "train": "langit.training",
    "train_finish": "langit.training",
    "train_tokenizer": "langit.training",
}


def __getattr__(name: str) -> Any:
    """Public names are imported when first used, so that `import langit` (and the command line's help) stays quick."""
    if name == "generate":
        return import_module("langit.generate")
    if name == "edit":
        return import_module("langit.editing")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'langit' has no attribute {name!r}")
