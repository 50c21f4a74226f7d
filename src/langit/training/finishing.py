"""The training of what finishes decoded frames beside their casts (`conditioning.finishing`).

Read `_train`, then `losses`; `run` has what is the same for every training. Everything else of the model stays as it is. The loss
that is told is the mean squared error of pixels.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import safe_open
from torch import Tensor

from langit.catalog.bundle import Bundle, BundleConfig, load_bundle
from langit.catalog.find import find_model
from langit.catalog.tensors import write_tensors
from langit.conditioning.cast import Cast, CastCode
from langit.conditioning.finishing import Finish, finished, pixels_of
from langit.media import contact_sheet, write
from langit.tokenizer import decode, encode
from langit.tokenizer.stored import StoredTokenizer
from langit.training.batches import drawn_ahead
from langit.training.casting import cast_of
from langit.training.checkpoint import load_state
from langit.training.config import CorpusConfig, OptimizerConfig, fingerprint
from langit.training.corpus import Corpus, open_corpus
from langit.training.footage import make_clip
from langit.training.loop import save_halved
from langit.training.parallel import ALONE, Team, joined
from langit.training.run import Course, Learner, go_on
from langit.training.tokenizer_loop import PixelProgress, make_optimizers, psnr
from langit.types import InputError, Video

STREAM = 0xF1415
SHOWN, SHOWN_FRAMES = 6, 8
"""Clips on a sheet of samples, and frames of each."""
NEAR = 4
"""Pixels about things in which errors weigh more."""
AHEAD = 4  # steps that are drawn before they are learned from
NOISE = 0.15
"""That latents of every other clip get before they are decoded, at most: what a model makes errs a little."""


@dataclass(frozen=True)
class FinishTraining:
    """A recipe's whole answer. `corpus.tokenizer` names the model whose frames are finished, with its tokenizer and its casts."""

    name: str
    corpus: CorpusConfig
    steps: int
    batch: int = 16  # frames to a step
    bare: float = 0.1  # share of frames whose casts are empty, as those of footage are of which nothing is known
    near: float = 3.0  # how much more a pixel weighs in the loss on things and about them
    edges: float = 0.5  # weight of the error of differences between neighbouring pixels
    optimizer: OptimizerConfig = OptimizerConfig(
        learning_rate=3e-3, ends_rate=1.0, warmup=50, cooldown=0.5, betas=(0.9, 0.98), weight_decay=1e-3, ema=0.99
    )
    first_clips: int = 256  # clips that must exist before the first step
    growth: float = 1.0  # clips that each step adds to those drawn from, until all are
    checkpoint_every: int = 200  # steps
    samples_every: int = 1000  # steps
    seed: int = 0

    def __post_init__(self) -> None:
        if len({shape for _, shape in self.corpus.shapes}) != 1:
            raise InputError("A step's frames are of one size; give the recipe's footage one shape.")
        if min(self.steps, self.batch) < 1 or not 0 <= self.bare <= 1 or min(self.near, self.edges) < 0:
            raise InputError(
                "Steps and batch are at least 1, the share of bare frames is from 0 to 1, weights at least 0."
            )

    def fingerprint(self) -> str:
        """Changes when anything does that changes the weights."""
        return fingerprint(self)


