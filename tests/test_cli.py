"""The command line from outside: what it makes, what it refuses in one sentence, and that nothing half-made is left."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import typer.main
from PIL import Image

from langit.catalog import Bundle, save_bundle
from langit.cli import _never_lose_ctrl_c, app
from langit.media import probe, read_video

LANGIT = Path(sys.executable).parent / "langit"
PROMPT = "a red ball bounces"

Done = subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def model(tiny_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with random weights, for clips of 9 frames of 32x32."""
    folder, bundle = tmp_path_factory.mktemp("models") / "random", tiny_bundle
    save_bundle(folder, bundle.config, bundle.transformer.state_dict(), bundle.text.state_dict(), bundle.tokenizer)
    return folder


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Path]:
    """The working directory of the command."""
    folder = tmp_path / "here"
    folder.mkdir()
    yield folder
    folder.chmod(0o700)


def environment() -> dict[str, str]:
    """No network and no colours."""
    return {**os.environ, "HF_HUB_OFFLINE": "1", "NO_COLOR": "1", "COLUMNS": "100", "PYTHONWARNINGS": "default"}


def langit(here: Path, *words: str | Path, before: Callable[[], None] | None = None) -> Done:
    return subprocess.run(
        [LANGIT, *map(str, words)],
        cwd=here,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        preexec_fn=before,
    )


def refused(done: Done, *parts: str, code: int = 2) -> None:
    """One sentence (or two) on stderr that holds `parts`, nothing on stdout, and the exit code."""
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    for part in parts:
        assert part in done.stderr


def everything(folder: Path) -> set[str]:
    """What lies there, but for the records beside outputs and what is kept of them in .langit."""
    found = [path for path in folder.rglob("*") if ".langit" not in path.parts]
    records = {path.with_name(path.name + ".json") for path in found}
    return {str(path.relative_to(folder)) for path in found if path not in records}


# What it makes.


def test_a_clip_with_an_unknown_word_and_a_size_that_is_rounded(
    here: Path, model: Path, warm: Callable[..., Done]
) -> None:
    words = ("generate", f"{PROMPT} past a zeppelin", "--model", model, "--size", "30x45", "--seed", "7")
    done = langit(here, *words)
    assert done.returncode == 0, done.stderr
    assert everything(here) == {"clip.mp4"}
    video = probe(here / "clip.mp4")
    assert (video.width, video.height, video.frames) == (32, 48, 8)
    assert done.stdout.startswith("clip.mp4: 32x48, 1.00 s, 8 frames at 8 fps, seed 7, took ")
    assert "zeppelin" in done.stderr
    assert "30x45 became 32x48" in done.stderr
    assert warm(here, *words).returncode == 0  # no output was named: another is found
    assert everything(here) == {"clip.mp4", "clip-2.mp4"}
    first, second = read_video(here / "clip.mp4").frames, read_video(here / "clip-2.mp4").frames
    assert np.abs(first.astype(np.int16) - second).mean() < 2  # but for what the encoder rounds


def test_a_gif_of_an_indonesian_prompt(here: Path, model: Path, warm: Callable[..., Done]) -> None:
    prompt = "sebuah bola merah memantul di atas rumput"
    done = warm(here, "generate", prompt, "--model", model, "-o", "bola.gif", "--seconds", "0.5")
    assert (done.returncode, done.stderr) == (0, "")
    assert probe(here / "bola.gif").frames == 4


def test_a_picture_and_a_folder_of_frames_that_starts_with_it(
    here: Path, model: Path, warm: Callable[..., Done]
) -> None:
    done = warm(here, "generate", PROMPT, "--model", model, "--frames", "1")
    assert (done.returncode, done.stderr) == (0, "")
    with Image.open(here / "clip.png") as picture:
        assert picture.size == (32, 32)
    done = warm(here, "generate", "", "--image", "clip.png", "--model", model, "--frames", "5", "-o", "frames/")
    assert done.returncode == 0, done.stderr
    assert everything(here) == {"clip.png", "frames", *(f"frames/{index:06d}.png" for index in range(5))}


