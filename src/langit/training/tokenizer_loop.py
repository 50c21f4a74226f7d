"""The training of the causal autoencoder.

Read `_train`, then `losses`; `run` has what is the same for every training. The loss that is told is the mean squared error of
pixels: what it sharpens first is what moves.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from langit.catalog.bundle import load_bundle
from langit.catalog.find import find_model
from langit.catalog.tokenizers import save_tokenizer
from langit.media import contact_sheet, write
from langit.tokenizer import CausalTokenizer, LinearTokenizer, decode, encode
from langit.tokenizer.autoencoder import Autoencoder, fold
from langit.training.checkpoint import load_state
from langit.training.corpus import open_corpus
from langit.training.parallel import Team, joined
from langit.training.pieces import PixelCorpus, RealFootage, pieces_ahead
from langit.training.run import Course, Learner, Recipe, go_on
from langit.training.tokenizer_config import TokenizerTraining
from langit.types import InputError, Video

SHOWN = 6
"""Clips on a sheet of samples."""
EMPHASIS = 0.5
"""On faint components: 0 counts the error of pixels, 2 every component's share of its variance alike."""
NOISE = 0x4015E


@dataclass(frozen=True)
class PixelProgress:
    """What a loop tells after every step whose loss is an error of pixels."""

    step: int  # steps done
    steps: int
    loss: float
    clips_per_second: float  # pieces of clips, or frames
    starved: float  # share of the time that went by waiting for footage

    @property
    def psnr(self) -> float:
        """Of the step's pieces, dB; the pieces are the hard ones, so it is less than that of whole clips."""
        return psnr(self.loss)


def psnr(error: float) -> float:
    """Of a mean squared error between pixels in [-1, 1], dB."""
    return -10 * math.log10(max(error, 1e-10) / 4)


def train_tokenizer(
    config: TokenizerTraining,
    output: Path,
    *,
    corpus_folder: Path | None = None,
    workers: int = 1,
    device: str = "cpu",
    processes: int = 1,
    on_step: Callable[[PixelProgress], None] | None = None,
    stop_after: int | None = None,
) -> int:
    """Train to the end of the recipe, or until Ctrl-C; the steps done. `output` becomes a tokenizer's folder as it goes.

    The same call again goes on from the last checkpoint, and its losses are those of a run that never stopped.
    `stop_after` ends this call at that step, as Ctrl-C would. On a CPU that many `processes` share each step (`parallel`).
    """
    run = partial(_train, config, output, corpus_folder or output / "corpus", workers, stop_after)
    with joined(processes, device, run) as team:
        return run(team, on_step)


def _train(
    config: TokenizerTraining,
    output: Path,
    corpus_folder: Path,
    workers: int,
    stop_after: int | None,
    team: Team,
    on_step: Callable[[PixelProgress], None] | None = None,
) -> int:
    output.mkdir(parents=True, exist_ok=True)
    state = load_state(output / "checkpoint.pt", config.fingerprint())
    real = _real_footage(config, output, team)
    corpus = open_corpus(PixelCorpus, corpus_folder, config.corpus, workers, team, "cpu")
    torch.manual_seed(config.seed)
    model = Autoencoder(config.autoencoder)
    if state is None:
        corpus.wait_for(config.fitted)
        model.fit_linear(linear_of(config, corpus), (_floats(corpus, index) for index in range(config.fitted)))
    model.encoder.requires_grad_(not config.keep_latents)
    model.to(team.device)
    learner = Learner(config, model, make_optimizers(config, model), team)
    if state is not None:
        learner.load(state)

    def publish(step: int) -> None:
        training = {"recipe": config.name, "steps": step, "of": config.steps, "fingerprint": config.fingerprint()}
        save_tokenizer(output, CausalTokenizer(learner.ema), training)

    def prepare() -> None:
        if not config.keep_latents:
            corpus.wait_for(config.measured)
            measure(learner.ema, [_floats(corpus, index) for index in range(config.measured)])

    course = Course(
        draw=lambda steps: pieces_ahead(config, corpus, real, steps, team),
        learn=lambda pieces, step: _learn(config, learner, pieces.to(team.device), step),
        tell=lambda pieces, step, loss, seconds, waited: PixelProgress(
            step, config.steps, loss, config.batch / seconds, waited / seconds
        ),
        plotted=("loss", "psnr", "clips_per_second", "starved"),
        publish=publish,
        show=lambda step: _write_samples(config, output, learner.ema, corpus, step),
        prepare=prepare,
    )
    try:
        start = state.step if state is not None else 0
        return go_on(learner, course, output, start=start, on_step=on_step, stop_after=stop_after)
    finally:
        corpus.stop_workers()


def _real_footage(config: TokenizerTraining, output: Path, team: Team) -> RealFootage | None:
    """Decoded by the first process, for all."""
    if not config.pieces.footage:
        return None
    first = RealFootage(config.pieces, output / "footage") if team.is_first else None
    team.in_turn()
    return first or RealFootage(config.pieces, output / "footage")


