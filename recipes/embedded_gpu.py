"""The embedded model at 128x128, for one H100 and at most 28 minutes.

    langit train recipes/embedded_gpu.py --output runs/embedded-gpu --device cuda --workers 14

Ready, and not run: no GPU was at hand when it was written. Its parts run on a CPU in the tests, scaled down; its speed, its
memory and what the model then gives are unknown. What is known is arithmetic (`python benchmarks/training.py --recipe
recipes/embedded_gpu.py --plan`): 23.7 M parameters, 576 patches a clip, 30,000 steps of 98,304 patches, 3.9e17 FLOP, which is 21
minutes at 40% of 790 TFLOP/s; 34 GB of footage on the device, and some 35 GB of what the backward pass needs. That leaves seven
minutes for the first footage (14 workers make it while the training goes on) and for samples; a run that is cut off goes on
by the same command. At 30% of 790 TFLOP/s it would take all of the 28 minutes. On several GPUs:

    torchrun --nproc-per-node 8 -m langit.cli train recipes/embedded_gpu.py --output runs/embedded-gpu --device cuda

Choices, from what the CPU taught (dev/LOG.md): linear patches of 16x16 pixels and 4 frames, x-prediction, pictures first, names
for what fills each cell, Muon. Larger pictures of the same things repeat themselves more, so levels are noisier than at 64x64 (SD3,
arXiv 2403.03206, eq. 23, with four times the pixels).
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
        name="embedded-gpu",
        transformer=TransformerConfig(
            patch_dim=patch_dim,
            out_dim=patch_dim,
            width=384,
            depth=9,
            num_heads=6,
            ffn_width=1536,
            text_width=256,
            prediction="x",
            place_frequencies=6,
        ),
        text=PromptEncoderConfig(width=256, depth=0, num_heads=4, reach=4),
        patch=PATCH,
        corpus=CorpusConfig(
            clips=98_304,
            looks=4,
            channels=CHANNELS,
            shapes=(
                (0.82, ClipShape(33, 128, 128)),
                (0.05, ClipShape(33, 96, 160)),
                (0.03, ClipShape(33, 160, 96)),
                (0.04, ClipShape(33, 96, 192)),
                (0.02, ClipShape(33, 192, 96)),
                (0.04, ClipShape(65, 128, 128)),
            ),
        ),
        stages=(
            Stage(2500, 98_304, {"picture": 1.0}, Levels(2.2, 1.2), salience=3.0),
            Stage(3500, 98_304, {"picture": 0.3, "short": 0.4, "whole": 0.3}, Levels(2.2, 1.2), salience=3.0),
            Stage(24_000, 98_304, {"picture": 0.15, "short": 0.15, "whole": 0.7}, Levels(2.1, 1.2), salience=2.0),
        ),
        optimizer=OptimizerConfig(learning_rate=2e-3, warmup=400, cooldown=0.3, ema=0.9995),
        first_clips=4096,
        growth=10.0,
        native=Native(128, 128, 33, 8.0, 65, 192 * 128, 2.0),
        sampling=SamplingDefaults(steps=30, guidance=4.0, shift=4.0),
        checkpoint_every=1000,
        samples_every=4000,
    )
