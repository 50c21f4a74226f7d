"""The embedded model's last part: from linear patches to the latents of the causal autoencoder.

    langit train recipes/embedded_tokenizer.py --output runs/tokenizer
    langit train recipes/embedded_longer.py --output runs/longer --corpus runs/embedded/corpus
    langit train recipes/embedded_causal.py --output runs/causal

A thing that is followed through the linear patches alone is about 1 m/s off, through the autoencoder 0.24 (`python
benchmarks/compression.py`). It begins as those patches, and its latents stay near theirs, so the model goes on with its
weights. The shipped weights: 1,200 steps, 26 minutes of one busy AMD EPYC core. Twenty prompts, first seed (`python
benchmarks/twenty_prompts.py`): light 12/12, ground 15/15, motion 14/15, colour 22/24, colour and shape 9/24, count 10/20.
"""

from dataclasses import replace
from pathlib import Path

from langit.conditioning.tasks import Levels
from langit.training import OptimizerConfig, Stage, TrainingConfig, load_recipe


def recipe() -> TrainingConfig:
    base = load_recipe(Path(__file__).with_name("embedded_longer.py"))
    return replace(
        base,
        corpus=replace(base.corpus, clips=10_240, tokenizer="runs/tokenizer"),
        start="runs/longer",
        stages=(Stage(1200, 2048, {"picture": 0.1, "short": 0.15, "whole": 0.75}, Levels(1.0, 1.4), salience=2.0),),
        optimizer=OptimizerConfig(learning_rate=2e-3, warmup=30, cooldown=0.6, ema=0.995),
        first_clips=2560,
        growth=4.0,
    )
