"""The exam: a model makes clips, the clips are measured, and everything is written down.

    papers -> clips (kept in the folder: what is there is not made again) -> readings -> estimates -> report

The simulator's own clips for the same papers are measured beside the model's: what they reach is the ceiling (or, for
errors, the floor) of a measure.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from langit.catalog import Bundle
from langit.evaluation import distribution, expectation, following, permanence, physics, stability
from langit.evaluation.curves import WATCHED, Curve, curves
from langit.evaluation.expectation import Surprise, surprise
from langit.evaluation.footage import Examined
from langit.evaluation.matrix import Cell, matrix
from langit.evaluation.papers import NAMES, Form, Paper, answer, set_papers
from langit.evaluation.prompts import make_prompts
from langit.evaluation.scenes import Length
from langit.evaluation.statistics import Estimate, Reading
from langit.evaluation.violations import KINDS, make_pair
from langit.generate import generate_all
from langit.media import write
from langit.planning import Request, plan
from langit.simulator.plans import plan as plan_scene
from langit.simulator.render import render
from langit.types import Frames, InputError, Video

BATCH = 4  # clips made in one pack
FORMAT = 1
SECONDS_PER_CLIP = 0.15  # of rendering and of measuring, for the time that is told first
SECONDS_PER_CURVE = 0.6  # and clip
SECONDS_OF_MATRIX = 30  # for a clip of every task
FEWEST_REAL = 24  # real clips that the distribution is held against


@dataclass(frozen=True)
class Settings:
    """How much is asked. The same settings and seed ask the same."""

    count: int = 24  # clips of every task, and four times as many of scenes of the test split
    pairs: int = 24  # of every violation
    seed: int = 0
    curve_clips: int = 4  # simulated clips that each kind of corruption is tried on, at graded strength
    matrix_clips: int = 2  # of every task, on which each kind is held against every measure

    def __post_init__(self) -> None:
        for name in ("count", "pairs"):
            if not 1 <= getattr(self, name) <= 1000:
                raise InputError(f"A {name} of {getattr(self, name)} was asked for; give 1 to 1000.")


QUICK = Settings(count=3, pairs=3, curve_clips=1, matrix_clips=1)

OnProgress = Callable[[str, int, int], None]
"""(what is being done, how much is done, of how much)."""


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    part: str
    name: str
    unit: str
    better: str
    model: Estimate | None
    simulator: Estimate | None = None
    published: str = ""
    why: str = ""


@dataclass(frozen=True, eq=False)
class Outcome:
    """All that the exam found."""

    rows: tuple[Row, ...]
    clips: tuple[Examined, ...]
    own: tuple[Examined, ...]  # the simulator's
    surprises: tuple[Surprise, ...]
    curves: tuple[Curve, ...] = ()
    cells: tuple[Cell, ...] = ()  # damage against every measure
    seconds: dict[str, float] = field(default_factory=dict)  # making, measuring


def examine(bundle: Bundle, output: Path, settings: Settings, on_progress: OnProgress) -> Outcome:
    """Examine a model; its clips are kept in `output`, and a call that was stopped is taken up by the next one."""
    form = Form.of(bundle)
    claim(output, bundle, settings)
    papers, unable = set_papers(form, settings.count, settings.seed)
    started = time.process_time()
    _make_clips(bundle, output, papers, on_progress)
    made = time.process_time()
    surprises = _surprises(bundle, output, form, settings, on_progress)
    clips = [_read_clip(output, paper) for paper in papers]
    own = [paper.own() for paper in papers]
    _look(clips, "looking at the model's clips", on_progress)
    drawn = [clip.frames for clip in clips if clip.task == "world"]
    real = reference_clips(form, 2 * max(len(drawn), FEWEST_REAL), settings.seed)
    readings = measure(clips, surprises, unable) + distribution.measure(drawn, real[::2])
    measured = time.process_time()
    _look(own, "looking at the simulator's clips", on_progress)
    rows = _rows(readings, measure(own, [], unable) + distribution.measure(real[1::2], real[::2]))
    drawn_curves = curves(papers, real, settings.curve_clips, on_progress)
    cells = matrix(papers, settings.matrix_clips, on_progress)
    seconds = {"making": made - started, "measuring": measured - made}
    return Outcome(rows, tuple(clips), tuple(own), tuple(surprises), drawn_curves, cells, seconds)


def examine_clips(clips: Sequence[Examined], on_progress: OnProgress) -> Outcome:
    """Examine clips made by anything, against their truth."""
    started = time.process_time()
    _look(clips, "looking at the clips", on_progress)
    rows = _rows(measure(clips, [], {}) + distribution.measure([clip.frames for clip in clips], []), [])
    return Outcome(rows, tuple(clips), (), (), (), (), {"measuring": time.process_time() - started})


def measure(clips: Sequence[Examined], surprises: Sequence[Surprise], unable: dict[str, str]) -> list[Reading]:
    """Every reading of single clips; what the model cannot do at all is told as the reason where nothing was read."""
    readings = [
        *following.measure(clips),
        *physics.measure(clips),
        *permanence.measure(clips),
        *expectation.measure(surprises),
        *stability.measure(clips),
    ]
    if unable.keys() == NAMES.keys():  # not even one task
        why = next(iter(unable.values()))
        readings = [replace(one, why=why) if one.why else one for one in readings]
    return readings


def reference_clips(form: Form, count: int, seed: int) -> list[Frames]:
    """Scenes of the test split that are not asked, for the distribution to be held against."""
    clips: list[Frames] = []
    for prompt in make_prompts(count, seed=seed + 1, languages=("en",), details=("short",)):
        scene = plan_scene(prompt.seed, split="test", num_frames=form.frames, fps=form.fps)
        clips.append(render([scene], form.height, form.width, truth=False)[0][0])
    return clips


def windows_to_make(output: Path, form: Form, settings: Settings) -> int:
    """How many clips of the native length are still to be made."""
    papers, _ = set_papers(form, settings.count, settings.seed)
    return sum(paper.num_windows for paper in papers if not _is_made(output, paper))


def expected_seconds(bundle: Bundle, output: Path, settings: Settings) -> float:
    """About how long `examine` will take here, from a few steps of sampling."""
    form = Form.of(bundle)
    one, step = seconds_of_clip(bundle, form)
    papers, _ = set_papers(form, settings.count, settings.seed)
    pairs = settings.pairs * len(KINDS) - len(_known_surprises(output))
    looking = len(papers) * 2 * SECONDS_PER_CLIP + settings.curve_clips * len(WATCHED) * SECONDS_PER_CURVE
    looking += settings.matrix_clips * SECONDS_OF_MATRIX
    return windows_to_make(output, form, settings) * one + pairs * step * 8 + looking


def seconds_of_clip(bundle: Bundle, form: Form) -> tuple[float, float]:
    """About how long a clip of the model's own quality takes here, and how long a step of sampling of it, from a few steps."""
    steps = plan(bundle, Request("a red ball", frames=form.frames, seed=0)).steps

    def seconds(of_steps: int) -> float:
        started = time.perf_counter()
        generate_all(bundle, [plan(bundle, Request("a red ball", frames=form.frames, seed=0, steps=of_steps))])
        return time.perf_counter() - started

    seconds(1)  # warm up
    few, more = seconds(2), seconds(6)  # the cast and the decoding are the same for any number of steps
    step = max(0.0, more - few) / 4
    return few + step * (steps - 2), step


