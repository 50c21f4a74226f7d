"""The embedded model at 128x128, for one H100: pictures made with a sketch beside them. `embedded_gpu_cast.py` casts them.

    langit train recipes/embedded_gpu.py --output runs/embedded-gpu --device cuda --workers 14
    langit train recipes/embedded_gpu_cast.py --output runs/gpu-cast --corpus runs/embedded-gpu/corpus --device cuda

Ready, and not run: no GPU was at hand when they were written. Their parts run on a CPU in the tests, scaled down; their speed,
their memory and what the model then gives are unknown. What is known is arithmetic (`python benchmarks/training.py --plan
--recipe recipes/embedded_gpu.py`, and the same of the other): 15.9 and 9.9 M parameters, 0.8 of them the prompt encoder that both
read by; 576 patches a clip; 26,000 steps of 98,304 patches, 2.4e17 FLOP, which is 13 minutes at 40% of 790 TFLOP/s, and 20,000
steps of casts, 2.2e16 FLOP, whose sequences of 45 rows will not reach that share; 35 GB of footage on the device. That leaves
ten minutes of 28 for casts, the first footage (14 workers make it while the training goes on) and samples. A run that is cut
off goes on by the same command. On several GPUs:

    torchrun --nproc-per-node 8 -m langit.cli train recipes/embedded_gpu.py --output runs/embedded-gpu --device cuda

Choices, from what the CPU taught (dev/LOG.md): linear patches of 16x16 pixels and 4 frames, x-prediction, pictures first, names
for what fills each cell, a cast and its draft before the picture, Muon. Larger pictures of the same things repeat themselves more,
so levels are noisier than at 64x64 (SD3, arXiv 2403.03206, eq. 23, with four times the pixels).
"""

from langit.catalog.bundle import Native, SamplingDefaults
from langit.conditioning.drawing import num_fills
from langit.conditioning.tasks import Levels
from langit.text.encoder import PromptEncoderConfig
from langit.training import CorpusConfig, OptimizerConfig, Stage, TrainingConfig
from langit.transformer import TransformerConfig
from langit.types import ClipShape

CHANNELS, PATCH = 32, (1, 2, 2)


def recipe() -> TrainingConfig:
    cells = PATCH[0] * PATCH[1] * PATCH[2]
    return TrainingConfig(
        name="embedded-gpu",
        transformer=TransformerConfig(
            patch_dim=(CHANNELS + num_fills(CHANNELS) + 1) * cells,
            out_dim=CHANNELS * cells,
            width=320,
            depth=8,
            num_heads=5,
            ffn_width=1280,
            text_width=256,
            prediction="x",
            place_frequencies=6,
            detail_width=96,
            detail_depth=4,
            detail_draft=True,
        ),
        text=PromptEncoderConfig(width=256, depth=0, num_heads=4, reach=4),
        patch=PATCH,
        corpus=CorpusConfig(
            clips=65_536,
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
            Stage(2000, 98_304, {"picture": 1.0}, Levels(2.2, 1.2), salience=3.0),
            Stage(3000, 98_304, {"picture": 0.3, "short": 0.4, "whole": 0.3}, Levels(2.2, 1.2), salience=3.0),
            Stage(21_000, 98_304, {"picture": 0.15, "short": 0.15, "whole": 0.7}, Levels(2.1, 1.2), salience=2.0),
        ),
        optimizer=OptimizerConfig(learning_rate=2e-3, warmup=400, cooldown=0.3, ema=0.9995),
        first_clips=4096,
        growth=10.0,
        native=Native(128, 128, 33, 8.0, 65, 192 * 128, 2.0),
        sampling=SamplingDefaults(steps=30, guidance=2.0, guidance_interval=(0.5, 1.0), shift=4.0),
        checkpoint_every=1000,
        samples_every=4000,
    )
