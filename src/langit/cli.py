"""The command line: parses, calls, prints. Nothing heavy is imported before a command runs, so that --help is quick."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

STARTED = time.perf_counter()
console = Console(stderr=False, highlight=False)
complaints = Console(stderr=True, highlight=False, soft_wrap=True)

app = typer.Typer(
    name="langit",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""Text, pictures and footage in, video out: on your own machine, with a model that you own.

    Start with: langit generate "a red ball bounces past a blue cube at sunset" -o ball.mp4""",
)

Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the output if it exists.")]
Threads = Annotated[int, typer.Option(min=0, help="CPU threads; 0 takes all cores.", metavar="COUNT")]


@app.command()
def generate(
    prompt: Annotated[str, typer.Argument(help="What the clip shows, in English or Indonesian.")],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", help="Where it goes: .mp4, .gif, .png (one frame: an image), or a folder for its frames."
        ),
    ] = Path("clip.mp4"),
    model: Annotated[
        str, typer.Option(help="The embedded model, a folder that `langit train` wrote, or a hub repository owner/name.")
    ] = "embedded",
    seconds: Annotated[
        float | None, typer.Option(help="Length in seconds. [default: the model's own]", metavar="SECONDS")
    ] = None,
    frames: Annotated[
        int | None, typer.Option(help="Length in frames, instead of seconds; 1 makes an image.", metavar="COUNT")
    ] = None,
    size: Annotated[
        str | None, typer.Option(help="Pixels, width x height. [default: the model's own]", metavar="WxH")
    ] = None,
    fps: Annotated[
        float | None, typer.Option(help="Frames per second. [default: the model's own]", metavar="RATE")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="The same seed gives the same frames. [default: a random one]", metavar="NUMBER")
    ] = None,
    image: Annotated[
        Path | None, typer.Option(help="A picture that becomes the first frame and comes alive.", metavar="FILE")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="Sampling steps. [default: the model's own]", metavar="COUNT")
    ] = None,
    guidance: Annotated[
        float | None,
        typer.Option(help="How strictly the prompt is followed; 1 is no guidance. [default: the model's own]"),
    ] = None,
    solver: Annotated[
        str | None, typer.Option(help="euler, heun or dpmpp. [default: the model's own]", metavar="NAME")
    ] = None,
    schedule: Annotated[
        str | None, typer.Option(help="linear or cosine. [default: the model's own]", metavar="NAME")
    ] = None,
    threads: Threads = 0,
    overwrite: Overwrite = False,
) -> None:
    """Make a clip, or an image, of what the prompt says.

    langit generate "a red ball bounces past a blue cube at sunset, the camera pans left" -o ball.mp4
    """
    from langit.media import check_output
    from langit.types import InputError

    parsed = _parse_size(size)
    if frames is None and seconds is None and output.suffix.lower() == ".png":
        frames = 1
    check_output(output, overwrite, frames=frames)

    import torch

    import langit.generate as path

    if threads:
        torch.set_num_threads(threads)
    bundle = path.load(model)
    request = path.Request(prompt, seconds, frames, parsed, fps, seed, steps, guidance, solver, schedule)
    if image is not None:
        request = path.animate(bundle, request, image)
    plan = path.plan(bundle, request)
    if output.suffix.lower() == ".png" and plan.frames > 1:
        raise InputError(f"A .png holds one frame and {plan.frames} were asked for; use .mp4, .gif or a folder.")
    for notice in plan.notices:
        complaints.print(notice, style="yellow", markup=False)
    with _bar("sampling") as bar:
        task = bar.add_task("sampling", total=plan.steps)
        clip = path.generate_all(bundle, [plan], lambda done, _: bar.update(task, completed=done))[0]
    saved = clip.save(output, overwrite=overwrite)
    video = clip.video
    console.print(
        f"{saved}: {video.width}x{video.height}, {video.seconds:.2f} s, {video.num_frames} frames at {video.fps:g} fps, "
        f"seed {plan.seed}, took {time.perf_counter() - STARTED:.1f} s",
        markup=False,
        soft_wrap=True,
    )


