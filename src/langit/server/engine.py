"""The process that holds the models: told what to make over a pipe, it makes it and answers. Nothing else imports torch.

It knows neither database nor network. It ends by itself when the worker at the other end of the pipe is gone.

| to it | from it |
|---|---|
| | ("ready", {installed model: what it can make}, [verbs]) |
| ("make", job, folder) | ("progress", done, of) again and again, then one of the four below |
| ("watch", whether to show previews) | ("preview", webp) while that is so |
| | ("made", outcome), ("refused", code, message), ("failed", code, message), ("cancelled",) |
| ("cancel",) | |
"""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langit.catalog import Bundle


class _Cancelled(Exception):
    pass


def main() -> None:
    """python -m langit.server.engine FD DEVICE MODEL..."""
    connection = Connection(int(sys.argv[1]))
    device, models = sys.argv[2], sys.argv[3:]
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the worker, which then closes the pipe
    try:
        connection.send(_introduction(models, device))
        while True:
            message = connection.recv()
            if message[0] == "make":
                connection.send(_answer(connection, message[1], Path(message[2]), device))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        os._exit(0)


def _introduction(models: list[str], device: str) -> tuple[Any, ...]:
    from langit.catalog import load
    from langit.server.rendering import VERBS
    from langit.types import InputError

    try:
        return "ready", {model: _reach(load(model, device)) for model in models}, list(VERBS)
    except (InputError, OSError) as error:
        return "unusable", str(error)


def _reach(bundle: Bundle) -> dict[str, Any]:
    from langit.planning import MAX_SECONDS

    config, native = bundle.config, bundle.config.native
    across, down = (config.stride[axis] * config.patch[axis] for axis in (2, 1))
    return {
        "width": native.width,
        "height": native.height,
        "seconds": (native.frames - 1 if native.frames > 1 else 1) / native.fps,
        "fps": native.fps,
        "max_seconds": MAX_SECONDS,
        "max_pixels": native.max_pixels,
        "max_aspect": native.max_aspect,
        "step": (across, down),
        "steps": config.sampling.steps,
        "has_quick_weights": bundle.quick is not None,
        "name": config.name,
        "licence": config.licence,
    }


def _answer(connection: Connection, job: dict[str, Any], folder: Path, device: str) -> tuple[Any, ...]:
    from langit.catalog import load
    from langit.server.previews import Previews
    from langit.server.rendering import Refusal, render
    from langit.types import InputError

    previews = Previews(load(job["model"], device), lambda picture: connection.send(("preview", picture)))

    def on_step(done: int, steps: int) -> None:
        connection.send(("progress", done, steps))
        while connection.poll():
            told = connection.recv()
            if told[0] == "cancel":
                raise _Cancelled
            previews.watch(told[1])
        previews.step()

    started = time.perf_counter()
    try:
        outcome = render(job, folder, device, on_step)
    except _Cancelled:
        return ("cancelled",)
    except Refusal as refusal:
        return "refused", refusal.code, str(refusal)
    except InputError as error:
        return "refused", "invalid_value", str(error)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        raise
    except Exception as error:
        traceback.print_exc()
        if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and "memory" in str(error)):
            return (
                "failed",
                "out_of_memory",
                "There was not enough memory for this; ask for a smaller size or fewer seconds.",
            )
        return (
            "failed",
            "internal_error",
            "The video could not be made for a reason that is the server's; it is in its log.",
        )
    finally:
        previews.watch(False)
    return "made", {**outcome, "compute_seconds": time.perf_counter() - started}


if __name__ == "__main__":
    main()
