"""/v1/webhook_endpoints: where events are sent. The secret is shown once, when the endpoint is made."""

from __future__ import annotations

import time
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Query

from langit.server.context import Server, TheBody, TheCaller, TheServer
from langit.server.errors import invalid, not_found
from langit.server.jobs import Row, new_id
from langit.server.keys import Caller
from langit.server.openapi import takes
from langit.server.routes_files import page
from langit.server.schema import Deleted, EndpointCreate
from langit.server.tables import deliveries, endpoints
from langit.server.webhooks import new_secret
from langit.types import InputError

router = APIRouter(prefix="/v1", tags=["webhooks"])
MOST_ENDPOINTS = 20


@router.post("/webhook_endpoints", openapi_extra=takes(EndpointCreate))
def create_endpoint(server: TheServer, caller: TheCaller, body: TheBody) -> dict[str, Any]:
    """Send events to an address from now on. The answer holds the secret that signs them, this once."""
    parsed = body.parse(EndpointCreate)
    try:
        server.outside.check(parsed.url)
    except InputError as error:
        raise invalid(str(error), "url") from error
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


@router.delete("/webhook_endpoints/{endpoint_id}")
def delete_endpoint(server: TheServer, caller: TheCaller, endpoint_id: str) -> Deleted:
    """Send no more events there."""
    _find(server, caller, endpoint_id)
    with server.database.write() as connection:
        connection.execute(deliveries.delete().where(deliveries.c.endpoint_id == endpoint_id))
        connection.execute(endpoints.delete().where(endpoints.c.id == endpoint_id))
    return Deleted(id=endpoint_id, object="webhook_endpoint.deleted")


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
        "signing_secret_hint": f"whsec_...{row['secret'][-4:]}",
    }
