"""The choices of the embedded model's recipes, one by one, each against a common base, at the same CPU time.

    python -m benchmarks.choices --output runs/choices                       # all of them; again: those that are missing
    python -m benchmarks.choices --output runs/choices --minutes 1 --only causal pixels

The base is `recipes/embedded_picture.py` made small and trained from nothing: pictures with the draft of their true cast beside
them, on the latents of the embedded model's autoencoder. Every other variant has one thing changed, and the same footage. First
one step of each variant after the other is timed, again and again (CPU time of this process, on one thread), which gives each as
many steps as fit into `--minutes`; then each is trained by the project's own loop and scored on the same held-out prompts:

followed    of all that the prompts ask, the share that is seen in clips made beside the true casts of their scenes, or from the
            prompt alone; with the standard error over prompts
PSNR        of these clips against the simulator's own, in all and where things move (beside true casts alone: a prompt leaves more
            open), and of clips that are made again from noise level 0.6

Making latents and training the autoencoder are not counted. Writes benchmarks/results/choices.md.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from math import log, prod
from pathlib import Path

import numpy as np
import torch
from benchmarks.finishing import floats, moving, psnr
from torch import Tensor

from langit.catalog import Bundle, load, load_bundle
from langit.catalog.tokenizers import save_tokenizer
from langit.conditioning import SourceCondition
from langit.conditioning.cast import CastCondition
from langit.conditioning.drawing import draft, num_fills, seen
from langit.conditioning.tasks import Levels
from langit.evaluation.exam import commit, hardware
from langit.evaluation.observation import observe
from langit.evaluation.prompt_following import score, shares
from langit.evaluation.prompts import Attribute, Prompt, make_prompts
from langit.flow import shift_levels
from langit.generate import generate_all
from langit.planning import Request, plan
from langit.simulator.plans import plan as plan_scene
from langit.simulator.render import render
from langit.tokenizer import LinearTokenizer, Tokenizer, decode, encode
from langit.training import CorpusConfig, OptimizerConfig, Stage, TrainingConfig, load_recipe, loop, train
from langit.training.batches import draw_batch
from langit.training.casting import cast_of
from langit.training.corpus import Corpus
from langit.training.loop import Model, make_optimizers
from langit.training.parallel import ALONE, Team
from langit.training.pool import Pool
from langit.training.run import Learner
from langit.types import Frames, Video

RECIPES = Path(__file__).parents[1] / "recipes"
SIDE, FRAMES, FPS = 64, 33, 8.0
SHIPPED = "shipped"  # the folder of the embedded model's autoencoder
AGAIN = 0.6  # noise level from which clips are made again
TOGETHER = 8  # clips that are made in one pack
ROUNDS = 8  # timed steps of each variant
TOLD: tuple[Attribute, ...] = ("count", "colour", "shape", "binding", "event", "direction", "camera", "light", "ground")


@dataclass(frozen=True)
class Variant:
    """One choice: a recipe without its number of steps, what it is, and what was expected of it before it was trained."""

    name: str
    said: str
    expected: str
    config: TrainingConfig
    optimizers: Callable[[TrainingConfig, Model, Team], list[torch.optim.Optimizer]] = make_optimizers
    level: float = AGAIN  # of noise, for clips that are made again

    @property
    def beside_casts(self) -> bool:
        return self.config.transformer.patch_dim > self.config.transformer.out_dim


@dataclass(frozen=True)
class Question:
    """A held-out prompt, and the simulator's own answer with its cast."""

    prompt: Prompt
    frames: Frames
    cast: Tensor  # rows


def base_of(output: Path, clips: int, patches: int) -> TrainingConfig:
    """The small recipe that all variants are changes of."""
    picture = load_recipe(RECIPES / "embedded_picture.py")
    assert isinstance(picture, TrainingConfig)
    stage = Stage(1, patches, {"picture": 0.3, "short": 0.2, "whole": 0.5}, Levels(1.0, 1.4), salience=2.0)
    return replace(
        picture,
        name="choices",
        transformer=replace(
            picture.transformer,
            width=128,
            depth=4,
            num_heads=4,
            ffn_width=512,
            text_width=128,
            detail_width=64,
            detail_depth=2,
        ),
        text=replace(picture.text, width=128, num_heads=4),
        corpus=CorpusConfig(
            clips, seed=5, looks=2, stills=1, chunk=128, fit_clips=128, tokenizer=str(output / SHIPPED)
        ),
        stages=(stage,),
        start="",
        optimizer=OptimizerConfig(learning_rate=3e-3, warmup=50, cooldown=0.4, ema=0.99),
        sampling=replace(picture.sampling, steps=20),
        first_clips=clips,
    )


