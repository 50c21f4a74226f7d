"""The embedded model's last part: decoded frames, finished beside the casts that they were made with.

    langit train recipes/embedded_fast.py --output runs/fast --corpus runs/cast/corpus
    langit train recipes/embedded_finish.py --output runs/finish

TOLD
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
