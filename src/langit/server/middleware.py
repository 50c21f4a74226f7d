"""Around every request: its id, its time, the size of its body, and an answer in the API's shape whatever happens."""

from __future__ import annotations

import json
import logging
import secrets
import time
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from langit.server.errors import ApiError
from langit.server.limits import MEGABYTE
from langit.server.metrics import Metrics

log = logging.getLogger("langit.api")


class Surround:
    """The outermost layer of the application."""

    def __init__(self, app: ASGIApp, metrics: Metrics, upload_mb: int) -> None:
        self.app, self.metrics, self.upload_mb = app, metrics, upload_mb

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, answered = time.perf_counter(), 0
        request_id = f"req_{secrets.token_hex(16)}"

        async def sending(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = message["status"]
                took = str(round((time.perf_counter() - started) * 1000))
                message["headers"] = [
                    *message.get("headers", ()),
                    (b"x-request-id", request_id.encode()),
                    (b"openai-processing-ms", took.encode()),
                    (b"x-content-type-options", b"nosniff"),
                ]
            await send(message)

        try:
            await self.app(scope, self._limited(scope, receive), sending)
        except ApiError as error:  # a body that grew too large while it was read
            if not answered:
                await _answer(sending, error)
        except Exception:
            log.exception("%s %s failed", scope["method"], request_id)
            if not answered:
                told = f"The server could not answer this; its log says why, under {request_id}."
                await _answer(sending, ApiError(500, told, code="internal_error", kind="server_error"))
        finally:
            route = getattr(scope.get("route"), "path", "none")
            self.metrics.observe(scope["method"], route, answered or 499, time.perf_counter() - started)

    def _limited(self, scope: Scope, receive: Receive) -> Receive:
        most, seen = self.upload_mb * MEGABYTE, 0
        told = ApiError(413, f"A request may have {self.upload_mb} MB; send less.", code="request_too_large")
        length = dict(scope["headers"]).get(b"content-length", b"0")

        async def receiving() -> Message:
            nonlocal seen
            if length.isdigit() and int(length) > most:
                raise told
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > most:
                raise told
            return message

        return receiving


async def _answer(send: Send, error: ApiError) -> None:
    content = json.dumps(error.body()).encode()
    headers: list[Any] = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    headers += [(key.lower().encode(), value.encode()) for key, value in error.headers.items()]
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
