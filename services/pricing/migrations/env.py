"""Alembic's entry for the schema `pricing`."""

from services.pricing.tables import metadata
from shared.migrations import run_migrations

run_migrations(metadata)
