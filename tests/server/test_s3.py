"""The storage on an S3-compatible server that runs on this machine (pip install "langit[s3]" "moto[server]")."""

from __future__ import annotations

import pytest

from langit.server.storage import Storage

pytest.importorskip("s3fs", reason='S3 needs s3fs: pip install "langit[s3]"')
server_of = pytest.importorskip("moto.server", reason='the local S3 is moto: pip install "moto[server]"')


@pytest.mark.filterwarnings("ignore")
def test_files_on_s3(tmp_path, monkeypatch):
    server = server_of.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
    }.items():
        monkeypatch.setenv(name, value)
    try:
        storage = Storage("s3://langit/files")
        storage.files.mkdir("langit")
        source = tmp_path / "source"
        source.write_bytes(b"0123456789")
        assert storage.put("videos/a/b/video.mp4", source) == 10
        assert storage.local_path("videos/a/b/video.mp4") is None
        assert b"".join(storage.read("videos/a/b/video.mp4", 2, 5)) == b"234"
        assert storage.children("videos/a") == ["b"]
        storage.remove("videos/a")
        storage.remove("videos/a")
        with pytest.raises(FileNotFoundError):
            storage.fetch("videos/a/b/video.mp4", tmp_path / "back")
    finally:
        server.stop()