def variants_of(base: TrainingConfig, louder: float, output: Path) -> list[Variant]:
    """All of them; `louder` is how much more the strongest component of a box weighs in pixels than in linear latents, and in
    `output` is what some go on from."""
    (stage,), shape = base.stages, base.transformer
    pixels = on_channels(base, "pixels", 3 * prod(base.corpus.stride))
    noisier = replace(stage, levels=Levels(stage.levels.mean + log(louder), stage.levels.deviation))
    shift = replace(base.sampling, shift=base.sampling.shift * louder)
    level = float(shift_levels(torch.tensor(AGAIN), louder))
    words = replace(
        base,
        transformer=replace(shape, patch_dim=shape.out_dim, detail_draft=False),
        naming=0.3,
        sampling=replace(base.sampling, guidance=4.0),
    )
    wide = replace(shape, width=192, depth=2, num_heads=6, ffn_width=768)
    deep = replace(shape, width=96, depth=8, num_heads=3, ffn_width=384)
    return [
        Variant(
            "causal", "the base: the shipped causal autoencoder, x-prediction, Muon", "the best of tokenizers", base
        ),
        Variant(
            "linear",
            "half-whitened linear patches",
            "2 points less; where things move 1 dB less",
            on_channels(base, "linear", base.corpus.channels),
        ),
        Variant("pixels", "raw pixel patches", "half as many steps, 10 points less", pixels, level=level),
        Variant(
            "velocity",
            "predicts velocity in place of x",
            "no worse: patches of 128 numbers fit a state of 128",
            replace(base, transformer=replace(shape, prediction="velocity")),
        ),
        Variant("AdamW", "AdamW in place of Muon, same rates", "5 points less", base, adamw_alone),
        Variant(
            "pixels, longer",
            "goes on from pixels for as long again, on other draws",
            "at most 3 points more: it is as good as its draft already",
            replace(pixels, start=str(output / "pixels"), seed=1),
            level=level,
        ),
        Variant(
            "causal, longer",
            "goes on from the base for as long again, on other draws",
            "10 points more, still behind pixels; where things move ahead",
            replace(base, start=str(output / "causal"), seed=1),
        ),
        Variant(
            "another seed",
            "the base again, drawn otherwise: what chance does",
            "within 2 points",
            replace(base, seed=1),
        ),
        Variant(
            "no salience",
            "what stands out weighs no more in the loss",
            "3 points less, PSNR the same",
            replace(base, stages=(replace(stage, salience=0.0),)),
        ),
        Variant(
            "uniform levels",
            "noise levels all alike often (nearly: a logit-normal of mean 0 and deviation 1.7)",
            "2 points less, PSNR the same",
            replace(base, stages=(replace(stage, levels=Levels(0.0, 1.7)),)),
        ),
        Variant(
            "wide",
            "2 blocks of width 192 in place of 4 of 128",
            "no difference",
            replace(base, transformer=wide),
        ),
        Variant(
            "prompt",
            "from the prompt alone: no draft, naming 0.3, guidance 4",
            "light and ground, and little of things",
            words,
        ),
        Variant(
            "prompt, 2 blocks",
            "the same with two blocks in the prompt encoder",
            "10 points less than without: blocks wash words out",
            replace(words, text=replace(base.text, depth=2)),
        ),
        Variant(
            "prompt, no neighbours",
            "the same as without blocks, and words are told of no neighbours",
            "a few points less than with",
            replace(words, text=replace(base.text, reach=0)),
        ),
        Variant(
            "pixels, noisier",
            f"raw pixel patches, noise {louder:.1f} times as loud: the strongest component of a box has as much as in linear",
            "better than pixels, 5 points less than linear",
            replace(pixels, stages=(noisier,), sampling=shift),
            level=level,
        ),
        Variant(
            "one level",
            "one noise level for all of a clip, nothing of it known",
            "2 points more, since all training goes to what is scored",
            replace(base, tasks={"text": 1.0}),
        ),
        Variant("deep", "8 blocks of width 96 in place of 4 of 128", "no difference", replace(base, transformer=deep)),
    ]


