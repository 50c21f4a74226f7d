"""Models from a hub, with the real client in a process of its own: every way a fetch can go, and the copy that is kept."""

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
for model in sys.argv[1:]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            answer = {"folder": str(find_model(model))}
        except InputError as error:
            answer = {"error": str(error)}
    print(json.dumps({**answer, "warnings": [str(one.message) for one in caught]}))
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
    server = Hub({"sky/tiny": Repository({FIRST: files}), "sky/gated": Repository({FIRST: files}, gated=True)})
    yield server
    server.stop()


def ask(hub: Hub, home: Path, *models: str, **settings: str) -> list[dict[str, object]]:
    """What `find_model` answers in a new process that knows only this hub and keeps its copies under `home`."""
    kept = {key: value for key, value in os.environ.items() if not key.upper().startswith("HF_") and "PROXY" not in key.upper()}
    environment = {**kept, "HF_ENDPOINT": hub.address, "HF_HOME": str(home), **settings}
    done = subprocess.run(
        [sys.executable, "-c", ASK, *models], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def only_error(answer: dict[str, object]) -> str:
    assert answer["warnings"] == []
    error = str(answer["error"])
    assert "\n" not in error
    return error


def test_a_repository_is_fetched_once_and_kept(hub: Hub, tmp_path: Path, files: dict[str, bytes]) -> None:
    first, again, exact = ask(hub, tmp_path, "sky/tiny", "sky/tiny", f"sky/tiny@{FIRST}")
    assert first == again == exact
    folder = Path(str(first["folder"]))
    assert first["warnings"] == []
    assert {path.name for path in folder.rglob("*")} == {path.name for path in map(Path, files) if path.parent == Path(".")}
    assert sorted(hub.downloads()) == sorted(path.name for path in folder.iterdir())  # each once
    assert load_bundle(folder).config.name == "random"

    hub.stop()
    down, offline = ask(hub, tmp_path, "sky/tiny"), ask(hub, tmp_path, "sky/tiny", "sky/other", HF_HUB_OFFLINE="1")
    assert down[0]["folder"] == str(folder)
    assert "could not be reached" in str(down[0]["warnings"])
    assert "copy that was fetched before is used" in str(down[0]["warnings"])
    assert offline[0] == {"folder": str(folder), "warnings": []}  # as was asked for
    assert "unset HF_HUB_OFFLINE" in only_error(offline[1])


def test_what_the_hub_does_not_give_is_one_sentence(hub: Hub, tmp_path: Path, files: dict[str, bytes]) -> None:
    hub.repositories["sky/other"] = Repository({FIRST: {"model.safetensors": b"gigabytes"}})
    absent, gated, revision, other, impossible = ask(
        hub, tmp_path, "sky/absent", "sky/gated", "sky/tiny@v9", "sky/other", "sky/ti--ny"
    )
    assert "no hub repository of that name" in only_error(absent)
    assert "sky/gated is gated; accept its terms" in only_error(gated)
    assert "sky/tiny has no revision 'v9'" in only_error(revision)
    assert "sky/other is not a langit model: it has no config.json" in only_error(other)
    assert "no hub repository can have that name" in only_error(impossible)
    assert hub.downloads() == []


@pytest.mark.parametrize("failure", ["stopped", "status", "garbage"])
def test_a_hub_that_is_down_is_one_sentence(hub: Hub, tmp_path: Path, failure: str) -> None:
    if failure == "stopped":
        hub.stop()
    hub.status = 503 if failure == "status" else None
    hub.garbage = failure == "garbage"
    error = only_error(ask(hub, tmp_path, "sky/tiny")[0])
    assert ("refused 'sky/tiny' (503 Service Unavailable)" if failure == "status" else "could not be reached") in error


def test_a_download_that_is_cut_goes_on_where_it_stopped(hub: Hub, tmp_path: Path, files: dict[str, bytes]) -> None:
    hub.cuts["transformer.safetensors"] = ["close"]
    answer = ask(hub, tmp_path, "sky/tiny")[0]
    half = len(files["transformer.safetensors"]) // 2
    asked = [part for method, path, part in hub.requests if method == "GET" and path.endswith("/transformer.safetensors")]
    assert asked == [None, f"bytes={half}-"]
    folder = Path(str(answer["folder"]))
    assert (folder / "transformer.safetensors").read_bytes() == files["transformer.safetensors"]


def test_after_a_download_that_failed_only_what_lacks_is_fetched(hub: Hub, tmp_path: Path, files: dict[str, bytes]) -> None:
    hub.cuts["transformer.safetensors"] = ["reset"]
    assert "broke off" in only_error(ask(hub, tmp_path, "sky/tiny")[0])
    came = {path.name for path in tmp_path.rglob("snapshots/*/*")}
    assert "transformer.safetensors" not in came
    hub.requests.clear()
    folder = Path(str(ask(hub, tmp_path, "sky/tiny")[0]["folder"]))
    assert (folder / "transformer.safetensors").read_bytes() == files["transformer.safetensors"]
    assert not came & set(hub.downloads())


def test_a_new_commit_that_cannot_be_fetched_leaves_the_copy_before(
    hub: Hub, tmp_path: Path, files: dict[str, bytes]
) -> None:
    before = ask(hub, tmp_path, "sky/tiny")[0]["folder"]
    hub.repositories["sky/tiny"].commits[SECOND] = {**files, "text.safetensors": files["text.safetensors"] + b" "}
    hub.cuts["text.safetensors"] = ["reset", "reset"]
    failed, failed_again, fetched = ask(hub, tmp_path, "sky/tiny", "sky/tiny", "sky/tiny")
    assert failed["folder"] == failed_again["folder"] == before
    assert "broke off" in str(failed["warnings"])
    assert Path(str(fetched["folder"])).name == SECOND
    hub.stop()
    assert ask(hub, tmp_path, "sky/tiny", HF_HUB_OFFLINE="1")[0]["folder"] == fetched["folder"]


def test_a_file_or_a_path_that_is_nowhere_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(b"")
    with pytest.raises(InputError, match="is a file; a model is a folder"):
        find_model(str(tmp_path / "weights"))
    for nowhere in (str(tmp_path / "nowhere"), "./nowhere", "runs/nowhere", "nowhere", "", "a/b/c"):
        with pytest.raises(InputError, match="neither 'embedded', nor a folder"):
            find_model(nowhere)
