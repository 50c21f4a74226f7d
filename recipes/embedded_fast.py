"""Quick weights for the embedded model: four evaluations in place of thirty.

    langit train recipes/embedded_picture.py --output runs/picture --corpus runs/cast/corpus
    langit train recipes/embedded_fast.py --output runs/fast --corpus runs/cast/corpus
    langit generate --model runs/fast "a red ball bounces"

The teacher is the model that ships (`Distillation.teacher` names another). 100 steps took 5 minutes of one busy AMD EPYC core.
Twenty prompts, two seeds (`python benchmarks/twenty_prompts.py --seeds 2`): light 24/24, ground 30/30, motion 30/30, colour 48/48,
colour and shape 35/48, count 37/40. On 128 other prompts the weights before lost at most 1.6 points by it (dev/LOG.md), so fast
is the model's own choice.
"""

from dataclasses import replace
from pathlib import Path

from langit.conditioning.tasks import SHARES
from langit.training import Distillation, OptimizerConfig, Stage, TrainingConfig, load_recipe


def recipe() -> TrainingConfig:
    base = load_recipe(Path(__file__).with_name("embedded_picture.py"))
    return replace(
        base,
        name="embedded-fast",
        start="",
        stages=(Stage(100, 1536, {"picture": 0.1, "short": 0.2, "whole": 0.7}),),
        tasks={task: share for task, share in SHARES.items() if task != "frames"},  # a course has one level at a time
        optimizer=OptimizerConfig(learning_rate=1e-3, warmup=20, cooldown=0.5, ema=0.98),
        naming=0.0,
        sampling=replace(base.sampling, quality="fast"),
        prompt_dropout=0.0,
        first_clips=4096,
        distillation=Distillation("embedded", (1.0, 0.9, 0.75, 0.5, 0.0), substeps=3),
        checkpoint_every=50,
        samples_every=100,
    )