@app.command()
def simulate(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for clips, JSON files and the contact sheet.")],
    count: Annotated[int, typer.Option(min=1, help="How many clips.", metavar="COUNT")] = 16,
    seed: Annotated[int, typer.Option(min=0, help="The same seed makes the same world.", metavar="NUMBER")] = 0,
    size: Annotated[str, typer.Option(help="Pixels, width x height.", metavar="WxH")] = "128x128",
    seconds: Annotated[float, typer.Option(min=0.25, max=30, help="Length of each clip.", metavar="SECONDS")] = 4.0,
    fps: Annotated[float, typer.Option(min=1, max=60, help="Frames per second.", metavar="RATE")] = 8.0,
    event: Annotated[str | None, typer.Option(help="Only this event, such as fall or collide.", metavar="NAME")] = None,
    split: Annotated[
        str, typer.Option(help="train, or test: combinations that training never sees.", metavar="NAME")
    ] = "train",
    overwrite: Overwrite = False,
) -> None:
    """Write clips of the simulated world, with captions and ground truth beside each, and a contact sheet."""
    from langit.simulator.export import export_clips

    width, height = _parse_size(size) or (128, 128)
    with _bar("simulating") as bar:
        task = bar.add_task("simulating", total=count)
        sheet = export_clips(
            output,
            count=count,
            seed=seed,
            height=height,
            width=width,
            seconds=seconds,
            fps=fps,
            event=event,
            split=split,
            overwrite=overwrite,
            on_clip=lambda done: bar.update(task, completed=done),
        )
    console.print(f"{count} clips in {output}; all at a glance: {sheet}", markup=False, soft_wrap=True)


@app.command()
def train(
    recipe: Annotated[Path, typer.Argument(help="A Python file with a function recipe(), such as recipes/tiny.py.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder of the run: checkpoint, footage, samples, and the model itself.")
    ],
    corpus: Annotated[
        Path | None,
        typer.Option(help="Folder of simulated footage to share between runs. [default: corpus/ in the output]", metavar="DIR"),
    ] = None,
    workers: Annotated[
        int, typer.Option(min=0, help="Processes that make footage beside the training.", metavar="COUNT")
    ] = 1,
    device: Annotated[str, typer.Option(help="cpu or cuda.", metavar="NAME")] = "cpu",
    threads: Threads = 0,
    stop_after: Annotated[
        int | None, typer.Option(min=1, help="End this call after that step; the next one goes on.", metavar="STEP")
    ] = None,
) -> None:
    """Train a model by a recipe. Ctrl-C stops after the step; the same command goes on where it stopped, bit for bit."""
    import torch

    from langit.training import load_recipe
    from langit.training.loop import Progress as Told
    from langit.training.loop import train as run

    if threads:
        torch.set_num_threads(threads)
    config = load_recipe(recipe)
    with _bar("training", "{task.fields[told]}") as bar:
        task = bar.add_task("training", total=config.steps, told="")

        def on_step(told: Told) -> None:
            bar.update(
                task,
                completed=told.step,
                told=f"loss {told.loss:.4f}  {told.clips_per_second:.1f} clips/s  {told.patches_per_second:.0f} patches/s  "
                f"{told.share_of_peak:.0%} of peak  waiting {told.starved:.0%}",
            )
            if not console.is_terminal and told.step % 50 == 0:
                console.print(bar.tasks[0].fields["told"], told.step, markup=False, soft_wrap=True)

        done = run(
            config, output, corpus_folder=corpus, workers=workers, device=device, on_step=on_step, stop_after=stop_after
        )
    if done < config.steps:
        console.print(f"Stopped after step {done} of {config.steps}; the same command goes on from there.", soft_wrap=True)
    else:
        console.print(f'Done: langit generate --model {output} "a red ball bounces" uses it.', markup=False, soft_wrap=True)


def main() -> None:
    """The console script: user errors are one sentence and exit code 2, failures of the machine one sentence and 1."""
    try:
        app()
    except KeyboardInterrupt:
        complaints.print("Stopped; nothing half-written is left.", markup=False)
        sys.exit(130)
    except Exception as error:
        from langit.types import InputError

        if not isinstance(error, InputError | OSError | MemoryError):
            raise
        complaints.print(str(error) or type(error).__name__, style="red", markup=False)
        sys.exit(2 if isinstance(error, InputError) else 1)


def _parse_size(size: str | None) -> tuple[int, int] | None:
    if size is None:
        return None
    width, cross, height = size.lower().partition("x")
    if not (cross and width.isdigit() and height.isdigit()):
        from langit.types import InputError

        raise InputError(f"The size {size!r} is not understood; write width x height in pixels, such as 64x64.")
    return int(width), int(height)


def _bar(description: str, *fields: str) -> Progress:
    columns = [TextColumn(description), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn()]
    return Progress(*columns, *(TextColumn(field) for field in fields), console=complaints, transient=True)
