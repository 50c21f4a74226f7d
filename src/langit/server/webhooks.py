"""Webhooks: events of videos, signed as Standard Webhooks says, delivered by the workers and tried again.

The signature is that of https://github.com/standard-webhooks/standard-webhooks (v1, HMAC-SHA256), which is OpenAI's.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from typing import Any

import sqlalchemy as sa

from langit.server.queues import WEBHOOKS, Queues
from langit.server.tables import deliveries, endpoints

EVENT_TYPES = ("video.completed", "video.failed", "batch.completed", "batch.failed", "batch.cancelled")


OLD_SECRET_SECONDS = 24 * 3600


def new_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def rotated(secret: str, keep_old: bool) -> str:
    """A new secret, beside which the old one signs for a day if `keep_old`, as an endpoint's row holds them."""
    old = _in_force(secret)[0]
    return f"{new_secret()} {old} {int(time.time()) + OLD_SECRET_SECONDS}" if keep_old else new_secret()


def signed_headers(secret: str, identifier: str, payload: str, now: float | None = None) -> dict[str, str]:
    """The headers that let the receiver know who sent this, and when."""
    stamp = str(int(time.time() if now is None else now))
    signatures = []
    for one in _in_force(secret):
        key = base64.b64decode(one.removeprefix("whsec_"))
        digest = hmac.new(key, f"{identifier}.{stamp}.{payload}".encode(), hashlib.sha256).digest()
        signatures.append(f"v1,{base64.b64encode(digest).decode()}")
    return {
        "webhook-id": identifier,
        "webhook-timestamp": stamp,
        "webhook-signature": " ".join(signatures),
        "content-type": "application/json",
    }


def _in_force(secret: str) -> list[str]:
    new, *old = secret.split()
    return [new, old[0]] if old and int(old[1]) > time.time() else [new]


def event_payload(identifier: str, kind: str, subject: str) -> str:
    event: dict[str, Any] = {
        "id": identifier,
        "object": "event",
        "created_at": int(time.time()),
        "type": kind,
        "data": {"id": subject},
    }
    return json.dumps(event, separators=(",", ":"))


def announce(connection: sa.Connection, queues: Queues, owner: str, kind: str, subject: str) -> None:
    """Queue an event to every endpoint of the owner that wants it, in this transaction."""
    wanted = connection.execute(
        sa.select(endpoints.c.id, endpoints.c.event_types).where(endpoints.c.owner == owner)
    ).all()
    for endpoint in wanted:
        if kind not in endpoint.event_types:
            continue
        event = f"evt_{secrets.token_hex(16)}"
        connection.execute(
            deliveries.insert().values(
                id=event,
                endpoint_id=endpoint.id,
                payload=event_payload(event, kind, subject),
                attempts=0,
                created_at=int(time.time()),
            )
        )
        queues.add(connection, WEBHOOKS, event)
