"""Expansion and styles: what is added is told, and no word of the user's is changed."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from langit.text.expansion import expand, expand_by_endpoint, other_words
from langit.text.lexicon import read, things_in
from langit.text.styles import styled, styles
from langit.types import InputError


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        (
            "a red ball bounces",
            "A medium red matte ball bounces. On the grass at noon, light from the left. The camera is still at eye level.",
        ),
        (
            "an orange metal cone spins on the sand at night, the camera pans left",
            "A medium orange metal cone spins on the sand at night, the camera pans left. Light from the left. At eye level.",
        ),
        (
            "bola merah memantul",
            "Bola merah doff berukuran sedang memantul. Di atas rumput pada siang hari, cahaya dari kiri. "
            "Kamera diam setinggi mata.",
        ),
    ],
)
def test_a_short_prompt_becomes_dense(prompt, expected):
    told = expand(prompt)
    assert told.prompt == expected
    assert read(told.prompt).unknown == ()
    assert set(read(prompt).concepts) <= set(read(told.prompt).concepts)
    assert len(told.added) >= 3
    assert expand(told.prompt).added == ()  # nothing is missing any more


def test_what_is_not_understood_is_left_alone():
    assert expand("quarks").prompt == "quarks"
    assert expand("").added == ()


class Chat(BaseHTTPRequestHandler):
    answer: object = {"choices": [{"message": {"content": " A dense caption. "}}]}
    asked: object = None

    def do_POST(self):
        Chat.asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        body = json.dumps(Chat.answer).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


def test_an_endpoint_rewrites_a_prompt(monkeypatch):
    server = HTTPServer(("127.0.0.1", 0), Chat)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/v1"
        monkeypatch.setenv("LANGIT_LLM_URL", url)
        assert expand_by_endpoint("a dog").prompt == "A dense caption."
        assert Chat.asked["messages"][1] == {"role": "user", "content": "a dog"}
        monkeypatch.setattr(Chat, "answer", {"error": "no"})
        with pytest.raises(InputError, match="no chat completion"):
            expand_by_endpoint("a dog")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    with pytest.raises(InputError, match="did not expand"):
        expand_by_endpoint("a dog")
    for url, message in (("", "set LANGIT_LLM_URL"), ("ftp://x", "http:// or https://")):
        monkeypatch.setenv("LANGIT_LLM_URL", url)
        with pytest.raises(InputError, match=message):
            expand_by_endpoint("a dog")


def test_styles_come_from_a_file_that_users_extend(tmp_path, monkeypatch):
    assert styled("a red ball", "golden") == "a red ball, at sunset on the sand, light from behind"
    for words in styles().values():
        assert read(words).unknown == ()
    own = tmp_path / "styles.yaml"
    own.write_text("neon: at night, light from behind\ngolden: at dusk\n")
    monkeypatch.setenv("LANGIT_STYLES", str(own))
    assert styled("", "neon") == "at night, light from behind"
    assert styles()["golden"] == "at dusk"
    with pytest.raises(InputError, match=r"There is no style 'oil'; the styles are .*neon"):
        styled("a ball", "oil")
    for bad in ("- a list", "{"):
        own.write_text(bad)
        with pytest.raises(InputError, match=r"styles\.yaml"):
            styles()


@pytest.mark.parametrize(
    ("prompt", "plain"),
    [
        (
            "A small red ball rolls past a big metal green cube",
            "A red ball rolls past a green cube",
        ),
        (
            "sebuah bola merah kecil melewati kubus biru besar",
            "sebuah bola merah melewati kubus biru",
        ),
    ],
)
def test_other_words_name_the_same_things(prompt, plain):
    found = other_words(prompt)
    assert found[0] == plain
    assert found[2] == expand(prompt).prompt
    assert {frozenset(thing) for thing in things_in(found[1])} == {frozenset(thing) for thing in things_in(prompt)}
    assert {"small", "large", "matte"} <= set(read(found[1]).concepts)
