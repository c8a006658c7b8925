"""Runs migrations on the connection that `moves.migrate` hands over; Alembic loads this file by its name."""

from __future__ import annotations

from alembic import context

context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
context.run_migrations()
