"""The embedded model's cast: who is in a clip and where each goes, made before the picture.

    langit train recipes/embedded_causal.py --output runs/causal
    langit train recipes/embedded_cast.py --output runs/cast
    langit train recipes/embedded_picture.py --output runs/picture --corpus runs/cast/corpus

The picture stays as it is until `embedded_picture.py` lets it see the cast drawn. Of 32 held-out scenes, read from the numbers of
the casts and not from pixels: dense prompts have their count in 94 to 97% of casts, colour and shape together in 100%.

This recipe does in one run what the shipped weights did in several, some 75 minutes of one busy core of an AMD EPYC without 512-bit
registers: 858 steps with the tasks that pictures are trained on, the others with these; what is known of a picture was told by its
patches until step 1,090, by states of names until 1,472, and then as now. The glance was trained by itself for 900 steps on
chunks of the same footage, and what rows look up began with the weights that least squares has for it, at a third. Since then
1,500 further steps on 6,656 clips, as two runs of 800 and 700 with rates of 0.0015 and 0.0012, 25 minutes, and 1,450 on 5,632
others, as runs of 500, 700 and 250 with rates of 0.0013, 0.0011 and 0.0009, of which the last had ends and suffixes in 38% of its
clips for 10. What ships is three parts of the weights before these runs and seven of those after. What paints known frames was
trained by itself for 1,800 steps of 12 pictures, six minutes.
"""

from dataclasses import replace
from pathlib import Path

from langit.conditioning.cast import CAST
from langit.conditioning.glance import LOOKED_UP
from langit.conditioning.tasks import Levels
from langit.training import OptimizerConfig, Stage, TrainingConfig, load_recipe


def recipe() -> TrainingConfig:
    base = load_recipe(Path(__file__).with_name("embedded_causal.py"))
    return replace(
        base,
        name="embedded-cast",
        learns="cast",
        transformer=replace(base.transformer, patch_dim=CAST + LOOKED_UP, out_dim=CAST, detail_width=0),
        corpus=replace(base.corpus, clips=9216, looks=2, stills=1),
        start="runs/causal",
        stages=(Stage(2150, 6144, {"picture": 0.04, "short": 0.06, "whole": 0.9}, Levels(1.0, 1.2), salience=2.0),),
        tasks={
            "text": 0.25,
            "first": 0.2,
            "prefix": 0.35,
            "suffix": 0.05,
            "ends": 0.05,
            "keyframes": 0.05,
            "region": 0.05,
        },
        optimizer=OptimizerConfig(learning_rate=2e-3, warmup=100, cooldown=0.4, ema=0.997),
        naming=1.0,
        first_clips=2048,
        growth=5.0,
        checkpoint_every=100,
    )
