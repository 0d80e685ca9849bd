"""Tax of invoices: rates and settings, what a draft carries, what Stripe is told."""