# The folder.


def claim(output: Path, bundle: Bundle, settings: Settings) -> None:
    """Mark the folder as this exam's, or refuse it."""
    claim_folder(output, "exam.json", {"format": FORMAT, "model": bundle.hash(), **asdict(settings)})
    (output / "clips").mkdir(exist_ok=True)


def claim_folder(folder: Path, name: str, wanted: dict[str, Any]) -> None:
    """Mark the folder, in a file of that name, as that of the exam `wanted`; `InputError` where it holds something else."""
    path = folder / name
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; name a folder for the report.")
    if path.is_file():
        try:
            found = json.loads(path.read_text())
        except ValueError:
            found = None
        if found != wanted:
            raise InputError(
                f"{folder} holds the exam of another model or of other settings; name another folder or delete it."
            )
        return
    if folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder} holds other files; name a new folder for the report.")
    folder.mkdir(parents=True, exist_ok=True)
    write_aside(path, json.dumps(wanted, indent=2) + "\n")


def write_aside(path: Path, text: str) -> None:
    """A text file that appears whole."""
    with aside(path) as part:
        part.write_text(text)


@contextmanager
def aside(path: Path) -> Iterator[Path]:
    """Where to write what takes its place at `path` once it is whole; nothing is left of what is stopped before."""
    part = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _is_made(output: Path, paper: Paper) -> bool:
    return (output / "clips" / f"{paper.name}.json").is_file()


