"""Delivering webhooks: one attempt is one piece of queued work, and a failed one queues the next for later."""

from __future__ import annotations

import logging
import time

import sqlalchemy as sa

from langit.server.database import Database
from langit.server.fetching import Outside
from langit.server.queues import WEBHOOKS, Queues
from langit.server.tables import deliveries, endpoints
from langit.server.webhooks import signed_headers
from langit.types import InputError

log = logging.getLogger("langit.webhooks")
MOST_ANSWER_BYTES = 64 * 1024


class Delivery:
    """Sends events to the endpoints that wait for them."""

    def __init__(self, database: Database, queues: Queues, outside: Outside, delays: tuple[float, ...]) -> None:
        self.database, self.queues, self.outside, self.delays = database, queues, outside, delays

    def deliver(self, identifier: str) -> None:
        """One attempt. `identifier` is the event's id, and from the second attempt on a dot and a number."""
        event = identifier.partition(".")[0]
        query = (
            sa.select(deliveries, endpoints.c.url, endpoints.c.secret)
            .join(endpoints, endpoints.c.id == deliveries.c.endpoint_id)
            .where(deliveries.c.id == event)
        )
        with self.database.read() as connection:
            row = connection.execute(query).first()
        if row is None or row.delivered_at is not None:  # the endpoint was deleted, or this was done before a crash
            return
        try:
            answer = str(send(self.outside, row.url, row.secret, event, row.payload))
        except InputError as error:
            answer = str(error)
        arrived = answer.startswith("2")
        with self.database.write() as connection:
            connection.execute(
                deliveries.update()
                .where(deliveries.c.id == event)
                .values(
                    attempts=deliveries.c.attempts + 1,
                    answer=answer[:500],
                    delivered_at=int(time.time()) if arrived else None,
                )
            )
            attempt = row.attempts
            if not arrived and attempt < len(self.delays):
                self.queues.add(connection, WEBHOOKS, f"{event}.{attempt + 2}", self.delays[attempt])
        if not arrived:
            log.warning("webhook %s, attempt %d: %s", event, attempt + 1, answer)


def send(outside: Outside, url: str, secret: str, event: str, payload: str) -> int:
    """The status that the endpoint answered; `InputError` where it may not or cannot be called. No redirect is followed."""
    headers = {**signed_headers(secret, event, payload), "user-agent": "langit"}
    return outside.call("POST", url, headers, payload.encode(), MOST_ANSWER_BYTES).status
