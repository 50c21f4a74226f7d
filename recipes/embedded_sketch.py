"""The embedded model's sketch: what is where, made before the picture.

    langit train recipes/embedded_causal.py --output runs/causal
    langit train recipes/embedded_sketch.py --output runs/sketch --corpus runs/embedded/corpus
    langit train recipes/embedded_picture.py --output runs/picture --corpus runs/causal/corpus

A transformer of the same blocks as the picture's, without detail, begins with the picture's weights and learns to say of every
latent cell which colours and shapes fill it (`langit.training.sketching`). The picture stays as it is until
`embedded_picture.py` lets it see the sketch. The shipped weights: 3,600 steps, 48 minutes of one busy AMD EPYC core (asked for
6,500 and shortened at step 1,138).
"""

from dataclasses import replace
from math import prod
from pathlib import Path

from langit.conditioning.tasks import Levels
from langit.training import Stage, TrainingConfig, load_recipe
from langit.training.naming import NAMES


def recipe() -> TrainingConfig:
    base = load_recipe(Path(__file__).with_name("embedded_longer.py"))
    cells = prod(base.patch)
    sketch, picture = len(NAMES) * cells, base.transformer.out_dim
    return replace(
        base,
        name="embedded-sketch",
        learns="sketch",
        transformer=replace(base.transformer, patch_dim=sketch + picture + cells, out_dim=sketch, detail_width=0),
        start="runs/causal",
        stages=(Stage(3600, 2048, {"picture": 0.1, "short": 0.1, "whole": 0.8}, Levels(1.8, 1.2), salience=2.0),),
        naming=0.0,
        first_clips=24_576,
        checkpoint_every=100,
    )
