"""How fast training is, and what the time goes to: on a CPU or a GPU, and on paper before a GPU is there.

    python benchmarks/training.py                                                       # the CPU, recipes/embedded_cpu.py
    python benchmarks/training.py --threads 2                                           # two processes
    python benchmarks/training.py --plain                                               # blocks that are not compiled
    python benchmarks/training.py --width 512                                           # as if the model were wider
    python benchmarks/training.py --recipe recipes/embedded_gpu.py --device cuda --workers 14
    python benchmarks/training.py --recipe recipes/embedded_gpu.py --plan               # arithmetic alone

On a CPU the parts of a step are told in CPU time, so that a busy machine does not count; the last lines are by the clock, with
all that a run does. Peak is the fastest matrix product that a step could use there: fp32 by oneDNN or by torch's library on the
CPU, bf16 on a GPU (--peak says another, such as 790e12). "Alone" is what the products of a step's linear layers take with nothing
between them, each by the faster library: the rest is attention, what is done element by element, and waiting for memory.
Results: benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from langit.conditioning.cast import ROWS
from langit.patches import Grid
from langit.simulator.plans import plan
from langit.training import TrainingConfig, load_recipe, train
from langit.training.batches import Batch, draw_batch
from langit.training.compiling import compile_blocks
from langit.training.corpus import Corpus
from langit.training.footage import clip_shape
from langit.training.loop import Model, Progress, make_optimizers, measure_products
from langit.training.parallel import Team, processes_and_threads
from langit.training.pool import Pool
from langit.training.run import Learner
from langit.transformer import Transformer, TransformerConfig
from langit.transformer.linear import Linear, has_product, product

H100 = 790e12  # FLOP/s of its bf16 product, as measured
SHARE = 0.4  # of that which the plan counts on
WORDS = 40  # concepts to a prompt, about: dense captions have more, short ones fewer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", type=Path, default=Path(__file__).parents[1] / "recipes" / "embedded_cpu.py")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1, help="cores of a CPU, a process to each")
    parser.add_argument("--workers", type=int, default=0, help="processes that make footage beside the training")
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--clips", type=int, default=0, help="of the corpus, in place of the recipe's; 0: a few")
    parser.add_argument("--peak", type=float, default=0.0, help="FLOP/s to take shares of; 0 measures it")
    parser.add_argument("--plain", action="store_true", help="parts of a step on a CPU without compiled blocks")
    parser.add_argument("--plan", action="store_true", help="what the recipe takes on one H100, by arithmetic")
    parser.add_argument(
        "--width", type=int, default=0, help="of the model, in place of the recipe's; heads stay as wide"
    )
    options = parser.parse_args()
    config = load_recipe(options.recipe)
    assert isinstance(config, TrainingConfig), "a recipe of a generator"
    if options.width:
        config = replace(config, transformer=widened(config.transformer, options.width))
    if options.plan:
        print_plan(config)
        return
    clips = options.clips or min(config.corpus.clips, 48 if options.device == "cpu" else 1024)
    config = replace(
        config,
        corpus=replace(config.corpus, clips=clips, chunk=min(clips, config.corpus.chunk)),
        stages=config.stages[-1:],
        first_clips=clips,
        distillation=None,
    )
    torch.set_num_threads(1)
    products = measure_products(
        options.device, clock=time.process_time if options.device == "cpu" else time.perf_counter
    )
    peak = options.peak or max(products.values())
    print("peak product: " + ", ".join(f"{name} {speed / 1e9:.0f} GFLOP/s" for name, speed in products.items()))
    with tempfile.TemporaryDirectory() as folder:
        print_footage(config, Path(folder), options.device, options.workers)
        print_parts(config, Path(folder) / "corpus", options.device, options.steps, peak, options.plain)
        print_run(config, Path(folder), options, peak)


def widened(transformer: TransformerConfig, width: int) -> TransformerConfig:
    """The same blocks, wider."""
    heads = width * transformer.num_heads // transformer.width
    return replace(
        transformer, width=width, num_heads=heads, ffn_width=width * transformer.ffn_width // transformer.width
    )


def print_plan(config: TrainingConfig) -> None:
    """Steps times patches times FLOP, at 40% of what an H100 multiplies."""
    with torch.device("meta"):
        model = Model(config)
    shape = clip_shape(config.corpus, 0)
    t, h, w = config.corpus.stride
    grid = Grid(1 + (shape.frames - 1) // t, shape.height // h // config.patch[1], shape.width // w // config.patch[2])
    count = sum(p.numel() for p in (*model.transformer.parameters(), *model.text.parameters()))
    print(f"{config.name}: {count / 1e6:.1f} M parameters; {grid.num_patches} patches a clip of {shape}")
    whole, clips = 0.0, 0.0
    for number, stage in enumerate(config.stages, start=1):
        flop = stage.steps * flop_of_step(config, model.transformer, number - 1, grid)
        whole += flop
        clips += stage.steps * stage.patches / grid.num_patches
        print(
            f"stage {number}: {stage.steps} steps of {stage.patches} patches, {flop / stage.steps / 1e12:.1f} TFLOP a step, "
            f"{flop / H100 / SHARE / 60:.1f} minutes"
        )
    print(f"in all {config.steps} steps, patches of {clips / 1e6:.2f} M clips, {whole:.2e} FLOP:")
    print(f"  {whole / H100 / SHARE / 60:.1f} minutes at {SHARE:.0%} of {H100 / 1e12:.0f} TFLOP/s")
    rows = config.corpus.clips * (grid.num_patches + (1 + config.corpus.stills) * grid.y * grid.x)
    bytes_each = Pool.bytes_of_row(config.corpus.channels, config.fills, config.patch)
    print(f"corpus: {config.corpus.clips} clips, {rows * bytes_each / 1e9:.1f} GB on the device")
    started = time.process_time()
    for seed in range(8):
        plan(seed, num_frames=shape.frames, fps=config.corpus.fps)
    each = (time.process_time() - started) / 8
    whole = each / config.corpus.looks * config.corpus.clips
    print(f"physics: {each * 1e3:.0f} ms of a core to a trajectory here, {whole / 60:.0f} core-minutes in all")


def flop_of_step(config: TrainingConfig, transformer: Transformer, stage: int, grid: Grid) -> float:
    """Forward and backward, with clips of the shares' lengths."""
    shares, patches = config.stages[stage].shares, config.stages[stage].patches
    frame = grid.y * grid.x
    length = {"picture": frame, "short": frame * (2 + grid.t // 4), "whole": grid.num_patches}
    lengths = [length[kind] for kind, share in shares.items() for _ in range(round(share * patches / length[kind]))]
    if config.learns == "cast":
        lengths = [patches // frame * ROWS for patches in lengths]
    return 3 * transformer.num_flop(lengths, [WORDS] * len(lengths))


def print_footage(config: TrainingConfig, folder: Path, device: str, workers: int) -> None:
    """Make the corpus; clips a second."""
    corpus = Corpus(folder / "corpus", config.corpus)
    _ = corpus.tokenizer
    started, by_cpu = time.perf_counter(), time.process_time()
    if workers:
        corpus.start_workers(workers, device)
        corpus.wait_for(config.corpus.clips)
        corpus.stop_workers()
        speed = config.corpus.clips / (time.perf_counter() - started)
        print(f"footage: {speed:.0f} clips/s with {workers} workers, filmed on {device}")
        return
    for chunk in range(corpus.num_chunks):
        corpus.make_chunk(chunk)
    print(f"footage: {config.corpus.clips / (time.process_time() - by_cpu):.1f} clips/s of a core's time")


def print_parts(config: TrainingConfig, corpus: Path, device: str, steps: int, peak: float, plain: bool) -> None:
    """The parts of a step, one after the other in one process."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = Model(config).to(device)
    learner = Learner(config, model, make_optimizers(config, model), Team(device=device))
    pool = Pool(Corpus(corpus, config.corpus), config.patch, device, config.fills)
    alone = None
    if device == "cpu":
        alone = seconds_of_products(model, draw_batch(config, pool, 0))
        reason = "as asked" if plain else compile_blocks(model.transformer)
        if reason is not None:
            print(f"blocks are not compiled: {reason}")
    clock: Callable[[], float] = time.process_time
    if device != "cpu":

        def clock() -> float:
            torch.cuda.synchronize()
            return time.perf_counter()

    spent = dict.fromkeys(("draw the batch", "forward", "backward", "optimizer and average"), 0.0)
    patches = flop = 0.0
    for step in range(steps + 2):
        marks = [clock()]
        batch = draw_batch(config, pool, step)
        marks.append(clock())
        with torch.autocast("cuda", torch.bfloat16, enabled=device != "cpu"):
            loss, named = model.losses(batch)
        marks.append(clock())
        model.zero_grad()
        (loss + config.naming * named).backward()
        marks.append(clock())
        learner.update(step)
        marks.append(clock())
        if step < 2:  # kernels are chosen and memory is taken
            continue
        for part, start, end in zip(spent, marks, marks[1:], strict=False):
            spent[part] += end - start
        lengths = [grid.num_patches for grid in batch.layout.grids]
        patches += sum(lengths)
        flop += 3 * model.transformer.num_flop(lengths, [len(prompt) for prompt in batch.tokens])
    whole = sum(spent.values())
    kind = "CPU time" if device == "cpu" else "time"
    print(f"a step of {patches / steps:.0f} patches, one process, {kind}:")
    for part, seconds in spent.items():
        print(f"  {part:22s} {seconds / steps * 1e3:7.1f} ms  {seconds / whole:4.0%}")
    learned = spent["forward"] + spent["backward"]
    print(f"  forward and backward: {flop / learned / 1e9:.1f} GFLOP/s, {flop / learned / peak:.0%} of peak")
    if alone is not None:
        took, counted = alone
        print(
            f"  the products of a step alone: {took * 1e3:.0f} ms, {counted / took / 1e9:.1f} GFLOP/s, {counted / took / peak:.0%}"
        )
    print(f"  {patches / whole:.0f} patches/s, {flop / whole / peak:.0%} of peak with all that is above")


def seconds_of_products(model: Model, batch: Batch) -> tuple[float, float]:
    """The matrix products of the linear layers in a step, forwards and backwards, one after the other with nothing between:
    seconds of CPU time, and floating point operations."""
    shapes: list[tuple[int, int, int]] = []

    def note(layer: torch.nn.Module, inputs: tuple[torch.Tensor], result: torch.Tensor) -> None:
        shapes.append((result[..., 0].numel(), inputs[0].shape[-1], result.shape[-1]))

    layers = [layer for layer in model.transformer.modules() if isinstance(layer, Linear)]
    handles = [layer.register_forward_hook(note) for layer in layers]
    model.losses(batch)
    for handle in handles:
        handle.remove()
    took = 0.0
    for (rows, inner, outer), count in Counter(shapes).items():
        x, weight, out = torch.randn(rows, inner), torch.randn(outer, inner), torch.randn(rows, outer)
        for a, b in ((x, weight.t()), (out, weight), (out.t(), x)):
            ways: list[Callable[[], object]] = [partial(torch.mm, a, b)]
            if has_product(x):
                ways.append(partial(product, a, b.t()))
            took += count * min(least_seconds(way) for way in ways)
    return took, sum(6.0 * rows * inner * outer for rows, inner, outer in shapes)


def least_seconds(way: Callable[[], object]) -> float:
    """Of CPU time, of a few runs; the first makes ready."""
    found = []
    for _ in range(6):
        started = time.process_time()
        way()
        found.append(time.process_time() - started)
    return min(found)


def print_run(config: TrainingConfig, folder: Path, options: argparse.Namespace, peak: float) -> None:
    """The loop itself, by the clock."""
    processes, threads = processes_and_threads(options.threads) if options.device == "cpu" else (1, 1)
    torch.set_num_threads(threads)
    told: list[Progress] = []
    run = {"corpus_folder": folder / "corpus", "workers": 0, "device": options.device, "processes": processes}
    train(config, folder / "run", **run, on_step=told.append, stop_after=options.steps + 2)
    after = told[2:]
    speed = sum(one.patches_per_second for one in after) / len(after)
    share = sum(one.share_of_peak for one in after) / len(after)
    starved = sum(one.starved for one in after) / len(after)
    print(
        f"the loop, {processes} process(es), by the clock: {speed:.0f} patches/s, {share:.0%} of the peak of all of them,"
    )
    print(f"  {starved:.1%} of the time waiting for data")


if __name__ == "__main__":
    main()