def test_clips_of_the_simulated_world(here: Path, warm: Callable[..., Done]) -> None:
    words = ("simulate", "--count", "2", "--size", "48x32", "--seconds", "0.5", "--event", "fall")
    done = langit(here, *words)
    assert (done.returncode, done.stdout) == (0, "2 clips in world; all at a glance: world/sheet.png\n")
    refused(warm(here, *words, "--seed", "1"), "world holds clips of other settings", "--overwrite")


# What it refuses.


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (("",), ("prompt is empty",)),
        (("  \n ",), ("prompt is empty",)),
        ((PROMPT * 3000,), ("54000 characters",)),
        ((PROMPT, "--seconds", "0"), ("0 seconds",)),
        ((PROMPT, "--seconds", "-1"), ("-1 seconds",)),
        ((PROMPT, "--seconds", "1e9"), ("frames", "were asked for; this model makes 1 to 28800")),
        ((PROMPT, "--seconds", "nan"), ("nan",)),
        ((PROMPT, "--seconds", "inf"), ("inf",)),
        ((PROMPT, "--frames", "0"), ("0 frames",)),
        ((PROMPT, "--seconds", "1", "--frames", "8"), ("Both seconds and frames",)),
        ((PROMPT, "--fps", "nan"), ("fps of nan",)),
        ((PROMPT, "--guidance", "inf"), ("guidance of inf",)),
        ((PROMPT, "--steps", "0"), ("0 sampling steps",)),
        ((PROMPT, "--seed", "-1"), ("seed of -1",)),
        ((PROMPT, "--solver", "magic"), ("no solver 'magic'", "euler")),
        ((PROMPT, "--schedule", "magic"), ("no schedule 'magic'", "linear")),
        ((PROMPT, "--size", "0x32"), ("0x32", "at least 1 pixel")),
        ((PROMPT, "--size", "4000x4000"), ("4000x4000", "up to 2304 pixels")),
        ((PROMPT, "--seconds", "1", "-o", "clip.png"), ("one frame",)),
    ],
)
def test_what_the_model_cannot_do(
    words: tuple[str, ...], parts: tuple[str, ...], tmp_path: Path, model: Path, warm: Callable[..., Done]
) -> None:
    refused(warm(tmp_path, "generate", *words, "--model", model), *parts)
    assert everything(tmp_path) == set()


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (("--size", "64"), ("'64'", "such as 64x64")),
        (("--size", "²x²"), ("width x height",)),
        (("--size", "-3x4"), ("width x height",)),
        (("--image", "nowhere.png"), ("There is no file nowhere.png",)),
        (("--image", "."), ("is a folder",)),
        (("--image", "text.txt"), ("text.txt is not an image",)),
        (("--image", "corrupt.png"), ("corrupt.png cannot be read",)),
        (("-o", "text.txt"), (".txt", ".mp4")),
        (("-o", "there.mp4"), ("there.mp4 exists already", "--overwrite")),
        (("-o", "text.txt/clip.mp4"), ("text.txt is a file",)),
        (("-o", "."), ("other files", "clip.mp4")),
        (("-o", "a.png", "--frames", "4"), ("one image",)),
        (("--frames", "many"), ("--frames", "`langit generate --help`")),
        (("--threads", "-1"), ("--threads",)),
        (("--sise", "4x4"), ("--sise", "--size")),
        (("another",), ("another",)),
    ],
)
def test_what_is_refused_before_the_model_is_loaded(
    here: Path, words: tuple[str, ...], parts: tuple[str, ...], warm: Callable[..., Done]
) -> None:
    (here / "text.txt").write_text("a red ball")
    (here / "there.mp4").write_bytes(b"mine")
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)).save(here / "whole.png")
    (here / "corrupt.png").write_bytes((here / "whole.png").read_bytes()[:1500])
    before = everything(here)
    refused(warm(here, "generate", PROMPT, *words, "--model", "./nowhere"), *parts)
    assert everything(here) == before
    assert (here / "there.mp4").read_bytes() == b"mine"


