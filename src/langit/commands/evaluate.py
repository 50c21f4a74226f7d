"""`langit evaluate`. Nothing heavy is imported before it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from langit.commands.terminal import Threads, bar, console


def evaluate(
    model: Annotated[
        str,
        typer.Option(help="The model to examine: embedded, a folder, or a hub repository.", metavar="NAME"),
    ] = "embedded",
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="Folder for index.html, report.json and the clips.", metavar="DIR"),
    ] = Path("report"),
    clips: Annotated[
        Path | None,
        typer.Option(
            help="Examine the videos of this folder, made by anything, instead of a model.",
            show_default="none",
            metavar="DIR",
        ),
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option(
            help="What is true of them: NAME.json for NAME.mp4, as `langit simulate` writes.",
            show_default="the folder of the clips",
            metavar="DIR",
        ),
    ] = None,
    editing: Annotated[
        bool, typer.Option("--editing", help="Examine the editing verbs: joins, loops, what stays, drift, cards.")
    ] = False,
    quick: Annotated[bool, typer.Option("--quick", help="The same report from few clips, in minutes.")] = False,
    count: Annotated[
        int | None,
        typer.Option(min=1, max=1000, help="Clips of every task.", show_default="24; 3 if quick", metavar="COUNT"),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed asks the same.", metavar="NUMBER")] = 0,
    threads: Threads = 0,
) -> None:
    """Examine how true a model's clips are: physics, permanence, expectation, stability, prompts, distribution.

    Ctrl-C stops; the same command goes on where it stopped.
    """
    from langit.types import InputError

    if truth is not None and clips is None:
        raise InputError("--truth was given without --clips; name the folder of the clips, too.")
    if clips is not None and (quick or count is not None or seed):
        raise InputError("--quick, --count and --seed choose what a model is asked; leave them out with --clips.")
    if clips is not None and editing:
        raise InputError("--editing examines a model, --clips clips that are there; give one of them.")

    import torch

    if threads:
        torch.set_num_threads(threads)
    from langit.evaluation.commands import evaluate_clips, evaluate_model
    from langit.evaluation.editing.report import evaluate_editing

    with bar("examining", "{task.fields[told]}") as progress:
        task = progress.add_task("examining", total=None, told="")

        def on_progress(told: str, done: int, total: int) -> None:
            progress.update(task, completed=done, total=total, told=told)

        def say(sentence: str) -> None:
            console.print(sentence, markup=False)

        if clips is not None:
            page, table = evaluate_clips(clips, truth or clips, output, on_progress)
        else:
            examine = evaluate_editing if editing else evaluate_model
            page, table = examine(model, output, quick, count, seed, on_progress, say)
    console.print(table)
    console.print(f"{page}: the whole report, with the reasons, plots and clips", markup=False)