class FinishCorpus(Corpus):
    """Simulated clips as pixels, as they come back from the model's tokenizer, and their casts."""

    def __init__(self, folder: Path, config: CorpusConfig):
        super().__init__(folder, config)
        self._opened: dict[int, Any] = {}

    @cached_property
    def model(self) -> Bundle:
        return load_bundle(find_model(self.config.tokenizer))

    @property
    def tokenizer(self) -> StoredTokenizer:
        assert isinstance(self.model.tokenizer, StoredTokenizer)
        return self.model.tokenizer

    @property
    def casting(self) -> CastCode:
        if self.model.casting is None:
            raise InputError(
                f"The model {self.config.tokenizer} casts nothing beside which its frames could be finished; name one that "
                "recipes/embedded_cast.py trained."
            )
        return self.model.casting

    def chunk_path(self, chunk: int) -> Path:
        return self.folder / f"finish-{chunk:05d}.safetensors"

    def make_chunk(self, chunk: int) -> None:
        """Simulate, render, encode, decode and write one chunk, unless it is there."""
        path = self.chunk_path(chunk)
        if path.exists():
            return
        tensors: dict[str, Tensor] = {}
        for index in self.clips_of(chunk):
            scene, frames, truth = make_clip(self.config, index)
            latents = encode(self.tokenizer, torch.from_numpy(frames).float() / 127.5 - 1)
            generator = torch.Generator().manual_seed(index)
            noise = NOISE * (index % 2) * torch.rand((), generator=generator)
            decoded = decode(self.tokenizer, latents + noise * torch.randn(latents.shape, generator=generator))
            tensors[f"{index}.frames"] = torch.from_numpy(frames)
            tensors[f"{index}.decoded"] = torch.from_numpy(Video.from_float(decoded.numpy(), self.config.fps).frames)
            cast = cast_of(scene, frames, truth.segmentation, self.config.stride)
            tensors[f"{index}.cast"] = self.casting.encode(cast).half()
        write_tensors(path, tensors)

    def length(self, index: int) -> int:
        """Frames of a clip."""
        frames: int = self._kept(index).get_slice(f"{index}.frames").get_shape()[0]
        return frames

    def clip(self, index: int, frames: slice) -> tuple[Tensor, Tensor]:
        """Frames (n, 3, H, W) of a clip in [-1, 1], and the same as they are decoded."""
        told = (self._kept(index).get_slice(f"{index}.{name}")[frames] for name in ("frames", "decoded"))
        true, decoded = (some.movedim(-1, 1).float() / 127.5 - 1 for some in told)
        return true, decoded

    def cast(self, index: int) -> Cast:
        """The cast of a clip."""
        return self.casting.decode(self._kept(index).get_tensor(f"{index}.cast").float())

    def _kept(self, index: int) -> Any:
        chunk = index // self.config.chunk
        if chunk not in self._opened:
            self._opened[chunk] = safe_open(self.chunk_path(chunk), "pt")
        return self._opened[chunk]


@dataclass(frozen=True)
class Lesson:
    """Frames (B, 3, H, W) as they are and as they are decoded, and what is beside them (B, BESIDE, H, W)."""

    frames: Tensor
    decoded: Tensor
    beside: Tensor

    def to(self, device: str) -> Lesson:
        return Lesson(*(tensor.to(device) for tensor in vars(self).values()))


def train_finish(
    config: FinishTraining,
    output: Path,
    *,
    corpus_folder: Path | None = None,
    workers: int = 1,
    device: str = "cpu",
    processes: int = 1,
    on_step: Callable[[PixelProgress], None] | None = None,
    stop_after: int | None = None,
) -> int:
    """Train to the end of the recipe, or until Ctrl-C; the steps done. `output` becomes a model bundle as it goes.

    The same call again goes on from the last checkpoint, and its losses are those of a run that never stopped.
    `stop_after` ends this call at that step, as Ctrl-C would. On a CPU that many `processes` share each step (`parallel`).
    """
    run = partial(_train, config, output, corpus_folder or output / "corpus", workers, stop_after)
    with joined(processes, device, run) as team:
        return run(team, on_step)


def _train(
    config: FinishTraining,
    output: Path,
    corpus_folder: Path,
    workers: int,
    stop_after: int | None,
    team: Team,
    on_step: Callable[[PixelProgress], None] | None = None,
) -> int:
    output.mkdir(parents=True, exist_ok=True)
    state = load_state(output / "checkpoint.pt", config.fingerprint())
    corpus = open_corpus(FinishCorpus, corpus_folder, config.corpus, workers, team, "cpu")
    torch.manual_seed(config.seed)
    model = Finish() if corpus.model.finish is None else corpus.model.finish.requires_grad_(True).train()
    learner = Learner(config, model.to(team.device), make_optimizers(config, model), team)
    if state is not None:
        learner.load(state)
    course = Course(
        draw=lambda steps: drawn_ahead(lambda step: draw_lesson(config, corpus, step, team), steps, AHEAD),
        learn=lambda lesson, step: _learn(config, learner, lesson.to(team.device), step),
        tell=lambda lesson, step, loss, seconds, waited: PixelProgress(
            step, config.steps, loss, config.batch / seconds, waited / seconds
        ),
        plotted=("loss", "psnr", "clips_per_second", "starved"),
        publish=lambda step: save_halved(_bundle(config, corpus.model, learner.ema, step), output),
        show=lambda step: _write_samples(config, output, learner.ema, corpus, step),
    )
    try:
        start = state.step if state is not None else 0
        return go_on(learner, course, output, start=start, on_step=on_step, stop_after=stop_after)
    finally:
        corpus.stop_workers()


