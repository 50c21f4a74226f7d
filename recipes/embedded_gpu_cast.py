"""The cast of the embedded model at 128x128, for one H100, after `embedded_gpu.py`, whose text says how both are run.

langit train recipes/embedded_gpu_cast.py --output runs/gpu-cast --corpus runs/embedded-gpu/corpus --device cuda
"""

from dataclasses import replace
from pathlib import Path

from langit.conditioning.cast import CAST
from langit.conditioning.glance import LOOKED_UP
from langit.conditioning.tasks import Levels
from langit.training import OptimizerConfig, Stage, TrainingConfig, load_recipe


def recipe() -> TrainingConfig:
    base = load_recipe(Path(__file__).with_name("embedded_gpu.py"))
    return replace(
        base,
        name="embedded-gpu-cast",
        learns="cast",
        transformer=replace(
            base.transformer,
            patch_dim=CAST + LOOKED_UP,
            out_dim=CAST,
            width=256,
            depth=7,
            num_heads=4,
            ffn_width=1024,
            detail_width=0,
        ),
        start="runs/embedded-gpu",
        stages=(
            Stage(20_000, 294_912, {"picture": 0.04, "short": 0.06, "whole": 0.9}, Levels(1.0, 1.2), salience=2.0),
        ),
        optimizer=OptimizerConfig(learning_rate=2e-3, warmup=200, cooldown=0.4, ema=0.9995),
        sampling=replace(base.sampling, cast_steps=16, cast_guidance=3.0, cast_interval=(0.5, 1.0)),
        naming=1.0,
        first_clips=base.corpus.clips,
    )
