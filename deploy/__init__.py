"""How Tallyroll is run: containers, charts, dashboards and the local stack."""
