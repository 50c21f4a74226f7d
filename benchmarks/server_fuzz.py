"""Nonsense of two kinds: requests made from our own OpenAPI document (schemathesis), and damaged pictures and videos.

    pip install schemathesis
    python -m benchmarks.server_fuzz --requests 10000 --media 2000

Fails on any 5xx, on an error that is not in the API's shape, and on an answer that holds a traceback or a path.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

import httpx
import numpy as np
from PIL import Image
from tests.making_models import save_tiny_model
from tests.serving import KEY, Serving, settings_for

from langit.media import write
from langit.types import Video

LEAKS = ("Traceback", "site-packages", 'File "', "/tmp/", "/home/", "/root/")


def fuzz_requests(serving: Serving, requests: int, program: str) -> None:
    """schemathesis, as many examples for each operation as make `requests` together."""
    document = httpx.get(f"{serving.url}/openapi.json").json()
    operations = sum(len(methods) for methods in document["paths"].values())
    examples = -(-requests // operations)
    command = [program, "run", f"{serving.url}/openapi.json", "--header", f"Authorization: Bearer {KEY}"]
    command += ["--checks", "not_a_server_error", "--phases", "fuzzing", "--max-examples", str(examples)]
    command += ["--exclude-path-regex", "events$", "--request-timeout", "60", "--seed", "1"]
    subprocess.run(command, check=True)


def fuzz_media(serving: Serving, count: int, folder: Path) -> Counter[int]:
    """Files of every kind with bytes flipped, cut, doubled or moved."""
    dice, statuses = random.Random(2), Counter[int]()
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
    parser.add_argument("--schemathesis", default="schemathesis", help="the program")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = settings_for(
            save_tiny_model(folder / "model"), requests_per_minute="1000000", queued_videos="100000", video_seconds="2"
        )
        serving = Serving(folder / "data", settings)
        try:
            serving.start()
            print("media:", dict(fuzz_media(serving, told.media, folder)))
            if told.requests:
                fuzz_requests(serving, told.requests, told.schemathesis)
            log = serving.log.read_text()
            assert "Traceback" not in log, log[-5000:]
        finally:
            serving.stop()


if __name__ == "__main__":
    main()
