"""What the API can do beyond Sora's: cancelling, watching, webhooks, batches, idempotency, the other editing verbs."""

from __future__ import annotations

import base64
import io
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import openai
import pytest
from openai.types import Batch, FileObject, Model
from openai.types.webhooks import WebhookEndpoint, WebhookEndpointTestResult
from PIL import Image

from tests.contract.conftest import wait

pytestmark = pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning")


def test_cancel(http):
    made = http.post("/v1/videos", json={"prompt": "a ball", "steps": 900}).json()
    while http.get(f"/v1/videos/{made['id']}").json()["progress"] == 0:
        time.sleep(0.05)
    cancelled = http.post(f"/v1/videos/{made['id']}/cancel").json()
    assert (cancelled["status"], cancelled["error"]["code"]) == ("failed", "cancelled")
    assert http.post(f"/v1/videos/{made['id']}/cancel").json() == cancelled
    after = http.post("/v1/videos", json={"prompt": "a ball", "seconds": "1", "steps": 1}).json()
    assert wait(http, after["id"])["status"] == "completed"  # the engine lives, and is free
    assert http.get(f"/v1/videos/{made['id']}").json() == cancelled


def test_events(http):
    made = http.post("/v1/videos", json={"prompt": "a ball", "steps": 60, "guidance": 1}).json()
    events = []
    with http.stream("GET", f"/v1/videos/{made['id']}/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        for block in "".join(stream.iter_text()).split("\n\n"):
            if block.startswith("event: "):
                kind, data = block.split("\n", 1)
                events.append((kind.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    assert events[-1][0] == "video.completed"
    assert {kind for kind, _ in events[:-1]} <= {"video.progress", "video.preview"}
    assert [video["progress"] for _, video in events] == sorted(video["progress"] for _, video in events)


def test_previews_are_small_pictures_of_what_is_being_made(http):
    made = http.post("/v1/videos", json={"prompt": "a ball", "steps": 900, "guidance": 1}).json()
    pictures = []
    with http.stream("GET", f"/v1/videos/{made['id']}/events") as stream:
        for line in stream.iter_lines():
            if "video.preview" in line and line.startswith("data: "):
                told = json.loads(line.removeprefix("data: "))
                assert told["id"] == made["id"]
                head, _, content = told["image_url"].partition(",")
                assert head == "data:image/webp;base64"
                pictures.append(Image.open(io.BytesIO(base64.b64decode(content))))
                if len(pictures) == 3:
                    break
    assert pictures[0].size == (32, 32)
    assert pictures[-1].n_frames > 1  # it was quick enough to show all of the clip
    http.post(f"/v1/videos/{made['id']}/cancel")  # a quick machine has made all of it by now; then this is refused


def test_whoever_wants_no_previews_gets_none(http):
    made = http.post("/v1/videos", json={"prompt": "a ball", "steps": 300, "guidance": 1}).json()
    told = http.get(f"/v1/videos/{made['id']}/events", params={"previews": "false"}).text
    assert "video.progress" in told
    assert "video.completed" in told
    assert "video.preview" not in told


def test_an_idempotency_key_makes_one_video(http):
    ask = {"prompt": "a ball", "seconds": "1", "steps": 1}
    headers = {"Idempotency-Key": "once"}
    first = http.post("/v1/videos", json=ask, headers=headers)
    again = http.post("/v1/videos", json=ask, headers=headers)
    assert first.json()["id"] == again.json()["id"]
    assert again.headers["idempotent-replayed"] == "true"
    other = http.post("/v1/videos", json={**ask, "prompt": "a cube"}, headers=headers)
    assert other.json()["error"]["code"] == "idempotency_key_reused"
    assert http.post("/v1/videos", json=ask).json()["id"] != first.json()["id"]


class Receiver(BaseHTTPRequestHandler):
    """Fails once, then takes what comes."""

    got: list[tuple[dict[str, str], bytes]] = []  # noqa: RUF012

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.got.append(({key.lower(): value for key, value in self.headers.items()}, body))
        self.send_response(500 if len(self.got) == 1 else 204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[ThreadingHTTPServer]:
    Receiver.got = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_webhooks_are_signed_and_tried_again(client, http, receiver):
    url = f"http://127.0.0.1:{receiver.server_port}/hook"
    endpoint = client.webhooks.create(name="mine", url=url, event_types=["video.completed", "video.failed"])
    made = http.post("/v1/videos", json={"prompt": "a ball", "seconds": "1", "steps": 1}).json()
    deadline = time.monotonic() + 60
    while not (got := [one for one in Receiver.got if made["id"].encode() in one[1]]) and time.monotonic() < deadline:
        time.sleep(0.05)
    headers, body = got[0]
    event = client.webhooks.unwrap(body, headers, secret=endpoint.signing_secret)
    assert (event.type, event.data.id) == ("video.completed", made["id"])
    with pytest.raises(openai.InvalidWebhookSignatureError):
        client.webhooks.unwrap(body + b" ", headers, secret=endpoint.signing_secret)
    failed = Receiver.got[0]  # the receiver fails once: that event came again, as it was, under the same id
    while (
        sum(one[0]["webhook-id"] == failed[0]["webhook-id"] for one in Receiver.got) < 2 and time.monotonic() < deadline
    ):
        time.sleep(0.05)
    assert {one[1] for one in Receiver.got if one[0]["webhook-id"] == failed[0]["webhook-id"]} == {failed[1]}
    assert sum(one[0]["webhook-id"] == failed[0]["webhook-id"] for one in Receiver.got) == 2
    assert [one.id for one in client.webhooks.list()] == [endpoint.id]
    tested = client.webhooks.test(endpoint.id, event_type="video.failed")
    WebhookEndpointTestResult.model_validate(tested.model_dump(), strict=True)
    assert tested.status_code == 204
    changed = client.webhooks.update(endpoint.id, name="ours", event_types=["video.failed"])
    WebhookEndpoint.model_validate(changed.model_dump(), strict=True)
    assert (changed.name, changed.url, changed.event_types) == ("ours", url, ["video.failed"])
    rotated = client.webhooks.rotate_secret(endpoint.id, keep_old_secret_active_for_24_hours=True)
    client.webhooks.test(endpoint.id, event_type="video.failed")
    headers, body = Receiver.got[-1]
    for secret in (rotated.signing_secret, endpoint.signing_secret):
        assert client.webhooks.unwrap(body, headers, secret=secret).type == "video.failed"
    last = client.webhooks.rotate_secret(endpoint.id).signing_secret
    client.webhooks.test(endpoint.id, event_type="video.failed")
    headers, body = Receiver.got[-1]
    client.webhooks.unwrap(body, headers, secret=last)
    with pytest.raises(openai.InvalidWebhookSignatureError):
        client.webhooks.unwrap(body, headers, secret=rotated.signing_secret)
    client.webhooks.update(endpoint.id, url="http://127.0.0.1:9/")  # nobody listens there
    with pytest.raises(openai.APIStatusError, match="could not be reached"):
        client.webhooks.test(endpoint.id, event_type="video.failed")
    assert client.webhooks.delete(endpoint.id).deleted
    told = http.post(
        "/v1/webhook_endpoints", json={"name": "a", "url": "http://10.1.1.1/", "event_types": ["video.failed"]}
    )
    assert (told.status_code, told.json()["error"]["param"]) == (400, "url")


def test_a_batch(client, http):
    lines = [
        {
            "custom_id": "one",
            "method": "POST",
            "url": "/v1/videos",
            "body": {"prompt": "a ball", "seconds": "1", "steps": 1},
        },
        {"custom_id": "two", "method": "POST", "url": "/v1/videos", "body": {"prompt": ""}},
    ]
    text = "\n".join(map(json.dumps, lines)).encode()
    file = client.files.create(file=("lines.jsonl", text), purpose="batch")
    FileObject.model_validate(file.model_dump(), strict=True)
    batch = client.batches.create(input_file_id=file.id, endpoint="/v1/videos", completion_window="24h")
    while (batch := client.batches.retrieve(batch.id)).status not in ("completed", "failed"):
        time.sleep(0.05)
    Batch.model_validate(batch.model_dump(), strict=True)
    assert batch.status == "completed"
    assert (batch.request_counts.total, batch.request_counts.completed, batch.request_counts.failed) == (2, 1, 1)
    good = json.loads(client.files.content(batch.output_file_id).text)
    bad = json.loads(client.files.content(batch.error_file_id).text)
    assert (good["custom_id"], good["response"]["status_code"]) == ("one", 200)
    assert good["response"]["body"]["status"] == "completed"
    assert (bad["custom_id"], bad["response"]["body"]["error"]["param"]) == ("two", "prompt")
    assert client.videos.download_content(good["response"]["body"]["id"]).read()[4:8] == b"ftyp"
    assert batch.id in [one.id for one in client.batches.list()]


def test_models_and_files(client):
    for model in client.models.list():
        Model.model_validate(model.model_dump(), strict=True)
    assert client.models.retrieve("sora-2").id == "sora-2"
    file = client.files.create(file=("a.bin", b"abc"), purpose="user_data")
    assert client.files.content(file.id).read() == b"abc"
    assert file.id in [one.id for one in client.files.list()]
    assert client.files.delete(file.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(file.id)


@pytest.mark.parametrize(
    ("verb", "more"),
    [
        ("loop", {}),
        ("recut", {"keep": [[0, 0.5]], "rest": "cut"}),
        ("inpaint", {"box": [0, 0, 16, 16], "prompt": "a blue ball"}),
        ("outpaint", {"size": "48x32"}),
        ("blend", {"second": None, "seconds": 0.5}),
    ],
)
def test_editing_verbs(http, finished, verb, more):
    if "second" in more:
        more = {**more, "second": {"id": finished}}
    made = http.post(f"/v1/videos/{verb}", json={"video": {"id": finished}, "steps": 1, **more}).json()
    assert made.get("operation") == verb, made
    video = wait(http, made["id"])
    assert video["status"] == "completed", video["error"]


def test_a_storyboard(http, picture):
    card = {"at": 0, "prompt": "a red ball", "picture": f"data:image/png;base64,{base64.b64encode(picture).decode()}"}
    ask = {"seconds": "1", "cards": [card, {"at": 0.5, "prompt": "a blue cube"}], "steps": 1}
    made = http.post("/v1/videos/storyboard", json=ask).json()
    assert made.get("operation") == "storyboard", made
    assert wait(http, made["id"])["status"] == "completed"


def test_health_and_metrics(http, finished):
    assert http.get("/healthz").json() == {"status": "ok"}
    assert http.get("/readyz").status_code == 200
    text = http.get("/metrics").text
    assert 'langit_videos{status="completed"}' in text
    assert 'langit_http_requests_total{method="POST",route="/v1/videos",status="200"}' in text
    assert "langit_workers 1.0" in text
