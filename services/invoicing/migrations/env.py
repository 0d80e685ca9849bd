"""Alembic's entry for the schema `invoicing`."""

from services.invoicing import (
    adjustment_tables,
    correction_tables,
    revision_tables,
    tax_tables,
    webhook_tables,
)
from services.invoicing.tables import metadata
from shared.migrations import run_migrations

# Importing the modules puts their tables into the metadata.
assert metadata is webhook_tables.webhook_endpoint.metadata
assert metadata is correction_tables.invoice_standing.metadata
assert metadata is tax_tables.invoice_tax.metadata
assert metadata is revision_tables.invoice_revision.metadata
assert metadata is adjustment_tables.credited_adjustment.metadata
run_migrations(metadata)
