"""Content credentials: what is signed, that altered bytes are seen, sources, and what re-encoding leaves."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import c2pa
import numpy as np
import pytest

from langit.media import probe, read_video, write
from langit.provenance import Identity, can_seal, read_credentials, seal
from langit.types import InputError, Video
from tests.provenance.conftest import scene

KINDS = ("mp4", "png", "gif")


def footage(path: Path, seed: int = 0) -> Path:
    return write(Video(scene(seed, frames=1 if path.suffix == ".png" else 8), 8.0), path)


@pytest.mark.parametrize("kind", KINDS)
def test_signed_and_still_the_same_pictures(kind: str, tmp_path: Path, identity: Identity) -> None:
    path = footage(tmp_path / f"clip.{kind}")
    before = read_video(path).frames
    path.chmod(0o640)
    seal(path, identity=identity, prompt="bola merah 🔴", model="embedded")
    found = read_credentials(path)
    assert found.state == "valid"
    assert found.made_by_ai
    assert (found.signer, found.model, found.prompt) == (identity.name, "embedded", "bola merah 🔴")
    assert found.program.startswith("langit ")
    np.testing.assert_array_equal(read_video(path).frames, before)
    assert path.stat().st_mode & 0o777 == 0o640
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_by_the_standard_it_was_made_by_ai(tmp_path: Path, identity: Identity) -> None:
    """What any other C2PA reader sees, by the standard's own names."""
    path = footage(tmp_path / "clip.mp4")
    seal(path, identity=identity, prompt="", model="embedded")
    with path.open("rb") as file, c2pa.Reader("video/mp4", file) as reader:
        report = json.loads(reader.json())
    manifest = report["manifests"][report["active_manifest"]]
    (actions,) = [one["data"]["actions"] for one in manifest["assertions"] if one["label"] == "c2pa.actions.v2"]
    assert actions[0]["action"] == "c2pa.created"
    assert actions[0]["digitalSourceType"].endswith("/digitalsourcetype/trainedAlgorithmicMedia")
    assert "langit.prompt" not in actions[0]["parameters"]
    assert report["validation_state"] == "Valid"


def test_only_whom_you_trust_is_trusted(sample: Path, tmp_path: Path, identity: Identity) -> None:
    seal(sample, identity=identity, prompt="", model="embedded")
    other = Identity.load_or_create(tmp_path / "other")
    assert not read_credentials(sample).trusted
    assert not read_credentials(sample, [other.chain]).trusted
    assert read_credentials(sample, [other.chain, identity.chain]).trusted


@pytest.mark.parametrize("kind", KINDS)
def test_one_flipped_bit_is_seen(kind: str, tmp_path: Path, identity: Identity) -> None:
    """Everywhere but in the framing around the manifest: `docs/provenance.md` says which bytes those are."""
    path = footage(tmp_path / f"clip.{kind}")
    plain = path.read_bytes()
    seal(path, identity=identity, prompt="a red ball", model="embedded")
    signed = path.read_bytes()
    start = next(at for at, (one, other) in enumerate(zip(plain, signed, strict=False)) if one != other)
    added = len(signed) - len(plain)
    random = np.random.default_rng(5)
    content = [at for at in range(len(signed)) if at < start or at >= start + added + 64]
    content = [at for at in content if kind != "mp4" or at >= 32]  # ftyp
    for at in random.choice(content, 60, replace=False):
        altered = bytearray(signed)
        altered[at] ^= 1 << int(random.integers(8))
        path.write_bytes(altered)
        assert read_credentials(path).state == "altered", at
    # In the manifest: the claim, the assertions and the signature are covered, the prompt among them.
    at = signed.find(b"a red ball")
    for position in (at, signed.find(b"trainedAlgorithmicMedia"), signed.find(b"c2pa.signature") + 40):
        altered = bytearray(signed)
        altered[position] ^= 1
        path.write_bytes(altered)
        assert read_credentials(path).state == "altered"


def test_the_padding_of_a_signature_hides_nothing(sample: Path, identity: Identity) -> None:
    seal(sample, identity=identity, prompt="", model="m")
    content = bytearray(sample.read_bytes())
    at = content.find(b"\xa1cpadY") + 300
    assert content[at] == 0
    content[at] = 4
    sample.write_bytes(content)
    assert read_credentials(sample).state == "altered"


