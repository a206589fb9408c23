"""What Alembic runs around the migrations."""

from __future__ import annotations

from alembic import context
from sqlalchemy import create_engine, event
from sqlalchemy.pool import NullPool

from panotti.storage.models import VERSION_TABLE, metadata

engine = create_engine(f"sqlite:///{context.config.attributes['database']}", poolclass=NullPool)
# Two servers that start on one file: the second waits, then finds the work done.
event.listen(engine, "connect", lambda connection, _: setattr(connection, "isolation_level", None))
event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))

with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=metadata, version_table=VERSION_TABLE)
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
