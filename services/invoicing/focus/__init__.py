"""Billed invoices as FOCUS 1.2 rows (FinOps Open Cost and Usage Specification)."""
