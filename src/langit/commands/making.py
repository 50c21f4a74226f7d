"""What the editing commands share: their options, and the way from an edit to its file.

`verb` makes a command of a function that takes a verb's own arguments and returns the edit: it adds the shared options, reads
the prompt by them, and saves with progress.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from langit.commands.terminal import Overwrite, bar, complaints, console

if TYPE_CHECKING:
    from langit.catalog import Bundle
    from langit.editing import Course, Edit
    from langit.provenance import Identity

OWN = "the model's own"
OF_SOURCE = "what the clip was made of, where langit made it"

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
Device = Annotated[str, typer.Option(help="Where it is made: cpu, cuda, cuda:0 ...", metavar="NAME")]
Quality = Annotated[
    str | None,
    typer.Option(
        help="fast: few evaluations by the model's quick weights. best: all its steps.",
        show_default=OWN,
        metavar="NAME",
    ),
]
Expand = Annotated[
    bool, typer.Option("--expand", help="Complete the prompt to a dense caption, and say what was added.")
]
Style = Annotated[
    str | None, typer.Option(help="A named style, added to the prompt.", show_default="none", metavar="NAME")
]

_COURSE: dict[str, tuple[Any, Any]] = {
    "model": (Model, "embedded"),
    "seed": (Seed, None),
    "quality": (Quality, None),
    "steps": (Steps, None),
    "guidance": (Guidance, None),
    "device": (Device, "cpu"),
}
_WORDS: dict[str, tuple[Any, Any]] = {"expand": (Expand, False), "style": (Style, None)}


def verb(function: Callable[..., Edit]) -> Callable[..., None]:
    """The command of a verb. `function` returns the edit from its own arguments and `course`, where it draws anything; a
    `prompt` among them comes in its style and expanded."""
    from_source = inspect.signature(function).parameters
    own = [name for name in from_source if name != "course"]
    shared: dict[str, tuple[Any, Any]] = {"output": (Output, None)}
    shared |= _COURSE if "course" in from_source else {}
    shared |= _WORDS if "prompt" in own else {}
    shared["overwrite"] = (Overwrite, False)

    @functools.wraps(function)
    def command(**given: Any) -> None:
        arguments = {name: given[name] for name in own}
        course = course_of({name: given.get(name, default) for name, (_, default) in _COURSE.items()})

        def build(course: Course) -> Edit:
            if "prompt" in arguments:
                arguments["prompt"] = prompt_of(arguments["prompt"], course.model, given["expand"], given["style"])
            return function(**arguments, **({"course": course} if "course" in from_source else {}))

        make(function.__name__, given["output"], given["overwrite"], course, build)

    hints = get_type_hints(function, globalns={**function.__globals__, "Course": Any, "Edit": Any}, include_extras=True)
    kinds = {**{name: hints[name] for name in own}, **{name: kind for name, (kind, _) in shared.items()}}
    defaults = {
        **{name: from_source[name].default for name in own},
        **{name: default for name, (_, default) in shared.items()},
    }
    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = [
        inspect.Parameter(name, keyword, default=defaults[name], annotation=kind) for name, kind in kinds.items()
    ]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {**kinds, "return": None}
    return command


def make(name: str, output: Path | None, overwrite: bool, course: Course, build: Callable[[Course], Edit]) -> None:
    """Check the output, build the edit, tell what is to be told, save it with progress.

    What was stopped before and is asked for in the same words goes on with the seed that it had.
    """
    from langit.editing.store import Store
    from langit.media import check_output
    from langit.types import InputError

    target = output or free_name(f"{name}.mp4", overwrite)
    check_output(target, overwrite)
    store, words = Store.beside(target), sys.argv[1:]
    if course.seed is None and (seed := store.unfinished_seed(words)) is not None:
        complaints.print(f"Going on with what was stopped before, seed {seed}.", style="yellow", markup=False)
        course = replace(course, seed=seed)
    edit = build(course)
    if target.suffix.lower() == ".png" and edit.num_frames > 1:
        raise InputError(f"A .png holds one frame and {edit.num_frames} were asked for; use .mp4, .gif or a folder.")
    store.begin(words, edit.seed)
    save(edit, target, overwrite)
    store.finish(words)


def identity_of(target: Path) -> Identity | None:
    """Who signs the output; None for folders of frames, which hold no credentials."""
    from langit.provenance import Identity, can_seal, home

    return Identity.load_or_create(home() / "identity") if can_seal(target) else None


def save(edit: Edit, target: Path, overwrite: bool) -> None:
    """Tell what is to be told of an edit, write it, and say what it became."""
    for notice in edit.notices:
        complaints.print(notice, style="yellow", markup=False)
    became = written(edit, target, overwrite, identity_of(target), edit.record.verb)
    drawn = f", seed {edit.seed}" if edit.record.model else ""
    console.print(f"{became}{drawn}", markup=False)


def written(edit: Edit, target: Path, overwrite: bool, identity: Identity | None, doing: str) -> str:
    """Write an edit with progress; what it became, in words."""
    with bar(doing) as progress:
        task = progress.add_task(doing, total=None)
        saved = edit.save(
            target,
            overwrite=overwrite,
            identity=identity,
            on_step=lambda done, of: progress.update(task, completed=done, total=of),
        )
    (height, width), frames = edit.size, edit.num_frames
    return f"{saved}: {width}x{height}, {frames / edit.fps:.2f} s, {frames} frames at {edit.fps:g} fps"


def course_of(told: dict[str, Any]) -> Course:
    """The course that the options say."""
    from langit.editing import Course

    return Course(**told)


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
