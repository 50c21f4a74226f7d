"""The training loop: one objective, packed clips of mixed shapes and tasks, and a state that can stop and go on anywhere.

Read `train`, then `_step`. fp32 on the CPU; on a GPU matrix products in bf16 with fp32 master weights.
"""

from __future__ import annotations

import copy
import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter

from langit.catalog.bundle import Bundle, BundleConfig, save_bundle
from langit.flow import add_noise, velocity_loss
from langit.generate import Request, generate_all, plan
from langit.media import contact_sheet, write
from langit.text.encoder import PromptEncoder
from langit.tokenizer import kind_of
from langit.training.batches import Batch, batches
from langit.training.checkpoint import LossLog, State, load_state, save_state
from langit.training.config import TrainingConfig
from langit.training.corpus import Corpus
from langit.training.distillation import Teacher
from langit.training.interrupt import stop_on_interrupt
from langit.training.naming import Naming
from langit.training.tokenizer_config import TokenizerTraining
from langit.transformer import Transformer
from langit.transformer.model import Block
from langit.types import InputError, Video


@dataclasses.dataclass(frozen=True)
class Progress:
    """What the loop tells after every step."""

    step: int  # steps done
    steps: int
    loss: float  # the flow's, without naming
    clips_per_second: float
    patches_per_second: float
    share_of_peak: float  # of this device's measured matrix product, transformer forward and backward
    starved: float  # share of the time that went by waiting for footage