def on_channels(base: TrainingConfig, tokenizer: str, channels: int) -> TrainingConfig:
    """The same recipe on another tokenizer."""
    cells = prod(base.patch)
    patch, beside = channels * cells, (num_fills(channels) + 1) * cells
    return replace(
        base,
        transformer=replace(base.transformer, patch_dim=patch + beside, out_dim=patch),
        corpus=replace(base.corpus, tokenizer=tokenizer, channels=channels),
    )


def adamw_alone(config: TrainingConfig, model: Model, team: Team) -> list[torch.optim.Optimizer]:
    """As `make_optimizers`, with AdamW where that has Muon."""
    c, (muon, ends) = config.optimizer, make_optimizers(config, model, team)
    matrices = muon.param_groups[0]["params"]
    return [torch.optim.AdamW(matrices, c.learning_rate, betas=c.betas, weight_decay=c.weight_decay, fused=True), ends]


def make_corpora(output: Path, base: TrainingConfig) -> dict[str, Corpus]:
    """The same footage by each tokenizer, made unless it is there."""
    save_tokenizer(output / SHIPPED, load("embedded").tokenizer, {"model": "embedded"})
    configs = [base, *(on_channels(base, "linear", 32), on_channels(base, "pixels", 3 * prod(base.corpus.stride)))]
    corpora = {}
    for config in configs:
        corpus = Corpus(output / f"corpus-{Path(config.corpus.tokenizer).name}", config.corpus)
        for chunk in range(corpus.num_chunks):
            corpus.make_chunk(chunk)
        corpora[config.corpus.tokenizer] = corpus
    return corpora


def seconds_a_step(variants: list[Variant], corpora: dict[str, Corpus]) -> dict[str, float]:
    """CPU time of a step by the work that it is, the middle one of some that are taken in turns, so that other work slows all
    alike."""
    learners, spent = {}, dict[str, list[float]]()
    for variant in variants:
        if work_of(variant) in learners:
            continue
        config = replace(variant.config, first_clips=variant.config.corpus.chunk, growth=0.0)
        torch.manual_seed(0)
        model = Model(config)
        pool = Pool(corpora[config.corpus.tokenizer], config.patch, fills=config.fills)
        learner = Learner(config, model, variant.optimizers(config, model, ALONE), ALONE)
        learners[work_of(variant)], spent[work_of(variant)] = (config, pool, learner), []
    for step in range(ROUNDS + 2):
        for work, (config, pool, learner) in learners.items():
            started = time.process_time()
            loss, named = learner.model.losses(draw_batch(config, pool, step))
            learner.descend(loss + config.naming * named, loss, 0)
            if step >= 2:  # kernels are chosen and memory is taken
                spent[work].append(time.process_time() - started)
    return {work: float(np.median(each)) for work, each in spent.items()}


def work_of(variant: Variant) -> str:
    """What the time of a step depends on."""
    shape = replace(variant.config.transformer, prediction="x")
    return f"{shape} {variant.config.text} {variant.optimizers.__name__}"


def trained(variant: Variant, corpus: Corpus, steps: int, folder: Path) -> dict[str, float]:
    """Train a variant to its end; its last losses, and the CPU time that its steps took."""
    (stage,) = variant.config.stages
    rare = steps + 1  # samples are not looked at
    config = replace(variant.config, stages=(replace(stage, steps=steps),), checkpoint_every=300, samples_every=rare)
    losses, marks = [], []

    def on_step(told: loop.Progress) -> None:
        losses.append(told.loss)
        marks.append(time.process_time())

    loop.make_optimizers = variant.optimizers  # a recipe has no other optimizer than Muon
    done = train(config, folder, corpus_folder=corpus.folder, workers=0, on_step=on_step)
    if done < steps:
        raise SystemExit(f"stopped after step {done} of {steps} of {variant.name}; the same command goes on")
    each = np.diff(marks).mean() if len(marks) > 1 else float("nan")
    return {"steps": steps, "seconds": float(each * steps), "loss": float(np.mean(losses[-50:]))}


