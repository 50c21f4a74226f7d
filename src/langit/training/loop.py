"""The training loop: one objective, packed clips of mixed shapes and tasks, and a state that can stop and go on anywhere.

Read `_train`, then `_learn`; `run` has what is the same for every training. fp32 on the CPU; on a GPU matrix products in bf16
with fp32 master weights.
"""

from __future__ import annotations

import dataclasses
import math
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from langit.catalog import load_bundle
from langit.catalog.bundle import Bundle, BundleConfig, save_bundle
from langit.catalog.find import find_model
from langit.conditioning.glance import Glance, looked_up, naming_loss
from langit.flow import add_noise, velocity_loss
from langit.generate import generate_all
from langit.media import contact_sheet, write
from langit.planning import Request, plan
from langit.text.encoder import PromptEncoder
from langit.tokenizer import kind_of
from langit.training.batches import Batch, batches
from langit.training.checkpoint import load_state
from langit.training.compiling import LEAST_STEPS, compile_blocks
from langit.training.config import Part, TrainingConfig
from langit.training.corpus import Corpus, open_corpus
from langit.training.distillation import Teacher
from langit.training.muon import SharedMuon
from langit.training.naming import Naming
from langit.training.painting import Footage, painting_loss
from langit.training.parallel import ALONE, Team, joined
from langit.training.pool import Pool
from langit.training.run import Course, Learner, go_on
from langit.transformer import Transformer
from langit.transformer.linear import has_product, product
from langit.transformer.model import Block, DetailBlock
from langit.types import InputError, Video

DETAIL = ("detail_width", "detail_depth", "detail_side", "detail_window", "detail_draft")
"""What of a transformer's configuration a model may gain that begins as another."""


@dataclasses.dataclass(frozen=True)
class Progress:
    """What the loop tells after every step."""

    step: int  # steps done
    steps: int
    loss: float  # the flow's, without naming
    clips_per_second: float
    patches_per_second: float
    share_of_peak: float  # of this device's measured matrix product, transformer forward and backward
    starved: float  # share of the time that went by waiting for the next batch


