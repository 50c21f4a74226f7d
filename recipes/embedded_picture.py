"""The embedded model's last part: pictures made with a draft of their cast beside them.

    langit train recipes/embedded_cast.py --output runs/cast
    langit train recipes/embedded_picture.py --output runs/picture --corpus runs/cast/corpus

The picture goes on from its own weights; what it sees of the sketch begins as nothing. This recipe does in one run what the
shipped weights did in several: 10,750 steps with sketches of waves and colours (dev/LOG.md), six hours of one busy AMD EPYC core
without 512-bit registers, and 2,400 with drafts, as three runs of 800, 900 and 700 with rates of 0.002, 0.0017 and 0.0014, 75
minutes of a busy core with them, which began with a draft in the place of waves and colours as least squares has it; and then 1,500
on 5,120 other clips with a rate of 0.0016, an hour and a half. 64 held-out prompts (`python benchmarks/noise_levels.py --clips 64
--levels 1 --seed 778`), with the casts of `embedded_cast.py`: count 92%, colour 95, shape 81, binding 76, camera 100.
"""

from dataclasses import replace
from math import prod
from pathlib import Path

from langit.conditioning.drawing import num_fills
from langit.conditioning.tasks import Levels
from langit.training import OptimizerConfig, Stage, TrainingConfig, load_recipe


def recipe() -> TrainingConfig:
    base = load_recipe(Path(__file__).with_name("embedded_causal.py"))
    footage = load_recipe(Path(__file__).with_name("embedded_cast.py")).corpus
    beside = (num_fills(base.corpus.channels) + 1) * prod(base.patch)
    return replace(
        base,
        transformer=replace(
            base.transformer, patch_dim=base.transformer.out_dim + beside, detail_depth=8, detail_draft=True
        ),
        corpus=footage,
        start="runs/cast",
        stages=(Stage(10_750, 2048, {"picture": 0.1, "short": 0.15, "whole": 0.75}, Levels(1.0, 1.4), salience=2.0),),
        optimizer=OptimizerConfig(learning_rate=2e-3, warmup=100, cooldown=0.4, ema=0.997),
        naming=0.0,
        sampling=replace(base.sampling, guidance=1.0, cast_steps=16, cast_guidance=3.0, cast_interval=(0.5, 1.0)),
        first_clips=5120,
        checkpoint_every=100,
    )
