"""The official client's twelve methods against a real server; what comes back is validated by its own types."""

from __future__ import annotations

import asyncio
import base64
import io
import time

import numpy as np
import openai
import pytest
import torch
from openai.types import (
    Video,
    VideoCreateCharacterResponse,
    VideoDeleteResponse,
    VideoGetCharacterResponse,
)
from PIL import Image

from langit.tokenizer import decode, encode
from tests.serving import KEY

pytestmark = pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning")
PROMPT = "a red ball bounces"


def valid(raw: dict) -> Video:
    """By the type of the package, strictly; but it knows four sizes, and a model may have others."""
    Video.model_validate({**raw, "size": "720x1280"}, strict=True)
    width, height = raw["size"].split("x")
    assert int(width) > 0
    assert int(height) > 0
    assert float(raw["seconds"]) > 0
    return Video.construct(**raw)


def completed(client, video):
    assert video.status == "completed", video.error
    return valid(client.videos.with_raw_response.retrieve(video.id).http_response.json())


def test_create_poll_retrieve_and_download(client):
    raw = client.videos.with_raw_response.create(prompt=PROMPT, model="sora-2", seconds="4", size="720x1280")
    created = valid(raw.http_response.json())
    assert created.status == "queued"
    assert created.progress == 0
    assert created.completed_at is None
    assert (created.model, created.prompt, created.seconds) == ("sora-2", PROMPT, "4")
    assert int(raw.headers["openai-poll-after-ms"]) >= 250
    polled = client.videos.poll(created.id)
    video = completed(client, polled)
    assert video.progress == 100
    assert video.created_at <= video.completed_at < video.expires_at
    content = client.videos.download_content(video.id).read()
    assert content[4:8] == b"ftyp"
    assert client.videos.download_content(video.id, variant="video").read() == content
    for variant, kind in (("thumbnail", "WEBP"), ("spritesheet", "JPEG")):
        assert Image.open(io.BytesIO(client.videos.download_content(video.id, variant=variant).read())).format == kind


def test_a_size_and_length_are_fitted_and_said(client):
    video = client.videos.create(prompt=PROMPT, size="1280x720", seconds="1")  # type: ignore[arg-type]
    width, height = map(int, video.size.split("x"))
    assert width > height
    assert any("1280x720 became" in notice for notice in video.notices)
    client.videos.poll(video.id)


def test_a_model_that_refuses_says_what_it_makes(client):
    with pytest.raises(openai.BadRequestError, match="nearest") as told:
        client.videos.create(prompt=PROMPT, model="embedded", size="1280x720")
    assert (told.value.param, told.value.code, told.value.type) == ("size", "invalid_value", "invalid_request_error")


def test_progress_is_true(client):
    made = client.videos.create(prompt=PROMPT, extra_body={"steps": 150, "guidance": 1})
    seen = []
    while (video := client.videos.retrieve(made.id)).status in ("queued", "in_progress"):
        seen.append(video.progress)
        time.sleep(0.01)
    assert video.status == "completed"
    assert seen == sorted(seen)
    assert any(0 < progress < 100 for progress in seen)


@pytest.mark.parametrize("way", ["file", "data URL", "file id"])
def test_a_picture_becomes_the_first_frame(client, picture, way, tiny_bundle):
    if way == "file":
        video = client.videos.create_and_poll(
            prompt=PROMPT, seconds="1", input_reference=("a.png", picture, "image/png")
        )
    else:
        if way == "file id":
            file = client.files.create(file=("a.png", picture), purpose="vision")
            reference = {"file_id": file.id}
        else:
            reference = {"image_url": f"data:image/png;base64,{base64.b64encode(picture).decode()}"}
        made = client.videos.create(prompt=PROMPT, seconds="1", extra_body={"input_reference": reference})
        video = client.videos.poll(made.id)
    assert video.status == "completed", video.error
    sheet = Image.open(io.BytesIO(client.videos.download_content(video.id, variant="spritesheet").read()))
    first = np.asarray(sheet.convert("RGB"))[:24, :24].mean()  # of the first cell
    red = np.broadcast_to(np.array([200, 30, 30], np.float32) / 127.5 - 1, (1, 32, 32, 3))
    shown = decode(tiny_bundle.tokenizer, encode(tiny_bundle.tokenizer, torch.from_numpy(red.copy())))
    assert first == pytest.approx(float((shown.mean() + 1) * 127.5), abs=12)


def test_the_same_seed_is_the_same_video(client):
    sheets = []
    for seed in (11, 11, 12):
        video = client.videos.create(prompt=PROMPT, seconds="1", extra_body={"seed": seed})
        assert client.videos.poll(video.id).seed == seed
        sheet = client.videos.download_content(video.id, variant="spritesheet").read()
        sheets.append(np.asarray(Image.open(io.BytesIO(sheet)), np.float32))
    assert np.array_equal(sheets[0], sheets[1])
    assert np.abs(sheets[0] - sheets[2]).mean() > 5