def test_an_output_that_exists_is_refused_from_outside_too(here: Path) -> None:
    (here / "there.mp4").write_bytes(b"mine")
    refused(langit(here, "generate", PROMPT, "-o", "there.mp4"), "there.mp4 exists already", "--overwrite")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_output_folder_without_permission(here: Path) -> None:
    here.chmod(0o500)
    refused(langit(here, "generate", PROMPT), "no permission")


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (("train", "nowhere.py"), ("no recipe nowhere.py", "recipes/tiny.py")),
        (("train",), ("Missing argument",)),
        (("generate",), ("Missing argument",)),
        (("paint",), ("paint", "`langit --help`")),
        (("--nonsense",), ("--nonsense",)),
        (("simulate", "--count", "0"), ("--count",)),
        (("simulate", "--event", "explode"), ("no event 'explode'", "topple")),
        (("simulate", "--seconds", "nan"), ("nan",)),
    ],
)
def test_what_other_commands_refuse(
    words: tuple[str, ...], parts: tuple[str, ...], tmp_path: Path, warm: Callable[..., Done]
) -> None:
    refused(warm(tmp_path, *words), *parts)
    assert everything(tmp_path) == set()


def test_models_and_recipes_that_are_none(here: Path, model: Path, warm: Callable[..., Done]) -> None:
    for name in ("nowhere", "sky/nowhere", "./nowhere", ""):
        refused(warm(here, "generate", PROMPT, "--model", name), repr(name))
    shutil.copytree(model, here / "cut")
    weights = here / "cut" / "transformer.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    refused(warm(here, "generate", PROMPT, "--model", "cut"), "transformer.safetensors", "cut short")
    (here / "failing.py").write_text("def recipe():\n    return 1 / 0\n")
    refused(warm(here, "train", "failing.py"), "failing.py", "ZeroDivisionError")
    (here / "empty.py").write_text("")
    refused(warm(here, "train", "empty.py", "--device", "tpu"), "no device 'tpu'", "cpu")
    assert not (here / "runs").exists()
    assert not (here / "clip.mp4").exists()


# What befalls it.


def test_a_full_disk_is_one_sentence(here: Path, model: Path) -> None:
    def little_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))

    done = langit(here, "generate", PROMPT, "--model", model, "-o", "new/clip.mp4", before=little_room)
    refused(done, "no room left to write", "clip.mp4", code=1)
    assert everything(here) == set()


def started(here: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [LANGIT, *words],
        cwd=here,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    )


def test_ctrl_c_while_sampling_leaves_nothing(here: Path, model: Path) -> None:
    words = ("generate", f"{PROMPT} past a zeppelin", "--model", str(model), "--steps", "1000", "-o", "new/clip.mp4")
    process = started(here, *words)
    assert process.stderr is not None
    assert "zeppelin" in process.stderr.readline()  # told just before the sampling starts
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    told, complained = process.communicate(timeout=30)
    assert (process.returncode, told) == (130, "")
    assert complained == "Stopped; nothing half-written is left.\n"
    assert everything(here) == set()


def test_ctrl_c_stops_an_exam_and_the_same_command_goes_on(here: Path, model: Path) -> None:
    words = ("evaluate", "--model", str(model), "--count", "1", "-o", "report")
    clips, kept = here / "report" / "clips", dict[Path, int]()
    for more in (1, 3):  # clips that are there before Ctrl-C
        process = started(here, *words)
        assert process.stdout is not None
        assert process.stdout.readline().startswith("This takes about ")
        until = time.monotonic() + 60
        while len([*clips.glob("[!.]*.json")]) < len(kept) + more and time.monotonic() < until:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, complained = process.communicate(timeout=30)
        assert process.returncode == 130, complained
        assert complained == "Stopped; nothing half-written is left.\n"
        assert [path for path in (here / "report").rglob("*") if ".part" in path.name] == []
        assert all(path.stat().st_mtime_ns == made for path, made in kept.items())  # nothing is made again
        kept = {path: path.stat().st_mtime_ns for path in clips.glob("*.json")}
    assert len(kept) >= 4
    assert not (here / "report" / "index.html").exists()


