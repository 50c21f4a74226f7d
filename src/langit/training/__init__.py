"""Training: a recipe (`config`) feeds simulated clips (`corpus`, `batches`) to one loop (`loop`) that can stop anywhere."""

from langit.training.config import CorpusConfig, OptimizerConfig, Stage, TrainingConfig, load_recipe
from langit.training.loop import train

__all__ = ["CorpusConfig", "OptimizerConfig", "Stage", "TrainingConfig", "load_recipe", "train"]
