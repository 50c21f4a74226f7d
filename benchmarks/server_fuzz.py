"""Nonsense of two kinds: requests made from our own OpenAPI document (schemathesis), and damaged pictures and videos.

    pip install schemathesis
    python -m benchmarks.server_fuzz --requests 10000 --media 2000
    python -m benchmarks.server_fuzz --requests 2000 --media 400 --slice 3      (the fourth fifth of it, alone)
    python -m benchmarks.server_fuzz --requests 1000 --media 2000 --inside      (without processes, for little CPU)

`--inside` calls the application directly, with a worker that is only said to be there, and decodes in this very process.
Each slice has dice of its own. Fails on any 5xx, on an error that is not in the API's shape, and on an answer that holds a
traceback or a path.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import re
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path

import httpx
import numpy as np
from PIL import Image
from tests.making_models import save_tiny_model
from tests.serving import KEY, Serving, settings_for

from langit.media import write
from langit.server.settings import TEMPLATE
from langit.types import Video

REACH = {
    "width": 64, "height": 64, "seconds": 4.0, "fps": 8.0, "max_seconds": 3600.0, "max_pixels": 16384, "max_aspect": 2.0,
    "step": (8, 8), "steps": 10, "name": "x", "licence": "y",
}  # fmt: skip
VERBS = ["create", "remix", "edit", "extend", "loop", "blend", "recut", "inpaint", "outpaint", "storyboard"]
LEAKS = ("Traceback", "site-packages", 'File "', "/tmp/", "/home/", "/root/")


def fuzz_requests(serving: Serving, requests: int, seed: int, program: str) -> None:
    """schemathesis, as many examples for each operation as make `requests` together."""
    document = httpx.get(f"{serving.url}/openapi.json").json()
    operations = sum(len(methods) for methods in document["paths"].values())
    examples = -(-requests // operations)
    command = [program, "run", f"{serving.url}/openapi.json", "--header", f"Authorization: Bearer {KEY}"]
    command += ["--checks", "not_a_server_error", "--phases", "fuzzing", "--max-examples", str(examples)]
    command += ["--exclude-path-regex", "events$", "--request-timeout", "60", "--seed", str(seed)]
    before = answered(serving)
    subprocess.run(command, check=True)
    after = answered(serving)
    print("requests:", {status: after[status] - before[status] for status in sorted(after)})


def answered(serving: Serving) -> Counter[str]:
    """The answers so far, by status."""
    text = httpx.get(f"{serving.url}/metrics").text
    counted = Counter[str]()
    for status, number in re.findall(r'^langit_http_requests_total\{.*status="(\d+)"\} (\S+)$', text, re.MULTILINE):
        counted[status] += round(float(number))
    return counted


def fuzz_media(serving: Serving, count: int, seed: int, folder: Path) -> Counter[int]:
    """Files of every kind with bytes flipped, cut, doubled or moved."""
    dice, statuses = random.Random(f"media {seed}"), Counter[int]()
    whole = originals(folder)
    with httpx.Client(base_url=serving.url, headers={"Authorization": f"Bearer {KEY}"}, timeout=120) as http:
        for number in range(count):
            name = dice.choice(sorted(whole))
            content = damaged(bytearray(whole[name]), dice)
            if name.endswith((".mp4", ".gif")):
                answer = http.post(
                    "/v1/videos/edits", data={"prompt": "a ball", "steps": "1"}, files={"video": (name, content)}
                )
            else:
                answer = http.post(
                    "/v1/videos",
                    data={"prompt": "a ball", "seconds": "1", "steps": "1"},
                    files={"input_reference": (name, content)},
                )
            statuses[answer.status_code] += 1
            text = answer.text
            assert answer.status_code < 500, (number, name, text)
            assert not any(leak in text for leak in LEAKS), (number, name, text)
            if answer.status_code != 200:
                assert set(json.loads(text)["error"]) == {"message", "type", "param", "code"}, text
    return statuses


def fuzz_requests_inside(folder: Path, requests: int, seed: int) -> Counter[str]:
    """The same without a server's processes: every operation of the document, called directly."""
    import schemathesis
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import seed as seeded

    from langit.server.api import build
    from langit.server.context import Server
    from langit.server.settings import read_settings
    from langit.server.tables import workers

    data = folder / "inside"
    data.mkdir()
    text = TEMPLATE.replace("= 3000", "= 10000000", 1).replace("= 200 ", "= 1000000 ", 1)
    (data / "langit.toml").write_text(text)
    server = Server(data, read_settings(data), keyless=True)
    with server.database.write() as connection:
        told = {"id": "w", "models": {"embedded": REACH}, "verbs": VERBS, "started_at": 0, "seen_at": time.time() + 1e6}
        connection.execute(workers.insert().values(**told))
    operations = [
        found.ok() for found in schemathesis.openapi.from_asgi("/openapi.json", build(server)).get_all_operations()
    ]
    operations = [one for one in operations if not one.path.endswith("/events")]
    examples, statuses = -(-requests // len(operations)), Counter[str]()

    def check(case: schemathesis.Case) -> None:
        answer = case.call()
        statuses[str(answer.status_code)] += 1
        text = answer.text
        assert answer.status_code < 500, (case.as_curl_command(), text)
        assert not any(leak in text for leak in LEAKS), (case.as_curl_command(), text)
        if answer.status_code >= 400 and case.method != "HEAD":
            assert set(json.loads(text)["error"]) == {"message", "type", "param", "code"}, text

    checks = settings(
        max_examples=examples,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    for operation in operations:
        seeded(seed)(checks(given(case=operation.as_strategy())(check)))()
    server.close()
    return statuses


def decode_inside(count: int, seed: int, folder: Path) -> Counter[str]:
    """Damaged files through the very functions that the decoding process runs."""
    from langit.server.decoding import Bounds, decode_here

    dice, outcomes = random.Random(f"media {seed}"), Counter[str]()
    whole, bounds = originals(folder), Bounds(60, 3000, 40, 1800)
    for _ in range(count):
        name = dice.choice(sorted(whole))
        source, moving = folder / "damaged", name.endswith((".mp4", ".gif"))
        source.write_bytes(damaged(bytearray(whole[name]), dice))
        answer = decode_here(
            "video" if moving else "image", source, folder / ("out.mp4" if moving else "out.png"), bounds
        )
        told = str(answer.get("error", "decoded"))
        assert not any(leak in told.replace(str(source), "") for leak in LEAKS), told
        outcomes["decoded" if told == "decoded" else "refused"] += 1
    return outcomes


def originals(folder: Path) -> dict[str, bytes]:
    generator = np.random.default_rng(0)
    frames = generator.integers(0, 256, (6, 32, 48, 3), np.uint8)
    files = {}
    for kind in ("mp4", "gif"):
        path = folder / f"whole.{kind}"
        write(Video(frames, 8.0), path, overwrite=True)
        files[path.name] = path.read_bytes()
    for kind in ("PNG", "JPEG", "WEBP", "BMP"):
        buffer = io.BytesIO()
        Image.fromarray(frames[0]).save(buffer, kind)
        files[f"whole.{kind.lower()}"] = buffer.getvalue()
    return files


def damaged(content: bytearray, dice: random.Random) -> bytes:
    for _ in range(dice.randint(1, 20)):
        way, at = dice.randrange(4), dice.randrange(len(content))
        if way == 0:
            content[at] = dice.randrange(256)
        elif way == 1 and len(content) > 64:
            del content[max(16, at) : at + dice.randint(1, 64)]
        elif way == 2:
            content[at:at] = content[at : at + 32]
        else:
            content[at : at + 4] = dice.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff"))
    return bytes(content)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--media", type=int, default=2_000)
    parser.add_argument("--slice", type=int, default=0, help="another number, other requests and files")
    parser.add_argument("--schemathesis", default="schemathesis", help="the program")
    parser.add_argument("--inside", action="store_true", help="call the application directly")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if told.inside:
            print("media:", dict(decode_inside(told.media, told.slice, folder)), flush=True)
            if told.requests:
                print("requests:", dict(fuzz_requests_inside(folder, told.requests, told.slice)))
            return
        settings = settings_for(
            save_tiny_model(folder / "model"), requests_per_minute="1000000", queued_videos="100000", video_seconds="2"
        )
        serving = Serving(folder / "data", settings)
        try:
            serving.start()
            print("media:", dict(fuzz_media(serving, told.media, told.slice, folder)))
            if told.requests:
                fuzz_requests(serving, told.requests, told.slice + 1, told.schemathesis)
            log = serving.log.read_text()
            assert "Traceback" not in log, log[-5000:]
        finally:
            serving.stop()


if __name__ == "__main__":
    main()
