"""What a recipe returns: a complete training configuration, with nothing left to the command line that changes the model."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from langit.catalog.bundle import Native, SamplingDefaults
from langit.conditioning.cast import NUM_NAMES
from langit.conditioning.drawing import num_fills
from langit.conditioning.tasks import SHARES, Levels
from langit.patches import PatchSize
from langit.text.encoder import PromptEncoderConfig
from langit.transformer import TransformerConfig
from langit.types import ClipShape, InputError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from langit.training.finishing import FinishTraining
    from langit.training.tokenizer_config import TokenizerTraining


Part = Literal["picture", "cast"]


@dataclass(frozen=True)
class CorpusConfig:
    """The simulated footage: a list of clips that is never shuffled, so that any clip can be made on its own.

    Whole chunks are made, so there may be a few clips more than asked for; they are not drawn.
    """

    clips: int
    seed: int = 1
    looks: int = 3  # clips to one trajectory, each with its own colours, light and camera
    shapes: tuple[tuple[float, ClipShape], ...] = ((1.0, ClipShape(33, 64, 64)),)  # (weight, shape)
    fps: float = 8.0
    stills: int = 3  # pictures kept of each clip besides its first frame
    chunk: int = 256  # clips to a file
    stride: tuple[int, int, int] = (4, 8, 8)
    channels: int = 32
    fit_clips: int = 192  # clips that the linear tokenizer is fitted to
    tokenizer: str = "linear"  # or "pixels", or a folder that `langit train recipes/tokenizer.py` wrote

    def __post_init__(self) -> None:
        shortest = min(shape.frames for _, shape in self.shapes)
        if self.stills >= shortest:
            raise InputError(
                f"{self.stills} stills of clips of {shortest} frames were asked for; keep fewer stills than frames."
            )


@dataclass(frozen=True)
class Stage:
    """A stretch of training. `shares` say which part of the patches come from pictures, short clips and whole clips."""

    steps: int
    patches: int  # patches to a step, about
    shares: Mapping[str, float] = field(default_factory=lambda: {"picture": 0.1, "short": 0.2, "whole": 0.7})
    levels: Levels = Levels()
    dense_captions: float = 0.5  # share of prompts that are dense; the others are short
    partial_captions: float = 0.2  # share of short prompts that leave a thing out which stay; the others become dense
    salience: float = 0.0  # how much more a patch weighs in the loss where a thing stands out (`batches.standing_out`)


@dataclass(frozen=True)
class OptimizerConfig:
    """Warm-up, a plateau and a linear cooldown to zero (arXiv 2405.18392).

    Muon (torch.optim.Muon) for the matrices between hidden layers, its steps scaled to AdamW's size (arXiv 2502.16982);
    AdamW (arXiv 1711.05101) for the ends, vectors and words.
    """

    learning_rate: float = 3e-3
    ends_rate: float = 0.3  # AdamW's learning rate as a share of Muon's
    warmup: int = 200  # steps
    cooldown: float = 0.25  # last part of all steps
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = 0.02
    clip_norm: float = 1.0
    ema: float = 0.999


@dataclass(frozen=True)
class Distillation:
    """What makes a recipe one of distillation (`distillation.Teacher`): the weights become a model's second, quick ones."""

    teacher: str = "embedded"  # the model that is distilled: embedded, a folder, a hub repository
    levels: tuple[float, ...] = (1.0, 0.9, 0.75, 0.5, 0.0)  # that the quick weights visit
    substeps: int = 4  # of the teacher, between two of them
    anywhere: float = 0.25  # share of clips that start anywhere between two levels, for edits that start half way

    def __post_init__(self) -> None:
        falling = all(now > then for now, then in zip(self.levels, self.levels[1:], strict=False))
        if len(self.levels) < 2 or (self.levels[0], self.levels[-1]) != (1.0, 0.0) or not falling:
            raise InputError(f"A distilled course falls from 1 to 0, for example 1, 0.75, 0; not {self.levels}.")


@dataclass(frozen=True)
class TrainingConfig:
    """A recipe's whole answer."""

    name: str
    transformer: TransformerConfig
    text: PromptEncoderConfig
    patch: PatchSize
    corpus: CorpusConfig
    stages: tuple[Stage, ...]
    optimizer: OptimizerConfig = OptimizerConfig()
    tasks: Mapping[str, float] = field(default_factory=lambda: dict(SHARES))
    learns: Part = "picture"  # the transformer of pictures, or the one that casts them (`conditioning.cast`)
    naming: float = 0.3  # weight of naming what fills each cell (`naming.Naming`), beside the flow's loss; 0 for none
    prompt_dropout: float = 0.1  # share of clips trained without their prompt, for guidance
    first_clips: int = 512  # clips that must exist before the first step
    growth: float = 8.0  # clips that each step adds to those drawn from, until all are
    native: Native = Native()
    sampling: SamplingDefaults = SamplingDefaults()
    start: str = ""  # the model whose weights it begins with: a folder, a hub repository; none where empty
    distillation: Distillation | None = None
    checkpoint_every: int = 250  # steps
    samples_every: int = 1000  # steps
    sample_prompts: tuple[str, ...] = (
        "a red ball bounces on the grass at noon",
        "a blue cube slides to the right over the sand, a yellow cone stands still",
        "sebuah bola hijau menggelinding ke kiri saat matahari terbenam",
        "a white cylinder falls at night, the camera pans left",
    )
    seed: int = 0

    @property
    def steps(self) -> int:
        return sum(stage.steps for stage in self.stages)

    @property
    def fills(self) -> int:
        """How many of the numbers that tell what fills a cell (`drawing.drawn`) training looks at: the first ones."""
        if self.learns == "picture" and self.transformer.patch_dim > self.transformer.out_dim:
            return num_fills(self.corpus.channels)
        return NUM_NAMES if self.naming else 0

    def stage_at(self, step: int) -> Stage:
        for stage in self.stages:
            if step < stage.steps:
                return stage
            step -= stage.steps
        return self.stages[-1]

    def fingerprint(self) -> str:
        """Changes when anything does that changes the weights."""
        return fingerprint(self)


def fingerprint(config: DataclassInstance) -> str:
    """Of any configuration. The order of shares counts: clips are drawn in it."""
    return hashlib.sha256(json.dumps(dataclasses.asdict(config)).encode()).hexdigest()[:16]


def load_recipe(path: Path) -> TrainingConfig | TokenizerTraining | FinishTraining:
    """Run `recipe()` of a Python file; `InputError` when there is no such file or function, or it gives something else."""
    if not path.is_file():
        raise InputError(
            f"There is no recipe {path}; name a Python file with a function recipe(), such as recipes/tiny.py."
        )
    spec = importlib.util.spec_from_file_location(f"langit_recipe_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise InputError(f"{path} is not a Python file; a recipe is one with a function recipe().")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        config = module.recipe()
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"The recipe {path} failed: {type(error).__name__}: {error}") from error
    from langit.training.finishing import FinishTraining  # imported here, since both build on this file
    from langit.training.tokenizer_config import TokenizerTraining

    if not isinstance(config, TrainingConfig | TokenizerTraining | FinishTraining):
        raise InputError(
            f"recipe() in {path} gave a {type(config).__name__}; it must return a TrainingConfig, "
            "a TokenizerTraining for a tokenizer, or a FinishTraining for what finishes frames."
        )
    return config
