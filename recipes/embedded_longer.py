"""The embedded model's third part: twice as many blocks for cells, more footage, more noise.

    langit train recipes/embedded_cpu.py --output runs/embedded
    langit train recipes/embedded_detail.py --output runs/detail --corpus runs/embedded/corpus
    langit train recipes/embedded_longer.py --output runs/longer --corpus runs/embedded/corpus

3,500 steps took 85 minutes of one busy AMD EPYC core (1.2 to 1.9 s a step). Asked for 4,400 and shortened at steps 1,529
and 2,612; at the second the rate, which was to fall over the last third, fell to 0.73 at once. What it changed is in
dev/LOG.md.
"""

from dataclasses import replace
from pathlib import Path

from langit.conditioning.tasks import Levels
from langit.training import OptimizerConfig, Stage, TrainingConfig, load_recipe


def recipe() -> TrainingConfig:
    base = load_recipe(Path(__file__).with_name("embedded_detail.py"))
    return replace(
        base,
        transformer=replace(base.transformer, detail_depth=4),
        corpus=replace(base.corpus, clips=24_576),
        start="runs/detail",
        stages=(Stage(3500, 2048, {"picture": 0.15, "short": 0.15, "whole": 0.7}, Levels(1.2, 1.4), salience=2.0),),
        optimizer=OptimizerConfig(learning_rate=2e-3, warmup=100, cooldown=0.35, ema=0.998),
        first_clips=16_384,
        growth=4.0,
    )
