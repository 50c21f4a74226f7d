"""The whole of training in under three minutes on two cores: what the tests and the tutorial use.

    langit train recipes/tiny.py --output runs/tiny

It learns light, ground and rough colours, nothing more.
"""

from langit.catalog.bundle import Native, SamplingDefaults
from langit.text.encoder import PromptEncoderConfig
from langit.training import CorpusConfig, OptimizerConfig, Stage, TrainingConfig
from langit.transformer import TransformerConfig
from langit.types import ClipShape

CHANNELS, PATCH = 16, (1, 2, 2)


def recipe() -> TrainingConfig:
    patch_dim = CHANNELS * PATCH[0] * PATCH[1] * PATCH[2]
    return TrainingConfig(
        name="tiny",
        transformer=TransformerConfig(
            patch_dim=patch_dim,
            out_dim=patch_dim,
            width=96,
            depth=3,
            num_heads=3,
            ffn_width=256,
            text_width=96,
            prediction="x",
            place_frequencies=4,
        ),
        text=PromptEncoderConfig(width=96, depth=1, num_heads=3),
        patch=PATCH,
        corpus=CorpusConfig(
            clips=768, chunk=64, looks=4, channels=CHANNELS, fit_clips=32, shapes=((1.0, ClipShape(17, 48, 48)),)
        ),
        stages=(Stage(200, 720, {"picture": 1.0}), Stage(400, 720, {"picture": 0.2, "whole": 0.8})),
        optimizer=OptimizerConfig(learning_rate=3e-3, warmup=50, ema=0.99),
        first_clips=128,
        growth=2.0,
        native=Native(48, 48, 17, 8.0, 33, 96 * 96, 2.0),
        sampling=SamplingDefaults(steps=12),
        checkpoint_every=100,
        samples_every=300,
    )