def linear_of(config: TokenizerTraining, corpus: PixelCorpus) -> LinearTokenizer:
    """The linear tokenizer that the autoencoder begins as; `InputError` when the model named has another kind or shape."""
    tokenizer = load_bundle(find_model(config.begin_as)).tokenizer if config.begin_as else corpus.tokenizer
    shape = config.autoencoder.stride, config.autoencoder.channels
    if not isinstance(tokenizer, LinearTokenizer) or (tokenizer.stride, tokenizer.channels) != shape:
        raise InputError(
            f"The tokenizer of {config.begin_as} is a {type(tokenizer).__name__} of stride {tokenizer.stride} and "
            f"{tokenizer.channels} channels; the recipe's autoencoder begins as a linear one of {shape[0]} and {shape[1]}."
        )
    return tokenizer


def make_optimizers(config: Recipe, model: nn.Module) -> list[torch.optim.Optimizer]:
    """AdamW for the kernels, and for the biases. Muon learns as much in a step, and takes twice as long (dev/LOG.md)."""
    c = config.optimizer
    trained = [p for p in model.parameters() if p.requires_grad]
    kernels, biases = ([p for p in trained if (p.ndim > 1) == wanted] for wanted in (True, False))
    return [
        torch.optim.AdamW(kernels, c.learning_rate, betas=c.betas, weight_decay=c.weight_decay, fused=True),
        torch.optim.AdamW(biases, c.learning_rate * c.ends_rate, betas=c.betas, weight_decay=0.0, fused=True),
    ]


def _learn(config: TokenizerTraining, learner: Learner[Autoencoder], pieces: Tensor, step: int) -> float:
    """One step on this process's share of the pieces; the loss of the whole step."""
    if not len(pieces):
        nothing = torch.zeros((), device=pieces.device, requires_grad=True)
        return learner.descend(nothing * 1, nothing, step)
    with torch.autocast("cuda", torch.bfloat16, enabled=pieces.is_cuda):
        objective, error = losses(learner.model, pieces, _noise(config, step, learner.team), config.noise)
    share = len(pieces) / config.batch
    return learner.descend(objective * share, error * share, step)


def losses(model: Autoencoder, pieces: Tensor, noise: Iterator[torch.Generator], level: float) -> tuple[Tensor, Tensor]:
    """Of pieces (B, F, H, W, 3), there and back: what is minimised, and the mean squared error of pixels.

    The latents get noise of `level` times their own deviation, so that all that they say is said aloud: a generator makes small
    errors. Against noise, and with the strength of all channels together held, the best linear way is the half-whitened one.
    What is minimised is the error of components, the faint ones counting more than in pixels.
    """
    boxes = fold(pieces, model.config.stride)
    true = model.components_of(boxes)
    raw, _ = model.encode_raw(true)
    drawn = torch.stack([torch.randn(raw.shape[1:], generator=one) for one, _ in zip(noise, pieces, strict=True)])
    loudness = raw.detach().std((1, 2, 3, 4), keepdim=True)  # of each piece, so that it does not matter who has which
    found, _ = model.decode_raw(raw + level * loudness * drawn.to(raw))
    apart = (found - true).float().square()
    emphasis = (model.deviation / model.deviation[0]) ** -EMPHASIS
    beyond = (boxes - model.mean[:, None, None]).square().sum() - true.square().sum()  # what no component tells
    return (apart * emphasis[:, None, None]).mean(), (apart.sum() + beyond) / boxes.numel()


def _noise(config: TokenizerTraining, step: int, team: Team) -> Iterator[torch.Generator]:
    """A generator of its own for each piece of this process's share."""
    for number in range(team.rank, config.batch, team.size):
        seed = np.random.SeedSequence((config.seed, step, NOISE, number)).generate_state(1, np.uint64)[0]
        yield torch.Generator().manual_seed(int(seed >> np.uint64(1)))


@torch.no_grad()
def measure(model: Autoencoder, clips: Sequence[Tensor]) -> None:
    """Set the statistics of the latents from clips (F, H, W, 3): means by channel, one deviation for all."""
    like = model.mean
    boxes = [fold(clip.to(like)[None], model.config.stride) for clip in clips]
    found = [model.encode_raw(model.components_of(one))[0][0] for one in boxes]
    values = torch.cat([latents.transpose(0, 1).flatten(1) for latents in found], 1).double()  # (C, n)
    model.shift.copy_(values.mean(1))
    model.spread.copy_(values.var(1, correction=0).mean().sqrt())


def _floats(corpus: PixelCorpus, index: int) -> Tensor:
    return torch.from_numpy(corpus.frames(index)).float() / 127.5 - 1


def _write_samples(config: TokenizerTraining, output: Path, ema: Autoencoder, corpus: PixelCorpus, step: int) -> None:
    """A sheet of clips, each over what comes back of it, from the moving average."""
    corpus.wait_for(SHOWN)
    videos, labels = [], []
    for index in range(min(SHOWN, config.measured)):
        clip = _floats(corpus, index)
        tokenizer = CausalTokenizer(ema)
        shown = decode(tokenizer, encode(tokenizer, clip)).clamp(-1, 1)
        videos += [Video.from_float(frames.numpy(), config.corpus.fps) for frames in (clip, shown)]
        labels += [f"clip {index}", f"its reconstruction, {psnr(float(F.mse_loss(shown, clip))):.1f} dB"]
    sheet = contact_sheet(videos, labels=labels)
    write(Video(sheet[None], 1.0), output / "samples" / f"{step:07d}.png", overwrite=True)
