"""Budgets that do not kill experiments: two ledgers, a ladder in place of a cliff, reservations."""