def _make_clips(bundle: Bundle, output: Path, papers: Sequence[Paper], on_progress: OnProgress) -> None:
    total = sum(paper.num_windows for paper in papers)
    missing = [paper for paper in papers if not _is_made(output, paper)]
    done = total - sum(paper.num_windows for paper in missing)
    on_progress("making clips", done, total)
    for batch in _batches(missing):
        for paper, frames in zip(batch, answer(bundle, batch), strict=True):
            _keep_clip(output, paper, frames)
            done += paper.num_windows
        on_progress(f"making clips: {NAMES[batch[0].task]}", done, total)


def _batches(papers: Sequence[Paper]) -> Iterator[list[Paper]]:
    for task in NAMES:
        of_task = [paper for paper in papers if paper.task == task]
        for first in range(0, len(of_task), BATCH):
            yield of_task[first : first + BATCH]


def _keep_clip(output: Path, paper: Paper, frames: Frames) -> None:
    """A lossless picture of all frames (one below the other), an mp4 to look at, and the truth, which comes last."""
    folder = output / "clips"
    write(Video(frames, paper.form.fps), folder / f"{paper.name}.mp4", overwrite=True)
    with aside(folder / f"{paper.name}.png") as part:
        Image.fromarray(frames.reshape(-1, *frames.shape[2:])).save(part)
    write_aside(
        folder / f"{paper.name}.json", json.dumps(paper.rendered[3], ensure_ascii=False, allow_nan=False) + "\n"
    )


def _read_clip(output: Path, paper: Paper) -> Examined:
    path = output / "clips" / f"{paper.name}.png"
    told = paper.rendered[3]
    try:
        with Image.open(path) as picture:
            stacked = np.array(picture.convert("RGB"))
        frames = stacked.reshape(-1, told["height"], told["width"], 3)
        if len(frames) != told["frames"]:
            raise ValueError(f"{len(frames)} frames")
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} is missing or damaged; delete {path.with_suffix('.json')} and run the same command again."
        ) from error
    return paper.examined(frames)


def _surprises(bundle: Bundle, output: Path, form: Form, settings: Settings, on_progress: OnProgress) -> list[Surprise]:
    if form.frames < 9:
        return []
    known = {(one.kind, one.number): one for one in _known_surprises(output)}
    wanted = [(kind, number) for number in range(settings.pairs) for kind in KINDS]
    length = Length(form.frames, form.fps)
    for done, (kind, number) in enumerate(wanted):
        on_progress("violations of expectation", done, len(wanted))
        if (kind, number) not in known:
            pair = make_pair(kind, settings.seed, number, length, form.height, form.width)
            known[kind, number] = surprise(bundle, pair, number)
            write_aside(output / "surprises.json", json.dumps([asdict(one) for one in known.values()]))
    on_progress("violations of expectation", len(wanted), len(wanted))
    return [known[key] for key in wanted]


def _known_surprises(output: Path) -> list[Surprise]:
    try:
        return [Surprise(**one) for one in json.loads((output / "surprises.json").read_text())]
    except (FileNotFoundError, ValueError, TypeError):
        return []


# Readings to rows.


def _look(clips: Sequence[Examined], what: str, on_progress: OnProgress) -> None:
    for done, clip in enumerate(clips):
        on_progress(what, done, len(clips))
        _ = clip.observation
    on_progress(what, len(clips), len(clips))


def _rows(readings: Sequence[Reading], own: Sequence[Reading]) -> tuple[Row, ...]:
    ceilings = {(one.part, one.name): one.estimated() for one in own}
    return tuple(
        Row(
            one.part,
            one.name,
            one.unit,
            one.better,
            one.estimated(),
            ceilings.get((one.part, one.name)),
            one.published,
            one.why,
        )
        for one in readings
    )


def hardware() -> str:
    """What this ran on, in words."""
    import platform

    import torch

    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        name = next(
            (line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line), name
        )
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    cores = os.process_cpu_count() if hasattr(os, "process_cpu_count") else os.cpu_count()
    return f"{name}, {cores} cores, {torch.get_num_threads()} threads{gpu}, torch {torch.__version__}"


def commit() -> str:
    """The commit of the source that runs, + when it was changed since; the package's version where there is none."""
    import subprocess

    from langit import __version__

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=Path(__file__).parent, capture_output=True, text=True, check=True, timeout=10
        )
        return done.stdout.strip()

    try:
        if not git("ls-files", Path(__file__).parents[1].joinpath("types.py").as_posix()):
            return f"langit {__version__}"  # a checkout of something else, with langit installed in it
        return git("rev-parse", "--short=12", "HEAD") + ("+" if git("status", "--porcelain", "--", ".") else "")
    except (OSError, subprocess.SubprocessError):
        return f"langit {__version__}"
