"""Charges as JSON, by what their price depends on."""