def test_ctrl_c_is_not_lost_where_something_is_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing can be raised there: Python tells of it and goes on."""

    class Deleted:
        def __del__(self) -> None:
            raise KeyboardInterrupt

    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    _never_lose_ctrl_c()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in the background ignores it
    try:
        something = Deleted()
        del something
        with pytest.raises(KeyboardInterrupt):
            time.sleep(10)
    finally:
        signal.signal(signal.SIGINT, before)


# Help.


def test_help_is_quick_and_does_without_torch(here: Path) -> None:
    times = []  # of the processor: the machine may be busy with other things
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = langit(here, "--help")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        assert done.returncode == 0
        assert all(command in done.stdout for command in ("generate", "simulate", "train"))
    code = "import sys; from langit.cli import app; app(['generate', '--help'], standalone_mode=False); "
    code += "sys.exit(any(name in sys.modules for name in ('torch', 'av', 'mujoco', 'huggingface_hub')))"
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "the model's own" in done.stdout
    assert min(times) < 0.5


def test_every_option_has_a_help_text_and_a_readable_default() -> None:
    group = typer.main.get_command(app)
    commands = group.commands  # type: ignore[attr-defined]
    assert {"generate", "simulate", "train"} <= set(commands)
    for command in (group, *commands.values()):
        assert command.help
        for option in command.params:
            assert option.help, f"{command.name} {option.name}"
            assert option.help.endswith("."), f"{command.name} {option.name}"
            shows_none = option.default is None and not option.required and not isinstance(option.show_default, str)
            assert not shows_none, f"{command.name} {option.name} says nothing of its default"


def test_no_command_shows_the_help_and_version_is_told(here: Path, warm: Callable[..., Done]) -> None:
    bare = warm(here)
    assert bare.returncode == 0
    assert "Usage: langit" in bare.stdout
    done = warm(here, "--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("langit 0.1.0 (Python 3.")


# The console script in a fork of a process that has imported torch once: as from outside, without two seconds a call.


WARM = """
import json, os, sys
from pathlib import Path
import torch, langit.generate, langit.training.loop, langit.simulator.export
from langit.catalog import load_bundle
from langit.cli import main
torch.set_num_threads(1)
load_bundle(Path(sys.argv[1]))
for line in sys.stdin:
    folder, words = json.loads(line)
    child = os.fork()
    if child == 0:
        os.chdir(folder)
        for number, name in ((1, "stdout"), (2, "stderr")):
            os.dup2(os.open(os.environ["WARM"] + name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        sys.argv = ["langit", *words]
        try:
            main()
        except SystemExit as error:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(error.code)
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(70)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.fixture(scope="module")
def warm(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Done]]:
    """`langit(here, *words)`, quicker."""
    told = tmp_path_factory.mktemp("told")
    process = subprocess.Popen(
        [sys.executable, "-c", WARM, str(model)],
        env={**environment(), "WARM": f"{told}/", "OMP_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def run(here: Path, *words: str | Path) -> Done:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps([str(here), list(map(str, words))]) + "\n")
        process.stdin.flush()
        code = int(process.stdout.readline())
        return subprocess.CompletedProcess(words, code, (told / "stdout").read_text(), (told / "stderr").read_text())

    yield run
    process.communicate()


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's heap")
@pytest.mark.parametrize(("command", "given_back"), [("generate", True), ("serve", False)])
def test_what_is_free_between_blocks_is_given_back_while_a_long_clip_is_made(command, given_back):
    """200 MB in small blocks, of which nearly all are let go: those that stay hold the heap as it is."""
    code = """if True:
        import sys, time
        sys.argv = ["langit", sys.argv[1]]
        from langit import cli
        cli.SECONDS_BEFORE = 0
        cli._keep_memory_whole()
        blocks = [bytearray(b"1") * 100_000 for _ in range(2000)]
        resident = lambda: int(open("/proc/self/statm").read().split()[1]) * 4096
        before = resident()
        blocks = blocks[::20]
        until = time.monotonic() + (10 if sys.argv[1] == "generate" else 0.5)
        while resident() > before - 100e6 and time.monotonic() < until:
            time.sleep(0.05)
        print(resident() <= before - 100e6)
    """
    done = subprocess.run([sys.executable, "-c", code, command], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(given_back), done.stderr
