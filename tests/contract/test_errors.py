"""Whatever goes wrong is told in OpenAI's shape: {"error": {message, type, param, code}}, without anything of this machine."""

from __future__ import annotations

import json
import subprocess
import sys

import httpx
import openai
import pytest

from tests.serving import KEY

pytestmark = pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning")


def told(answer: httpx.Response, status: int, code: str, param: str | None = None) -> str:
    body = answer.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"message", "type", "param", "code"}
    assert (answer.status_code, body["error"]["code"], body["error"]["param"]) == (status, code, param), body
    assert answer.headers["x-request-id"].startswith("req_")
    message: str = body["error"]["message"]
    assert message.endswith((".", ")", "?"))
    for secret in ("Traceback", "/tmp", "site-packages", ".py"):
        assert secret not in message
    return message


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ({}, "missing_required_parameter", "prompt"),
        ({"prompt": ""}, "invalid_value", "prompt"),
        ({"prompt": "  "}, "invalid_value", "prompt"),
        ({"prompt": "x" * 4001}, "invalid_value", "prompt"),
        ({"prompt": 3}, "invalid_value", "prompt"),
        ({"prompt": "a\x00b"}, "invalid_value", None),
        ({"prompt": "a ball", "size": "big"}, "invalid_value", "size"),
        ({"prompt": "a ball", "size": "0x10"}, "invalid_value", "size"),
        ({"prompt": "a ball", "seconds": "soon"}, "invalid_value", "seconds"),
        ({"prompt": "a ball", "seconds": "-1"}, "invalid_value", "seconds"),
        ({"prompt": "a ball", "seconds": "nan"}, "invalid_value", "seconds"),
        ({"prompt": "a ball", "seed": -1}, "invalid_value", "seed"),
        ({"prompt": "a ball", "colour": "red"}, "unknown_parameter", "colour"),
        ({"prompt": "a ball", "quality": "draft", "steps": 3}, "invalid_value", "quality"),
        (
            {"prompt": "a ball", "quality": "fast"},
            "invalid_value",
            "quality",
        ),  # the model of the tests has no quick weights
        ({"prompt": "a ball", "input_reference": {}}, "invalid_value", "input_reference"),
        ({"prompt": "a ball", "input_reference": "data:image/png;base64,!"}, "invalid_value", "input_reference"),
        ({"prompt": "a ball", "input_reference": "http://10.0.0.1/a.png"}, "invalid_value", "input_reference"),
        (
            {"prompt": "a ball", "input_reference": "http://[::ffff:169.254.169.254]/"},
            "invalid_value",
            "input_reference",
        ),
        ({"prompt": "a ball", "input_reference": "file:///etc/passwd"}, "invalid_value", "input_reference"),
        ({"prompt": "a ball", "model": "embedded", "seconds": "9999"}, "invalid_value", "seconds"),
        ({"prompt": "gory torture of a child, beheaded"}, "moderation_blocked", "prompt"),
    ],
)
def test_what_cannot_be_made(http, body, code, param):
    told(http.post("/v1/videos", json=body), 400, code, param)


def test_files_that_are_none(http, picture, finished):
    for content in (b"", b"not a picture", picture[:60], b"\x89PNG\r\n\x1a\n" + bytes(200)):
        answer = http.post("/v1/videos", data={"prompt": "a ball"}, files={"input_reference": ("a.png", content)})
        told(answer, 400, "invalid_image", "input_reference")
    answer = http.post("/v1/videos/edits", data={"prompt": "a ball"}, files={"video": ("a.mp4", picture[:60])})
    told(answer, 400, "invalid_video", "video")
    answer = http.post("/v1/videos", data={"prompt": "a ball"}, files={"surprise": ("a.png", picture)})
    told(answer, 400, "invalid_value", "surprise")


def test_what_is_not_there(http, finished):
    told(http.get("/v1/videos/video_0"), 404, "not_found")
    told(http.get("/v1/videos/video_0/content"), 404, "not_found")
    told(http.delete("/v1/videos/video_0"), 404, "not_found")
    told(http.post("/v1/videos/video_0/remix", json={"prompt": "a ball"}), 404, "not_found")
    told(http.post("/v1/videos", json={"prompt": "a ball", "model": "sora-9"}), 404, "model_not_found", "model")
    told(http.post("/v1/videos", json={"prompt": "a ball", "input_reference": "file_0"}), 404, "not_found")
    told(http.get("/v1/videoz"), 404, "unknown_url")
    told(http.get("/"), 404, "unknown_url")
    told(http.put("/v1/videos"), 405, "method_not_allowed")
    told(http.get("/v1/videos", params={"limit": "many"}), 400, "invalid_value", "limit")
    told(http.get(f"/v1/videos/{finished}/content", params={"variant": "sound"}), 400, "invalid_value", "variant")


