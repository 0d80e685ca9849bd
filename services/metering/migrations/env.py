"""Alembic's entry for the schema `metering`."""

from services.metering.tables import metadata
from shared.migrations import run_migrations

run_migrations(metadata)
