"""x"""

from dataclasses import replace
from math import prod
from pathlib import Path

from langit.conditioning.drawing import FILLS
from langit.conditioning.tasks import Levels
from langit.training import OptimizerConfig, Stage, TrainingConfig, load_recipe


def recipe() -> TrainingConfig:
    base = load_recipe(Path(__file__).with_name("embedded_causal.py"))
    footage = load_recipe(Path(__file__).with_name("embedded_cast.py")).corpus
    beside = (FILLS + 1) * prod(base.patch)
    return replace(
        base,
        transformer=replace(
            base.transformer, patch_dim=base.transformer.out_dim + beside, detail_depth=8, detail_stamps=8
        ),
        corpus=footage,
        start="runs/cast",
        stages=(Stage(9900, 2048, {"picture": 0.1, "short": 0.15, "whole": 0.75}, Levels(1.0, 1.4), salience=2.0),),
        optimizer=OptimizerConfig(learning_rate=2e-3, warmup=100, cooldown=0.4, ema=0.997),
        naming=0.0,
        sampling=replace(base.sampling, guidance=1.5, cast_steps=16, cast_guidance=3.0, cast_interval=(0.5, 1.0)),
        first_clips=5120,
        checkpoint_every=100,
    )
