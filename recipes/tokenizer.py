"""The causal autoencoder: frames to latents of 4x8x8 pixels and 32 channels, and back.

    langit train recipes/tokenizer.py --output runs/tokenizer

6,000 steps take 15 minutes of one busy AMD EPYC core. Begun as `embedded_tokenizer.py` says, it gives 34.5 dB on simulated clips of
the test split where linear patches give 32.3, and of a thing that moves it keeps the velocity to 0.24 m/s where they lose 1.0
(benchmarks/results/compression.md).

A generator takes it by `CorpusConfig(tokenizer="runs/tokenizer")`. FOOTAGE may name a folder of videos, which then give half of the
pieces; without one it sees the simulated world alone. BEGIN_AS may name a model on linear patches: then it begins as those, and
that model may go on with its latents. With `keep_latents=True` beside it the latents stay what they are, and what is
trained is a better way back from them, which `langit.catalog.exchange.exchange_tokenizer` puts into the model.
"""

from langit.tokenizer.autoencoder import AutoencoderConfig
from langit.training import CorpusConfig, OptimizerConfig, PieceConfig, TokenizerTraining
from langit.types import ClipShape

FOOTAGE = ""
BEGIN_AS = ""


def recipe() -> TokenizerTraining:
    return TokenizerTraining(
        name="tokenizer",
        autoencoder=AutoencoderConfig(channels=32, components=192, width=160, encoder_blocks=2, decoder_blocks=3),
        corpus=CorpusConfig(
            clips=2048, looks=2, chunk=64, channels=32, fit_clips=128, shapes=((1.0, ClipShape(17, 64, 64)),)
        ),
        pieces=PieceConfig(frames=17, side=32, footage=FOOTAGE),
        steps=6000,
        begin_as=BEGIN_AS,
        batch=8,
        optimizer=OptimizerConfig(
            learning_rate=1.5e-3, ends_rate=1.0, warmup=50, cooldown=0.5, weight_decay=0.0, ema=0.995
        ),
        first_clips=256,
        growth=1.0,
        checkpoint_every=200,
        samples_every=1000,
    )
