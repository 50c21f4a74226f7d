"""Keys: made, listed, revoked; only their digest is stored."""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from langit.server.database import Database
from langit.server.settings import Limits
from langit.server.tables import keys
from langit.types import InputError

PREFIX = "sk-langit-"
ENVIRONMENT = "LANGIT_API_KEY"
KEYLESS = "local"
"""The owner of what is made without a key, where that is allowed."""


@dataclass(frozen=True)
class Caller:
    """Who sends a request."""

    owner: str
    limits: Limits


@dataclass(frozen=True)
class Key:
    """A key as it is listed: never the key itself."""

    id: str
    name: str
    hint: str
    created_at: int
    revoked_at: int | None


def create_key(database: Database, name: str, limits: dict[str, int] | None = None) -> str:
    """Make a key and give it back: the only time it is seen."""
    if not name.strip():
        raise InputError("A key needs a name, such as the program that will use it.")
    secret = PREFIX + secrets.token_urlsafe(32)
    with database.write() as connection:
        connection.execute(
            keys.insert().values(
                id=_owner(secret),
                name=name.strip(),
                digest=_digest(secret),
                hint=f"{PREFIX}...{secret[-4:]}",
                limits=limits or {},
                created_at=int(time.time()),
            )
        )
    return secret


def list_keys(database: Database) -> list[Key]:
    columns = (keys.c.id, keys.c.name, keys.c.hint, keys.c.created_at, keys.c.revoked_at)
    with database.read() as connection:
        return [Key(*row) for row in connection.execute(sa.select(*columns).order_by(keys.c.created_at, keys.c.id))]


def revoke_key(database: Database, identifier: str) -> None:
    """Refuse the key from now on; its videos stay. `InputError` when there is no such key."""
    with database.write() as connection:
        done = connection.execute(
            keys.update()
            .where(keys.c.id == identifier, keys.c.revoked_at.is_(None))
            .values(revoked_at=int(time.time()))
        )
    if done.rowcount == 0:
        raise InputError(f"There is no key {identifier!r} in force; `langit keys list` shows them.")


def authenticate(database: Database, secret: str, limits: Limits) -> Caller | None:
    """Whose key this is; None when it is nobody's or was revoked."""
    given = os.environ.get(ENVIRONMENT)
    if given and secrets.compare_digest(given.encode(), secret.encode()):
        return Caller(_owner(secret), limits)
    query = sa.select(keys.c.id, keys.c.limits).where(keys.c.digest == _digest(secret), keys.c.revoked_at.is_(None))
    with database.read() as connection:
        row = connection.execute(query).first()
    return None if row is None else Caller(row.id, _with(limits, row.limits))


def _with(limits: Limits, own: dict[str, Any]) -> Limits:
    return limits.model_copy(update=own)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _owner(secret: str) -> str:
    return f"key_{_digest(secret)[:24]}"