class Model(nn.Module):
    """What is trained together: the transformer, its prompt encoder, and what names cells: for pictures a head on the middle
    block, for casts the glance at what is known."""

    def __init__(self, config: TrainingConfig, footage: Footage | None = None):
        super().__init__()
        self.footage, self.patch = footage, config.patch  # of casts that are learned
        self.transformer = Transformer(config.transformer)
        self.text = PromptEncoder(config.text)
        casts = config.learns == "cast"
        self.glance = Glance(config.corpus.channels, config.patch[1]) if casts else None
        self.naming = None if casts or not config.naming else Naming(config.transformer.width, math.prod(config.patch))
        initialise(self.transformer)

    def begin_as(self, bundle: Bundle, learns: Part = "picture") -> None:
        """With the weights of a model that is there; what it lacks starts as nothing: detail, and what stands beside the noise.

        A cast's transformer begins as the bundle's own, where that has one. `InputError` for another shape.
        """
        if learns == "cast":
            self._begin_cast(bundle)
            return
        here, there = self.transformer.config, bundle.config.transformer
        gained = ("detail_depth", "detail_draft") if there.detail_width else DETAIL
        if there.patch_dim == there.out_dim:
            gained = (*gained, "patch_dim")
        grown = dataclasses.replace(there, **{name: getattr(here, name) for name in gained})
        same = grown == here and (not there.detail_width or there.detail_depth <= here.detail_depth)
        if not same or not isinstance(bundle.text, PromptEncoder) or bundle.text.config != self.text.config:
            raise InputError(
                f"The model {bundle.config.name} has another shape than the recipe that begins with it; name one that was "
                "trained by the recipe that this one builds on."
            )
        weights = {**self.transformer.state_dict(), **bundle.transformer.state_dict()}
        for name in ("patch_in.weight", "detail.cell_in.weight", "detail.keep_out.1.weight", "detail.keep_out.1.bias"):
            if name in weights:
                weights[name] = _grown(weights[name], self.transformer.get_parameter(name))
        self.transformer.load_state_dict(weights)
        self.text.load_state_dict(bundle.text.state_dict())
        if there.detail_width and self.transformer.detail is not None:
            for block in self.transformer.detail.blocks[there.detail_depth :]:
                assert isinstance(block, DetailBlock)
                for layer in (block.attention.out, block.ffn_out):
                    nn.init.zeros_(layer.weight)
                    nn.init.zeros_(layer.bias)

    def _begin_cast(self, bundle: Bundle) -> None:
        assert isinstance(bundle.text, PromptEncoder)
        self.text.load_state_dict(bundle.text.state_dict())
        if bundle.cast is not None and bundle.cast.config == self.transformer.config:
            assert bundle.glance is not None
            assert self.glance is not None
            self.transformer.load_state_dict(bundle.cast.state_dict())
            self.glance.load_state_dict(bundle.glance.state_dict())

    def losses(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Over the patches that are not held, by weight: mean squared velocity error (`flow.velocity_loss`), and naming's."""
        noisy = add_noise(batch.patches, batch.noise, batch.sigma)
        text, entering = self.text(batch.tokens), batch.entering(noisy)
        if self.glance is not None:
            assert batch.known is not None
            assert batch.pictures is not None
            seen, said = self.glance(batch.known, batch.pictures)
            entering = torch.cat([noisy, looked_up(noisy, batch.sigma, seen, batch.layout)], 1)
        states: list[Tensor] = []
        prediction = self.transformer(entering, batch.sigma, batch.layout, text, states)
        kind = self.transformer.config.prediction
        error = velocity_loss(noisy, batch.patches, batch.noise, prediction.float(), batch.sigma, kind)
        weight = batch.weight / batch.weight.sum().clamp(min=1)
        if self.glance is not None:
            assert batch.known is not None
            named = naming_loss(said, batch.fills) * (batch.known[:, -1] < 1)
            named = named.sum() / batch.weight.sum().clamp(min=1)
            assert self.footage is not None
            painted = painting_loss(self.glance.tracing, batch, self.footage, self.patch)
            return (error * weight).sum(), named + painted
        if self.naming is None:
            return (error * weight).sum(), error.new_zeros(())
        named = self.naming.loss(states[len(states) // 2], batch.fills)
        return (error * weight).sum(), (named * weight).sum()


def _grown(weight: Tensor, like: Tensor) -> Tensor:
    """A layer's weight or bias with nothing from more inputs, and to more outputs, in the shape of another."""
    grown = torch.zeros_like(like)
    grown[tuple(slice(size) for size in weight.shape)] = weight
    return grown


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
    if (detail := transformer.detail) is not None:
        for part in (detail.level_out, detail.cell_out, detail.keep_out):
            for parameter in part.parameters():
                nn.init.zeros_(parameter)
        for block in detail.blocks:
            assert isinstance(block, DetailBlock)
            nn.init.zeros_(block.table)


def train(
    config: TrainingConfig,
    output: Path,
    *,
    corpus_folder: Path | None = None,
    workers: int = 1,
    device: str = "cpu",
    processes: int = 1,
    on_step: Callable[[Progress], None] | None = None,
    stop_after: int | None = None,
) -> int:
    """Train to the end of the recipe, or until Ctrl-C; the steps done. `output` becomes a model bundle as it goes.

    The same call again goes on from the last checkpoint, and its losses are those of a run that never stopped.
    `stop_after` ends this call at that step, as Ctrl-C would. On a CPU that many `processes` share each step (`parallel`).
    """
    if not isinstance(config, TrainingConfig):
        raise InputError(
            f"{config.name} is no recipe of a generator; train a tokenizer with langit.train_tokenizer, and what finishes "
            "frames with langit.train_finish."
        )
    run = partial(_train, config, output, corpus_folder or output / "corpus", workers, stop_after)
    with joined(processes, device, run) as team:
        return run(team, on_step)


def _train(
    config: TrainingConfig,
    output: Path,
    corpus_folder: Path,
    workers: int,
    stop_after: int | None,
    team: Team,
    on_step: Callable[[Progress], None] | None = None,
) -> int:
    if config.learns == "cast" and not config.start:
        raise InputError(
            f"The recipe {config.name} learns to cast and names no model to begin with; set its start to the model "
            "whose pictures the casts are for."
        )
    output.mkdir(parents=True, exist_ok=True)
    state = load_state(output / "checkpoint.pt", config.fingerprint())
    corpus = open_corpus(Corpus, corpus_folder, config.corpus, workers, team)
    torch.manual_seed(config.seed)
    footage = Footage(corpus.tokenizer, corpus.casting) if config.learns == "cast" else None
    model = Model(config, footage)
    teacher = None if config.distillation is None else Teacher(config, config.distillation, team.device)
    if teacher is not None:
        model.begin_as(teacher.bundle)
        model.text.requires_grad_(False)
    # What is not learned is the beginning's: the pictures of casts, the casts of pictures.
    lasting = config.learns == "cast" or config.transformer.patch_dim > config.transformer.out_dim
    beginning = load_bundle(find_model(config.start)) if config.start and (state is None or lasting) else None
    if beginning is not None and state is None:
        model.begin_as(beginning, config.learns)
    if config.learns == "cast" or (beginning is not None and beginning.cast is not None):
        model.text.requires_grad_(False)  # one encoder reads the prompt for both
    model.to(team.device)
    learner = Learner(config, model, make_optimizers(config, model, team), team)
    if state is not None:
        learner.load(state)
    peak = team.total(measure_peak(team.device))
    pool = Pool(corpus, config.patch, team.device, config.fills)
    start = state.step if state is not None else 0
    if team.device == "cpu" and config.steps >= LEAST_STEPS:  # of the whole recipe: a run that goes on is the same run
        reason = compile_blocks(model.transformer)
        if reason is not None and team.is_first:
            warnings.warn(f"nothing can be compiled here ({reason}); training is a tenth slower for it", stacklevel=2)

    def bundle(step: int) -> Bundle:
        return _bundle(config, learner.ema, corpus, step, teacher, beginning)

    course = Course(
        draw=lambda steps: batches(config, pool, steps, team),
        learn=lambda batch, step: _learn(config, learner, batch, step, teacher),
        tell=lambda batch, *numbers: _progress(config, model, batch, peak, *numbers),
        plotted=("loss", "clips_per_second", "patches_per_second", "share_of_peak", "starved"),
        publish=lambda step: save_halved(bundle(step), output),
        show=lambda step: _write_samples(config, output, bundle(step), step),
    )
    try:
        return go_on(learner, course, output, start=start, on_step=on_step, stop_after=stop_after)
    finally:
        corpus.stop_workers()


def _learn(config: TrainingConfig, learner: Learner[Model], batch: Batch, step: int, teacher: Teacher | None) -> float:
    """One step on this process's share of the clips; the loss of the whole step."""
    team = learner.team
    if not batch.num_clips:
        nothing = torch.zeros((), device=team.device, requires_grad=True)
        team.add([torch.zeros((), device=team.device)])
        return learner.descend(nothing * 1, nothing, step)
    with torch.autocast("cuda", torch.bfloat16, enabled=team.device.startswith("cuda")):
        loss, named = learner.model.losses(batch if teacher is None else teacher.lesson(batch))
    if team.size > 1:  # each process's mean counts by the weights that it is over
        whole = batch.weight.sum()
        own = whole.clone()
        team.add([whole])
        loss, named = loss * (own / whole), named * (own / whole)
    return learner.descend(loss + config.naming * named, loss, step)


def make_optimizers(config: TrainingConfig, model: Model, team: Team = ALONE) -> list[torch.optim.Optimizer]:
    """Muon for every matrix between two hidden layers; AdamW, slower and without decay, for ends, vectors and words.

    AdamW at Muon's rate kills the hidden units of the text projection: each step moves a unit's input by the rate times the
    sum of 192 values (dev/LOG.md).
    """
    of_detail = ("cell_in", "cell_out", "keep_out.1")
    places = (
        "patch_in",
        "patch_out",
        "place_in",
        "concepts",
        "positions",
        "near.words",
        "naming.out",
        *of_detail,
    )
    ends = ("table", *(f"{name}.weight" for name in places))
    learning = {name: p for name, p in model.named_parameters() if p.requires_grad}
    matrices = [p for name, p in learning.items() if p.ndim == 2 and not name.endswith(ends)]
    others = [p for name, p in learning.items() if p.ndim != 2 or name.endswith(ends)]
    c = config.optimizer
    return [
        SharedMuon(matrices, c.learning_rate, c.weight_decay, team),
        torch.optim.AdamW(others, c.learning_rate * c.ends_rate, betas=c.betas, weight_decay=0.0, fused=True),
    ]


def _progress(
    config: TrainingConfig,
    model: Model,
    batch: Batch,
    peak: float,
    step: int,
    loss: float,
    seconds: float,
    waited: float,
) -> Progress:
    lengths = [grid.num_patches for grid in batch.layout.grids]
    flop = 3 * model.transformer.num_flop(lengths, [len(prompt) for prompt in batch.tokens])
    return Progress(
        step,
        config.steps,
        loss,
        batch.num_clips / batch.part / seconds,
        sum(lengths) / batch.part / seconds,
        flop / batch.part / seconds / peak,
        waited / seconds,
    )


def measure_peak(device: str, repeats: int = 4) -> float:
    """Floating point operations a second of the fastest product that a step could use here, the best of a few.

    On the CPU that is oneDNN's (`transformer/linear.py`) or torch's own, whichever is faster, in fp32; on a GPU in bf16.
    """
    return max(measure_products(device, repeats).values())


def measure_products(device: str, repeats: int = 4, clock: Callable[[], float] = time.perf_counter) -> dict[str, float]:
    """Floating point operations a second, by `clock`, of each of this device's matrix products, by name."""
    cuda = device.startswith("cuda")
    size, at_once = (8192, 8) if cuda else (1024, 1)
    a = torch.randn(size, size, device=device, dtype=torch.bfloat16 if cuda else torch.float32)
    ways: dict[str, Callable[[], Tensor]] = {"torch": lambda: a @ a}
    if has_product(a):
        ways["oneDNN"] = lambda: product(a, a)
    found = {}
    for name, way in ways.items():
        way()  # the first call also looks for the fastest kernel
        best = float("inf")
        for _ in range(repeats):
            if cuda:
                torch.cuda.synchronize(device)
            started = clock()
            for _ in range(at_once):
                result = way()
            float(result[0, 0])  # waits for the device
            best = min(best, clock() - started)
        found[name] = 2 * size**3 * at_once / best
    return found


def _bundle(
    config: TrainingConfig, ema: Model, corpus: Corpus, step: int, teacher: Teacher | None, beginning: Bundle | None
) -> Bundle:
    """The model as it is after so many steps, from the moving average; in distillation the teacher's, with quick weights.

    One that learns to cast is the model that it begins with, with that cast.
    """
    how = {"recipe": config.name, "steps": step, "of": config.steps, "fingerprint": config.fingerprint()}
    if teacher is not None and config.distillation is not None:
        taught = teacher.bundle.config
        assert isinstance(taught, BundleConfig)
        quality, levels = config.sampling.quality, config.distillation.levels
        sampling = dataclasses.replace(taught.sampling, distilled=levels, quality=quality)
        described = dataclasses.replace(taught, sampling=sampling, training={**taught.training, "quick": how})
        return dataclasses.replace(teacher.bundle, config=described, quick=ema.transformer.eval())
    if config.learns == "cast":
        assert beginning is not None
        assert isinstance(beginning.config, BundleConfig)
        how, begun = {**beginning.config.training, "cast": how}, beginning.config.sampling
        # Its quick weights stay what they are, and so does their course.
        sampling = dataclasses.replace(config.sampling, distilled=begun.distilled, quality=begun.quality)
        described = dataclasses.replace(beginning.config, cast=config.transformer, sampling=sampling, training=how)
        cast, glance = ema.transformer.eval(), ema.glance
        assert glance is not None
        return dataclasses.replace(beginning, config=described, cast=cast, casting=corpus.casting, glance=glance.eval())
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
    made = Bundle(described, ema.transformer.eval(), ema.text.eval(), corpus.tokenizer)
    if beginning is None or beginning.cast is None:
        return made
    described = dataclasses.replace(described, cast=beginning.cast.config, finished=beginning.finish is not None)
    lasting = {name: getattr(beginning, name) for name in ("cast", "casting", "glance", "finish")}
    return dataclasses.replace(made, config=described, **lasting)


def save_halved(bundle: Bundle, output: Path) -> None:
    """A model's folder, in half the bytes of training."""
    assert isinstance(bundle.config, BundleConfig)
    assert isinstance(bundle.text, PromptEncoder)
    transformer, text = _halved(bundle.transformer), _halved(bundle.text)
    others = {"quick": bundle.quick, "cast": bundle.cast, "glance": bundle.glance, "finish": bundle.finish}
    parts = {name: _halved(module) for name, module in others.items() if module is not None}
    if bundle.casting is not None:
        parts["casting"] = bundle.casting.tensors()
    save_bundle(output, bundle.config, transformer, text, bundle.tokenizer, parts)


def _halved(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.half() for name, tensor in module.state_dict().items()}


def _write_samples(config: TrainingConfig, output: Path, bundle: Bundle, step: int) -> None:
    """A sheet of the recipe's sample prompts, from the moving average."""
    quality = "best" if bundle.quick is None else "fast"
    requests = [Request(prompt, seed=index, quality=quality) for index, prompt in enumerate(config.sample_prompts)]
    clips = generate_all(bundle, [plan(bundle, request) for request in requests])
    sheet = contact_sheet([clip.video for clip in clips], labels=list(config.sample_prompts))
    write(Video(sheet[None], 1.0), output / "samples" / f"{step:07d}.png", overwrite=True)
