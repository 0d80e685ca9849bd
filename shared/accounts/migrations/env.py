"""Alembic's entry for the schema `accounts`."""

from shared.accounts.tables import metadata
from shared.migrations import run_migrations

run_migrations(metadata)
