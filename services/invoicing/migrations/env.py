"""Alembic's entry for the schema `invoicing`."""

from services.invoicing import webhook_tables
from services.invoicing.tables import metadata
from shared.migrations import run_migrations

# Importing the module puts its tables into the metadata.
assert metadata is webhook_tables.webhook_endpoint.metadata
run_migrations(metadata)
