"""The embedded model's sketch: what is where, made before the picture.

    langit train recipes/embedded_causal.py --output runs/causal
    langit train recipes/embedded_sketch.py --output runs/sketch --corpus runs/causal/corpus
    langit train recipes/embedded_picture.py --output runs/picture --corpus runs/causal/corpus

A transformer of the same blocks as the picture's begins with the picture's weights and learns to say of every latent cell
which colours and shapes fill it, the outlines of things in it, the two colours that they part, and how far the camera's motion
carried it (`langit.training.fills`). The picture stays as it is until `embedded_picture.py` lets it see the sketch.

This recipe does in one run what the shipped weights did in five, each begun with nothing for what it added: the names for 3,600
steps (on 24,576 clips of linear latents, without detail), outlines for 1,907 more, colours for 1,250 more, 546 on twice the
footage, and the camera for 3,450 more; about three and a half hours of one busy AMD EPYC core.
"""

from dataclasses import replace
from math import prod
from pathlib import Path

from langit.conditioning.tasks import Levels
from langit.training import OptimizerConfig, Stage, TrainingConfig, load_recipe
from langit.training.fills import FILLS


def recipe() -> TrainingConfig:
    base = load_recipe(Path(__file__).with_name("embedded_causal.py"))
    cells = prod(base.patch)
    sketch, picture = FILLS * cells, base.transformer.out_dim
    return replace(
        base,
        name="embedded-sketch",
        learns="sketch",
        transformer=replace(base.transformer, patch_dim=sketch + picture + cells, out_dim=sketch),
        corpus=replace(base.corpus, clips=15872),
        start="runs/causal",
        stages=(Stage(10700, 2048, {"picture": 0.1, "short": 0.1, "whole": 0.8}, Levels(1.2, 1.3), salience=2.0),),
        optimizer=OptimizerConfig(learning_rate=2e-3, warmup=100, cooldown=0.4, ema=0.997),
        naming=0.0,
        first_clips=15872,
        checkpoint_every=100,
    )
