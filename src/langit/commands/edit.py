"""`langit edit VERB ...` and `langit remake`. Nothing heavy is imported before a command runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from langit.commands.making import OWN, Clip, Device, Expand, Prompt, Style, prompt_of, save, verb
from langit.commands.terminal import Overwrite, bar, console, parse_size

if TYPE_CHECKING:
    from langit.editing import Course, Edit

edit_app = typer.Typer(
    name="edit",
    help="""Change a clip: animate, extend, loop, blend, remix, recut, inpaint, outpaint, storyboard, variations, upscale.

    What is kept of a clip is kept frame for frame. The source is never touched.""",
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
)


@edit_app.command()
@verb
def animate(
    images: Annotated[
        list[Path], typer.Argument(help="One picture, or several as keyframes.", metavar="IMAGE...", show_default=False)
    ],
    prompt: Annotated[str, typer.Option("--prompt", "-p", help="What happens.", metavar="PROMPT")] = "",
    at: Annotated[
        list[float] | None,
        typer.Option(
            help="Time of a picture in seconds; give it once for each.",
            show_default="0 for one picture",
            metavar="SECONDS",
        ),
    ] = None,
    seconds: Annotated[float, typer.Option(help="Length.", metavar="SECONDS")] = 4.0,
    size: Annotated[
        str | None, typer.Option(help="Width x height.", show_default="as the first picture", metavar="WxH")
    ] = None,
    fps: Annotated[float | None, typer.Option(help="Frames per second.", show_default=OWN, metavar="RATE")] = None,
    *,
    course: Course,
) -> Edit:
    """A picture comes alive, as the first or any frame; several are keyframes."""
    from langit import editing

    wide = parse_size(size)
    return editing.animate(
        list(images),
        prompt or "",
        at=at or (),
        seconds=seconds,
        size=wide,
        fps=fps,
        course=course,
    )


@edit_app.command()
@verb
def extend(
    clip: Clip,
    prompt: Prompt = None,
    seconds: Annotated[float, typer.Option(help="How much longer.", metavar="SECONDS")] = 4.0,
    backward: Annotated[bool, typer.Option("--backward", help="Lead up to the beginning instead.")] = False,
    *,
    course: Course,
) -> Edit:
    """Go on after the end of a clip, or lead up to its beginning."""
    from langit import editing

    return editing.extend(clip, prompt, seconds=seconds, backward=backward, course=course)


@edit_app.command()
@verb
def loop(
    clip: Clip,
    prompt: Prompt = None,
    seconds: Annotated[
        float | None,
        typer.Option(
            help="Length of a bridge from the end to the beginning.",
            show_default="none: the clip's end is bent",
            metavar="SECONDS",
        ),
    ] = None,
    *,
    course: Course,
) -> Edit:
    """Make an endless loop of a clip."""
    from langit import editing

    return editing.loop(clip, prompt, seconds=seconds, course=course)


@edit_app.command()
@verb
def blend(
    first: Annotated[Path, typer.Argument(help="The clip that it begins as.", metavar="A", show_default=False)],
    second: Annotated[Path, typer.Argument(help="The clip that it becomes.", metavar="B", show_default=False)],
    prompt: Prompt = None,
    seconds: Annotated[float, typer.Option(help="How long it takes.", metavar="SECONDS")] = 1.0,
    curve: Annotated[
        str | None,
        typer.Option(
            help="linear, ease, late or early: mix the clips over that time.",
            show_default="frames between the two are made",
            metavar="NAME",
        ),
    ] = None,
    *,
    course: Course,
) -> Edit:
    """Let one clip turn into another."""
    from langit import editing

    return editing.blend(first, second, prompt, seconds=seconds, curve=curve, course=course)


@edit_app.command()
@verb
def remix(
    clip: Clip,
    prompt: Annotated[str, typer.Argument(help="What the clip becomes.", metavar="PROMPT", show_default=False)],
    strength: Annotated[
        str, typer.Option(help="subtle, mild, strong, or a number above 0 (keep) up to 1 (forget).", metavar="HOW")
    ] = "mild",
    *,
    course: Course,
) -> Edit:
    """Restyle a clip by a prompt."""
    from langit import editing

    return editing.remix(clip, prompt or "", strength=strength, course=course)


@edit_app.command()
@verb
def recut(
    clip: Clip,
    prompt: Prompt = None,
    keep: Annotated[
        str, typer.Option(help="Segments to keep in seconds, in their new order, such as 0.5-2,3.1-4.", metavar="LIST")
    ] = "",
    rest: Annotated[
        str | None,
        typer.Option(
            help="remake, bridge or cut what is not kept.",
            show_default="remake in order, bridge otherwise",
            metavar="HOW",
        ),
    ] = None,
    seconds: Annotated[float, typer.Option(help="Length of a bridge.", metavar="SECONDS")] = 1.0,
    *,
    course: Course,
) -> Edit:
    """Keep chosen segments exactly; remake, bridge or cut the rest."""
    from langit import editing

    return editing.recut(clip, keep, prompt, rest=rest, seconds=seconds, course=course)


@edit_app.command()
@verb
def inpaint(
    clip: Clip,
    prompt: Prompt = None,
    mask: Annotated[
        str,
        typer.Option(
            help="What is made anew: a picture or clip that is white there, or x,y,w,h in pixels.", metavar="MASK"
        ),
    ] = "",
    start: Annotated[float, typer.Option(help="From this time on.", metavar="SECONDS")] = 0.0,
    stop: Annotated[
        float | None, typer.Option(help="Up to this time.", show_default="the end", metavar="SECONDS")
    ] = None,
    *,
    course: Course,
) -> Edit:
    """Make a region of a clip anew, in space and time."""
    from langit import editing
    from langit.types import InputError

    if not mask:
        raise InputError("No mask was given; give --mask with a picture, a clip, or a box x,y,w,h.")
    return editing.inpaint(clip, mask, prompt, start=start, stop=stop, course=course)


@edit_app.command()
@verb
def outpaint(
    clip: Clip,
    prompt: Prompt = None,
    size: Annotated[str, typer.Option(help="Width x height of the wider frame, such as 1280x720.", metavar="WxH")] = "",
    *,
    course: Course,
) -> Edit:
    """Widen the frame around a clip."""
    from langit import editing
    from langit.types import InputError

    if not size:
        raise InputError("No size was given; give --size with the width x height of the wider frame, such as 96x64.")
    wide = parse_size(size)
    assert wide is not None
    return editing.outpaint(clip, wide, prompt, course=course)


@edit_app.command()
@verb
def storyboard(
    board: Annotated[Path, typer.Argument(help="The cards, in YAML.", metavar="BOARD", show_default=False)],
    base: Annotated[
        Path | None,
        typer.Option(help="What this board gave before: its locked cards stay.", show_default="none", metavar="CLIP"),
    ] = None,
    card: Annotated[
        int | None,
        typer.Option(
            help="Make this card alone again, counted from 1.", show_default="all that are not locked", metavar="NUMBER"
        ),
    ] = None,
    expand: Expand = False,
    style: Style = None,
    *,
    course: Course,
) -> Edit:
    """Make a clip of cards on a timeline, each span by its own prompt."""
    from langit import editing
    from langit.editing.storyboard import read_board

    told = read_board(board)
    if expand or style is not None:
        # With what all cards share, so that nothing is added that it says already.
        told = told.worded(lambda prompt: prompt_of(prompt, course.model, expand, style) or "")
    return editing.storyboard(told, base=base, card=card, course=course)


@edit_app.command()
@verb
def upscale(
    clip: Clip,
    scale: Annotated[int, typer.Option(help="How many times as large, 1 to 4.", metavar="TIMES")] = 2,
    fps: Annotated[
        float | None,
        typer.Option(help="A higher rate, by motion interpolation.", show_default="the clip's own", metavar="RATE"),
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(
            help="realesr-animevideov3 or lanczos.", show_default="the best that is installed", metavar="NAME"
        ),
    ] = None,
) -> Edit:
    """Make a clip larger, and its motion smoother."""
    from langit import editing

    return editing.upscale(clip, scale=scale, fps=fps, method=method)


@edit_app.command()
def variations(
    count: Annotated[int, typer.Argument(help="How many.", metavar="COUNT", show_default=False)],
    clip: Annotated[
        Path, typer.Argument(help="A clip that langit made, by any verb.", metavar="CLIP", show_default=False)
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Folder for them and their sheet.",
            show_default="the clip's name and -variations",
            metavar="DIR",
        ),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Make a clip again with other seeds, with one contact sheet of all."""
    from langit import editing
    from langit.editing.marking import marked_like
    from langit.editing.sheet import save_variations

    folder = output or clip.with_name(f"{clip.stem}-variations")
    edits = [marked_like(edit, clip) for edit in editing.variations(clip, count)]
    with bar("variations") as progress:
        task = progress.add_task("variations", total=count)
        sheet = save_variations(
            edits, folder, overwrite=overwrite, on_clip=lambda done: progress.update(task, completed=done)
        )
    console.print(f"{count} variations in {folder}; all at a glance: {sheet}", markup=False)


def remake(
    clip: Annotated[Path, typer.Argument(help="A file that langit made.", metavar="FILE", show_default=False)],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Where it goes.", show_default="the file's name and -remade", metavar="PATH"
        ),
    ] = None,
    device: Device = "cpu",
    overwrite: Overwrite = False,
) -> None:
    """Make a file again, frame for frame, from the record that it carries."""
    from langit import editing
    from langit.editing.marking import marked_like
    from langit.media import check_output

    target = output or clip.with_stem(f"{clip.stem}-remade")
    check_output(target, overwrite)
    save(marked_like(editing.remake(clip, device=device), clip), target, overwrite)
