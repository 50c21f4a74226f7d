"""Characters: who is seen in a video, kept as a picture that can open the videos to come."""

from __future__ import annotations

import time

import sqlalchemy as sa

from langit.server.body import Upload
from langit.server.errors import not_found
from langit.server.jobs import new_id
from langit.server.keys import Caller
from langit.server.limits import check_storage
from langit.server.references import References
from langit.server.schema import Character
from langit.server.tables import characters


def create_character(references: References, caller: Caller, name: str, upload: Upload) -> Character:
    """Keep the first frame of the uploaded video under a name."""
    identifier, now = new_id("char"), int(time.time())
    key = f"characters/{identifier}/picture.png"
    with references.temporary(".png") as picture:
        references.decoded(caller, "frame", upload.path, picture, "video")
        size = references.storage.put(key, picture)
    try:
        with references.database.write() as connection:
            check_storage(connection, caller, size)
            connection.execute(
                characters.insert().values(
                    id=identifier, owner=caller.owner, name=name, key=key, bytes=size, created_at=now
                )
            )
    except BaseException:
        references.storage.remove(f"characters/{identifier}")
        raise
    return Character(id=identifier, name=name, created_at=now)


def find_character(references: References, caller: Caller, identifier: str) -> Character:
    query = sa.select(characters).where(characters.c.id == identifier, characters.c.owner == caller.owner)
    with references.database.read() as connection:
        row = connection.execute(query).first()
    if row is None:
        raise not_found("character", identifier)
    return Character(id=row.id, name=row.name, created_at=row.created_at)
