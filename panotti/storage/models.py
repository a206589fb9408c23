"""The schema. Times of recordings are RFC 3339 text in UTC; times of credentials, seconds since the epoch."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

VERSION_TABLE = "migrations"
metadata = MetaData()
# SQLite numbers rows by its INTEGER alone, which has 64 bits there; PostgreSQL's has 32.
RowId = BigInteger().with_variant(Integer, "sqlite")

# Made by whoever migrates, as Alembic makes its own table: an older release reads here whether it can serve.
schema_history = Table(
    "schema_history",
    metadata,
    Column("revision", String(32), primary_key=True),
    Column("phase", String(16), nullable=False),
    Column("applied_at", Float, nullable=False),
)

recordings = Table(
    "recordings",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("tenant", String(64), nullable=False),
    Column("recording_id", String(128), nullable=False),
    Column("state", String(16), nullable=False),
    Column("started_at", String(40)),
    Column("ended_at", String(40)),
    Column("created_at", String(40), nullable=False),
    Column("updated_at", String(40), nullable=False),
    UniqueConstraint("tenant", "recording_id", name="recordings_by_tenant_and_recording"),
    Index("recordings_by_tenant", "tenant", "id"),
    sqlite_autoincrement=True,
)

recording_events = Table(
    "recording_events",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("tenant", String(64), nullable=False),
    Column("recording_id", String(128), nullable=False),
    Column("event_id", String(255), nullable=False),
    Column("event", String(32), nullable=False),
    Column("occurred_at", String(40), nullable=False),
    Column("received_at", String(40), nullable=False),
    Column("principal", String(64), nullable=False),
    Column("system_audio_path", Text),
    Column("microphone_audio_path", Text),
    Column("metadata", Text),
    Index("recording_events_by_recording", "tenant", "recording_id", "id"),
    sqlite_autoincrement=True,
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("tenant", String(64), primary_key=True),
    Column("principal", String(64), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("answer", LargeBinary, nullable=False),
    Column("created_at", Float, nullable=False, index=True),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("principal", String(64), nullable=False),
    Column("tenant", String(64), nullable=False),
    Column("role", String(16), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("rotated_from", String(32)),
    Column("revoked_at", Float),
)

users = Table(
    "users",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("username", String(64), nullable=False, unique=True),
    Column("password_hash", Text, nullable=False),
    Column("role", String(16), nullable=False),
    Column("tenant", String(64), nullable=False),
    Column("created_at", Float, nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("created_at", Float, nullable=False),
    Column("last_seen_at", Float, nullable=False),
)

token_families = Table(
    "token_families",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("key_id", String(32), nullable=False, index=True),
    Column("principal", String(64), nullable=False),
    Column("tenant", String(64), nullable=False),
    Column("role", String(16), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("revoked_at", Float),
)

refresh_tokens = Table(
    "refresh_tokens",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("family_id", ForeignKey("token_families.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("used_at", Float),
)
