"""/v1/webhook_endpoints: where events are sent. The secret is shown once, when the endpoint is made."""

from __future__ import annotations

import secrets
import time
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Query

from langit.server.context import Server, TheBody, TheCaller, TheServer
from langit.server.delivery import send
from langit.server.errors import ApiError, invalid, not_found
from langit.server.jobs import Row, new_id
from langit.server.keys import Caller
from langit.server.openapi import takes
from langit.server.routes_files import page
from langit.server.schema import Deleted, EndpointCreate, EndpointRotate, EndpointTest, EndpointUpdate
from langit.server.tables import deliveries, endpoints
from langit.server.webhooks import event_payload, new_secret, rotated
from langit.types import InputError

router = APIRouter(prefix="/v1", tags=["webhooks"])
MOST_ENDPOINTS = 20


@router.post("/webhook_endpoints", openapi_extra=takes(EndpointCreate))
def create_endpoint(server: TheServer, caller: TheCaller, body: TheBody) -> dict[str, Any]:
    """Send events to an address from now on. The answer holds the secret that signs them, this once."""
    parsed = body.parse(EndpointCreate)
    _check(server, parsed.url)
    secret, now = new_secret(), int(time.time())
    row = {
        "id": new_id("we"),
        "owner": caller.owner,
        "name": parsed.name,
        "url": parsed.url,
        "event_types": list(parsed.event_types),
        "secret": secret,
        "created_at": now,
        "updated_at": now,
    }
    with server.database.write() as connection:
        counted = sa.select(sa.func.count()).select_from(endpoints).where(endpoints.c.owner == caller.owner)
        if connection.execute(counted).scalar_one() >= MOST_ENDPOINTS:
            raise invalid(
                f"A key has at most {MOST_ENDPOINTS} webhook endpoints; delete one.", None, "too_many_endpoints"
            )
        connection.execute(endpoints.insert().values(**row))
    return {**_shown(row), "signing_secret": secret}


@router.get("/webhook_endpoints")
def list_endpoints(
    server: TheServer,
    caller: TheCaller,
    after: Annotated[str | None, Query(max_length=100)] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> dict[str, Any]:
    """The webhook endpoints of this key."""
    query = sa.select(endpoints).where(endpoints.c.owner == caller.owner)
    if after is not None:
        query = query.where(endpoints.c.number < _find(server, caller, after)["number"])
    with server.database.read() as connection:
        rows = list(connection.execute(query.order_by(endpoints.c.number.desc()).limit(limit + 1)).mappings())
    return page([_shown(row) for row in rows[:limit]], len(rows) > limit)


@router.get("/webhook_endpoints/{endpoint_id}")
def retrieve_endpoint(server: TheServer, caller: TheCaller, endpoint_id: str) -> dict[str, Any]:
    """A webhook endpoint."""
    return _shown(_find(server, caller, endpoint_id))


@router.post("/webhook_endpoints/{endpoint_id}", openapi_extra=takes(EndpointUpdate))
def update_endpoint(server: TheServer, caller: TheCaller, body: TheBody, endpoint_id: str) -> dict[str, Any]:
    """Change a webhook endpoint's name, address or events."""
    changes = body.parse(EndpointUpdate).model_dump(exclude_none=True)
    row = _find(server, caller, endpoint_id)
    if "url" in changes:
        _check(server, changes["url"])
    if any(row[name] != value for name, value in changes.items()):
        _change(server, endpoint_id, changes)
    return _shown(_find(server, caller, endpoint_id))


@router.post("/webhook_endpoints/{endpoint_id}/rotate_secret", openapi_extra=takes(EndpointRotate))
def rotate_secret(server: TheServer, caller: TheCaller, body: TheBody, endpoint_id: str) -> dict[str, Any]:
    """Sign with another secret from now on, for a day also with the one before if asked. The answer holds it, this once."""
    keep_old = body.parse(EndpointRotate).keep_old_secret_active_for_24_hours
    secret = rotated(_find(server, caller, endpoint_id)["secret"], keep_old)
    _change(server, endpoint_id, {"secret": secret})
    return {**_shown(_find(server, caller, endpoint_id)), "signing_secret": secret.split()[0]}


@router.post("/webhook_endpoints/{endpoint_id}/test", openapi_extra=takes(EndpointTest))
async def send_a_test(server: TheServer, caller: TheCaller, body: TheBody, endpoint_id: str) -> dict[str, Any]:
    """Send an event of nothing to a webhook endpoint, once, and tell what it answered."""
    kind = body.parse(EndpointTest).event_type
    return await server.make(lambda: _tested(server, caller, endpoint_id, kind))


def _tested(server: Server, caller: Caller, endpoint_id: str, kind: str) -> dict[str, Any]:
    row, event = _find(server, caller, endpoint_id), f"evt_{secrets.token_hex(16)}"
    payload = event_payload(event, kind, f"{kind.partition('.')[0]}_test")
    try:
        status = send(server.outside, row["url"], row["secret"], event, payload)
    except InputError as error:
        raise ApiError(424, str(error), code="webhook_unreachable") from error
    return {
        "object": "webhook_endpoint.test",
        "webhook_endpoint_id": endpoint_id,
        "event_type": kind,
        "status_code": status,
        "success": True,
    }


@router.delete("/webhook_endpoints/{endpoint_id}")
def delete_endpoint(server: TheServer, caller: TheCaller, endpoint_id: str) -> Deleted:
    """Send no more events there."""
    _find(server, caller, endpoint_id)
    with server.database.write() as connection:
        connection.execute(deliveries.delete().where(deliveries.c.endpoint_id == endpoint_id))
        connection.execute(endpoints.delete().where(endpoints.c.id == endpoint_id))
    return Deleted(id=endpoint_id, object="webhook_endpoint.deleted")


def _check(server: Server, url: str) -> None:
    try:
        server.outside.check(url)
    except InputError as error:
        raise invalid(str(error), "url") from error


def _change(server: Server, identifier: str, values: dict[str, Any]) -> None:
    with server.database.write() as connection:
        connection.execute(
            endpoints.update().where(endpoints.c.id == identifier).values(**values, updated_at=int(time.time()))
        )


def _find(server: Server, caller: Caller, identifier: str) -> Row:
    query = sa.select(endpoints).where(endpoints.c.id == identifier, endpoints.c.owner == caller.owner)
    with server.database.read() as connection:
        row = connection.execute(query).mappings().first()
    if row is None:
        raise not_found("webhook endpoint", identifier)
    return row


def _shown(row: Any) -> dict[str, Any]:
    return {
        "id": row["id"],
        "object": "webhook_endpoint",
        "name": row["name"],
        "url": row["url"],
        "event_types": row["event_types"],
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
        "signing_secret_hint": f"whsec_...{row['secret'].split()[0][-4:]}",
    }
