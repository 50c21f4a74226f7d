"""The command line: parses, calls, prints. Nothing heavy is imported before a command runs, so that --help is quick."""

from __future__ import annotations

import ctypes
import itertools
import os
import re
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from langit.commands.edit import edit_app, remake
from langit.commands.models import doctor, models_app, parity

if TYPE_CHECKING:
    from langit.provenance import Identity

STARTED = time.perf_counter()
OWN = "the model's own"
M_ARENA_MAX, M_MMAP_THRESHOLD = -8, -3  # of glibc's malloc.h
LARGE_BYTES = 2**19
console = Console(stderr=False, highlight=False, soft_wrap=True)
complaints = Console(stderr=True, highlight=False, soft_wrap=True)

app = typer.Typer(
    name="langit",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""Text, pictures and footage in, video out: on your own machine, with a model that you own.

    Start with: langit generate "a red ball bounces past a blue cube at sunset" -o ball.mp4""",
)

Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the output if it exists.")]
Threads = Annotated[int, typer.Option(min=0, max=1024, help="CPU threads.", show_default="all cores", metavar="COUNT")]


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        from langit import __version__

        python = ".".join(map(str, sys.version_info[:3]))
        console.print(f"langit {__version__} (Python {python}, torch {version('torch')})", markup=False)
        raise typer.Exit


@app.callback()
def langit(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


@app.command()
def generate(
    prompt: Annotated[
        str,
        typer.Argument(help="What the clip shows, in English or Indonesian.", metavar="PROMPT", show_default=False),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Where it goes: .mp4, .gif, .png (one frame: an image), or a folder for its frames as png.",
            show_default="clip.mp4, or clip-2.mp4 and so on where that exists",
            metavar="PATH",
        ),
    ] = None,
    model: Annotated[
        str,
        typer.Option(
            help="The embedded model, a folder that `langit train` wrote, or a hub repository, owner/name or "
            "owner/name@revision.",
            metavar="NAME",
        ),
    ] = "embedded",
    seconds: Annotated[
        float | None, typer.Option(help="Length in seconds.", show_default=OWN, metavar="SECONDS")
    ] = None,
    frames: Annotated[
        int | None,
        typer.Option(help="Length in frames, instead of seconds; 1 makes an image.", show_default=OWN, metavar="COUNT"),
    ] = None,
    size: Annotated[
        str | None, typer.Option(help="Width x height in pixels, such as 64x48.", show_default=OWN, metavar="WxH")
    ] = None,
    fps: Annotated[
        float | None, typer.Option(help="Frames per second, 1 to 60.", show_default=OWN, metavar="RATE")
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            help="The same seed gives the same frames; a whole number from 0 on.",
            show_default="a random one, which is told",
            metavar="NUMBER",
        ),
    ] = None,
    image: Annotated[
        Path | None,
        typer.Option(
            help="A picture that becomes the first frame and comes alive.", show_default="none", metavar="FILE"
        ),
    ] = None,
    quality: Annotated[
        str | None,
        typer.Option(
            help="fast: few evaluations by the model's quick weights. best: all its steps.",
            show_default=OWN,
            metavar="NAME",
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(help="Sampling steps, 1 to 1000: more is finer and slower.", show_default=OWN, metavar="COUNT"),
    ] = None,
    guidance: Annotated[
        float | None,
        typer.Option(
            help="How strictly the prompt is followed, 0 to 30; 1 is no guidance.", show_default=OWN, metavar="SCALE"
        ),
    ] = None,
    guidance_interval: Annotated[
        str | None,
        typer.Option(
            help="Guide between these noise levels alone, such as 0.2-0.9; a step outside them takes half the time.",
            show_default=OWN,
            metavar="LOW-HIGH",
        ),
    ] = None,
    solver: Annotated[
        str | None, typer.Option(help="euler, heun, dpmpp or unipc.", show_default=OWN, metavar="NAME")
    ] = None,
    schedule: Annotated[
        str | None, typer.Option(help="linear, cosine or wan.", show_default=OWN, metavar="NAME")
    ] = None,
    expand: Annotated[
        bool, typer.Option("--expand", help="Complete the prompt to a dense caption, and say what was added.")
    ] = False,
    style: Annotated[
        str | None, typer.Option(help="A named style, added to the prompt.", show_default="none", metavar="NAME")
    ] = None,
    lora: Annotated[
        list[str] | None,
        typer.Option(
            help="A LoRA file for open weights, file.safetensors:0.8; may be repeated.",
            show_default="none",
            metavar="FILE",
        ),
    ] = None,
    live_loras: Annotated[
        bool, typer.Option("--live-loras", help="Keep the LoRAs beside the weights, instead of merging them.")
    ] = False,
    int8: Annotated[bool, typer.Option("--int8", help="Weights in 8 bits: faster, about 1% off.")] = False,
    float8: Annotated[
        bool, typer.Option("--float8", help="Weights in 8-bit floating point: half the memory of bfloat16.")
    ] = False,
    cache: Annotated[
        int | None,
        typer.Option(
            min=2,
            max=9,
            help="Evaluate the whole model at every so manieth step only: faster, a little different.",
            show_default="every step",
            metavar="COUNT",
        ),
    ] = None,
    memory: Annotated[
        str,
        typer.Option(
            help="How the weights of open models are held: whole; stream, block by block from their files; or auto.",
            metavar="MODE",
        ),
    ] = "auto",
    device: Annotated[str, typer.Option(help="Where it is made: cpu, cuda, cuda:0 ...", metavar="NAME")] = "cpu",
    threads: Threads = 0,
    no_credentials: Annotated[
        bool,
        typer.Option("--no-credentials", help="Write no signed note that AI made it (C2PA) into mp4, gif and png."),
    ] = False,
    no_watermark: Annotated[
        bool, typer.Option("--no-watermark", help="Put no invisible mark of this machine into the pictures.")
    ] = False,
    overwrite: Overwrite = False,
) -> None:
    """Make a clip, or an image, of what the prompt says.

    langit generate "a red ball bounces past a blue cube at sunset, the camera pans left" -o ball.mp4
    """
    from langit.media import check_output, read_image
    from langit.types import InputError

    parsed = _parse_size(size)
    if output is None:
        output = _free_name("clip.png" if frames == 1 else "clip.mp4", overwrite)
    if frames is None and seconds is None and output.suffix.lower() == ".png":
        frames = 1
    # What can be told without the model is told before it is loaded.
    if memory not in ("auto", "whole", "stream"):
        raise InputError(f"There is no memory mode {memory!r}; the modes are auto, whole and stream.")
    if live_loras and not lora:
        raise InputError("--live-loras was given without --lora; name a LoRA file, too.")
    check_output(output, overwrite, frames=frames)
    if image is not None:
        read_image(image)
    identity = None if no_credentials else _identity(output)

    import torch

    from langit.commands.making import prompt_of
    from langit.editing import Course, generate_clip, marking

    if threads:
        torch.set_num_threads(threads)
    if guidance_interval is not None:
        from langit.catalog.find import guided_between

        guided_between(guidance_interval)
    if lora:
        from langit.catalog.lora import Lora

        for file in lora:
            Lora.parse(file)
    said = {"live": live_loras, "int8": int8, "float8": float8, f"cache{cache}": cache, memory: memory != "auto"}
    said[f"guided{guidance_interval}"] = guidance_interval is not None
    model = "+".join([model, *(lora or ()), *(word for word, is_said in said.items() if is_said)])
    prompt = prompt_of(prompt, model, expand, style) or ""
    course = Course(model, seed, steps, guidance, solver, schedule, quality, device)
    clip = generate_clip(prompt, seconds=seconds, frames=frames, size=parsed, fps=fps, image=image, course=course)
    if output.suffix.lower() == ".png" and clip.num_frames > 1:
        raise InputError(f"A .png holds one frame and {clip.num_frames} were asked for; use .mp4, .gif or a folder.")
    for notice in clip.notices:
        complaints.print(notice, style="yellow", markup=False)
    if not no_watermark and marking.can_be_marked(clip):
        from langit.provenance import Identity, Payload, home

        clip = marking.marked(clip, Payload((identity or Identity.load_or_create(home() / "identity")).mark))
    with _bar("sampling") as bar:
        task = bar.add_task("sampling", total=None)
        saved = clip.save(
            output,
            overwrite=overwrite,
            identity=identity,
            on_step=lambda done, of: bar.update(task, completed=done, total=of),
        )
    height, width = clip.size
    console.print(
        f"{saved}: {width}x{height}, {clip.num_frames / clip.fps:.2f} s, {clip.num_frames} frames at {clip.fps:g} "
        f"fps, seed {clip.seed}, took {time.perf_counter() - STARTED:.1f} s",
        markup=False,
    )


app.add_typer(edit_app)
app.command()(remake)
app.add_typer(models_app)
app.command()(doctor)
app.command()(parity)


@app.command()
def verify(
    file: Annotated[
        Path, typer.Argument(help="A video or a picture from anywhere.", metavar="FILE", show_default=False)
    ],
    trust: Annotated[
        list[Path] | None,
        typer.Option(
            help="Certificates (PEM) of an instance whose signature you trust; repeat for several.",
            show_default="this machine's own",
            metavar="FILE",
        ),
    ] = None,
) -> None:
    """Say what a file tells of its origin: signed credentials and watermark, each valid, altered or not there.

    The exit code is 0 if something was found and is valid, 1 if something is altered, 3 if there is nothing.
    """
    from langit.provenance import verify as look
    from langit.provenance.certificate import trusted_chains

    found = look(file, trusted_chains(trust or []))
    for finding in (found.credentials, found.watermark):
        console.print(finding.sentence, markup=False)
    raise typer.Exit(found.exit_code)


@app.command()
def simulate(
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", help="Folder for clips, ground truth and the contact sheet sheet.png.", metavar="DIR"
        ),
    ] = Path("world"),
    count: Annotated[
        int, typer.Option(min=1, help="How many clips; a folder with fewer is finished.", metavar="COUNT")
    ] = 16,
    seed: Annotated[int, typer.Option(min=0, help="The same seed makes the same clips.", metavar="NUMBER")] = 0,
    size: Annotated[str, typer.Option(help="Width x height in pixels, even numbers.", metavar="WxH")] = "128x128",
    seconds: Annotated[float, typer.Option(help="Length of each clip in seconds, up to 30.", metavar="SECONDS")] = 4.0,
    fps: Annotated[float, typer.Option(help="Frames per second, 1 to 60.", metavar="RATE")] = 8.0,
    event: Annotated[
        str | None,
        typer.Option(help="Only this event, such as fall or collide.", show_default="all of them", metavar="NAME"),
    ] = None,
    split: Annotated[
        str, typer.Option(help="train, or test: combinations that training never sees.", metavar="NAME")
    ] = "train",
    overwrite: Overwrite = False,
) -> None:
    """Write clips of the simulated world, with captions and ground truth beside each, and a contact sheet.

    Clip 3 of a seed is the same however many are made. Run it again to finish what was stopped.
    """
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
    console.print(f"{count} clips in {output}; all at a glance: {sheet}", markup=False)


@app.command()
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
    with _bar("training", "{task.fields[told]}") as bar:
        task = bar.add_task("training", total=config.steps, told="")

        def on_step(told: Told | PixelProgress) -> None:
            if isinstance(told, Told):
                quality = f"loss {told.loss:.4f}"
                speed = f"{told.patches_per_second:.0f} patches/s  {told.share_of_peak:.0%} of peak  "
            else:
                quality, speed = f"{told.psnr:.2f} dB", ""
            bar.update(
                task,
                completed=told.step,
                told=f"{quality}  {told.clips_per_second:.1f} clips/s  {speed}waiting {told.starved:.0%}",
            )
            if not console.is_terminal and told.step % 50 == 0:
                console.print(bar.tasks[0].fields["told"], told.step, markup=False)

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


@app.command()
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

    with _bar("examining", "{task.fields[told]}") as bar:
        task = bar.add_task("examining", total=None, told="")

        def on_progress(told: str, done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, told=told)

        def say(sentence: str) -> None:
            console.print(sentence, markup=False)

        if clips is not None:
            page, table = evaluate_clips(clips, truth or clips, output, on_progress)
        else:
            examine = evaluate_editing if editing else evaluate_model
            page, table = examine(model, output, quick, count, seed, on_progress, say)
    console.print(table)
    console.print(f"{page}: the whole report, with the reasons, plots and clips", markup=False)


Data = Annotated[Path, typer.Option("--data", help="Folder of the server: settings, database, files.", metavar="DIR")]
DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        "--database-url",
        help="postgresql://user:password@host/name, to share it between machines.",
        show_default="SQLite in --data",
        metavar="URL",
    ),
]
StorageUrl = Annotated[
    str | None,
    typer.Option(
        "--storage-url",
        help="Where the videos are kept: a folder, or s3://bucket/prefix.",
        show_default="a folder in --data",
        metavar="URL",
    ),
]
Devices = Annotated[
    list[str] | None,
    typer.Option(
        "--device",
        help="Where models run, such as cpu or cuda:0; repeat for several.",
        show_default="cpu",
        metavar="NAME",
    ),
]
keys_app = typer.Typer(no_args_is_help=True, help="Make, list and revoke the keys of the server.")
app.add_typer(keys_app, name="keys")


@app.command()
def serve(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any that is free.", metavar="PORT")] = 8000,
    host: Annotated[
        str, typer.Option(help="127.0.0.1 for this machine alone, 0.0.0.0 for all that reach it.", metavar="HOST")
    ] = "127.0.0.1",
    data: Data = Path("langit-data"),
    database_url: DatabaseUrl = None,
    storage_url: StorageUrl = None,
    device: Devices = None,
    worker: Annotated[bool, typer.Option(help="Whether to start a worker beside the API.")] = True,
    no_key: Annotated[
        bool, typer.Option("--no-key", help="Take requests without a key; only on this machine.")
    ] = False,
) -> None:
    """Serve OpenAI's Videos API from this machine, with everything it needs."""
    from langit.server.commands import ServeOptions
    from langit.server.commands import serve as run

    options = ServeOptions(
        data, host, port, database_url, storage_url, tuple(device or ["cpu"]), worker=worker, keyless=no_key
    )
    run(options, _say)


@app.command()
def worker(
    data: Data = Path("langit-data"),
    database_url: DatabaseUrl = None,
    storage_url: StorageUrl = None,
    device: Devices = None,
    ends_with_stdin: Annotated[
        bool, typer.Option("--ends-with-stdin", hidden=True, help="End when the standard input does.")
    ] = False,
) -> None:
    """Make the videos of a server, on this machine or on others beside it."""
    from langit.server.commands import work

    work(data, database_url, storage_url, device or ["cpu"], ends_with_stdin)


@keys_app.command("create")
def keys_create(
    name: Annotated[str, typer.Argument(help="Who or what will use it.", metavar="NAME")],
    data: Data = Path("langit-data"),
    database_url: DatabaseUrl = None,
    requests_per_minute: Annotated[int | None, typer.Option(min=1, show_default="langit.toml", metavar="COUNT")] = None,
    queued_videos: Annotated[int | None, typer.Option(min=1, show_default="langit.toml", metavar="COUNT")] = None,
    storage_mb: Annotated[int | None, typer.Option(min=1, show_default="langit.toml", metavar="COUNT")] = None,
) -> None:
    """Make a key and print it, this once."""
    from langit.server.commands import create

    limits = {"requests_per_minute": requests_per_minute, "queued_videos": queued_videos, "storage_mb": storage_mb}
    create(data, database_url, name, {key: value for key, value in limits.items() if value is not None}, _say)


@keys_app.command("list")
def keys_list(data: Data = Path("langit-data"), database_url: DatabaseUrl = None) -> None:
    """Show the keys there are, but not the keys themselves."""
    from langit.server.commands import show

    show(data, database_url, _say)


@keys_app.command("revoke")
def keys_revoke(
    identifier: Annotated[str, typer.Argument(help="The key's id, from `langit keys list`.", metavar="ID")],
    data: Data = Path("langit-data"),
    database_url: DatabaseUrl = None,
) -> None:
    """Refuse a key from now on."""
    from langit.server.commands import revoke

    revoke(data, database_url, identifier, _say)


def _say(text: str) -> None:
    console.print(text, markup=False)


def main() -> None:
    """The console script: user errors are one sentence and exit code 2, failures of the machine one sentence and 1."""
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")  # what fails at the hub is told in our own sentence
    _keep_memory_whole()
    warnings.showwarning = _show_warning
    for stream in (sys.stdout, sys.stderr):  # a prompt may hold what the terminal cannot show
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        code = app(args=sys.argv[1:] or ["--help"], prog_name="langit", standalone_mode=False)
    except Exception as error:
        told, code = _sentence(error)
        complaints.print(told, style="red", markup=False)
    if code == 130:  # what typer makes of Ctrl-C
        complaints.print("Stopped; nothing half-written is left.", markup=False)
    sys.exit(code or 0)


def _keep_memory_whole() -> None:
    """One heap for all threads, and large blocks outside it, where the C library is glibc: otherwise a long clip leaves holes in
    it, window after window, and a minute takes a sixth more memory than four seconds."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # another C library
            heap = ctypes.CDLL("libc.so.6")
            heap.mallopt(M_ARENA_MAX, 1)
            heap.mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)


def _sentence(error: Exception) -> tuple[str, int]:
    """What to tell the user, and the exit code; an error that is our own fault goes on as it is."""
    from langit.types import InputError

    if isinstance(error, InputError):
        return str(error), 2
    if hasattr(error, "format_message"):  # typer's, of what was typed
        usage = " ".join(str(error.format_message()).split())
        command = getattr(getattr(error, "ctx", None), "command_path", "langit")
        return f"{usage.rstrip('.')}{'' if usage.endswith('?') else '.'} See `{command} --help`.", 2
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and "alloc" in str(error)):
        return "There is not enough memory for this; ask for a smaller size or fewer seconds.", 1
    if isinstance(error, OSError):
        told = error.strerror or str(error) or type(error).__name__
        return f"{error.filename}: {told}." if error.filename else told, 1
    raise error


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: Any = None,
    line: str | None = None,
) -> None:
    where = "" if issubclass(category, UserWarning) else f"{filename}:{lineno}: {category.__name__}: "
    complaints.print(f"{where}{message}", style="yellow", markup=False)


def _identity(output: Path) -> Identity | None:
    """Who signs the output; None for folders of frames, which hold no credentials."""
    from langit.provenance import Identity, can_seal, home

    return Identity.load_or_create(home() / "identity") if can_seal(output) else None


def _free_name(name: str, overwrite: bool) -> Path:
    """`name`, or the first of name-2, name-3, ... that does not exist yet."""
    path = Path(name)
    if overwrite or not path.exists():
        return path
    return next(
        other for number in itertools.count(2) if not (other := path.with_stem(f"{path.stem}-{number}")).exists()
    )


def _parse_size(size: str | None) -> tuple[int, int] | None:
    if size is None:
        return None
    sides = re.fullmatch(r"([0-9]{1,9})x([0-9]{1,9})", size, re.IGNORECASE)
    if sides is None:
        from langit.types import InputError

        raise InputError(f"The size {size!r} is not understood; write width x height in pixels, such as 64x64.")
    return int(sides[1]), int(sides[2])


def _bar(description: str, *fields: str) -> Progress:
    """Progress on the terminal; nothing where stderr is a file."""
    columns = [TextColumn(description), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn()]
    shown = [*columns, *(TextColumn(field) for field in fields)]
    return Progress(*shown, console=complaints, transient=True, disable=not complaints.is_terminal)


if __name__ == "__main__":
    main()
