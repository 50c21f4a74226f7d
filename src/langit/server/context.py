"""What every route works with, and who is calling."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, TypeVar

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool

from langit.server.batches import BatchRunner
from langit.server.body import Body, read_body
from langit.server.database import Database, database_url
from langit.server.errors import ApiError
from langit.server.fetching import Outside
from langit.server.intake import Fleet, Intake
from langit.server.jobs import Jobs
from langit.server.keys import KEYLESS, Caller, authenticate
from langit.server.limits import Rates
from langit.server.metrics import Metrics
from langit.server.queues import Queues
from langit.server.references import References
from langit.server.settings import Settings
from langit.server.storage import Storage, storage_url
from langit.server.watching import Watching

Result = TypeVar("Result")
MAKING_THREADS = 24
KEY_SECONDS = 1.0
"""A revoked key works for at most so long after it was revoked."""


@dataclass
class Server:
    """The parts of an API process."""

    data: Path
    settings: Settings
    keyless: bool = False  # whether requests without a key are taken: on loopback alone
    started: int = field(default_factory=lambda: int(time.time()))

    def __post_init__(self) -> None:
        settings = self.settings
        self.database = Database(database_url(self.data, settings.database_url))
        self.database.migrate()
        self.queues = Queues(self.database)
        self.storage = Storage(storage_url(self.data, settings.storage_url))
        self.jobs = Jobs(self.database, self.queues, self.storage, settings.keep.hours)
        self.outside = Outside(settings.network.allow)
        self.spool = Path(tempfile.mkdtemp(prefix="langit-api-"))
        self.references = References(self.database, self.storage, self.outside, self.spool)
        self.fleet = Fleet(self.database)
        policy = settings.provenance.policy_file(self.data)
        self.intake = Intake(settings, self.jobs, self.references, self.fleet, policy)
        self.batches = BatchRunner(self.database, self.queues, self.storage, self.jobs, self.intake, settings.limits)
        self.watching = Watching(self.jobs)
        self.rates, self.metrics = Rates(), Metrics(self.database)
        self._making = CapacityLimiter(MAKING_THREADS)
        self._callers: dict[str, tuple[float, Caller]] = {}

    def close(self) -> None:
        shutil.rmtree(self.spool, ignore_errors=True)
        self.queues.close()
        self.database.close()

    async def make(self, work: Callable[[], Result]) -> Result:
        """What `work` returns, in a thread of those that may take long: decoding never keeps a look at a video waiting."""
        return await run_sync(work, limiter=self._making)

    async def caller(self, authorization: str | None) -> Caller:
        """Whose request this is, counted against its rate; `ApiError` 401 or 429."""
        scheme, _, secret = (authorization or "").partition(" ")
        secret = secret.strip()
        if scheme.lower() != "bearer" or not secret:
            if not self.keyless:
                raise _unauthorized("You didn't provide an API key; send it as Authorization: Bearer KEY.")
            caller = Caller(KEYLESS, self.settings.limits)
        else:
            caller = await self._known(secret)
        self.rates.spend(caller)
        return caller

    async def _known(self, secret: str) -> Caller:
        now = time.monotonic()
        when, caller = self._callers.get(secret, (-KEY_SECONDS, None))
        if caller is not None and now - when < KEY_SECONDS:
            return caller
        found = await run_in_threadpool(authenticate, self.database, secret, self.settings.limits)
        if found is None:
            self._callers.pop(secret, None)
            if self.keyless:
                return Caller(KEYLESS, self.settings.limits)
            shown = f"{secret[:6]}...{secret[-2:]}" if len(secret) > 12 else "that"
            raise _unauthorized(
                f"Incorrect API key provided: {shown}. `langit keys list` shows the keys of this server."
            )
        if len(self._callers) > 10_000:
            self._callers.clear()
        self._callers[secret] = (now, found)
        return found


def _unauthorized(message: str) -> ApiError:
    return ApiError(401, message, code="invalid_api_key", headers={"WWW-Authenticate": "Bearer"})


async def server_of(request: Request) -> Server:  # async: FastAPI calls what is not in a thread
    server: Server = request.app.state.server
    return server


async def caller_of(request: Request) -> Caller:
    return await (await server_of(request)).caller(request.headers.get("authorization"))


async def body_of(request: Request) -> AsyncIterator[Body]:
    body = await read_body(request, (await server_of(request)).spool)
    try:
        yield body
    finally:
        body.discard()


TheServer = Annotated[Server, Depends(server_of)]
TheCaller = Annotated[Caller, Depends(caller_of)]
TheBody = Annotated[Body, Depends(body_of)]
