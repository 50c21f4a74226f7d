"""Training: a recipe (`config`) feeds simulated clips (`corpus`, `batches`) to one loop (`loop`) that can stop anywhere.

A tokenizer has a configuration and a loop of its own (`tokenizer_config`, `pieces`, `tokenizer_loop`), and so has what finishes
decoded frames (`finishing`).
"""

from langit.training.config import CorpusConfig, Distillation, OptimizerConfig, Stage, TrainingConfig, load_recipe
from langit.training.finishing import FinishTraining, train_finish
from langit.training.loop import train
from langit.training.tokenizer_config import PieceConfig, TokenizerTraining
from langit.training.tokenizer_loop import train_tokenizer

__all__ = [
    "CorpusConfig",
    "Distillation",
    "FinishTraining",
    "OptimizerConfig",
    "PieceConfig",
    "Stage",
    "TokenizerTraining",
    "TrainingConfig",
    "load_recipe",
    "train",
    "train_finish",
    "train_tokenizer",
]
