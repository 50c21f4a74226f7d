"""The embedded model's last part: pictures made with a sketch beside them.

    langit train recipes/embedded_sketch.py --output runs/sketch --corpus runs/causal/corpus
    langit train recipes/embedded_picture.py --output runs/picture --corpus runs/causal/corpus

The picture goes on from its own weights; what it sees of the sketch begins as nothing. This recipe does in one run what the
shipped weights did in six: names beside the noise and four blocks for cells for 1,500 steps, eight blocks for 2,000 more,
outlines for 1,000 more, colours and stamps for 900 more, these begun as least squares has them, 2,057 more of the same, and
2,480 with the camera and twice the footage; five hours of one busy AMD EPYC core. Twenty prompts, two seeds (`python
benchmarks/twenty_prompts.py --seeds 2`): light 24/24, ground 30/30, motion 27/30, colour 45/48, colour and shape 18/48, count
21/40.
"""

from dataclasses import replace
from math import prod
from pathlib import Path

from langit.conditioning.tasks import Levels
from langit.training import OptimizerConfig, Stage, TrainingConfig, load_recipe
from langit.training.fills import FILLS


def recipe() -> TrainingConfig:
    base = load_recipe(Path(__file__).with_name("embedded_causal.py"))
    beside = (FILLS + 1) * prod(base.patch)
    return replace(
        base,
        transformer=replace(
            base.transformer, patch_dim=base.transformer.out_dim + beside, detail_depth=8, detail_stamps=8
        ),
        corpus=replace(base.corpus, clips=15872),
        start="runs/sketch",
        stages=(Stage(9900, 2048, {"picture": 0.1, "short": 0.15, "whole": 0.75}, Levels(1.0, 1.4), salience=2.0),),
        optimizer=OptimizerConfig(learning_rate=2e-3, warmup=100, cooldown=0.4, ema=0.997),
        naming=0.0,
        sampling=replace(base.sampling, guidance=2.0, sketch_steps=16, sketch_guidance=5.0, sketch_interval=(0.5, 1.0)),
        first_clips=15872,
        checkpoint_every=100,
    )
