"""`langit serve`, `langit worker` and `langit keys`. Nothing heavy is imported before a command runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from langit.commands.terminal import console

Data = Annotated[Path, typer.Option("--data", help="Folder of the server: settings, database, files.", metavar="DIR")]
DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        "--database-url",
        help="postgresql://user:password@host/name, to share it between machines.",
        show_default="SQLite in --data",
        metavar="URL",
    ),
]
StorageUrl = Annotated[
    str | None,
    typer.Option(
        "--storage-url",
        help="Where the videos are kept: a folder, or s3://bucket/prefix.",
        show_default="a folder in --data",
        metavar="URL",
    ),
]
Devices = Annotated[
    list[str] | None,
    typer.Option(
        "--device",
        help="Where models run, such as cpu or cuda:0; repeat for several.",
        show_default="cpu",
        metavar="NAME",
    ),
]
keys_app = typer.Typer(name="keys", no_args_is_help=True, help="Make, list and revoke the keys of the server.")


def serve(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any that is free.", metavar="PORT")] = 8000,
    host: Annotated[
        str, typer.Option(help="127.0.0.1 for this machine alone, 0.0.0.0 for all that reach it.", metavar="HOST")
    ] = "127.0.0.1",
    data: Data = Path("langit-data"),
    database_url: DatabaseUrl = None,
    storage_url: StorageUrl = None,
    device: Devices = None,
    worker: Annotated[bool, typer.Option(help="Whether to start a worker beside the API.")] = True,
    no_key: Annotated[
        bool, typer.Option("--no-key", help="Take requests without a key; only on this machine.")
    ] = False,
) -> None:
    """Serve OpenAI's Videos API from this machine, with everything it needs."""
    from langit.server.commands import ServeOptions
    from langit.server.commands import serve as run

    options = ServeOptions(
        data, host, port, database_url, storage_url, tuple(device or ["cpu"]), worker=worker, keyless=no_key
    )
    run(options, _say)


def worker(
    data: Data = Path("langit-data"),
    database_url: DatabaseUrl = None,
    storage_url: StorageUrl = None,
    device: Devices = None,
    ends_with_stdin: Annotated[
        bool, typer.Option("--ends-with-stdin", hidden=True, help="End when the standard input does.")
    ] = False,
) -> None:
    """Make the videos of a server, on this machine or on others beside it."""
    from langit.server.commands import work

    work(data, database_url, storage_url, device or ["cpu"], ends_with_stdin)


@keys_app.command("create")
def keys_create(
    name: Annotated[str, typer.Argument(help="Who or what will use it.", metavar="NAME")],
    data: Data = Path("langit-data"),
    database_url: DatabaseUrl = None,
    requests_per_minute: Annotated[int | None, typer.Option(min=1, show_default="langit.toml", metavar="COUNT")] = None,
    queued_videos: Annotated[int | None, typer.Option(min=1, show_default="langit.toml", metavar="COUNT")] = None,
    storage_mb: Annotated[int | None, typer.Option(min=1, show_default="langit.toml", metavar="COUNT")] = None,
) -> None:
    """Make a key and print it, this once."""
    from langit.server.commands import create

    limits = {"requests_per_minute": requests_per_minute, "queued_videos": queued_videos, "storage_mb": storage_mb}
    create(data, database_url, name, {key: value for key, value in limits.items() if value is not None}, _say)


@keys_app.command("list")
def keys_list(data: Data = Path("langit-data"), database_url: DatabaseUrl = None) -> None:
    """Show the keys there are, but not the keys themselves."""
    from langit.server.commands import show

    show(data, database_url, _say)


@keys_app.command("revoke")
def keys_revoke(
    identifier: Annotated[str, typer.Argument(help="The key's id, from `langit keys list`.", metavar="ID")],
    data: Data = Path("langit-data"),
    database_url: DatabaseUrl = None,
) -> None:
    """Refuse a key from now on."""
    from langit.server.commands import revoke

    revoke(data, database_url, identifier, _say)


def _say(text: str) -> None:
    console.print(text, markup=False)
