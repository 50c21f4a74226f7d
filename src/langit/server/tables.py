"""The rows of the server. They are in the database that DBOS has its queues in, so that one transaction can do both."""

from __future__ import annotations

import sqlalchemy as sa

VERSION = 1
"""Raised when the tables change; a server refuses a database that is newer than itself."""

metadata = sa.MetaData()
_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")  # SQLite counts up only what it calls INTEGER

versions = sa.Table("langit_version", metadata, sa.Column("version", sa.Integer, primary_key=True))

keys = sa.Table(
    "keys",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("digest", sa.String(64), nullable=False, unique=True),  # sha256; the key itself is never stored
    sa.Column("hint", sa.Text, nullable=False),
    sa.Column("limits", sa.JSON, nullable=False),  # what differs from langit.toml
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("revoked_at", sa.BigInteger),
)

videos = sa.Table(
    "videos",
    metadata,
    sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),  # the order of acceptance
    sa.Column("id", sa.String(64), nullable=False, unique=True),
    sa.Column("owner", sa.String(40), nullable=False),
    sa.Column("operation", sa.String(20), nullable=False),
    sa.Column("status", sa.String(12), nullable=False),
    sa.Column("progress", sa.Integer, nullable=False, default=0),
    sa.Column("model", sa.Text, nullable=False),  # as the request called it
    sa.Column("prompt", sa.Text, nullable=False),
    sa.Column("size", sa.String(24), nullable=False),
    sa.Column("seconds", sa.String(24), nullable=False),
    sa.Column("source_id", sa.String(64)),
    sa.Column("request", sa.JSON, nullable=False),  # what the engine is told
    sa.Column("notices", sa.JSON, nullable=False),
    sa.Column("error", sa.JSON(none_as_null=True)),
    sa.Column("files", sa.JSON(none_as_null=True)),  # variant -> {key, bytes, type}; set once, with "completed"
    sa.Column("stored_bytes", sa.BigInteger, nullable=False, default=0),
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("started_at", sa.BigInteger),
    sa.Column("completed_at", sa.BigInteger),
    sa.Column("expires_at", sa.BigInteger),
    sa.Index("videos_of_owner", "owner", "number"),
    sa.Index("videos_room_of_owner", "owner", "status", "stored_bytes"),  # what `limits` counts, without the rows
    sa.Index("videos_by_status", "status"),
    sa.Index("videos_by_expiry", "expires_at"),
    sqlite_autoincrement=True,
)

usage = sa.Table(  # what a finished video is billed as: its primary key lets no video be billed twice
    "usage",
    metadata,
    sa.Column("video_id", sa.String(64), primary_key=True),
    sa.Column("owner", sa.String(40), nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("video_seconds", sa.Float, nullable=False),
    sa.Column("compute_seconds", sa.Float, nullable=False),
    sa.Column("finished_at", sa.BigInteger, nullable=False),
)

idempotency = sa.Table(
    "idempotency",
    metadata,
    sa.Column("owner", sa.String(40), primary_key=True),
    sa.Column("key", sa.String(255), primary_key=True),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("video_id", sa.String(64), nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
)

files = sa.Table(
    "files",
    metadata,
    sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(64), nullable=False, unique=True),
    sa.Column("owner", sa.String(40), nullable=False),
    sa.Column("purpose", sa.String(24), nullable=False),
    sa.Column("filename", sa.Text, nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Index("files_of_owner", "owner", "number"),
    sqlite_autoincrement=True,
)

characters = sa.Table(
    "characters",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("owner", sa.String(40), nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
)

endpoints = sa.Table(
    "webhook_endpoints",
    metadata,
    sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(64), nullable=False, unique=True),
    sa.Column("owner", sa.String(40), nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("event_types", sa.JSON, nullable=False),
    sa.Column(
        "secret", sa.Text, nullable=False
    ),  # in clear: it signs; the one before it may follow, see webhooks.rotated
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("updated_at", sa.BigInteger, nullable=False),
    sqlite_autoincrement=True,
)

previews = sa.Table(  # the latest picture of a video that is being made and watched; gone when it ends
    "previews",
    metadata,
    sa.Column("video_id", sa.String(64), primary_key=True),
    sa.Column("watched_at", sa.Float, nullable=False),
    sa.Column("number", sa.Integer, nullable=False, default=0),
    sa.Column("picture", sa.LargeBinary),
)

deliveries = sa.Table(
    "webhook_deliveries",
    metadata,
    sa.Column("id", sa.String(96), primary_key=True),  # the webhook-id, the same in every attempt
    sa.Column("endpoint_id", sa.String(64), nullable=False),
    sa.Column("payload", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("answer", sa.Text),
    sa.Column("delivered_at", sa.BigInteger),
    sa.Column("created_at", sa.BigInteger, nullable=False),
)

batches = sa.Table(
    "batches",
    metadata,
    sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(64), nullable=False, unique=True),
    sa.Column("owner", sa.String(40), nullable=False),
    sa.Column("status", sa.String(12), nullable=False),
    sa.Column("body", sa.JSON, nullable=False),  # the batch as the API shows it, less its status
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sqlite_autoincrement=True,
)

workers = sa.Table(
    "workers",
    metadata,
    sa.Column("id", sa.String(255), primary_key=True),
    sa.Column("models", sa.JSON, nullable=False),  # installed model -> what it can make
    sa.Column("verbs", sa.JSON, nullable=False),
    sa.Column("started_at", sa.BigInteger, nullable=False),
    sa.Column("seen_at", sa.Float, nullable=False),
)

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("owner", sa.String(40), nullable=False),
    sa.Column("video_id", sa.String(64)),
    sa.Column("what", sa.Text, nullable=False),
    sa.Column("detail", sa.JSON, nullable=False),
    sqlite_autoincrement=True,
)
