"""One server for all contract tests, and the official client."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator

import httpx
import openai
import pytest
from PIL import Image

from langit.catalog import Bundle
from tests.catalog.test_bundle import save
from tests.serving import KEY, Serving, settings_for


@pytest.fixture(scope="session")
def serving(tiny_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    folder = tmp_path_factory.mktemp("serving")
    model = save(tiny_bundle, folder / "model")
    # The tests ask faster than people do; the one about limits makes a key with its own.
    settings = settings_for(model, delays="[0.1, 0.1]", upload_mb="3", requests_per_minute="1000000")
    running = Serving(folder / "data", settings.replace("# policy =", "policy ="))
    (running.data / "policy.toml").write_text("sampled = 1\n")  # frames are checked; one of each video will do
    try:
        yield running.start()
    finally:
        running.stop()


@pytest.fixture
def client(serving: Serving) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{serving.url}/v1", api_key=KEY, max_retries=0) as made:
        yield made


@pytest.fixture
def http(serving: Serving) -> Iterator[httpx.Client]:
    """For what the official client cannot say."""
    with httpx.Client(base_url=serving.url, headers={"Authorization": f"Bearer {KEY}"}, timeout=60) as made:
        yield made


@pytest.fixture(scope="session")
def picture() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), (200, 30, 30)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="session")
def finished(serving: Serving) -> str:
    """The id of a completed video that no test deletes."""
    with httpx.Client(base_url=serving.url, headers={"Authorization": f"Bearer {KEY}"}, timeout=60) as http:
        made = http.post("/v1/videos", json={"prompt": "a red ball bounces", "seconds": "1", "seed": 7}).json()
        return wait(http, made["id"])["id"]


def wait(http: httpx.Client, video: str) -> dict:
    """The video when it has ended."""
    while True:
        shown = http.get(f"/v1/videos/{video}").json()
        if shown["status"] in ("completed", "failed"):
            return shown
        time.sleep(0.1)
