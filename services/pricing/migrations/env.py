"""Alembic's entry for the schema `pricing`."""

from services.pricing import (
    adjustment_tables,
    agent_tables,
    cost_tables,
    envelope_tables,
    growth_tables,
    meter_tables,
    progressive_tables,
    run_tables,
    simulation_tables,
    spend_alert_tables,
    top_up_tables,
    wallet_tables,
)
from services.pricing.tables import metadata
from shared.migrations import run_migrations

# Importing the modules puts their tables into the metadata.
assert metadata is cost_tables.provider_price.metadata is wallet_tables.wallet.metadata
assert metadata is meter_tables.known_meter.metadata
assert metadata is progressive_tables.progressive_look.metadata
assert metadata is run_tables.run_part.metadata
assert metadata is agent_tables.agent_card.metadata
assert metadata is simulation_tables.simulation.metadata
assert metadata is spend_alert_tables.spend_alert.metadata
assert metadata is top_up_tables.top_up_order.metadata
assert metadata is envelope_tables.envelope.metadata
assert metadata is growth_tables.training.metadata
assert metadata is adjustment_tables.adjustment_setting.metadata
run_migrations(metadata)
