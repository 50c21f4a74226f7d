"""What `langit verify` says and exits with; that `langit generate` signs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from langit.catalog import Bundle, save_bundle
from langit.cli import app
from langit.media import read_video, write
from langit.provenance import Identity, Payload, mark, read_credentials, seal, verify
from langit.types import Frames, InputError, Video


def test_signed_and_marked_then_altered_then_encoded_again(
    tmp_path: Path, simulated: list[Frames], identity: Identity
) -> None:
    path = write(Video(mark(simulated[0], Payload(identity.mark)), 8.0), tmp_path / "clip.mp4")
    seal(path, identity=identity, prompt="a red ball", model="embedded")
    found = verify(path, [identity.chain])
    assert (found.credentials.state, found.watermark.state, found.exit_code) == ("valid", "valid", 0)
    assert "made by AI (model 'embedded')" in found.credentials.sentence
    assert "whom you trust" in found.credentials.sentence
    assert f"{identity.mark:04x}" in found.watermark.sentence
    assert "which anybody can" in verify(path).credentials.sentence

    again = write(read_video(path), tmp_path / "again.mp4", crf=28)
    found = verify(again)
    assert (found.credentials.state, found.watermark.state, found.exit_code) == ("nothing", "valid", 0)

    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)
    found = verify(path)
    assert (found.credentials.state, found.state, found.exit_code) == ("altered", "altered", 1)

    spliced = np.concatenate([mark(simulated[0], Payload(1)), simulated[1], simulated[2]])
    found = verify(write(Video(spliced, 8.0), tmp_path / "spliced.mp4"))
    assert (found.watermark.state, found.exit_code) == ("altered", 1)


def test_nothing_and_what_is_no_file(tmp_path: Path, sample: Path) -> None:
    found = verify(sample)
    assert (found.state, found.exit_code) == ("nothing", 3)
    (tmp_path / "text.txt").write_text("a red ball")
    assert verify(tmp_path / "text.txt").exit_code == 3
    with pytest.raises(InputError, match="does not exist"):
        verify(tmp_path / "nowhere.mp4")
    with pytest.raises(InputError, match="is a folder"):
        verify(tmp_path)


def test_the_command(sample: Path, identity: Identity) -> None:
    done = CliRunner().invoke(app, ["verify", str(sample)])
    assert (done.exit_code, done.stdout.count("\n")) == (3, 2)
    seal(sample, identity=identity, prompt="", model="m")
    done = CliRunner().invoke(app, ["verify", str(sample)])
    assert done.exit_code == 0
    assert "which anybody can" in done.stdout


@pytest.mark.parametrize("name", ["clip.mp4", "clip.png", "clip.gif"])
def test_generate_signs_unless_told_not_to(name: str, tiny_bundle: Bundle, tmp_path: Path, own_home: Path) -> None:
    bundle = tiny_bundle
    model = tmp_path / "model"
    save_bundle(model, bundle.config, bundle.transformer.state_dict(), bundle.text.state_dict(), bundle.tokenizer)
    out = tmp_path / name
    words = ["generate", "a red ball bounces", "--model", str(model), "--seconds", "0.125", "-o", str(out)]
    assert CliRunner().invoke(app, words).exit_code == 0
    found = read_credentials(out, [(own_home / "identity" / "chain.pem").read_bytes()])
    assert (found.state, found.trusted, found.prompt) == ("valid", True, "a red ball bounces")
    assert CliRunner().invoke(app, [*words, "--overwrite", "--no-credentials"]).exit_code == 0
    assert read_credentials(out).state == "nothing"
