"""`langit models pull` from end to end: the real command in a process of its own against a hub on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

from langit.catalog.published import PUBLISHED
from langit.types import InputError
from tests.catalog.hub import Hub, Repository

COMMIT = "3" * 40
MEGABYTES = 12  # of one shard: what the client keeps of a broken connection is a multiple of ten

RUN = """
import contextlib, io, json, resource, sys
from langit import cli
for line in sys.stdin:
    asked = json.loads(line)
    out, err = io.StringIO(), io.StringIO()
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (asked["most_bytes"] or hard, hard))
    sys.argv = ["langit", *asked["arguments"]]
    out.reconfigure = err.reconfigure = lambda **_: None
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            cli.main()
        except SystemExit as ended:
            code = ended.code
    print(json.dumps({"code": code, "out": out.getvalue(), "err": err.getvalue()}), flush=True)
"""


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


pytestmark = pytest.mark.skipif(
    not (find_spec("diffusers") and find_spec("transformers")), reason="needs langit[open-weights]"
)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    from tests.parity import wan

    folder = wan.save("2.1 T2V", tmp_path_factory.mktemp("wan"))
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class Command:
    """The command line in a process of its own, which knows only this hub and keeps its copies under `home`."""

    def __init__(self, hub: Hub, home: Path) -> None:
        foreign = ("HF_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
        kept = {key: value for key, value in os.environ.items() if not key.upper().startswith(foreign)}
        self.process = subprocess.Popen(
            [sys.executable, "-c", RUN],
            env={**kept, "HF_ENDPOINT": hub.address, "HF_HOME": str(home), "LANGIT_HOME": str(home / "langit")},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *arguments: str, most_bytes: int | None = None) -> Done:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"arguments": arguments, "most_bytes": most_bytes}) + "\n")
        self.process.stdin.flush()
        return Done(**json.loads(self.process.stdout.readline()))


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    server = Hub({})
    yield server
    server.stop()


@pytest.fixture(scope="module")
def langit(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    command = Command(hub, tmp_path_factory.mktemp("home"))
    yield command
    command.process.communicate()


@pytest.fixture(autouse=True)
def forget(hub: Hub) -> None:
    hub.requests.clear()
    hub.cuts.clear()
    hub.garbage = False


def told(done: Done, code: int) -> str:
    """The one sentence that the command ended with."""
    assert done.code == code, done.err
    return " ".join(done.err.split())


def test_pulled_and_verified_and_run(hub: Hub, langit: Command, files: dict[str, bytes]) -> None:
    hub.repositories["sky/wan"] = Repository({COMMIT: dict(files)})
    done = langit("models", "pull", "sky/wan")
    assert done.code == 0, done.err
    folder = Path(done.out.split(" is in ")[1].strip())
    shards = {name for name in files if name.startswith("transformer/") and name.endswith(".safetensors")}
    assert all((folder / name).read_bytes() == files[name] for name in shards)
    again = langit("models", "pull", "sky/wan")
    assert again.out == done.out
    assert len([name for name in hub.downloads() if name in {Path(shard).name for shard in shards}]) == len(shards)
    checked = langit("models", "verify", str(folder))
    assert checked.out.splitlines()[-1] == "whole", checked.err


def test_a_pull_that_was_cut_goes_on(hub: Hub, langit: Command, files: dict[str, bytes]) -> None:
    """The connection dies in the middle of a shard: one sentence; the same command fetches the rest of it."""
    hub.repositories["sky/cut"] = Repository({COMMIT: dict(files)})
    name = next(
        name for name in files if name.startswith("transformer/") and name.endswith("00001-of-00005.safetensors")
    )
    hub.cuts[name] = ["reset"]
    told_first = told(langit("models", "pull", "sky/cut"), 2)
    assert "broke off" in told_first
    came = hub.downloads()
    hub.requests.clear()
    done = langit("models", "pull", "sky/cut")
    assert done.code == 0, done.err
    assert Path(name).name in hub.downloads()
    finished = set(came) - {Path(name).name}
    assert len(set(hub.downloads()) & finished) < len(finished), "what was whole is not fetched again"


def test_a_shard_that_the_hub_lacks_is_named(hub: Hub, langit: Command, files: dict[str, bytes]) -> None:
    hub.repositories["sky/lacking"] = Repository({COMMIT: dict(files)})
    content = hub.repositories["sky/lacking"].commits[COMMIT]
    name = next(
        name for name in content if name.startswith("transformer/") and name.endswith("00002-of-00005.safetensors")
    )
    shard = content.pop(name)
    assert f"lacks {Path(name).name} of 5 weight files" in told(langit("models", "pull", "sky/lacking"), 2)
    # The repository is mended: nothing that failed before stays in the way.
    hub.repositories["sky/lacking"].commits["4" * 40] = {**content, name: shard}
    assert langit("models", "pull", "sky/lacking").code == 0


def test_a_file_that_the_disk_will_not_take_is_one_sentence(hub: Hub, langit: Command, files: dict[str, bytes]) -> None:
    hub.repositories["sky/large"] = Repository({COMMIT: dict(files)})
    hub.repositories["sky/large"].commits[COMMIT]["vae/more.safetensors"] = bytes(MEGABYTES << 20)
    sentence = told(langit("models", "pull", "sky/large", most_bytes=2 << 20), 1)
    assert "'sky/large' could not be kept here: File too large" in sentence
    assert langit("models", "pull", "sky/large").code == 0


def test_too_little_disk_is_told_before_anything_is_fetched(hub: Hub, tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    import shutil

    from langit.commands.models import check_room

    model = PUBLISHED["Wan-AI/Wan2.1-T2V-14B-Diffusers"]
    check = shutil.disk_usage(tmp_path)._replace(free=model.download - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: check)
    with pytest.raises(InputError, match=r"takes 40 GB and 40 GB are free .* set HF_HOME"):
        check_room(model)
    assert hub.requests == []


def test_what_is_not_wan_or_not_there_is_one_sentence(hub: Hub, langit: Command, files: dict[str, bytes]) -> None:
    index = json.loads(files["model_index.json"]) | {"_class_name": "FluxPipeline"}
    hub.repositories["sky/flux"] = Repository({COMMIT: files | {"model_index.json": json.dumps(index).encode()}})
    hub.repositories["sky/gated"] = Repository({COMMIT: files}, gated=True)
    for name, sentence in (
        ("sky/flux", "holds a FluxPipeline; langit runs WanPipeline"),
        ("sky/gated", "is gated; accept its terms"),
        ("sky/absent", "no hub repository of that name"),
    ):
        assert sentence in told(langit("models", "pull", name), 2)
    assert not [name for name in hub.downloads() if name.endswith(".safetensors")]
    hub.garbage = True
    assert "could not be reached" in told(langit("models", "pull", "sky/other"), 2)


def test_wans_own_layout_is_fetched_whole(hub: Hub, langit: Command, files: dict[str, bytes]) -> None:
    content = {
        "config.json": json.dumps({"_class_name": "WanModel", "model_type": "t2v"}).encode(),
        "diffusion_pytorch_model.safetensors": b"cut short",
        "Wan2.1_VAE.pth": b"tensors",
        "google/umt5-xxl/tokenizer.json": b"{}",
        "assets/video.mp4": b"megabytes",
    }
    hub.repositories["sky/own"] = Repository({COMMIT: content})
    assert "config.json is not a Wan transformer" in told(langit("models", "pull", "sky/own"), 2)
    assert set(hub.downloads()) == {Path(name).name for name in content} - {"video.mp4"}
