"""The editing commands: their shared options, prompts in a style and expanded, and an interrupted edit that goes on."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from typer.testing import CliRunner, Result

import langit.editing.store as store_module
from langit.catalog import load
from langit.cli import app
from langit.commands.edit import edit_app
from langit.editing.store import FOLDER
from langit.generate import sample
from langit.media.record import read_record
from langit.text.encoder import PromptEncoder

SHARED = {"output", "model", "seed", "quality", "steps", "guidance", "overwrite"}
WORDS = {"expand", "style"}
NO_WORDS = {"upscale", "variations"}
Command = Callable[..., Result]


@pytest.fixture
def command(model, tmp_path, monkeypatch) -> Command:
    """`command("extend", ...)` runs `langit edit extend ...` with the small model in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> Result:
        words = ("edit", *words, "--model", model, "--steps", "2")
        monkeypatch.setattr(sys, "argv", ["langit", *words])
        return CliRunner().invoke(app, list(words))

    return run


def test_every_verb_has_the_shared_options():
    import typer.main

    commands = typer.main.get_command(edit_app).commands
    assert len(commands) == 11
    for name, one in commands.items():
        options = {parameter.name for parameter in one.params}
        assert {"output", "overwrite"} <= options
        if name not in ("upscale", "variations"):
            assert options >= SHARED, name
        assert (options >= WORDS) == (name not in NO_WORDS), name
        assert one.help


def test_what_was_typed_decides_the_edit(footage, command, tmp_path):
    footage("a.mp4")
    done = command("extend", "a.mp4", "a red ball", "--seconds", "0.5", "--backward", "--seed", "3", "-o", "b.mp4")
    assert done.exit_code == 0, done.output
    assert "b.mp4: 32x32, 2.50 s, 20 frames at 8 fps, seed 3" in done.output
    record = read_record(tmp_path / "b.mp4")
    assert record.options["backward"]
    assert record.prompt == "a red ball"
    assert record.options["course"] == {"seed": 3, "steps": 2}
    assert command("loop", "a.mp4").exit_code == 0
    assert command("loop", "a.mp4").exit_code == 0
    assert (tmp_path / "loop.mp4").exists()
    assert (tmp_path / "loop-2.mp4").exists()


def test_a_style_and_an_expansion_are_shown_and_used(footage, command, tmp_path, monkeypatch):
    footage("a.mp4")
    (tmp_path / "mine.yaml").write_text("misty: in the mist\n")
    monkeypatch.setenv("LANGIT_STYLES", str(tmp_path / "mine.yaml"))
    done = command("extend", "a.mp4", "a red ball", "--seconds", "0.5", "--style", "misty", "--expand", "-o", "b.mp4")
    assert done.exit_code == 0, done.output
    record = read_record(tmp_path / "b.mp4")
    assert "in the mist" in record.prompt
    assert record.prompt != "a red ball, in the mist"
    assert record.prompt in done.output


def test_each_card_of_a_storyboard_is_expanded_with_what_all_share(command, tmp_path):
    cards = "cards:\n  - {at: 0, prompt: a red ball}\n  - {at: 0.5, prompt: a blue cube}\n"
    (tmp_path / "board.yaml").write_text(f"seconds: 1\nprompt: on the sand at night\n{cards}")
    done = command("storyboard", "board.yaml", "--expand", "-o", "b.mp4")
    assert done.exit_code == 0, done.output
    told = [card["prompt"] for card in read_record(tmp_path / "b.mp4").options["board"]["cards"]]
    assert ["ball" in prompt for prompt in told] == [True, False]
    assert ["cube" in prompt for prompt in told] == [False, True]
    for prompt in told:
        assert "matte" in prompt
        assert "on the sand at night" in prompt
        assert "grass" not in prompt
        assert "noon" not in prompt
        assert prompt in done.output


class Endpoint(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        told = f"Seen from above: {body['messages'][-1]['content']}"
        answer = json.dumps({"choices": [{"message": {"content": told}}]}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass


class FreeText:
    """A prompt encoder that is none of langit's own, over one that is."""

    def __init__(self, own: PromptEncoder):
        self.encode, self.release, self.unread = own.encode, own.release, own.unread


def test_models_that_read_free_text_ask_the_endpoint(footage, command, model, tmp_path, monkeypatch):
    footage("a.mp4")
    bundle = load(model)
    free = replace(bundle, text=FreeText(bundle.text))
    monkeypatch.setattr("langit.catalog.load", lambda *names: free)
    server = HTTPServer(("127.0.0.1", 0), Endpoint)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        monkeypatch.setenv("LANGIT_LLM_URL", f"http://127.0.0.1:{server.server_port}/v1")
        done = command("extend", "a.mp4", "a dog", "--seconds", "0.5", "--expand", "-o", "b.mp4")
    finally:
        server.shutdown()
        server.server_close()
    assert done.exit_code == 0, done.output
    assert "rewritten by LANGIT_LLM_URL" in done.output
    assert read_record(tmp_path / "b.mp4").prompt.startswith("Seen from above")
    monkeypatch.delenv("LANGIT_LLM_URL")
    done = command("extend", "a.mp4", "a dog", "--expand", "-o", "c.mp4")
    assert "set LANGIT_LLM_URL" in str(done.exception)


def test_an_interrupted_command_goes_on_with_its_seed(footage, command, tmp_path, monkeypatch):
    footage("a.mp4")
    made: list[int] = []

    def failing(bundle, plans, on_step=None):
        if len(made) == 2:
            raise KeyboardInterrupt
        made.append(plans[0].seed)
        return sample(bundle, plans, on_step)

    monkeypatch.setattr(store_module, "sample", failing)
    words = ("extend", "a.mp4", "a red ball", "--seconds", "3", "-o", "b.mp4")
    assert command(*words).exit_code == 130
    assert {path.name for path in tmp_path.iterdir()} == {"a.mp4", FOLDER}
    monkeypatch.setattr(
        store_module, "sample", lambda bundle, plans, step=None: made.append(0) or sample(bundle, plans)
    )
    done = command(*words)
    assert done.exit_code == 0, done.output
    assert f"seed {made[0]}." in done.output
    assert len(made) == 3  # three windows, two of them from before
    assert read_record(tmp_path / "b.mp4").options["course"]["seed"] == made[0]
    assert not list((tmp_path / FOLDER).glob("unfinished*"))
