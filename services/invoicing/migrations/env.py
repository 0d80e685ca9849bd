"""Alembic's entry for the schema `invoicing`."""

from services.invoicing.tables import metadata
from shared.migrations import run_migrations

run_migrations(metadata)