def questions_of(count: int, seed: int, corpus: Corpus) -> list[Question]:
    """Held-out prompts, as `noise_levels.py` has them, each with the simulator's clip and its cast."""
    found = []
    for prompt in make_prompts(count, seed=seed, languages=("en",), details=("dense",)):
        scene = plan_scene(prompt.seed, split="test")
        frames, truth = render([scene], SIDE, SIDE)[0]
        assert truth is not None
        cast = cast_of(scene, frames, truth.segmentation, corpus.config.stride)
        found.append(Question(prompt, frames, corpus.casting.encode(cast)))
    return found


def made(bundle: Bundle, questions: list[Question], level: float, beside_casts: bool) -> list[Frames]:
    """A clip to each question, from noise or from its own clip at a noise level, beside its true cast or from the prompt alone."""
    plans = []
    for seed, question in enumerate(questions):
        source = (SourceCondition(question.frames, level),) if level < 1 else ()
        known = (*source, CastCondition(question.cast)) if beside_casts else source
        request = Request(
            question.prompt.text, frames=FRAMES, size=(SIDE, SIDE), fps=FPS, seed=seed, quality="best", conditions=known
        )
        plans.append(plan(bundle, request))
    packs = [plans[start : start + TOGETHER] for start in range(0, len(plans), TOGETHER)]
    return [clip.video.frames for pack in packs for clip in generate_all(bundle, pack)]


def followed(clips: list[Frames], questions: list[Question]) -> dict[str, float]:
    """Of all that is asked, the share that is seen, its standard error over prompts, and the shares of some attributes."""
    answers = [score(observe(clip, FPS), one.prompt.expectation) for clip, one in zip(clips, questions, strict=True)]
    told = [[bool(seen) for seen in one.values() if seen is not None] for one in answers]
    right, asked = np.array([sum(one) for one in told]), np.array([len(one) for one in told])
    share = right.sum() / asked.sum()
    error = np.sqrt(np.square(right - share * asked).sum()) / asked.sum()  # of a ratio of sums
    each = {name: value for name, value in shares(answers).items() if name in TOLD and value is not None}
    return {"followed": float(share), "error": float(error), **each}


def likeness(clips: list[Frames], questions: list[Question]) -> tuple[float, float]:
    """PSNR against the simulator's own clips, in all and where things move, dB."""
    whole, where = [], []
    for clip, question in zip(clips, questions, strict=True):
        true = floats(question.frames)
        error = (floats(clip) - true).square().mean(-1)
        whole.append(error.flatten())
        where.append(error[moving(true)])
    return psnr(torch.cat(whole)), psnr(torch.cat(where))


def scored(variant: Variant, folder: Path, corpus: Corpus, questions: list[Question]) -> dict[str, float]:
    bundle = load_bundle(folder)
    if variant.beside_casts:  # whole casts are given, so the transformer that would make them is never asked
        bundle = replace(bundle, cast=bundle.transformer, casting=corpus.casting)
    clips = made(bundle, questions, 1.0, variant.beside_casts)
    found = followed(clips, questions)
    if variant.beside_casts:
        found["psnr"], found["moving"] = likeness(clips, questions)
    found["again"], found["again moving"] = likeness(
        made(bundle, questions, variant.level, variant.beside_casts), questions
    )
    return found


def references(corpora: dict[str, Corpus], questions: list[Question]) -> dict[str, dict[str, float]]:
    """What no training is needed for: the simulator's clips, the drafts of their casts, and clips through each tokenizer."""
    corpus = next(iter(corpora.values()))
    ways: dict[str, Callable[[Question], Tensor]] = {
        "the simulator's own clips": lambda one: floats(one.frames),
        "the draft of the true cast alone": lambda one: drafted(corpus, one),
    }
    for name, each in corpora.items():
        if each.tokenizer.channels < 3 * prod(each.config.stride):  # what loses something
            ways[f"through the tokenizer: {Path(name).name}"] = partial(through, each.tokenizer)
    found = {}
    for name, way in ways.items():
        clips = [Video.from_float(way(question).numpy(), FPS).frames for question in questions]
        found[name] = followed(clips, questions)
        found[name]["psnr"], found[name]["moving"] = likeness(clips, questions)
    return found


def drafted(corpus: Corpus, question: Question) -> Tensor:
    cast = corpus.casting.decode(question.cast)
    return draft(cast, seen(cast, SIDE, SIDE))


def through(tokenizer: Tokenizer, question: Question) -> Tensor:
    return decode(tokenizer, encode(tokenizer, floats(question.frames)))


