"""The embedded model, trained on a CPU alone.

    langit train recipes/embedded_cpu.py --output runs/embedded

Pictures first (they are cheap and teach what words look like), then short clips, then whole ones. 6,400 steps took 111 minutes
of one busy AMD EPYC core beside one that made the footage (0.7 s a step where nothing else runs). `embedded_detail.py` goes on
from there to the weights that ship.
"""

from langit.catalog.bundle import Native, SamplingDefaults
from langit.conditioning.tasks import Levels
from langit.text.encoder import PromptEncoderConfig
from langit.training import CorpusConfig, OptimizerConfig, Stage, TrainingConfig
from langit.transformer import TransformerConfig
from langit.types import ClipShape

CHANNELS, PATCH = 32, (1, 2, 2)


def recipe() -> TrainingConfig:
    patch_dim = CHANNELS * PATCH[0] * PATCH[1] * PATCH[2]
    return TrainingConfig(
        name="embedded",
        transformer=TransformerConfig(
            patch_dim=patch_dim,
            out_dim=patch_dim,
            width=192,
            depth=6,
            num_heads=3,
            ffn_width=768,
            text_width=192,
            prediction="x",
            place_frequencies=5,
        ),
        text=PromptEncoderConfig(width=192, depth=0, num_heads=3, reach=4),
        patch=PATCH,
        corpus=CorpusConfig(
            clips=16_384,
            looks=3,
            channels=CHANNELS,
            shapes=(
                (0.82, ClipShape(33, 64, 64)),
                (0.05, ClipShape(33, 48, 80)),
                (0.03, ClipShape(33, 80, 48)),
                (0.04, ClipShape(33, 48, 96)),
                (0.02, ClipShape(33, 96, 48)),
                (0.04, ClipShape(65, 64, 64)),
            ),
        ),
        stages=(
            Stage(1200, 2048, {"picture": 1.0}, Levels(1.6, 1.2), salience=3.0),
            Stage(1000, 2048, {"picture": 0.4, "short": 0.4, "whole": 0.2}, Levels(1.6, 1.2), salience=3.0),
            Stage(4200, 2048, {"picture": 0.2, "short": 0.2, "whole": 0.6}, Levels(1.5, 1.2), salience=2.0),
        ),
        optimizer=OptimizerConfig(learning_rate=3e-3, warmup=100, cooldown=0.25, ema=0.998),
        first_clips=1024,
        growth=2.0,
        native=Native(64, 64, 33, 8.0, 65, 128 * 64, 2.0),
        sampling=SamplingDefaults(steps=30, guidance=4.0, shift=3.0),
        checkpoint_every=100,
        samples_every=500,
    )
