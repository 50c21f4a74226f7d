"""The embedded model's tokenizer: the causal autoencoder of `tokenizer.py`, which begins as the model's own linear patches.

    langit train recipes/embedded_detail.py --output runs/detail --corpus runs/embedded/corpus
    langit train recipes/embedded_tokenizer.py --output runs/tokenizer

So its latents stay near those that the model was trained on, and `embedded_causal.py` goes on with the model's weights. 15
minutes of one busy AMD EPYC core; what it gives is in benchmarks/results/compression.md. (The shipped one had noise in shares of a
step's deviation, where now it is each piece's.)
"""

from dataclasses import replace
from pathlib import Path

from langit.training import TokenizerTraining, load_recipe


def recipe() -> TokenizerTraining:
    return replace(load_recipe(Path(__file__).with_name("tokenizer.py")), begin_as="runs/detail")