def test_a_manifest_that_was_damaged_is_not_nothing(sample: Path, identity: Identity) -> None:
    seal(sample, identity=identity, prompt="", model="m")
    content = bytearray(sample.read_bytes())
    at = content.find(b"uuid")
    content[at] ^= 1
    sample.write_bytes(content)
    assert read_credentials(sample).state == "altered"


def test_sources_are_ingredients_with_their_own_credentials(tmp_path: Path, identity: Identity) -> None:
    signed, plain = footage(tmp_path / "signed.mp4", 1), footage(tmp_path / "plain.png", 2)
    seal(signed, identity=identity, prompt="a red ball", model="embedded")
    unknown = tmp_path / "unknown.y4m"
    unknown.write_bytes(b"YUV4MPEG2")
    path = footage(tmp_path / "edit.mp4", 3)
    seal(path, identity=identity, prompt="at night", model="embedded", sources=[signed, plain, unknown])
    found = read_credentials(path)
    assert found.state == "valid"
    assert sorted(found.sources) == ["plain.png", "signed.mp4", "unknown.y4m"]
    with path.open("rb") as file, c2pa.Reader("video/mp4", file) as reader:
        report = json.loads(reader.json())
    ingredients = report["manifests"][report["active_manifest"]]["ingredients"]
    assert {one["relationship"] for one in ingredients} == {"inputTo"}
    by_title = {one["title"]: one for one in ingredients}
    assert by_title["signed.mp4"]["active_manifest"] in report["manifests"]
    assert by_title["unknown.y4m"]["description"].startswith("SHA-256 ")
    prompts = json.dumps(report["manifests"][by_title["signed.mp4"]["active_manifest"]])
    assert "a red ball" in prompts


def test_an_edit_of_an_altered_source_is_itself_valid(tmp_path: Path, identity: Identity) -> None:
    source, path = footage(tmp_path / "source.png", 1), footage(tmp_path / "edit.png", 2)
    seal(source, identity=identity, prompt="", model="m")
    content = bytearray(source.read_bytes())
    content[-30] ^= 1
    source.write_bytes(content)
    seal(path, identity=identity, prompt="", model="m", sources=[source])
    assert read_credentials(path).state == "valid"


def test_sealing_again_replaces(sample: Path, identity: Identity) -> None:
    for prompt in ("one", "two"):
        seal(sample, identity=identity, prompt=prompt, model="m")
    assert read_credentials(sample).prompt == "two"
    assert sample.read_bytes().count(b"\xd8\xfe\xc3\xd6\x1b\x0e\x48\x3c") <= 2  # the box, and its exclusion


def test_re_encoding_loses_them(sample: Path, tmp_path: Path, identity: Identity) -> None:
    seal(sample, identity=identity, prompt="", model="m")
    again = write(read_video(sample), tmp_path / "again.mp4", crf=28)
    assert read_credentials(again).state == "nothing"


def test_what_holds_none(tmp_path: Path, identity: Identity, sample: Path) -> None:
    assert not can_seal(tmp_path / "frames")
    assert not can_seal(Path("clip.webm"))
    with pytest.raises(InputError, match=r"\.mp4, \.png, \.gif files can"):
        seal(tmp_path / "frames", identity=identity, prompt="", model="m")
    assert read_credentials(sample).state == "nothing"
    empty = tmp_path / "empty.mp4"
    empty.touch()
    assert read_credentials(empty).state == "nothing"
    (tmp_path / "text.mp4").write_text("a red ball " * 100)
    assert read_credentials(tmp_path / "text.mp4").state == "nothing"


def test_a_failure_leaves_the_file_as_it_was(sample: Path, identity: Identity, monkeypatch: pytest.MonkeyPatch) -> None:
    before = sample.read_bytes()

    def full(source: object, target: object) -> None:
        raise OSError(28, "No space left on device", str(target))

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match=r"sample\.mp4 is left without content credentials: No space left"):
        seal(sample, identity=identity, prompt="", model="m")
    assert sample.read_bytes() == before
    assert [path.name for path in sample.parent.iterdir()] == ["sample.mp4"]


def test_sealing_is_quick(sample: Path, identity: Identity) -> None:
    seal(sample, identity=identity, prompt="", model="m")
    started = time.process_time()
    seal(sample, identity=identity, prompt="", model="m")
    assert time.process_time() - started < 0.25
    assert probe(sample).frames == 8
