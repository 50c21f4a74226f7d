"""`langit generate`: the command's options, and the way to a clip's file. Nothing heavy is imported before it runs."""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import Annotated

import typer

from langit.commands.making import OWN, identity_of, prompt_of, written
from langit.commands.terminal import Overwrite, Threads, complaints, console, parse_size

STARTED = time.perf_counter()


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

    parsed = parse_size(size)
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
    identity = None if no_credentials else identity_of(output)

    import torch

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
    became = written(clip, output, overwrite, identity, "sampling")
    console.print(f"{became}, seed {clip.seed}, took {time.perf_counter() - STARTED:.1f} s", markup=False)


def _free_name(name: str, overwrite: bool) -> Path:
    """`name`, or the first of name-2, name-3, ... that does not exist yet."""
    path = Path(name)
    if overwrite or not path.exists():
        return path
    return next(
        other for number in itertools.count(2) if not (other := path.with_stem(f"{path.stem}-{number}")).exists()
    )
