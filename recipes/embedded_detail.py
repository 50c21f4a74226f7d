"""The embedded model's second half: it learns detail.

    langit train recipes/embedded_cpu.py --output runs/embedded
    langit train recipes/embedded_detail.py --output runs/detail --corpus runs/embedded/corpus

Goes on from `runs/embedded` with blocks that look at every latent cell (`transformer.model.Detail`), less noisy levels,
where edges and texture are decided, and more clips that go on from known frames. `embedded_longer.py` goes on from there.
4,100 steps took 87 minutes of one busy AMD EPYC core (about 1 s a step), drawn as batches were drawn before steps could be
shared by processes, so the same command gives other draws today. From noise level 0.2 the simulator's clips came back with
89% of counts and 90% of shapes right (`python benchmarks/noise_levels.py`).
"""

from dataclasses import replace
from pathlib import Path

from langit.conditioning.tasks import Levels
from langit.training import OptimizerConfig, Stage, TrainingConfig, load_recipe


def recipe() -> TrainingConfig:
    base = load_recipe(Path(__file__).with_name("embedded_cpu.py"))
    return replace(
        base,
        transformer=replace(base.transformer, detail_width=96, detail_depth=2),
        start="runs/embedded",
        stages=(Stage(4100, 2048, {"picture": 0.15, "short": 0.15, "whole": 0.7}, Levels(1.0, 1.4), salience=2.0),),
        tasks={
            "text": 0.45,
            "frames": 0.15,
            "first": 0.1,
            "prefix": 0.15,
            "suffix": 0.04,
            "ends": 0.04,
            "keyframes": 0.03,
            "region": 0.04,
        },
        optimizer=OptimizerConfig(learning_rate=2e-3, warmup=100, cooldown=0.3, ema=0.998),
        sampling=replace(base.sampling, guidance_interval=(0.5, 1.0)),
        first_clips=16_384,
    )
