"""What commands print to and parse alike."""

from __future__ import annotations

import re
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

console = Console(stderr=False, highlight=False, soft_wrap=True)
complaints = Console(stderr=True, highlight=False, soft_wrap=True)

Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the output if it exists.")]
Threads = Annotated[int, typer.Option(min=0, max=1024, help="CPU threads.", show_default="all cores", metavar="COUNT")]


def parse_size(size: str | None) -> tuple[int, int] | None:
    """ "64x48" -> (64, 48); `InputError` for anything else."""
    from langit.types import InputError  # imported here, since it takes numpy, and --help does not

    if size is None:
        return None
    sides = re.fullmatch(r"([0-9]{1,9})x([0-9]{1,9})", size, re.IGNORECASE)
    if sides is None:
        raise InputError(f"The size {size!r} is not understood; write width x height in pixels, such as 64x64.")
    return int(sides[1]), int(sides[2])


def bar(description: str, *fields: str) -> Progress:
    """Progress on the terminal; nothing where stderr is a file."""
    columns = [TextColumn(description), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn()]
    shown = [*columns, *(TextColumn(field) for field in fields)]
    return Progress(*shown, console=complaints, transient=True, disable=not complaints.is_terminal)
