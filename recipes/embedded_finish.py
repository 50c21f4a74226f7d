"""The embedded model's last part: decoded frames, finished beside the casts that they were made with.

    langit train recipes/embedded_fast.py --output runs/fast --corpus runs/cast/corpus
    langit train recipes/embedded_finish.py --output runs/finish

3,000 steps of 16 frames, 31 minutes of one busy core of an AMD EPYC, the footage included; the shipped weights had the embedded
model in the place of runs/fast. On clips of the test split, beside their true casts (`python benchmarks/finishing.py`): 37.5 dB
where decoded frames have 34.0, 29.2 for 25.4 where things move, and a thing's velocity is 0.15 m/s off for 0.31.
"""

from langit.training import CorpusConfig, FinishTraining

MODEL = "runs/fast"
"""The model whose frames are finished: a folder, a hub repository, or embedded."""


def recipe() -> FinishTraining:
    return FinishTraining(
        name="embedded-finish",
        corpus=CorpusConfig(clips=1920, seed=4, looks=2, chunk=64, tokenizer=MODEL),
        steps=3000,
    )
