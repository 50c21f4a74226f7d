"""`langit edit VERB ...` and `langit remake`. Nothing heavy is imported before a command runs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from langit.commands.terminal import bar, complaints, console, parse_size

if TYPE_CHECKING:
    from langit.catalog import Bundle
    from langit.editing import Course, Edit

OWN = "the model's own"
OF_SOURCE = "what the clip was made of, where langit made it"
edit_app = typer.Typer(
    name="edit",
    help="""Change a clip: animate, extend, loop, blend, remix, recut, inpaint, outpaint, storyboard, variations, upscale.

    What is kept of a clip is kept frame for frame. The source is never touched.""",
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
)

Clip = Annotated[
    Path, typer.Argument(help="The clip: footage of any size, rate and length.", metavar="CLIP", show_default=False)
]
Prompt = Annotated[
    str | None, typer.Argument(help="What the new part shows.", metavar="PROMPT", show_default=OF_SOURCE)
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        help="Where it goes: .mp4, .gif, or a folder for its frames as png.",
        show_default="VERB.mp4, or VERB-2.mp4 and so on where that exists",
        metavar="PATH",
    ),
]
Model = Annotated[str, typer.Option(help="The embedded model, a folder, or a hub repository.", metavar="NAME")]
Seed = Annotated[
    int | None,
    typer.Option(
        help="The same seed gives the same frames.", show_default="a random one, which is told", metavar="NUMBER"
    ),
]
Steps = Annotated[int | None, typer.Option(help="Sampling steps.", show_default=OWN, metavar="COUNT")]
Guidance = Annotated[
    float | None,
    typer.Option(help="How strictly the prompt is followed; 1 is no guidance.", show_default=OWN, metavar="SCALE"),
]
Expand = Annotated[
    bool, typer.Option("--expand", help="Complete the prompt to a dense caption, and say what was added.")
]
Style = Annotated[
    str | None, typer.Option(help="A named style, added to the prompt.", show_default="none", metavar="NAME")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the output if it exists.")]


def make(verb: str, output: Path | None, overwrite: bool, course: Course, build: Callable[[Course], Edit]) -> None:
    """Check the output, build the edit, tell what is to be told, save it with progress."""
    from langit.editing.store import Store
    from langit.media import check_output

    target = output or free_name(f"{verb}.mp4", overwrite)
    check_output(target, overwrite)
    store, words = Store.beside(target), sys.argv[1:]
    if course.seed is None and (seed := store.unfinished_seed(words)) is not None:
        from dataclasses import replace

        complaints.print(f"Going on with what was stopped before, seed {seed}.", style="yellow", markup=False)
        course = replace(course, seed=seed)
    edit = build(course)
    if target.suffix.lower() == ".png" and edit.num_frames > 1:
        from langit.types import InputError

        raise InputError(f"A .png holds one frame and {edit.num_frames} were asked for; use .mp4, .gif or a folder.")
    for notice in edit.notices:
        complaints.print(notice, style="yellow", markup=False)
    store.begin(words, edit.seed)
    save(edit, target, overwrite)
    store.finish(words)


def save(edit: Edit, target: Path, overwrite: bool) -> None:
    """Write an edit and say what it became."""
    from langit.provenance import Identity, can_seal, home

    identity = Identity.load_or_create(home() / "identity") if can_seal(target) else None
    with bar(edit.record.verb) as progress:
        task = progress.add_task(edit.record.verb, total=None)
        saved = edit.save(
            target,
            overwrite=overwrite,
            identity=identity,
            on_step=lambda done, of: progress.update(task, completed=done, total=of),
        )
    height, width = edit.size
    drawn = f", seed {edit.seed}" if edit.record.model else ""
    console.print(
        f"{saved}: {width}x{height}, {edit.num_frames / edit.fps:.2f} s, {edit.num_frames} frames at {edit.fps:g} fps{drawn}",
        markup=False,
    )


def course_of(model: str, seed: int | None, steps: int | None, guidance: float | None) -> Course:
    from langit.editing import Course

    return Course(model, seed, steps, guidance)


def prompt_of(prompt: str | None, model: str, expand: bool, style: str | None) -> str | None:
    """The prompt in its style and expanded; what was added is shown before it is used."""
    if style is not None:
        from langit.text.styles import styled

        prompt = styled(prompt or "", style)
        complaints.print(f"In the style {style}: {prompt}", style="cyan", markup=False)
    if expand:
        from langit.catalog import load
        from langit.types import InputError

        if not (prompt or "").strip():
            raise InputError("There is no prompt to expand; give one, or leave out --expand.")
        prompt = expanded(prompt or "", load(model))
    return prompt


def expanded(prompt: str, bundle: Bundle) -> str:
    from langit.text.encoder import PromptEncoder
    from langit.text.expansion import expand, expand_by_endpoint

    known = isinstance(bundle.text, PromptEncoder)
    told = expand(prompt) if known else expand_by_endpoint(prompt)
    what = ", ".join(told.added) if known else "rewritten by LANGIT_LLM_URL"
    complaints.print(f"Expanded ({what or 'nothing was missing'}): {told.prompt}", style="cyan", markup=False)
    return told.prompt


def free_name(name: str, overwrite: bool) -> Path:
    """`name`, or the first of name-2, name-3, ... that does not exist yet."""
    path, number = Path(name), 2
    while path.exists() and not overwrite:
        path = Path(name).with_stem(f"{Path(name).stem}-{number}")
        number += 1
    return path


@edit_app.command()
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
    output: Output = None,
    model: Model = "embedded",
    seed: Seed = None,
    steps: Steps = None,
    guidance: Guidance = None,
    expand: Expand = False,
    style: Style = None,
    overwrite: Overwrite = False,
) -> None:
    """A picture comes alive, as the first or any frame; several are keyframes."""
    from langit import editing

    wide = parse_size(size)
    make(
        "animate",
        output,
        overwrite,
        course_of(model, seed, steps, guidance),
        lambda course: editing.animate(
            list(images),
            prompt_of(prompt, model, expand, style) or "",
            at=at or (),
            seconds=seconds,
            size=wide,
            fps=fps,
            course=course,
        ),
    )


@edit_app.command()
def extend(
    clip: Clip,
    prompt: Prompt = None,
    seconds: Annotated[float, typer.Option(help="How much longer.", metavar="SECONDS")] = 4.0,
    backward: Annotated[bool, typer.Option("--backward", help="Lead up to the beginning instead.")] = False,
    output: Output = None,
    model: Model = "embedded",
    seed: Seed = None,
    steps: Steps = None,
    guidance: Guidance = None,
    expand: Expand = False,
    style: Style = None,
    overwrite: Overwrite = False,
) -> None:
    """Go on after the end of a clip, or lead up to its beginning."""
    from langit import editing

    make(
        "extend",
        output,
        overwrite,
        course_of(model, seed, steps, guidance),
        lambda course: editing.extend(
            clip, prompt_of(prompt, model, expand, style), seconds=seconds, backward=backward, course=course
        ),
    )


@edit_app.command()
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
    output: Output = None,
    model: Model = "embedded",
    seed: Seed = None,
    steps: Steps = None,
    guidance: Guidance = None,
    expand: Expand = False,
    style: Style = None,
    overwrite: Overwrite = False,
) -> None:
    """Make an endless loop of a clip."""
    from langit import editing

    make(
        "loop",
        output,
        overwrite,
        course_of(model, seed, steps, guidance),
        lambda course: editing.loop(clip, prompt_of(prompt, model, expand, style), seconds=seconds, course=course),
    )


@edit_app.command()
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
    output: Output = None,
    model: Model = "embedded",
    seed: Seed = None,
    steps: Steps = None,
    guidance: Guidance = None,
    expand: Expand = False,
    style: Style = None,
    overwrite: Overwrite = False,
) -> None:
    """Let one clip turn into another."""
    from langit import editing

    make(
        "blend",
        output,
        overwrite,
        course_of(model, seed, steps, guidance),
        lambda course: editing.blend(
            first, second, prompt_of(prompt, model, expand, style), seconds=seconds, curve=curve, course=course
        ),
    )


@edit_app.command()
def remix(
    clip: Clip,
    prompt: Annotated[str, typer.Argument(help="What the clip becomes.", metavar="PROMPT", show_default=False)],
    strength: Annotated[
        str, typer.Option(help="subtle, mild, strong, or a number above 0 (keep) up to 1 (forget).", metavar="HOW")
    ] = "mild",
    output: Output = None,
    model: Model = "embedded",
    seed: Seed = None,
    steps: Steps = None,
    guidance: Guidance = None,
    expand: Expand = False,
    style: Style = None,
    overwrite: Overwrite = False,
) -> None:
    """Restyle a clip by a prompt."""
    from langit import editing

    make(
        "remix",
        output,
        overwrite,
        course_of(model, seed, steps, guidance),
        lambda course: editing.remix(
            clip, prompt_of(prompt, model, expand, style) or "", strength=strength, course=course
        ),
    )


@edit_app.command()
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
    output: Output = None,
    model: Model = "embedded",
    seed: Seed = None,
    steps: Steps = None,
    guidance: Guidance = None,
    expand: Expand = False,
    style: Style = None,
    overwrite: Overwrite = False,
) -> None:
    """Keep chosen segments exactly; remake, bridge or cut the rest."""
    from langit import editing

    make(
        "recut",
        output,
        overwrite,
        course_of(model, seed, steps, guidance),
        lambda course: editing.recut(
            clip, keep, prompt_of(prompt, model, expand, style), rest=rest, seconds=seconds, course=course
        ),
    )


@edit_app.command()
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
    output: Output = None,
    model: Model = "embedded",
    seed: Seed = None,
    steps: Steps = None,
    guidance: Guidance = None,
    expand: Expand = False,
    style: Style = None,
    overwrite: Overwrite = False,
) -> None:
    """Make a region of a clip anew, in space and time."""
    from langit import editing
    from langit.types import InputError

    if not mask:
        raise InputError("No mask was given; give --mask with a picture, a clip, or a box x,y,w,h.")
    make(
        "inpaint",
        output,
        overwrite,
        course_of(model, seed, steps, guidance),
        lambda course: editing.inpaint(
            clip, mask, prompt_of(prompt, model, expand, style), start=start, stop=stop, course=course
        ),
    )


@edit_app.command()
def outpaint(
    clip: Clip,
    prompt: Prompt = None,
    size: Annotated[str, typer.Option(help="Width x height of the wider frame, such as 1280x720.", metavar="WxH")] = "",
    output: Output = None,
    model: Model = "embedded",
    seed: Seed = None,
    steps: Steps = None,
    guidance: Guidance = None,
    expand: Expand = False,
    style: Style = None,
    overwrite: Overwrite = False,
) -> None:
    """Widen the frame around a clip."""
    from langit import editing

    wide = parse_size(size)
    assert wide is not None
    make(
        "outpaint",
        output,
        overwrite,
        course_of(model, seed, steps, guidance),
        lambda course: editing.outpaint(clip, wide, prompt_of(prompt, model, expand, style), course=course),
    )


@edit_app.command()
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
    output: Output = None,
    model: Model = "embedded",
    seed: Seed = None,
    steps: Steps = None,
    guidance: Guidance = None,
    overwrite: Overwrite = False,
) -> None:
    """Make a clip of cards on a timeline, each span by its own prompt."""
    from langit import editing

    make(
        "storyboard",
        output,
        overwrite,
        course_of(model, seed, steps, guidance),
        lambda course: editing.storyboard(board, base=base, card=card, course=course),
    )


@edit_app.command()
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
    output: Output = None,
    overwrite: Overwrite = False,
) -> None:
    """Make a clip larger, and its motion smoother."""
    from langit import editing

    make(
        "upscale",
        output,
        overwrite,
        course_of("embedded", None, None, None),
        lambda course: editing.upscale(clip, scale=scale, fps=fps, method=method),
    )


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
    from langit.editing.sheet import save_variations

    folder = output or clip.with_name(f"{clip.stem}-variations")
    edits = editing.variations(clip, count)
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
    overwrite: Overwrite = False,
) -> None:
    """Make a file again, frame for frame, from the record that it carries."""
    from langit import editing
    from langit.media import check_output

    target = output or clip.with_stem(f"{clip.stem}-remade")
    check_output(target, overwrite)
    edit = editing.remake(clip)
    for notice in edit.notices:
        complaints.print(notice, style="yellow", markup=False)
    save(edit, target, overwrite)
