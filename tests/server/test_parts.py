"""The parts of the server that need no server to run."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace

import numpy as np
import openai
import pytest
import sqlalchemy as sa

from langit.provenance import can_check_frames
from langit.server import commands, fetching
from langit.server.body import Body, Upload, _place
from langit.server.database import Database
from langit.server.decoding import Bounds, decode
from langit.server.errors import ApiError
from langit.server.fetching import Outside
from langit.server.fitting import Reach, fitted, shown_seconds
from langit.server.jobs import Jobs, Made, NewVideo, Once, new_id
from langit.server.keys import Caller
from langit.server.limits import Rates
from langit.server.queues import Queues
from langit.server.schema import MOST_PROMPT, VideoCreate
from langit.server.settings import TEMPLATE, Limits, ServedModel, Settings, read_settings
from langit.server.storage import Storage
from langit.server.sweeper import Sweeper
from langit.server.tables import audit, deliveries, endpoints, usage, videos
from langit.server.webhooks import event_payload, new_secret, signed_headers
from langit.types import InputError

REACH = Reach(128, 128, 4.0, 8.0, 60.0, 256 * 256, 2.0, (8, 16), 30)
FIT, REFUSE = ServedModel(size="fit", seconds="fit"), ServedModel()


@pytest.mark.parametrize(
    ("asked", "made"),
    [
        (None, (128, 128)),
        ((128, 64), (128, 64)),
        ((256, 256), (256, 256)),
        ((130, 130), (128, 128)),
        ((720, 1280), (96, 176)),
        ((1280, 720), (168, 96)),
        ((1024, 1792), (96, 176)),
        ((10_000, 10), (184, 96)),
        ((1, 1), (8, 16)),
    ],
)
def test_sizes_are_fitted(asked, made):
    found = fitted(FIT, REACH, asked, None, None)
    assert found.size == made
    assert bool(found.notices) == (asked not in (None, made))
    width, height = found.size
    assert width % 8 == height % 16 == 0
    assert width * height <= REACH.max_pixels


def test_what_a_model_cannot_is_refused_or_fitted():
    with pytest.raises(ApiError, match="nearest is 128x128"):
        fitted(REFUSE, REACH, (130, 130), None, None)
    with pytest.raises(ApiError, match="up to 60 seconds"):
        fitted(REFUSE, REACH, None, 61, None)
    assert fitted(FIT, REACH, None, 61, None).seconds == 60
    assert fitted(FIT, REACH, None, 2.5, 24).frames == 60
    assert fitted(FIT, REACH, None, 0.001, None).frames == 1


@pytest.mark.parametrize(("seconds", "shown"), [(4.0, "4"), (2.125, "2.125"), (1 / 3, "0.333"), (10.0, "10")])
def test_seconds_are_shown_as_openai_does(seconds, shown):
    assert shown_seconds(seconds) == shown


def test_rates_refill():
    rates, caller = Rates(), Caller("a", Limits(requests_per_minute=600))
    for _ in range(60):
        rates.spend(caller)
    with pytest.raises(ApiError) as told:
        rates.spend(caller)
    assert (told.value.status, told.value.headers) == (429, {"Retry-After": "1"})
    rates.spend(replace(caller, owner="b"))
    time.sleep(0.15)
    rates.spend(caller)


def test_forms_are_read_as_the_client_writes_them():
    fields: dict = {}
    for name, value in [("prompt", "a"), ("video[id]", "v"), ("characters[][id]", "c"), ("a[b][c]", "d"), ("l[]", "1")]:
        _place(fields, name, value)
    _place(fields, "l[]", "2")
    assert fields == {
        "prompt": "a",
        "video": {"id": "v"},
        "characters": [{"id": "c"}],
        "a": {"b": {"c": "d"}},
        "l": ["1", "2"],
    }
    for name in ("prompt", "prompt[x]", "video[id][x]", "l", "l[x]"):
        with pytest.raises(ApiError):
            _place(fields, name, "again")


def test_a_body_knows_its_files(tmp_path):
    full, empty = (Upload(tmp_path, "a", size, "digest") for size in (3, 0))
    body = Body({"prompt": "a ball", "input_reference": "file_1"}, {"input_reference": empty})
    assert body.parse(VideoCreate, ("input_reference",)).input_reference == "file_1"
    assert body.given == {}
    with pytest.raises(ApiError, match="came twice"):
        Body(body.fields, {"input_reference": full}).parse(VideoCreate, ("input_reference",))
    assert body.digest("create") != Body(body.fields).digest("create")


def test_prompts_are_as_long_as_generation_allows():
    from langit.planning import MAX_PROMPT_CHARACTERS

    assert MOST_PROMPT == MAX_PROMPT_CHARACTERS


# Addresses


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://localhost/",
        "http://0.0.0.0/",
        "http://10.1.2.3/",
        "http://169.254.169.254/latest",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[2002:7f00:1::]/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://user:secret@93.184.216.34/",
        "ftp://93.184.216.34/",
        "file:///etc/passwd",
        "http:///x",
        "http://93.184.216.34:99999/",
        "gopher://x",
        "",
    ],
)
def test_private_addresses_are_not_called(url):
    with pytest.raises(InputError):
        Outside().get(url, 1000)


def test_a_name_is_judged_by_every_address_it_has(monkeypatch):
    def resolve(host, port, **_):
        return [(0, 0, 0, "", (address, port)) for address in ("93.184.216.34", "127.0.0.1")]

    monkeypatch.setattr(fetching.socket, "getaddrinfo", resolve)
    with pytest.raises(InputError, match="private"):
        Outside().check("https://rebinding.example/")
    Outside(("127.0.0.0/8",)).check("https://rebinding.example/")
    Outside(("rebinding.example",)).check("https://rebinding.example/")


def test_a_redirect_leads_nowhere_private(monkeypatch):
    from http.server import BaseHTTPRequestHandler, HTTPServer

    class Redirect(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(302)
            self.send_header("location", "http://169.254.169.254/latest")
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Redirect) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        with pytest.raises(InputError, match="private"):
            Outside(("127.0.0.1",)).get(f"http://127.0.0.1:{server.server_port}/", 1000)
        thread.join()


def test_the_official_client_verifies_what_we_sign():
    secret, payload = new_secret(), event_payload("evt_1", "video.completed", "video_1")
    client = openai.OpenAI(api_key="x", webhook_secret=secret)
    headers = signed_headers(secret, "evt_1", payload)
    assert client.webhooks.unwrap(payload, headers).data.id == "video_1"
    with pytest.raises(openai.InvalidWebhookSignatureError):
        client.webhooks.unwrap(payload, signed_headers(new_secret(), "evt_1", payload))
    client.close()


# Decoding


BOUNDS = Bounds(20, 2000, 1.0, 20)


def test_a_bomb_of_pixels_is_refused_by_its_header(tmp_path):
    from PIL import Image

    path = tmp_path / "large.png"
    Image.new("1", (5000, 5000)).save(path)
    with pytest.raises(InputError, match="5000x5000") as told:
        decode("image", path, tmp_path / "out.png", BOUNDS)
    assert str(tmp_path) not in str(told.value)


def test_a_decoder_that_takes_too_much_is_ended(tmp_path):
    from PIL import Image

    path = tmp_path / "a.png"
    Image.new("RGB", (900, 900)).save(path)
    with pytest.raises(InputError, match=r"within 0\.01 seconds"):
        decode("image", path, tmp_path / "out.png", replace(BOUNDS, seconds=0.01))
    with pytest.raises(InputError, match="could not be decoded"):
        decode("image", path, tmp_path / "out.png", replace(BOUNDS, memory_mb=40))


# Settings, keys of the storage


def test_settings_are_written_once_and_their_template_says_the_defaults(tmp_path):
    made = read_settings(tmp_path / "data")
    assert made == Settings()
    path = tmp_path / "data" / "langit.toml"
    assert path.read_text() == TEMPLATE
    for text, why in [("nonsense", "TOML"), ("colour = 1", "colour"), ("[limits]\nupload_mb = 0", "upload_mb"),
                      ('default_model = "x"', "default_model")]:  # fmt: skip
        path.write_text(text)
        with pytest.raises(InputError, match=why):
            read_settings(tmp_path / "data")


def test_storage_anywhere(tmp_path):
    source = tmp_path / "source"
    source.write_bytes(b"0123456789")
    for storage in (Storage(str(tmp_path / "files")), Storage("memory://bucket/files")):
        assert storage.put("videos/a/b/video.mp4", source) == 10
        assert b"".join(storage.read("videos/a/b/video.mp4", 2, 5)) == b"234"
        storage.fetch("videos/a/b/video.mp4", tmp_path / "back")
        assert (tmp_path / "back").read_bytes() == b"0123456789"
        storage.remove("videos/a")
        storage.remove("videos/a")
        with pytest.raises(FileNotFoundError):
            storage.fetch("videos/a/b/video.mp4", tmp_path / "back")
    with pytest.raises(InputError, match="nowhere"):
        Storage("nowhere://x")


def test_parts_of_a_file_that_is_elsewhere(tmp_path):
    from types import SimpleNamespace

    from langit.server.routes_videos import _from_elsewhere

    (tmp_path / "source").write_bytes(b"0123456789")
    server = SimpleNamespace(storage=Storage(f"memory://{tmp_path.name}"))
    file = {"key": "a/video.mp4", "bytes": server.storage.put("a/video.mp4", tmp_path / "source"), "type": "video/mp4"}
    for asked, start, end in [
        (None, 0, 10),
        ("bytes=2-4", 2, 5),
        ("bytes=7-", 7, 10),
        ("bytes=-3", 7, 10),
        ("x", 0, 10),
    ]:
        answer = _from_elsewhere(server, file, "v.mp4", asked)
        told = answer.headers.get("content-range")
        assert (answer.status_code, told) == ((206, f"bytes {start}-{end - 1}/10") if end - start < 10 else (200, None))
        assert answer.headers["content-length"] == str(end - start)
        assert b"".join(server.storage.read(file["key"], start, end)) == b"0123456789"[start:end]
    with pytest.raises(ApiError) as refused:
        _from_elsewhere(server, file, "v.mp4", "bytes=10-")
    assert (refused.value.status, refused.value.headers) == (416, {"Content-Range": "bytes */10"})


# A job's life, in the database


@pytest.fixture
def jobs(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'langit.sqlite'}")
    database.migrate()
    database.migrate()  # twice is once
    queues = Queues(database)
    yield Jobs(database, queues, Storage(str(tmp_path / "storage")), keep_hours=1)
    queues.close()
    database.close()


CALLER = Caller("key_a", Limits(queued_videos=2))


def new(**changes):
    made = NewVideo(new_id("video"), "create", "sora-2", "a ball", "64x64", "1", {"seed": 1, "fps": 8.0, "inputs": {}})
    return replace(made, **changes)


def made_files(jobs, identifier, tmp_path):
    (tmp_path / "v.mp4").write_bytes(b"whole")
    key = f"videos/{identifier}/1/video.mp4"
    size = jobs.storage.put(key, tmp_path / "v.mp4")
    return Made({"video": {"key": key, "bytes": size, "type": "video/mp4"}}, "64x64", "1", 2.0)


def test_a_job_ends_once_and_is_billed_once(jobs, tmp_path):
    row, _ = jobs.accept(CALLER, new())
    assert not jobs.progress(row["id"], 50)  # not begun
    assert jobs.start(row["id"])["attempts"] == 1
    assert jobs.progress(row["id"], 50)
    assert jobs.start(row["id"])["attempts"] == 2  # after a crash
    made = made_files(jobs, row["id"], tmp_path)
    assert jobs.complete(row["id"], made)
    assert not jobs.complete(row["id"], made)
    assert not jobs.fail(row["id"], "late", "Too late.")
    assert jobs.start(row["id"]) is None
    ended = jobs.find(CALLER, row["id"])
    assert (ended["status"], ended["progress"], ended["stored_bytes"]) == ("completed", 100, 5)
    with jobs.database.read() as connection:
        assert len(connection.execute(sa.select(usage)).all()) == 1


def test_the_queue_has_room_for_so_many(jobs):
    first, _ = jobs.accept(CALLER, new())
    jobs.accept(CALLER, new())
    with pytest.raises(ApiError, match="2 may"):
        jobs.accept(CALLER, new())
    jobs.accept(replace(CALLER, owner="key_b"), new())
    jobs.cancel(CALLER, first["id"])
    jobs.accept(CALLER, new())
    tight = Caller("key_c", Limits(storage_mb=1))
    with jobs.database.write() as connection:
        connection.execute(
            videos.update().where(videos.c.id == first["id"]).values(owner="key_c", stored_bytes=1_000_001)
        )
    with pytest.raises(ApiError) as told:
        jobs.accept(tight, new())
    assert told.value.code == "storage_full"


def test_once_is_once_also_at_the_same_time(jobs):
    from concurrent.futures import ThreadPoolExecutor

    caller = Caller("key_a", Limits())
    with ThreadPoolExecutor(8) as pool:
        rows = list(pool.map(lambda _: jobs.accept(caller, new(), Once("key", "digest"))[0]["id"], range(16)))
    assert len(set(rows)) == 1
    with pytest.raises(ApiError, match="another request"):
        jobs.accept(caller, new(), Once("key", "other"))


def test_what_is_expired_goes_files_first(jobs, tmp_path, monkeypatch):
    row, _ = jobs.accept(CALLER, new())
    jobs.start(row["id"])
    jobs.complete(row["id"], made_files(jobs, row["id"], tmp_path))
    sweeper = Sweeper(jobs, "me")
    sweeper.sweep()
    assert jobs.get(row["id"]) is not None
    later = time.time() + 3601
    monkeypatch.setattr("langit.server.sweeper.time.time", lambda: later)
    sweeper.sweep()
    assert jobs.get(row["id"]) is None
    assert jobs.storage.children(f"videos/{row['id']}") == []


def test_an_event_is_queued_with_the_end_it_tells_of(jobs):
    with jobs.database.write() as connection:
        connection.execute(
            endpoints.insert().values(
                id="we_1",
                owner="key_a",
                name="a",
                url="http://x",
                event_types=["video.failed"],
                secret=new_secret(),
                created_at=0,
                updated_at=0,
            )
        )
    row, _ = jobs.accept(CALLER, new())
    jobs.fail(row["id"], "code", "Why.")
    with jobs.database.read() as connection:
        (delivery,) = connection.execute(sa.select(deliveries)).all()
    assert f'"type":"video.failed","data":{{"id":"{row["id"]}"}}' in delivery.payload
    assert not jobs.queues.has_ended(delivery.id)


def test_a_newer_database_is_refused(jobs):
    with jobs.database.write() as connection:
        connection.execute(sa.text("UPDATE langit_version SET version = 99"))
    with pytest.raises(InputError, match="newer"):
        jobs.database.migrate()


def test_the_api_never_imports_torch_and_is_small():
    code = (
        "import langit.server.api, langit.server.workflows, langit.server.worker, langit.provenance, uvicorn, sys;"
        "print(sorted({'torch', 'av', 'mujoco'} & set(sys.modules)), end=' ');"
        "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    heavy, kibibytes = done.stdout.rsplit(" ", 1)
    assert heavy == "[]"
    assert int(kibibytes) < 200 * 1024


@pytest.mark.parametrize(
    ("arguments", "why"),
    [(["--host", "0.0.0.0", "--no-key"], "--no-key"), (["--host", "203.0.113.7"], "cannot be listened on")],
)
def test_serve_refuses_in_a_sentence(tmp_path, arguments, why):
    command = [sys.executable, "-m", "langit.cli", "serve", "--data", str(tmp_path / "data"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert why in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_in_use_is_told(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "langit.cli", "serve", "--data", str(tmp_path), "--port", port]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert port in done.stderr


@pytest.mark.skipif(not can_check_frames(), reason='pip install "langit[moderation]"')
def test_frames_that_a_policy_refuses_are_not_served(tmp_path):
    from langit.server.rendering import Refusal, _check

    frames = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)
    _check(frames, {"provenance": {"policy": None}})
    policy = tmp_path / "policy.toml"
    policy.write_text("frames = 0.0\nsampled = 1\n")
    with pytest.raises(Refusal) as told:
        _check(frames, {"provenance": {"policy": str(policy)}})
    assert told.value.code == "moderation_blocked"


def test_what_is_not_checked_is_said_at_the_start(tmp_path, monkeypatch):
    settings = read_settings(tmp_path / "data")
    monkeypatch.setattr("langit.provenance.can_check_frames", lambda: False)
    assert "langit[moderation]" in (commands._unchecked(tmp_path / "data", settings) or "")
    (tmp_path / "data" / "policy.toml").write_text("frames = false\n")
    meant = settings.model_copy(update={"provenance": settings.provenance.model_copy(update={"policy": "policy.toml"})})
    assert commands._unchecked(tmp_path / "data", meant) is None
    monkeypatch.setattr("langit.provenance.can_check_frames", lambda: True)
    assert commands._unchecked(tmp_path / "data", settings) is None


def test_whoever_waits_shares_one_transaction(jobs):
    """One that fails takes nothing of the others with it."""
    from concurrent.futures import ThreadPoolExecutor

    begun, commits = threading.Barrier(9), []
    sa.event.listen(jobs.database.engine, "commit", commits.append)

    def work(number: int) -> int | str:
        begun.wait()
        try:
            return jobs.database.together(lambda connection: enter(connection, number))
        except ValueError as error:
            return str(error)

    def enter(connection, number: int) -> int:
        row = {"at": number, "owner": "a", "what": "x", "detail": {}}
        connection.execute(audit.insert().values(**row))
        if number % 3 == 0:
            raise ValueError("no")
        return number

    with ThreadPoolExecutor(9) as pool, jobs.database.write():  # nobody has a turn until all wait
        ended = [pool.submit(work, number) for number in range(8)]
        begun.wait()
        while len(jobs.database._waiting) < 8:
            time.sleep(0.01)
    assert [one.result() for one in ended] == ["no", 1, 2, "no", 4, 5, "no", 7]
    with jobs.database.read() as connection:
        assert sorted(connection.execute(sa.select(audit.c.at)).scalars()) == [1, 2, 4, 5, 7]
    assert len(commits) == 2  # theirs, and that of the turn they waited for