def test_list_goes_page_by_page(client, finished):
    ids = [client.videos.create(prompt=PROMPT, seconds="1", extra_body={"steps": 1}).id for _ in range(3)]
    page = client.videos.with_raw_response.list(limit=2).http_response.json()
    for one in page["data"]:
        valid(one)
    assert [one["id"] for one in page["data"]] == [ids[2], ids[1]]
    assert (page["first_id"], page["last_id"], page["has_more"], page["object"]) == (ids[2], ids[1], True, "list")
    rest = [video.id for video in client.videos.list(limit=2, after=ids[1])]  # the client asks for all further pages
    assert rest[0] == ids[0]
    assert finished in rest
    assert [video.id for video in client.videos.list(order="asc", after=finished).data][-3:] == ids
    for video in ids:
        client.videos.poll(video)


def test_delete(client):
    video = client.videos.create_and_poll(prompt=PROMPT, seconds="1")
    VideoDeleteResponse.model_validate(client.videos.delete(video.id).model_dump(), strict=True)
    for call in (client.videos.retrieve, client.videos.delete, client.videos.download_content):
        with pytest.raises(openai.NotFoundError):
            call(video.id)


def test_remix(client, finished):
    raw = client.videos.with_raw_response.remix(finished, prompt="a blue ball bounces").http_response.json()
    assert valid(raw).remixed_from_video_id == finished
    completed(client, client.videos.poll(raw["id"]))


def test_extend_answers_the_stitched_total(client, finished):
    before = float(client.videos.retrieve(finished).seconds)
    made = client.videos.extend(prompt=PROMPT, seconds="4", video=b"", extra_body={"video": {"id": finished}})
    assert float(made.seconds) == before + 4
    video = completed(client, client.videos.poll(made.id))
    assert float(video.seconds) == pytest.approx(before + 4, abs=0.13)


def test_edit_a_file_and_a_video_by_id(client, finished):
    content = client.videos.download_content(finished).read()
    by_file = client.videos.edit(prompt="a blue ball bounces", video=("a.mp4", content, "video/mp4"))
    by_id = client.videos.edit(prompt="a blue ball bounces", video=b"", extra_body={"video": {"id": finished}})
    for made in (by_file, by_id):
        completed(client, client.videos.poll(made.id))


def test_characters(client, finished):
    content = client.videos.download_content(finished).read()
    made = client.videos.create_character(name="Budi", video=("a.mp4", content, "video/mp4"))
    VideoCreateCharacterResponse.model_validate(made.model_dump(), strict=True)
    found = client.videos.get_character(made.id)
    VideoGetCharacterResponse.model_validate(found.model_dump(), strict=True)
    assert (found.id, found.name) == (made.id, "Budi")
    video = client.videos.create(prompt=PROMPT, seconds="1", extra_body={"characters": [{"id": made.id}]})
    completed(client, client.videos.poll(video.id))
    with pytest.raises(openai.NotFoundError):
        client.videos.get_character("char_0")


def test_async(serving, finished):
    async def all_of_it():
        async with openai.AsyncOpenAI(base_url=f"{serving.url}/v1", api_key=KEY, max_retries=0) as client:
            video = await client.videos.create_and_poll(prompt=PROMPT, seconds="1")  # type: ignore[arg-type]
            assert video.status == "completed"
            assert (await client.videos.retrieve(video.id)).id == video.id
            assert video.id in [one.id async for one in client.videos.list()]
            content = await client.videos.download_content(video.id)
            assert content.read()[4:8] == b"ftyp"
            remixed = await client.videos.remix(video.id, prompt="a blue ball")
            edited = await client.videos.edit(prompt="a blue ball", video=("a.mp4", content.content, "video/mp4"))
            more = {"video": {"id": finished}}
            extended = await client.videos.extend(prompt=PROMPT, seconds="4", video=b"", extra_body=more)
            for made in (remixed, edited, extended):
                assert (await client.videos.poll(made.id)).status == "completed"
            character = await client.videos.create_character(name="Ani", video=("a.mp4", content.content, "video/mp4"))
            assert (await client.videos.get_character(character.id)).name == "Ani"
            assert (await client.videos.delete(video.id)).deleted

    asyncio.run(all_of_it())


def test_content_can_be_had_in_parts(http, finished):
    whole = http.get(f"/v1/videos/{finished}/content").content
    part = http.get(f"/v1/videos/{finished}/content", headers={"Range": "bytes=4-7"})
    assert (part.status_code, part.content) == (206, whole[4:8])


def test_the_video_says_what_made_it(client, finished, tmp_path, serving):
    from langit.provenance import verify

    path = tmp_path / "video.mp4"
    client.videos.download_content(finished).write_to_file(path)
    found = verify(path)
    assert found.credentials.state == "valid"
    content = path.read_bytes()
    for secret in (str(serving.data), "/home", "/root", "/tmp"):
        assert secret.encode() not in content  # of this machine nothing is told
