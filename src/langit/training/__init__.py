"""Training: a recipe (`config`) feeds simulated clips (`corpus`, `batches`) to one loop (`loop`) that can stop anywhere.

A tokenizer has a configuration and a loop of its own (`tokenizer_config`, `pieces`, `tokenizer_loop`).
"""

from langit.training.config import CorpusConfig, Distillation, OptimizerConfig, Stage, TrainingConfig, load_recipe
from langit.training.loop import train
from langit.training.tokenizer_config import PieceConfig, TokenizerTraining
from langit.training.tokenizer_loop import train_tokenizer

__all__ = [
    "CorpusConfig",
    "Distillation",
    "OptimizerConfig",
    "PieceConfig",
    "Stage",
    "TokenizerTraining",
    "TrainingConfig",
    "load_recipe",
    "train",
    "train_tokenizer",
]
