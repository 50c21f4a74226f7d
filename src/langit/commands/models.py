"""`langit models`, `langit doctor` and `langit parity`. Nothing heavy is imported before a command runs."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from langit.commands.terminal import bar, console, parse_size

if TYPE_CHECKING:
    from langit.catalog.published import Published

models_app = typer.Typer(
    name="models",
    help="The models that langit knows: what is there, what they take, fetch and check them.",
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
)
GB = 1e9

Name = Annotated[
    str, typer.Argument(help="A model that `langit models list` names.", metavar="NAME", show_default=False)
]
Folder = Annotated[Path, typer.Argument(help="A folder of open weights.", metavar="PATH", show_default=False)]


@models_app.command("list")
def list_models() -> None:
    """All models by name, with licence, size on disk, and whether this machine can run them."""
    import torch

    from langit.catalog.memory import available_memory
    from langit.catalog.published import PUBLISHED

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    free = available_memory(device)
    console.print("embedded: in the package, licence Apache-2.0, runs here", markup=False)
    for model in PUBLISHED.values():
        runs = _runs(model, device.type, free)
        console.print(
            f"{model.name}: Wan {model.family}, {model.parameters / GB:.1f} billion parameters, "
            f"{model.download / GB:.0f} GB on disk, licence {model.licence}, {runs}",
            markup=False,
        )


@models_app.command()
def show(
    name: Name,
    size: Annotated[str | None, typer.Option(help="Width x height.", show_default="its own", metavar="WxH")] = None,
    frames: Annotated[int | None, typer.Option(help="Length.", show_default="its own", metavar="COUNT")] = None,
) -> None:
    """One model: licence, size on disk, memory at a size and length, part by part."""
    import torch

    from langit.catalog.memory import available_memory
    from langit.catalog.published import published
    from langit.types import ClipShape

    model = published(name)
    width, height = parse_size(size) or (model.clip.width, model.clip.height)
    shape = ClipShape(model.clip.frames if frames is None else frames, height, width)
    console.print(
        f"{model.name}\nWan {model.family}, licence {model.licence}\n{model.parameters / GB:.2f} billion parameters in "
        f"{model.experts} transformer{'s' if model.experts > 1 else ''}, {model.download / GB:.1f} GB on disk\n"
        f"made for {model.clip} at {model.fps:g} fps",
        markup=False,
    )
    for kind, each, eight_bits in (
        ("bfloat16", 2, False),
        ("float8 beside bfloat16", 2, True),
        ("float32", 4, False),
        ("int8 beside float32", 4, True),
    ):
        need, streamed = (count(shape, each, eight_bits) for count in (model.need, model.streamed))
        console.print(
            f"{shape} in {kind}: {need.peak / GB:.1f} GB (transformer {need.transformer / GB:.1f} + working "
            f"{need.working / GB:.1f}, text encoder before it {need.text / GB:.1f}, autoencoder {need.autoencoder / GB:.1f}), "
            f"streamed {streamed.peak / GB:.1f} GB",
            markup=False,
        )
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    console.print(f"free here on {device.type}: {available_memory(device) / GB:.1f} GB", markup=False)


@models_app.command()
def pull(
    name: Annotated[str, typer.Argument(help="A known model or owner/name.", metavar="NAME", show_default=False)],
) -> None:
    """Fetch a model from the hub; run it again to go on where it stopped."""
    from langit.catalog.find import find_model
    from langit.catalog.published import PUBLISHED

    known: Published | None = next(
        (model for id, model in PUBLISHED.items() if name in (id, id.partition("/")[2])), None
    )
    if known is not None:
        check_room(known)
    folder = find_model(known.name if known else name)
    console.print(f"{known.name if known else name} is in {folder}", markup=False)


def check_room(model: Published) -> None:
    """`InputError` when the disk that holds the hub's copies has no room for the model."""
    import shutil

    from huggingface_hub.constants import HF_HUB_CACHE

    from langit.types import InputError

    place = Path(HF_HUB_CACHE)
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if free < model.download:
        raise InputError(
            f"{model.name} takes {model.download / GB:.0f} GB and {free / GB:.0f} GB are free in {place}; make room, or "
            "set HF_HOME to a folder on a larger disk."
        )


@models_app.command()
def verify(path: Folder) -> None:
    """Check a folder of open weights: files, tensors, shapes, checksums."""
    from langit.catalog.verify import verify as run

    with bar("checking") as shown:
        task = shown.add_task("checking", total=None)
        for line in run(path, lambda name: shown.update(task, advance=1)):
            console.print(line, markup=False)
    console.print("whole", markup=False)


def doctor() -> None:
    """What this machine has and what runs on it, before anything is loaded."""
    from importlib.util import find_spec

    import torch

    from langit.catalog.memory import available_memory
    from langit.catalog.published import PUBLISHED

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    cpu = torch.device("cpu")
    console.print(
        f"langit on Python {platform.python_version()}, torch {torch.__version__}, {platform.system()} {platform.machine()}\n"
        f"cpu: {cores} cores for us, {available_memory(cpu) / GB:.1f} GB of memory free; float32 is what it runs well",
        markup=False,
    )
    devices = [cpu]
    for index in range(torch.cuda.device_count()):
        device = torch.device("cuda", index)
        free, whole = torch.cuda.mem_get_info(device)
        console.print(
            f"{device}: {torch.cuda.get_device_name(device)}, {free / GB:.1f} of {whole / GB:.1f} GB free; bfloat16",
            markup=False,
        )
        devices.append(device)
    lacking = [name for name in ("diffusers", "transformers", "ftfy") if find_spec(name) is None]
    console.print(
        f"open weights: lack {', '.join(lacking)}; run pip install 'langit[open-weights]'"
        if lacking
        else "open weights: all libraries are there",
        markup=False,
    )
    device = devices[-1]
    free = available_memory(device)
    console.print("embedded: runs on cpu", markup=False)
    for model in PUBLISHED.values():
        console.print(f"{model.name}: {_runs(model, device.type, free)}", markup=False)


def _runs(model: Published, kind: str, free: int) -> str:
    """Whether a model's own clip can be made on a device with that much memory, and how."""
    each = 2 if kind == "cuda" else 4
    whole, streamed = model.need(model.clip, each).peak, model.streamed(model.clip, each).peak
    if whole < free:
        return f"runs here on {kind}"
    if streamed < free:
        return f"runs here on {kind}, its blocks streamed (whole it would take {whole / GB:.0f} GB)"
    small = model.streamed(model.clip, each, eight_bits=True).peak
    if small < free:
        return f"runs here on {kind}, its blocks streamed in 8 bits"
    return f"needs {small / GB:.0f} GB of memory on {kind} for {model.clip}, {free / GB:.0f} GB are free"


def parity(path: Folder, device: Annotated[str, typer.Option(help="cpu or cuda.", metavar="NAME")] = "cpu") -> None:
    """Compare every component with diffusers on the same weights; exit code 1 when one differs."""
    from langit.catalog.memory import checked_device
    from langit.catalog.parity import TOLERANCE, compare

    wrong = 0
    for comparison in compare(path, checked_device(device)):
        wrong += not comparison.equal
        sign = "ok" if comparison.equal else "DIFFERS"
        console.print(f"{comparison.component}: relative error {comparison.error:.1e} {sign}", markup=False)
    if wrong:
        console.print(f"{wrong} components differ by more than {TOLERANCE:g}", markup=False)
        raise typer.Exit(1)
    console.print("every component is equal to diffusers'", markup=False)
