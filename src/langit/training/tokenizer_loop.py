"""The training of the causal autoencoder, with the conventions of `loop`: Ctrl-C, resuming bit for bit, whole checkpoints.

Read `train_tokenizer`, then `_step`. The loss is the mean squared error of pixels: what it sharpens first is what moves.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter

from langit.catalog.bundle import load_bundle
from langit.catalog.find import find_model
from langit.catalog.tokenizers import save_tokenizer
from langit.media import contact_sheet, write
from langit.tokenizer import CausalTokenizer, LinearTokenizer, decode, encode
from langit.tokenizer.autoencoder import Autoencoder, fold, unfold
from langit.training.checkpoint import LossLog, State, load_state, save_state
from langit.training.interrupt import stop_on_interrupt
from langit.training.loop import warmup_stable_decay
from langit.training.pieces import PixelCorpus, RealFootage, pieces_ahead
from langit.training.tokenizer_config import TokenizerTraining
from langit.types import InputError, Video

SHOWN = 6
"""Clips on a sheet of samples."""


@dataclass(frozen=True)
class TokenizerProgress:
    """What the loop tells after every step."""

    step: int  # steps done
    steps: int
    loss: float
    clips_per_second: float  # pieces of clips
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
    on_step: Callable[[TokenizerProgress], None] | None = None,
    stop_after: int | None = None,
) -> int:
    """Train to the end of the recipe, or until Ctrl-C; the steps done. `output` becomes a tokenizer's folder as it goes.

    The same call again goes on from the last checkpoint, and its losses are those of a run that never stopped.
    `stop_after` ends this call at that step, as Ctrl-C would.
    """
    output.mkdir(parents=True, exist_ok=True)
    state = load_state(output / "checkpoint.pt", config.fingerprint())
    real = RealFootage(config.pieces, output / "footage") if config.pieces.footage else None
    corpus = PixelCorpus(corpus_folder or output / "corpus", config.corpus)
    corpus.start_workers(workers)
    torch.manual_seed(config.seed)
    model = Autoencoder(config.autoencoder)
    if state is None:
        corpus.wait_for(config.fitted)
        model.fit_linear(linear_of(config, corpus), (_floats(corpus, index) for index in range(config.fitted)))
    model.encoder.requires_grad_(not config.latents_of)
    model.to(device)
    ema = copy.deepcopy(model).requires_grad_(False)
    optimizers = make_optimizers(config, model)
    if state is not None:
        model.load_state_dict(state.model)
        ema.load_state_dict(state.ema)
        for optimizer, saved in zip(optimizers, state.optimizers, strict=True):
            optimizer.load_state_dict(saved)
    step = state.step if state is not None else 0
    last = min(config.steps, stop_after or config.steps)
    losses = LossLog(output / "losses.jsonl", step)
    board = SummaryWriter(str(output / "tensorboard"), purge_step=step)

    def save() -> None:
        if not config.latents_of:
            corpus.wait_for(config.measured)
            measure(ema, [_floats(corpus, index) for index in range(config.measured)])
        parts = model.state_dict(), ema.state_dict(), [optimizer.state_dict() for optimizer in optimizers]
        save_state(output / "checkpoint.pt", State(step, config.fingerprint(), *parts))
        training = {"recipe": config.name, "steps": step, "of": config.steps, "fingerprint": config.fingerprint()}
        save_tokenizer(output, CausalTokenizer(ema), training)

    try:
        with stop_on_interrupt() as stopped:
            waiting = pieces_ahead(config, corpus, real, step)
            while step < last and not stopped():
                started = time.perf_counter()
                pieces = next(waiting)
                waited = time.perf_counter() - started
                loss = _step(config, model, ema, optimizers, pieces.to(device), step)
                step += 1
                seconds = time.perf_counter() - started
                progress = TokenizerProgress(step, config.steps, loss, len(pieces) / seconds, waited / seconds)
                losses.add(step, loss)
                for name in ("loss", "psnr", "clips_per_second", "starved"):
                    board.add_scalar(name, getattr(progress, name), step)
                if on_step is not None:
                    on_step(progress)
                if step % config.checkpoint_every == 0:
                    save()
                if step % config.samples_every == 0:
                    _write_samples(config, output, ema, corpus, step)
        save()
    finally:
        losses.close()
        board.close()
        corpus.stop_workers()
    return step


def linear_of(config: TokenizerTraining, corpus: PixelCorpus) -> LinearTokenizer:
    """The linear tokenizer that the autoencoder begins as; `InputError` when the model named has another kind or shape."""
    tokenizer = load_bundle(find_model(config.latents_of)).tokenizer if config.latents_of else corpus.tokenizer
    shape = config.autoencoder.stride, config.autoencoder.channels
    if not isinstance(tokenizer, LinearTokenizer) or (tokenizer.stride, tokenizer.channels) != shape:
        raise InputError(
            f"The latents of {config.latents_of} are {type(tokenizer).__name__}'s, of stride {tokenizer.stride} and "
            f"{tokenizer.channels} channels; the recipe's autoencoder keeps linear ones of {shape[0]} and {shape[1]}."
        )
    return tokenizer


def make_optimizers(config: TokenizerTraining, model: Autoencoder) -> list[torch.optim.Optimizer]:
    """Muon for the kernels, which lie in matrices; AdamW for the biases (dev/LOG.md: AdamW alone learned nothing in 200 steps)."""
    c = config.optimizer
    trained = [p for p in model.parameters() if p.requires_grad]
    matrices = [p for p in trained if p.ndim == 2]
    others = [p for p in trained if p.ndim != 2]
    return [
        torch.optim.Muon(matrices, c.learning_rate, c.weight_decay, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, c.learning_rate * c.ends_rate, betas=c.betas, weight_decay=0.0, fused=True),
    ]


def _step(
    config: TokenizerTraining,
    model: Autoencoder,
    ema: Autoencoder,
    optimizers: Sequence[torch.optim.Optimizer],
    pieces: Tensor,
    step: int,
) -> float:
    """One step of gradient descent and of the moving average; the loss."""
    rate = config.optimizer.learning_rate * warmup_stable_decay(config, step)
    for optimizer, share in zip(optimizers, (1.0, config.optimizer.ends_rate), strict=True):
        for group in optimizer.param_groups:
            group["lr"] = rate * share
    with torch.autocast("cuda", torch.bfloat16, enabled=pieces.is_cuda):
        shown = reconstruct(model, pieces)
    loss = F.mse_loss(shown.float(), pieces)
    model.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), config.optimizer.clip_norm)
    for optimizer in optimizers:
        optimizer.step()
    decay = min(config.optimizer.ema, (step + 1) / (step + 10))
    torch._foreach_lerp_(list(ema.parameters()), list(model.parameters()), 1 - decay)
    return loss.item()


def reconstruct(model: Autoencoder, clips: Tensor) -> Tensor:
    """Clips (B, F, H, W, 3) there and back."""
    per_group = model.config.frames
    latents, _ = model.encode(fold(clips, per_group))
    groups, _ = model.decode(latents)
    return unfold(groups, per_group)


@torch.no_grad()
def measure(model: Autoencoder, clips: Sequence[Tensor]) -> None:
    """Set the statistics of the latents from clips (F, H, W, 3): means by channel, one deviation for all."""
    like = model.mean
    found = [model.encode_raw(fold(clip.to(like)[None], model.config.frames))[0][0] for clip in clips]
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