def kept(path: Path, find: Callable[[], dict]) -> dict:
    """What is in a file, found and written there if it is not."""
    if not path.exists():
        found = find()
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}.part")
        aside.write_text(json.dumps(found, indent=1))
        aside.rename(path)
    return json.loads(path.read_text())


def row(name: str, found: dict[str, float]) -> str:
    """A line of the table."""
    steps = f"{found['steps']:.0f}" if "steps" in found else ""
    parts = [name, steps, f"{found['followed']:.1%} ± {found['error']:.1%}"]
    parts += [f"{found[attribute]:.0%}" if attribute in found else "" for attribute in TOLD]
    pairs = (("psnr", "moving"), ("again", "again moving"))
    parts += [f"{found[a]:.2f}, {found[b]:.2f}" if a in found else "" for a, b in pairs]
    return f"| {' | '.join(parts)} |"


def table(variants: list[Variant], found: dict[str, dict], beside: dict[str, dict], options: argparse.Namespace) -> str:
    """The results as markdown."""
    head = f"| variant | steps | followed | {' | '.join(TOLD)} | PSNR, where things move | made again from {AGAIN} |"
    seconds = [one["seconds"] for one in found.values()]
    lines = [
        "# Choices at equal compute",
        "",
        f"{date.today()}, commit {commit()}. {hardware()}; other work ran beside it.",
        "",
        f"    python -m benchmarks.choices --minutes {options.minutes:g} --clips {options.clips} --prompts {options.prompts}",
        "",
        f"Each trained from nothing for {options.minutes:g} minutes of CPU time on one thread, as its steps take in turns with",
        f"those of the others (by its own clock {min(seconds):.0f} to {max(seconds):.0f} s), on the same {options.clips} clips;",
        f"{options.prompts} held-out prompts (seed {options.seed}). The script says what the columns are; ± is one standard error",
        "over prompts, PSNR is in dB. In italics what no training is needed for.",
        "",
        head,
        "|" + "---|" * (head.count("|") - 1),
        *(row(name, one) for name, one in found.items()),
        *(row(f"*{name}*", one) for name, one in beside.items()),
        "",
        "| variant | what it is | expected |",
        "|---|---|---|",
        *(f"| {one.name} | {one.said} | {one.expected} |" for one in variants if one.name in found),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("runs/choices"))
    parser.add_argument("--minutes", type=float, default=3.5, help="of CPU time to train each variant")
    parser.add_argument("--clips", type=int, default=768, help="of the corpus")
    parser.add_argument("--patches", type=int, default=1024, help="to a step")
    parser.add_argument("--prompts", type=int, default=48)
    parser.add_argument("--seed", type=int, default=777, help="of the prompts")
    parser.add_argument("--only", nargs="+", help="names of variants; all where none is given")
    parser.add_argument("--table", type=Path, default=Path(__file__).parent / "results" / "choices.md")
    options = parser.parse_args()
    torch.set_num_threads(1)
    asked = {name: getattr(options, name) for name in ("minutes", "clips", "patches", "prompts", "seed")}
    if kept(options.output / "options.json", lambda: asked) != asked:
        parser.error(
            f"{options.output} was made with other options; give those of its options.json, or another --output"
        )
    base = base_of(options.output, options.clips, options.patches)
    corpora = make_corpora(options.output, base)
    linear = corpora["linear"].tokenizer
    assert isinstance(linear, LinearTokenizer)
    variants = variants_of(base, float(linear.scale[0]), options.output)
    each = kept(options.output / "seconds.json", lambda: seconds_a_step(variants, corpora))
    questions = questions_of(options.prompts, options.seed, corpora["linear"])
    beside = kept(options.output / "references.json", lambda: references(corpora, questions))
    found = {}
    for variant in variants:
        folder = options.output / variant.name.replace(", ", "-").replace(" ", "-")
        if options.only and variant.name not in options.only and not (folder / "result.json").exists():
            continue
        corpus, steps = corpora[variant.config.corpus.tokenizer], round(options.minutes * 60 / each[work_of(variant)])
        learned = kept(folder / "trained.json", partial(trained, variant, corpus, steps, folder))
        result = kept(folder / "result.json", partial(scored, variant, folder, corpus, questions))
        found[variant.name] = {**learned, **result}
        print(row(variant.name, found[variant.name]), f"{learned['seconds']:.0f} s", flush=True)
        text = table(variants, found, beside, options)
        options.table.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