class Model(nn.Module):
    """What is trained together: the transformer, its prompt encoder, and the head that names what the middle block sees."""

    def __init__(self, config: TrainingConfig):
        super().__init__()
        self.transformer = Transformer(config.transformer)
        self.text = PromptEncoder(config.text)
        self.naming = Naming(config.transformer.width, math.prod(config.patch)) if config.naming else None
        initialise(self.transformer)

    def copy(self, bundle: Bundle) -> None:
        """Begin as a model that is there; its prompt encoder stays as it is."""
        self.transformer.load_state_dict(bundle.transformer.state_dict())
        assert isinstance(bundle.text, PromptEncoder)
        self.text.load_state_dict(bundle.text.state_dict())
        self.text.requires_grad_(False)

    def losses(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Over the patches that are not held, by weight: mean squared velocity error (`flow.velocity_loss`), and naming's."""
        noisy = add_noise(batch.patches, batch.noise, batch.sigma)
        text = self.text(batch.tokens)
        states: list[Tensor] = []
        prediction = self.transformer(noisy, batch.sigma, batch.layout, text, states)
        kind = self.transformer.config.prediction
        error = velocity_loss(noisy, batch.patches, batch.noise, prediction.float(), batch.sigma, kind)
        weight = batch.weight / batch.weight.sum().clamp(min=1)
        if self.naming is None:
            return (error * weight).sum(), error.new_zeros(())
        named = self.naming.loss(states[len(states) // 2], batch.shares)
        return (error * weight).sum(), (named * weight).sum()


def initialise(transformer: Transformer) -> None:
    """Every block starts as nearly nothing (adaLN-zero, arXiv 2212.09748), and the first prediction is zero."""
    for block in transformer.blocks:
        assert isinstance(block, Block)
        nn.init.zeros_(block.table)
        nn.init.zeros_(block.cross_attention.out.weight)
        nn.init.zeros_(block.cross_attention.out.bias)
    for parameter in transformer.level_out.parameters():
        nn.init.zeros_(parameter)
    nn.init.zeros_(transformer.head_table)
    nn.init.zeros_(transformer.patch_out.weight)
    nn.init.zeros_(transformer.patch_out.bias)


def train(
    config: TrainingConfig,
    output: Path,
    *,
    corpus_folder: Path | None = None,
    workers: int = 1,
    device: str = "cpu",
    on_step: Callable[[Progress], None] | None = None,
    stop_after: int | None = None,
) -> int:
    """Train to the end of the recipe, or until Ctrl-C; the steps done. `output` becomes a model bundle as it goes.

    The same call again goes on from the last checkpoint, and its losses are those of a run that never stopped.
    `stop_after` ends this call at that step, as Ctrl-C would.
    """
    if not isinstance(config, TrainingConfig):
        raise InputError(f"{config.name} is a tokenizer's recipe; train it with langit.train_tokenizer.")
    output.mkdir(parents=True, exist_ok=True)
    state = load_state(output / "checkpoint.pt", config.fingerprint())
    corpus = Corpus(corpus_folder or output / "corpus", config.corpus)
    corpus.start_workers(workers)
    torch.manual_seed(config.seed)
    model = Model(config)
    teacher = None if config.distillation is None else Teacher(config, config.distillation, device)
    if teacher is not None:
        model.copy(teacher.bundle)
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
    peak = measure_peak(device)
    losses = LossLog(output / "losses.jsonl", step)
    board = SummaryWriter(str(output / "tensorboard"), purge_step=step)

    def save() -> None:
        parts = model.state_dict(), ema.state_dict(), [optimizer.state_dict() for optimizer in optimizers]
        save_state(output / "checkpoint.pt", State(step, config.fingerprint(), *parts))
        _save_bundle(_bundle(config, ema, corpus, step, teacher), output)

    try:
        with stop_on_interrupt() as stopped:
            waiting = batches(config, corpus, step)
            while step < last and not stopped():
                started = time.perf_counter()
                batch = next(waiting)
                loss = _step(config, model, ema, optimizers, batch, step, device, teacher)
                step += 1
                progress = _progress(config, model, batch, step, loss, time.perf_counter() - started, peak)
                losses.add(step, loss)
                for name in ("loss", "clips_per_second", "patches_per_second", "share_of_peak", "starved"):
                    board.add_scalar(name, getattr(progress, name), step)
                if on_step is not None:
                    on_step(progress)
                if step % config.checkpoint_every == 0:
                    save()
                if step % config.samples_every == 0:
                    _write_samples(config, output, _bundle(config, ema, corpus, step, teacher), step)
                    ema.train()
        save()
    finally:
        losses.close()
        board.close()
        corpus.stop_workers()
    return step


def _step(
    config: TrainingConfig,
    model: Model,
    ema: Model,
    optimizers: Sequence[torch.optim.Optimizer],
    batch: Batch,
    step: int,
    device: str,
    teacher: Teacher | None,
) -> float:
    """One step of gradient descent and of the moving average; the loss."""
    rate = config.optimizer.learning_rate * warmup_stable_decay(config, step)
    for optimizer, share in zip(optimizers, (1.0, config.optimizer.ends_rate), strict=True):
        for group in optimizer.param_groups:
            group["lr"] = rate * share
    batch = _to(batch, device)
    with torch.autocast("cuda", torch.bfloat16, enabled=device.startswith("cuda")):
        loss, named = model.losses(batch if teacher is None else teacher.lesson(batch))
    model.zero_grad()
    (loss + config.naming * named).backward()
    nn.utils.clip_grad_norm_(model.parameters(), config.optimizer.clip_norm)
    for optimizer in optimizers:
        optimizer.step()
    decay = min(config.optimizer.ema, (step + 1) / (step + 10))
    torch._foreach_lerp_(list(ema.parameters()), list(model.parameters()), 1 - decay)
    return loss.item()


def warmup_stable_decay(config: TrainingConfig | TokenizerTraining, step: int) -> float:
    """The learning rate's course: up over `warmup` steps, flat, then linearly to zero over the last `cooldown`."""
    left = (config.steps - step) / max(1.0, config.optimizer.cooldown * config.steps)
    return min((step + 1) / config.optimizer.warmup, 1.0, left)


def make_optimizers(config: TrainingConfig, model: Model) -> list[torch.optim.Optimizer]:
    """Muon for every matrix between two hidden layers; AdamW, slower and without decay, for ends, vectors and words.

    AdamW at Muon's rate kills the hidden units of the text projection: each step moves a unit's input by the rate times the
    sum of 192 values (dev/LOG.md).
    """
    places = ("patch_in", "patch_out", "place_in", "concepts", "positions", "near.words", "naming.out")
    ends = ("table", *(f"{name}.weight" for name in places))
    learning = {name: p for name, p in model.named_parameters() if p.requires_grad}
    matrices = [p for name, p in learning.items() if p.ndim == 2 and not name.endswith(ends)]
    others = [p for name, p in learning.items() if p.ndim != 2 or name.endswith(ends)]
    c = config.optimizer
    return [
        torch.optim.Muon(matrices, c.learning_rate, c.weight_decay, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, c.learning_rate * c.ends_rate, betas=c.betas, weight_decay=0.0, fused=True),
    ]


def _to(batch: Batch, device: str) -> Batch:
    moved = {
        name: getattr(batch, name).to(device) for name in ("patches", "noise", "sigma", "weight", "shares", "layout")
    }
    return dataclasses.replace(batch, **moved)


def _progress(
    config: TrainingConfig, model: Model, batch: Batch, step: int, loss: float, seconds: float, peak: float
) -> Progress:
    lengths = [grid.num_patches for grid in batch.layout.grids]
    flop = 3 * model.transformer.num_flop(lengths, [len(prompt) for prompt in batch.tokens])
    return Progress(
        step,
        config.steps,
        loss,
        batch.num_clips / seconds,
        sum(lengths) / seconds,
        flop / seconds / peak,
        min(1.0, batch.waited / seconds),
    )


def measure_peak(device: str, size: int = 1536, repeats: int = 4) -> float:
    """Floating point operations a second of this device's plain matrix product (bf16 on a GPU), the best of a few."""
    cuda = device.startswith("cuda")
    a = torch.randn(size * (4 if cuda else 1), size, device=device, dtype=torch.bfloat16 if cuda else torch.float32)
    b = torch.randn(size, size, device=device, dtype=a.dtype)
    best = float("inf")
    for _ in range(repeats):
        started = time.perf_counter()
        c = a @ b
        float(c[0, 0])  # waits for the device
        best = min(best, time.perf_counter() - started)
    return 2 * a.shape[0] * size * size / best


def _bundle(config: TrainingConfig, ema: Model, corpus: Corpus, step: int, teacher: Teacher | None) -> Bundle:
    """The model as it is after so many steps, from the moving average; in distillation the teacher's, with quick weights."""
    how = {"recipe": config.name, "steps": step, "of": config.steps, "fingerprint": config.fingerprint()}
    if teacher is not None and config.distillation is not None:
        taught = teacher.bundle.config
        assert isinstance(taught, BundleConfig)
        sampling = dataclasses.replace(taught.sampling, distilled=config.distillation.levels)
        described = dataclasses.replace(taught, sampling=sampling, training={**taught.training, "quick": how})
        return dataclasses.replace(teacher.bundle, config=described, quick=ema.transformer.eval())
    described = BundleConfig(
        config.name,
        config.transformer,
        config.text,
        kind_of(corpus.tokenizer),
        corpus.config.stride,
        config.patch,
        config.native,
        config.sampling,
        training=how,
    )
    return Bundle(described, ema.transformer.eval(), ema.text.eval(), corpus.tokenizer)


def _save_bundle(bundle: Bundle, output: Path) -> None:
    """In half the bytes of training."""
    assert isinstance(bundle.config, BundleConfig)
    assert isinstance(bundle.text, PromptEncoder)
    transformer, text = _halved(bundle.transformer), _halved(bundle.text)
    quick = None if bundle.quick is None else _halved(bundle.quick)
    save_bundle(output, bundle.config, transformer, text, bundle.tokenizer, quick)


def _halved(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.half() for name, tensor in module.state_dict().items()}


def _write_samples(config: TrainingConfig, output: Path, bundle: Bundle, step: int) -> None:
    """A sheet of the recipe's sample prompts, from the moving average."""
    quality = "best" if bundle.quick is None else "fast"
    requests = [Request(prompt, seed=index, quality=quality) for index, prompt in enumerate(config.sample_prompts)]
    clips = generate_all(bundle, [plan(bundle, request) for request in requests])
    sheet = contact_sheet([clip.video for clip in clips], labels=list(config.sample_prompts))
    write(Video(sheet[None], 1.0), output / "samples" / f"{step:07d}.png", overwrite=True)
