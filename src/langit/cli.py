"""The command line: parses, calls, prints. Nothing heavy is imported before a command runs, so that --help is quick."""

from __future__ import annotations

import _thread
import ctypes
import os
import sys
import threading
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from langit.commands.edit import edit_app, remake
from langit.commands.evaluate import evaluate
from langit.commands.generate import generate
from langit.commands.models import doctor, models_app, parity
from langit.commands.serve import keys_app, serve, worker
from langit.commands.terminal import Overwrite, bar, complaints, console, parse_size
from langit.commands.train import train

M_ARENA_MAX, M_MMAP_THRESHOLD = -8, -3  # of glibc's malloc.h
LARGE_BYTES = 2**19
MANY_CLIPS = ["evaluate"], ["train"]
"""Commands that work on packs of clips: giving their large blocks back each time would take a third of their time."""
LONG_CLIPS = ["generate"], ["edit"], ["remake"]
"""Commands that may run for many windows: what is free between blocks that stay is given back meanwhile."""
SECONDS_BEFORE = 6.0  # short clips are made by then, and would take a twentieth longer
SECONDS_BETWEEN = 0.02  # a third of a millisecond each time
KERNELS = "80"
"""Of oneDNN that are remembered there, half a megabyte each: those of a window are 77, and another length has its own."""

app = typer.Typer(
    name="langit",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""Text, pictures and footage in, video out: on your own machine, with a model that you own.

    Start with: langit generate "a red ball bounces past a blue cube at sunset" -o ball.mp4""",
)


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


for command in (generate, remake, train, evaluate, serve, worker, doctor, parity):
    app.command()(command)
for commands in (edit_app, keys_app, models_app):
    app.add_typer(commands)


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

    width, height = parse_size(size) or (128, 128)
    with bar("simulating") as progress:
        task = progress.add_task("simulating", total=count)
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
            on_clip=lambda done: progress.update(task, completed=done),
        )
    console.print(f"{count} clips in {output}; all at a glance: {sheet}", markup=False)


def main() -> None:
    """The console script: user errors are one sentence and exit code 2, failures of the machine one sentence and 1."""
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")  # what fails at the hub is told in our own sentence
    if sys.argv[1:2] not in MANY_CLIPS:
        _keep_memory_whole()
    _never_lose_ctrl_c()
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
            if sys.argv[1:2] in LONG_CLIPS:
                os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", KERNELS)  # before torch is there
                threading.Thread(target=_give_back_what_is_free, args=(heap.malloc_trim,), daemon=True).start()


def _give_back_what_is_free(trim: Callable[[int], int]) -> None:
    time.sleep(SECONDS_BEFORE)
    while True:
        time.sleep(SECONDS_BETWEEN)
        trim(0)


def _never_lose_ctrl_c() -> None:
    """A Ctrl-C that comes where nothing can be raised, as while an object is deleted, comes once more a moment later."""
    usual = sys.unraisablehook

    def hook(lost: sys.UnraisableHookArgs) -> None:
        if issubclass(lost.exc_type, KeyboardInterrupt):
            threading.Timer(0.05, _thread.interrupt_main).start()
        else:
            usual(lost)

    sys.unraisablehook = hook


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


if __name__ == "__main__":
    main()