def test_bodies_that_are_none(http):
    told(http.post("/v1/videos", content=b"{", headers={"content-type": "application/json"}), 400, "invalid_json")
    told(http.post("/v1/videos", content=b"[]", headers={"content-type": "application/json"}), 400, "invalid_json")
    told(http.post("/v1/videos", content=b"a", headers={"content-type": "text/plain"}), 415, "unsupported_media_type")
    broken = {"content-type": "multipart/form-data; boundary=x"}
    told(http.post("/v1/videos", content=b"--y\r\n", headers=broken), 400, "invalid_form")
    told(http.post("/v1/videos", content=bytes(4_000_000), headers=broken), 413, "request_too_large")
    chunks = (bytes(100_000) for _ in range(40))  # of a length that is not told beforehand
    told(
        http.post("/v1/videos", content=chunks, headers={"content-type": "application/json"}), 413, "request_too_large"
    )


def test_a_video_that_is_not_ready(http):
    made = http.post("/v1/videos", json={"prompt": "a ball", "steps": 500}).json()
    told(http.get(f"/v1/videos/{made['id']}/content"), 404, "video_not_ready")
    told(http.delete(f"/v1/videos/{made['id']}"), 400, "video_not_finished")
    told(http.post(f"/v1/videos/{made['id']}/remix", json={"prompt": "a ball"}), 400, "video_not_completed", "video")
    assert http.post(f"/v1/videos/{made['id']}/cancel").json()["error"]["code"] == "cancelled"


def test_keys(serving):
    with httpx.Client(base_url=serving.url) as http:
        for key in (None, "", "Bearer", "Bearer wrong", f"Basic {KEY}", f"Bearer {KEY}x"):
            headers = {} if key is None else {"Authorization": key}
            message = told(http.get("/v1/videos", headers=headers), 401, "invalid_api_key")
            assert KEY not in message
        assert http.get("/healthz").status_code == 200
    with pytest.raises(openai.AuthenticationError):
        openai.OpenAI(base_url=f"{serving.url}/v1", api_key="wrong", max_retries=0).videos.list()


def keys(serving, *arguments: str) -> str:
    command = [sys.executable, "-m", "langit.cli", "keys", *arguments, "--data", str(serving.data)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_one_key_never_sees_anothers_videos_and_has_its_own_limits(serving, http, finished):
    secret = keys(serving, "create", "someone else", "--requests-per-minute", "60", "--queued-videos", "1")
    other = httpx.Client(base_url=serving.url, headers={"Authorization": f"Bearer {secret}"}, timeout=60)
    assert other.get("/v1/videos").json()["data"] == []
    for answer in (
        other.get(f"/v1/videos/{finished}"),
        other.get(f"/v1/videos/{finished}/content"),
        other.get(f"/v1/videos/{finished}/events"),
        other.delete(f"/v1/videos/{finished}"),
        other.post(f"/v1/videos/{finished}/cancel"),
        other.post(f"/v1/videos/{finished}/remix", json={"prompt": "a ball"}),
        other.post("/v1/videos/extensions", json={"prompt": "a ball", "seconds": "4", "video": {"id": finished}}),
    ):
        told(answer, 404, "not_found")
    made = other.post("/v1/videos", json={"prompt": "a ball", "steps": 500}).json()
    full = other.post("/v1/videos", json={"prompt": "a ball"})
    told(full, 429, "queue_full")
    assert int(full.headers["retry-after"]) >= 1
    other.post(f"/v1/videos/{made['id']}/cancel")
    answers = [other.get("/v1/models") for _ in range(15)]
    told(answers[-1], 429, "rate_limit_exceeded")
    listed = keys(serving, "list")
    assert secret not in listed
    identifier = next(line.split()[0] for line in listed.splitlines() if "in force  someone else" in line)
    assert secret.encode() not in (serving.data / "langit.sqlite").read_bytes()
    keys(serving, "revoke", identifier)
    assert httpx.get(f"{serving.url}/v1/models", headers={"Authorization": KEY}).status_code == 401
    deadline = 30
    while other.get("/v1/models").status_code != 401 and deadline:
        deadline -= 1
    assert deadline
    other.close()


def test_the_document_knows_every_route(http):
    document = http.get("/openapi.json").json()
    assert document["openapi"].startswith("3.")
    paths = {path for path in document["paths"] if "videos" in path}
    assert {"/v1/videos", "/v1/videos/edits", "/v1/videos/extensions", "/v1/videos/characters"} <= paths
    text = json.dumps(document)
    for name in {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}:
        assert name in document["components"]["schemas"]
