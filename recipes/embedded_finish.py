"""The embedded model's last part: decoded frames, finished beside the casts that they were made with.

    langit train recipes/embedded_fast.py --output runs/fast --corpus runs/cast/corpus
    langit train recipes/embedded_finish.py --output runs/finish

3,000 steps of 16 frames, 20 minutes of one busy core of an AMD EPYC and 8 of another for the footage, of whose clips the model
itself makes half, beside their casts. The shipped weights had the embedded model in the place of runs/fast, and went on from 3,000
such steps without clips of the model's own. `python benchmarks/finishing.py`: things of clips that it makes beside the casts of the
test split come out at 23.6 dB for 21.6 as decoded (22.6 before it went on); simulated clips, decoded, at 36.7 dB for 34.0, 28.6 for
25.4 where things move, and a thing's velocity is 0.14 m/s off for 0.30.
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
