"""Models from a hub, with the real client in a process of its own: every way a fetch can go, and the kept copy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from langit.catalog import Bundle, find_model, load_bundle, save_bundle
from langit.types import InputError
from tests.catalog.hub import Hub, Repository

FIRST, SECOND = "1" * 40, "2" * 40

ASK = """
import json, sys, warnings
from langit.catalog import find_model
from langit.types import InputError
for line in sys.stdin:
    model = json.loads(line)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            answer = {"folder": str(find_model(model))}
        except InputError as error:
            answer = {"error": str(error)}
    print(json.dumps({**answer, "warnings": [str(one.message) for one in caught]}), flush=True)
"""


@pytest.fixture(scope="module")
def files(tiny_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A bundle's files, and one that langit has no use for."""
    folder, bundle = tmp_path_factory.mktemp("bundle"), tiny_bundle
    save_bundle(folder, bundle.config, bundle.transformer.state_dict(), bundle.text.state_dict(), bundle.tokenizer)
    return {path.name: path.read_bytes() for path in folder.iterdir()} | {"unet/huge.safetensors": b"gigabytes"}


@pytest.fixture
def hub(files: dict[str, bytes]) -> Iterator[Hub]:
    """A hub with sky/tiny and sky/gated."""
    server = Hub({"sky/tiny": Repository({FIRST: dict(files)}), "sky/gated": Repository({FIRST: files}, gated=True)})
    yield server
    server.stop()


Answer = dict[str, object]


class Client:
    """A new process that answers with `find_model`, knows only this hub and keeps its copies under `home`."""

    def __init__(self, hub: Hub, home: Path, **settings: str) -> None:
        foreign = ("HF_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
        kept = {key: value for key, value in os.environ.items() if not key.upper().startswith(foreign)}
        self.process = subprocess.Popen(
            [sys.executable, "-c", ASK],
            env={**kept, "HF_ENDPOINT": hub.address, "HF_HOME": str(home), **settings},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def __call__(self, model: str) -> Answer:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(model) + "\n")
        self.process.stdin.flush()
        answer: Answer = json.loads(self.process.stdout.readline())
        return answer

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.communicate()


def only_error(answer: Answer) -> str:
    assert answer["warnings"] == []
    error = str(answer["error"])
    assert "\n" not in error
    return error


def test_a_repository_is_fetched_once_and_kept(hub: Hub, tmp_path: Path, files: dict[str, bytes]) -> None:
    with Client(hub, tmp_path) as find:
        first, again, exact = find("sky/tiny"), find("sky/tiny"), find(f"sky/tiny@{FIRST}")
    assert first == again == exact
    assert first["warnings"] == []
    folder = Path(str(first["folder"]))
    wanted = sorted(name for name in files if "/" not in name)
    assert sorted(path.name for path in folder.iterdir()) == sorted(hub.downloads()) == wanted  # each once
    assert load_bundle(folder).config.name == "random"

    hub.stop()
    with Client(hub, tmp_path) as find:
        down = find("sky/tiny")
    assert down["folder"] == str(folder)
    assert "could not be reached" in str(down["warnings"])
    assert "copy that was fetched before is used" in str(down["warnings"])
    with Client(hub, tmp_path, HF_HUB_OFFLINE="1") as find:
        assert find("sky/tiny") == {"folder": str(folder), "warnings": []}  # as was asked for
        assert "unset HF_HUB_OFFLINE" in only_error(find("sky/other"))


def test_what_the_hub_does_not_give_is_one_sentence(hub: Hub, tmp_path: Path) -> None:
    hub.repositories["sky/other"] = Repository({FIRST: {"model.safetensors": b"gigabytes"}})
    with Client(hub, tmp_path) as find:
        assert "no hub repository of that name" in only_error(find("sky/absent"))
        assert "sky/gated is gated; accept its terms" in only_error(find("sky/gated"))
        assert "sky/tiny has no revision 'v9'" in only_error(find("sky/tiny@v9"))
        assert "sky/other is not a langit model: it has no config.json" in only_error(find("sky/other"))
        assert "no hub repository can have that name" in only_error(find("sky/ti--ny"))
        assert hub.downloads() == []
        hub.status = 503
        assert "refused 'sky/tiny' (503 Service Unavailable)" in only_error(find("sky/tiny"))
        hub.status, hub.garbage = None, True
        assert "could not be reached" in only_error(find("sky/tiny"))
        hub.stop()
        assert "could not be reached" in only_error(find("sky/tiny"))


def test_a_download_that_is_cut_goes_on_where_it_stopped(hub: Hub, tmp_path: Path) -> None:
    chunk = 10 * 2**20  # what the client keeps of a broken connection is a multiple of this
    hub.repositories["sky/tiny"].commits[FIRST]["README.md"] = text = os.urandom(3 * chunk)
    hub.cuts["README.md"] = ["close"]
    with Client(hub, tmp_path) as find:
        folder = Path(str(find("sky/tiny")["folder"]))
    asked = [part for method, path, part in hub.requests if method == "GET" and path.endswith("/README.md")]
    assert asked == [None, f"bytes={chunk}-"]
    assert (folder / "README.md").read_bytes() == text


def test_after_a_download_that_failed_only_what_lacks_is_fetched(
    hub: Hub, tmp_path: Path, files: dict[str, bytes]
) -> None:
    hub.cuts["transformer.safetensors"] = ["reset"]
    with Client(hub, tmp_path) as find:
        assert "broke off" in only_error(find("sky/tiny"))
        came = {path.name for path in tmp_path.rglob("snapshots/*/*")}
        assert "transformer.safetensors" not in came
        hub.requests.clear()
        folder = Path(str(find("sky/tiny")["folder"]))
    assert (folder / "transformer.safetensors").read_bytes() == files["transformer.safetensors"]
    assert not came & set(hub.downloads())


def test_a_new_commit_that_cannot_be_fetched_leaves_the_copy_before(
    hub: Hub, tmp_path: Path, files: dict[str, bytes]
) -> None:
    with Client(hub, tmp_path) as find:
        before = find("sky/tiny")["folder"]
        newer = {**files, "text.safetensors": files["text.safetensors"] + b" "}
        hub.repositories["sky/tiny"].commits[SECOND] = newer
        hub.cuts["text.safetensors"] = ["reset", "reset"]
        failed, failed_again, fetched = find("sky/tiny"), find("sky/tiny"), find("sky/tiny")
        assert failed["folder"] == failed_again["folder"] == before
        assert "broke off" in str(failed["warnings"])
        assert Path(str(fetched["folder"])).name == SECOND
        hub.stop()
        assert find("sky/tiny")["folder"] == fetched["folder"]


def test_a_file_or_a_path_that_is_nowhere_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(b"")
    with pytest.raises(InputError, match="is a file; a model is a folder"):
        find_model(str(tmp_path / "weights"))
    for nowhere in (str(tmp_path / "nowhere"), "./nowhere", "runs/nowhere", "nowhere", "", "a/b/c"):
        with pytest.raises(InputError, match="neither 'embedded', nor a folder"):
            find_model(nowhere)