def draw_lesson(config: FinishTraining, corpus: FinishCorpus, step: int, team: Team = ALONE) -> Lesson:
    """A process's share of the frames of a step, each of another clip; waits for the clips that it needs."""
    pool = min(config.corpus.clips, int(config.first_clips + config.growth * step))
    corpus.wait_for(pool)
    frames, decoded, casts = [], [], []
    for number in range(team.rank, config.batch, team.size):
        rng = np.random.default_rng(np.random.SeedSequence((config.seed, step, STREAM, number)))
        index = int(rng.integers(pool))
        at = int(rng.integers(corpus.length(index)))
        true, seen = corpus.clip(index, slice(at, at + 1))
        frames.append(true)
        decoded.append(seen)
        casts.append(_at(corpus.cast(index), at, rng.random() < config.bare))
    if not frames:
        return Lesson(torch.empty(0), torch.empty(0), torch.empty(0))
    together = Cast(*(torch.cat(parts) for parts in zip(*(vars(one).values() for one in casts), strict=True)))
    beside = pixels_of(together, *frames[0].shape[2:])[:, 0]
    return Lesson(torch.cat(frames), torch.cat(decoded), beside)


def _at(cast: Cast, frame: int, is_bare: bool) -> Cast:
    """One frame of a cast, as that of a clip of one frame."""
    of = cast.centres.shape[2]
    group, time = divmod(frame + of - 1, of)
    one = Cast(*(value[group : group + 1] for value in vars(cast).values()))
    names = torch.zeros_like(one.names) if is_bare else one.names
    times = slice(time, time + 1)
    return dataclasses.replace(one, names=names, centres=one.centres[:, :, times], outlines=one.outlines[:, :, times])


def _learn(config: FinishTraining, learner: Learner[Finish], lesson: Lesson, step: int) -> float:
    """One step on this process's share of the frames; the loss of the whole step."""
    if not len(lesson.frames):
        nothing = torch.zeros((), device=lesson.frames.device, requires_grad=True)
        return learner.descend(nothing * 1, nothing, step)
    with torch.autocast("cuda", torch.bfloat16, enabled=lesson.frames.is_cuda):
        objective, error = losses(config, learner.model, lesson)
    share = len(lesson.frames) / config.batch
    return learner.descend(objective * share, error * share, step)


def losses(config: FinishTraining, model: Finish, lesson: Lesson) -> tuple[Tensor, Tensor]:
    """What is minimised, the absolute error of pixels and of their differences, more so about things; and the mean squared one."""
    apart = (model(lesson.decoded, lesson.beside) - lesson.frames).float()
    around = F.max_pool2d((lesson.beside[:, -1:] > 0).float(), 2 * NEAR + 1, stride=1, padding=NEAR)
    weight = 1 + config.near * around
    across, down = apart.diff(dim=-1), apart.diff(dim=-2)
    edges = (across.abs() * weight[..., 1:]).mean() + (down.abs() * weight[..., 1:, :]).mean()
    return (apart.abs() * weight).mean() + config.edges * edges, apart.detach().square().mean()


def _bundle(config: FinishTraining, model: Bundle, finish: Finish, step: int) -> Bundle:
    """The model as it is, finished by the moving average after so many steps."""
    assert isinstance(model.config, BundleConfig)
    how = {"recipe": config.name, "steps": step, "of": config.steps, "fingerprint": config.fingerprint()}
    described = dataclasses.replace(model.config, finished=True, training={**model.config.training, "finish": how})
    return dataclasses.replace(model, config=described, finish=finish.eval())


def _write_samples(config: FinishTraining, output: Path, ema: Finish, corpus: FinishCorpus, step: int) -> None:
    """A sheet of clips as they are, as they are decoded, and as they are finished from there."""
    videos, labels = [], []
    for index in range(min(SHOWN, config.corpus.clips)):
        true, decoded = corpus.clip(index, slice(None))
        shown = finished(ema, decoded.movedim(1, -1), corpus.cast(index)).movedim(-1, 1).clamp(-1, 1)
        told = {"as it is": true, "decoded": decoded, "finished": shown}
        videos += [
            Video.from_float(one[:: len(one) // SHOWN_FRAMES].movedim(1, -1).numpy(), config.corpus.fps)
            for one in told.values()
        ]
        labels += [f"clip {index}, {name}, {psnr(float(F.mse_loss(one, true))):.1f} dB" for name, one in told.items()]
    write(
        Video(contact_sheet(videos, labels=labels)[None], 1.0), output / "samples" / f"{step:07d}.png", overwrite=True
    )
