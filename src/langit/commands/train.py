"""`langit train`. Nothing heavy is imported before it runs."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from langit.commands.terminal import bar, complaints, console


def train(
    recipe: Annotated[
        Path,
        typer.Argument(
            help="A Python file with a function recipe(), such as recipes/tiny.py.", metavar="FILE", show_default=False
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Folder of the run: checkpoint, footage, samples, and the model itself.",
            show_default="runs/ and the recipe's name",
            metavar="DIR",
        ),
    ] = None,
    corpus: Annotated[
        Path | None,
        typer.Option(
            help="Folder of simulated footage to share between runs.",
            show_default="corpus/ in the output",
            metavar="DIR",
        ),
    ] = None,
    workers: Annotated[
        int, typer.Option(min=0, help="Processes that make footage beside the training.", metavar="COUNT")
    ] = 1,
    device: Annotated[
        str,
        typer.Option(help="Where to train: cpu or cuda. On several GPUs, start it by torchrun.", metavar="NAME"),
    ] = "cpu",
    threads: Annotated[
        int,
        typer.Option(
            min=0,
            help="Cores to train on, the first four each with a process of its own that takes its share of every step.",
            show_default="all",
            metavar="COUNT",
        ),
    ] = 0,
    stop_after: Annotated[
        int | None,
        typer.Option(
            min=1, help="End this call after that step; the next one goes on.", show_default="the last", metavar="STEP"
        ),
    ] = None,
) -> None:
    """Train a model, or a tokenizer, by a recipe.

    Ctrl-C stops after the step; the same command with the same cores goes on where it stopped, bit for bit.
    """
    from langit.types import InputError

    if not recipe.is_file():
        raise InputError(
            f"There is no recipe {recipe}; name a Python file with a function recipe(), such as recipes/tiny.py."
        )
    output = output or Path("runs") / recipe.stem
    if output.exists() and not output.is_dir():
        raise InputError(f"{output} is a file; name a folder for the run.")

    import torch

    from langit.training import FinishTraining, TokenizerTraining, load_recipe, train_finish, train_tokenizer
    from langit.training import train as train_generator
    from langit.training.loop import Progress as Told
    from langit.training.parallel import processes_and_threads
    from langit.training.tokenizer_loop import PixelProgress

    if device not in ("cpu", "cuda"):
        raise InputError(f"There is no device {device!r}; the devices are cpu and cuda.")
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("There is no CUDA device that torch can use here; train with --device cpu.")
    processes = 1
    if device == "cpu":
        processes, each = processes_and_threads(threads)
        torch.set_num_threads(each)
    if os.environ.get("RANK", "0") != "0":  # of the processes that torchrun started the first one speaks
        console.quiet = complaints.quiet = True
    config = load_recipe(recipe)
    with bar("training", "{task.fields[told]}") as progress:
        task = progress.add_task("training", total=config.steps, told="")

        def on_step(told: Told | PixelProgress) -> None:
            if isinstance(told, Told):
                quality = f"loss {told.loss:.4f}"
                speed = f"{told.patches_per_second:.0f} patches/s  {told.share_of_peak:.0%} of peak  "
            else:
                quality, speed = f"{told.psnr:.2f} dB", ""
            progress.update(
                task,
                completed=told.step,
                told=f"{quality}  {told.clips_per_second:.1f} clips/s  {speed}waiting {told.starved:.0%}",
            )
            if not console.is_terminal and told.step % 50 == 0:
                console.print(progress.tasks[0].fields["told"], told.step, markup=False)

        trainers: dict[type, Callable[..., int]] = {TokenizerTraining: train_tokenizer, FinishTraining: train_finish}
        done = trainers.get(type(config), train_generator)(
            config,
            output,
            corpus_folder=corpus,
            workers=workers,
            device=device,
            processes=processes,
            on_step=on_step,
            stop_after=stop_after,
        )
    if done < config.steps:
        console.print(f"Stopped after step {done} of {config.steps}; the same command goes on from there.")
    elif isinstance(config, TokenizerTraining):
        console.print(f'Done: a recipe takes it by CorpusConfig(tokenizer="{output}").', markup=False)
    else:
        console.print(f'Done: langit generate --model {output} "a red ball bounces" uses it.', markup=False)
